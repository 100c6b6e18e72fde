package identity

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// An Own is our own certificate with its key. It does not change, so that several
// goroutines may share it. Printing it shows the certificate only.
type Own struct {
	chain []*x509.Certificate // the leaf, then who signed it, as far as we have them
	key   crypto.Signer
}

// Load reads a certificate, which those that signed it may follow, and its key.
func Load(certPEM, keyPEM []byte) (*Own, error) {
	chain, err := ParseCertificates(certPEM)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	o := &Own{chain, key}
	if why := weak(o.Leaf().PublicKey); why != "" {
		return nil, fmt.Errorf("the certificate of %q is too weak: %s", label(o.Leaf()), why)
	}
	if !o.fits() {
		return nil, o.misfit()
	}
	return o, nil
}

// fits tells whether the key is that of the leaf.
func (o *Own) fits() bool {
	public, ok := o.key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(o.Leaf().PublicKey)
}

// misfit says what the key does not fit, and looks for the usual reason.
func (o *Own) misfit() error {
	for i := range o.chain {
		if other := (&Own{o.chain[i:], o.key}); other.fits() {
			return fmt.Errorf("the key belongs to the certificate of %q, which must be the first in its file", label(other.Leaf()))
		}
	}
	return fmt.Errorf("the key does not fit the certificate of %q: one of the files is that of another certificate", label(o.Leaf()))
}

// Equal reports whether two are the same certificates with the same key. Either may
// be nil.
func (o *Own) Equal(other *Own) bool {
	if o == nil || other == nil {
		return o == other
	}
	key, ok := o.key.(interface{ Equal(crypto.PrivateKey) bool })
	return ok && key.Equal(other.key) && slices.EqualFunc(o.chain, other.chain, (*x509.Certificate).Equal)
}

// Leaf is the certificate itself.
func (o *Own) Leaf() *x509.Certificate { return o.chain[0] }

// TLS returns what a handshake at the time of now is to use.
func (o *Own) TLS(now time.Time) (*tls.Certificate, error) {
	c := &tls.Certificate{PrivateKey: o.key, Leaf: o.Leaf()}
	for i, one := range o.chain {
		whose := "our own certificate"
		if i > 0 {
			whose = fmt.Sprintf("the certificate of %q, which vouches for ours,", label(one))
		}
		switch {
		case now.After(one.NotAfter):
			return nil, fmt.Errorf("%s expired on %s: make another (sitebridge identity new) and tell the peers if they pin it", whose, date(one.NotAfter))
		case now.Before(one.NotBefore):
			return nil, fmt.Errorf("%s is not valid before %s: is the clock right?", whose, date(one.NotBefore))
		}
		c.Certificate = append(c.Certificate, one.Raw)
	}
	return c, nil
}

// Certificate is the certificate, and those that follow it, in PEM.
func (o *Own) Certificate() []byte {
	var ders [][]byte
	for _, c := range o.chain {
		ders = append(ders, c.Raw)
	}
	return encode(typeCertificate, ders...)
}

// Key is the key in PEM (PKCS#8). It is for a file of mode 0600, as Save makes it.
func (o *Own) Key() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(o.key)
	if err != nil {
		panic("identity: a key that was made or read here cannot be written: " + err.Error())
	}
	return encode(typeKey, der)
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
