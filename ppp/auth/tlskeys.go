package auth

import (
	"crypto/tls"
	"fmt"
)

// TLSKeys are what an EAP-TLS exchange leaves (RFC 5216, section 2.3; RFC 9190,
// section 2.3): two keys that both ends have, and whose certificates stand behind
// them. They cannot be printed.
type TLSKeys struct {
	msk, emsk     [64]byte
	peer, auth    [32]byte
	authenticator bool
	version       uint16
}

// NewTLSKeys makes keys of TLS 1.3 without a handshake, for tests of what uses
// them.
func NewTLSKeys(msk, emsk [64]byte, peerCert, authCert [32]byte, authenticator bool) *TLSKeys {
	return &TLSKeys{msk, emsk, peerCert, authCert, authenticator, tls.VersionTLS13}
}

// MSK is the Master Session Key: MPPE starts from it.
func (k *TLSKeys) MSK() [64]byte { return k.msk }

// EMSK is the Extended Master Session Key. It goes to nobody but the key
// derivation of our own cipher.
func (k *TLSKeys) EMSK() [64]byte { return k.emsk }

// PeerCertificate is the SHA-256 of the DER certificate of the EAP peer, be that
// this end or the other.
func (k *TLSKeys) PeerCertificate() [32]byte { return k.peer }

// AuthenticatorCertificate is the same of the EAP authenticator.
func (k *TLSKeys) AuthenticatorCertificate() [32]byte { return k.auth }

// Authenticator tells whether this end was the EAP authenticator.
func (k *TLSKeys) Authenticator() bool { return k.authenticator }

// Version is tls.VersionTLS12 or tls.VersionTLS13.
func (k *TLSKeys) Version() uint16 { return k.version }

// Wipe implements [Keys].
func (k *TLSKeys) Wipe() { k.msk, k.emsk = [64]byte{}, [64]byte{} }

// Format keeps the keys out of logs, for every verb, as that of MasterKeys does.
func (TLSKeys) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[keys]") }

// MarshalText keeps the keys out of JSON and slog.
func (TLSKeys) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }
