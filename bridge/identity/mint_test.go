package identity

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// noon is when everything here happens. Certificates count in whole seconds.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const year = 365 * day

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func testCA(t testing.TB, name string) *Own {
	t.Helper()
	return must[*Own](t)(NewCA(name, noon.Add(-year), CALife))
}

// A mint makes certificates that NewCA, Issue and SelfSigned never would.
type mint struct {
	ca   *Own // nil: signed by itself
	name string
	mod  func(c *x509.Certificate)
	key  crypto.Signer // nil: a new one
}

func (m mint) make(t testing.TB) *Own {
	t.Helper()
	key := m.key
	if key == nil {
		key = must[*Own](t)(SelfSigned("key", noon, year)).key
	}
	c := siteTemplate(m.name)
	c.Subject = pkix.Name{CommonName: m.name}
	c.NotBefore, c.NotAfter = noon.Add(-day), noon.Add(year)
	c.BasicConstraintsValid = true
	if m.mod != nil {
		m.mod(c)
	}
	parent, signer, above := c, key, []*x509.Certificate(nil)
	if m.ca != nil {
		parent, signer, above = m.ca.Leaf(), m.ca.key, m.ca.aboveSites()
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer))
	leaf := must[*x509.Certificate](t)(x509.ParseCertificate(der))
	return &Own{append([]*x509.Certificate{leaf}, above...), key}
}

// intermediate makes a template one of a CA.
func intermediate(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.DNSNames = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil, nil
}

// wideCA is a CA that may sign for other CAs.
func wideCA(t testing.TB, name string) *Own {
	return mint{name: name, mod: func(c *x509.Certificate) {
		intermediate(c)
		c.NotBefore, c.NotAfter = noon.Add(-year), noon.Add(9*year)
	}}.make(t)
}

// listFile writes revocation lists into one file.
func listFile(t testing.TB, texts ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crl")
	var all []byte
	for _, text := range texts {
		all = append(all, text...)
	}
	if err := os.WriteFile(path, all, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// list is a list of ca as of some time, good for a year.
func list(t testing.TB, ca *Own, at time.Time, revoked ...*Own) []byte {
	t.Helper()
	var certs []*x509.Certificate
	for _, o := range revoked {
		certs = append(certs, o.Leaf())
	}
	return must[[]byte](t)(ca.Revoke(nil, certs, at, ListLife))
}

// oddList is a list with what Revoke never writes.
func oddList(t testing.TB, ca *Own, mod func(*x509.RevocationList)) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(9), ThisUpdate: noon.Add(-day), NextUpdate: noon.Add(day)}
	mod(l)
	return encode(typeList, must[[]byte](t)(x509.CreateRevocationList(rand.Reader, l, ca.Leaf(), ca.key)))
}

func sign(ca *Own, body []byte) ([]byte, error) {
	sum := sha256.Sum256(body)
	return ca.key.Sign(rand.Reader, sum[:], crypto.SHA256)
}
