package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The lives of what is made here, unless somebody says otherwise.
const (
	CALife   = 10 * 365 * day
	SiteLife = 2 * 365 * day
	ListLife = 365 * day
)

// backdate is how far the clock of a peer may be behind ours when it sees a new
// certificate.
const backdate = time.Hour

// NewCA makes a CA of that name, which signs for sites and for no other CA.
func NewCA(name string, now time.Time, valid time.Duration) (*Own, error) {
	return create(name, now, now.Add(valid), &x509.Certificate{
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, MaxPathLenZero: true,
	}, nil)
}

// SelfSigned makes a certificate for a site whose peers pin it.
func SelfSigned(name string, now time.Time, valid time.Duration) (*Own, error) {
	return create(name, now, now.Add(valid), siteTemplate(name), nil)
}

// Issue makes a certificate for a site, signed by the CA. It does not outlive the
// CA.
func (ca *Own) Issue(name string, now time.Time, valid time.Duration) (*Own, error) {
	if err := ca.maySign(x509.KeyUsageCertSign, now); err != nil {
		return nil, err
	}
	if name == ca.Leaf().Subject.CommonName {
		return nil, fmt.Errorf("%q is the name of the CA itself: take another one for the site", name)
	}
	end := now.Add(valid)
	if end.After(ca.Leaf().NotAfter) {
		end = ca.Leaf().NotAfter
	}
	return create(name, now, end, siteTemplate(name), ca)
}

// siteTemplate is what is particular to the certificate of a site, which is a
// client where the site is dialled from, and a server where it answers.
func siteTemplate(name string) *x509.Certificate {
	c := &x509.Certificate{
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if isDNSName(name) {
		c.DNSNames = []string{name}
	}
	return c
}

// create makes a key and its certificate, signed by ca or, without one, by
// itself. The key is ECDSA on P-256, which every TLS 1.2 and 1.3 has, and has
// short certificates: they travel in small packets.
func create(name string, now, end time.Time, template *x509.Certificate, ca *Own) (*Own, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = now.Add(-backdate), end
	template.BasicConstraintsValid = true
	template.SignatureAlgorithm = x509.ECDSAWithSHA256
	parent, signer, above := template, crypto.Signer(key), []*x509.Certificate(nil)
	if ca != nil {
		parent, signer, above = ca.Leaf(), ca.key, ca.aboveSites()
		template.SignatureAlgorithm = x509.UnknownSignatureAlgorithm // what suits the CA's key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer) // with a random serial number
	if err != nil {
		return nil, fmt.Errorf("make the certificate of %q: %w", name, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the new certificate of %q: %w", name, err)
	}
	return &Own{append([]*x509.Certificate{leaf}, above...), key}, nil
}

// aboveSites is what a site of the CA must show beside its own certificate: all
// but the root, which its peers have.
func (ca *Own) aboveSites() []*x509.Certificate {
	var above []*x509.Certificate
	for _, c := range ca.chain {
		if !bytes.Equal(c.RawSubject, c.RawIssuer) {
			above = append(above, c)
		}
	}
	return above
}

// maySign tells why the CA cannot do what usage says.
func (ca *Own) maySign(usage x509.KeyUsage, now time.Time) error {
	c := ca.Leaf()
	switch {
	case !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&usage == 0:
		return fmt.Errorf("%q is not a CA that may sign this: make one with sitebridge identity ca", label(c))
	case now.After(c.NotAfter):
		return fmt.Errorf("the CA %q expired on %s: make another with sitebridge identity ca", label(c), date(c.NotAfter))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the CA %q is not valid before %s: is the clock right?", label(c), date(c.NotBefore))
	}
	return nil
}

const maxName = 64 // of a common name (RFC 5280, appendix A.1), and of a site

// CheckName tells why a name may not be that of a site, as in a configuration, or
// of a CA.
func CheckName(name string) error {
	for i, r := range []byte(name) {
		if !isAlnum(r) && (i == 0 || !strings.ContainsRune("._-", rune(r))) {
			return fmt.Errorf("%q is not a name: write up to %d letters, digits, dots, hyphens and underscores, the first a letter or digit", name, maxName)
		}
	}
	switch {
	case name == "":
		return errors.New("there is no name")
	case len(name) > maxName:
		return fmt.Errorf("the name has %d letters: take at most %d", len(name), maxName)
	}
	return nil
}

func isAlnum(r byte) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

const maxLabel = 63 // RFC 1035, section 2.3.4

// isDNSName tells whether a name may stand as a DNS name in a certificate: labels
// of letters, digits and hyphens inside (RFC 5280, section 4.2.1.6).
func isDNSName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		odd := func(r rune) bool { return r >= 0x80 || r != '-' && !isAlnum(byte(r)) }
		if label == "" || len(label) > maxLabel || strings.ContainsFunc(label, odd) || strings.Trim(label, "-") != label {
			return false
		}
	}
	return true
}
