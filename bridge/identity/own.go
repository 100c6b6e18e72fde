package identity

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// An Own is our own certificate with its key. It does not change, so that several
// goroutines may share it. Printing it shows the certificate only.
type Own struct {
	chain []*x509.Certificate // the leaf, then who signed it, as far as we have them
	key   crypto.Signer
}

// Load reads a certificate, which others that signed it may follow, and its key.
func Load(certPEM, keyPEM []byte) (*Own, error) {
	return nil, errors.New("not there yet")
}

// Leaf is the certificate itself.
func (o *Own) Leaf() *x509.Certificate { return o.chain[0] }

// TLS returns what a handshake at the time of now is to use.
func (o *Own) TLS(now time.Time) (*tls.Certificate, error) {
	return nil, errors.New("not there yet")
}

// Format shows the certificate, whatever the verb. The receiver is a value so
// that a dereferenced pointer is covered too.
func (o Own) Format(w fmt.State, _ rune) { fmt.Fprint(w, o.text()) }

// MarshalText does the same for JSON and slog.
func (o Own) MarshalText() ([]byte, error) { return []byte(o.text()), nil }

func (o Own) text() string {
	if len(o.chain) == 0 {
		return "[no certificate]"
	}
	return fmt.Sprintf("[certificate of %q, %v]", label(o.chain[0]), Of(o.chain[0]))
}
