package eaptls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// A Result is what a conversation that Succeeded leaves. It cannot be printed.
type Result struct {
	MSK, EMSK    [64]byte
	Ours, Theirs *x509.Certificate
	Version      uint16 // tls.VersionTLS12 or tls.VersionTLS13
}

// Format keeps the keys out of logs, for every verb.
func (Result) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the keys out of JSON and slog.
func (Result) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }

// typeEAPTLS is the context of the exporter in TLS 1.3 (RFC 9190, section 2.3).
const typeEAPTLS = 0x0d

// errNoExtendedMasterSecret is why there are no keys from a TLS 1.2 handshake
// whose master secret does not depend on the certificates: someone in the middle
// could have made the same keys with both ends.
var errNoExtendedMasterSecret = errors.New("peer's TLS is too old for safe keys: it has no extended master secret (RFC 7627)")

// An exporter is tls.ConnectionState.ExportKeyingMaterial.
type exporter func(label string, context []byte, length int) ([]byte, error)

// deriveKeys makes the keys of EAP (RFC 5216, section 2.3; RFC 9190, section 2.3).
// In TLS 1.3 the length is part of the derivation: MSK and EMSK are halves of one
// export, never two exports. An old TLS 1.3 leaves the context out.
func deriveKeys(version uint16, old bool, export exporter) (msk, emsk [64]byte, err error) {
	label, context := "client EAP encryption", []byte(nil)
	if version >= tls.VersionTLS13 {
		label, context = "EXPORTER_EAP_TLS_Key_Material", []byte{typeEAPTLS}
	}
	if old {
		context = nil
	}
	material, err := export(label, context, len(msk)+len(emsk))
	switch {
	case err != nil && version < tls.VersionTLS13:
		return msk, emsk, errNoExtendedMasterSecret
	case err != nil:
		return msk, emsk, fmt.Errorf("export the keys from TLS: %w", err)
	}
	copy(msk[:], material)
	copy(emsk[:], material[len(msk):])
	return msk, emsk, nil
}
