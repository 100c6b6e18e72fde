// Package tlstest makes certificates in memory, for tests only: right ones and
// each kind of wrong one. They do not depend on the clock: a test with virtual
// time, which begins in 2000, can use those that it made before.
package tlstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// A CA signs certificates.
type CA struct {
	Certificate *x509.Certificate
	Key         crypto.Signer

	above [][]byte // what an issued certificate sends along: the intermediate CAs
	root  *x509.Certificate
}

// NewCA makes a CA that signed itself.
func NewCA(name string) *CA {
	key := newKey()
	c := certificate(caTemplate(name), nil, key.Public(), key)
	return &CA{Certificate: c, Key: key, root: c}
}

// Intermediate makes a CA that ca has signed.
func (ca *CA) Intermediate(name string, options ...Option) *CA {
	key := newKey()
	t := caTemplate(name)
	for _, o := range options {
		o(t)
	}
	c := certificate(t, ca.Certificate, key.Public(), ca.Key)
	return &CA{Certificate: c, Key: key, above: append([][]byte{c.Raw}, ca.above...), root: ca.root}
}

func caTemplate(name string) *x509.Certificate {
	t := template(name)
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	return t
}

// An Option makes a certificate other than usual.
type Option func(*x509.Certificate)

// Expired makes one whose time is over.
func Expired(c *x509.Certificate) { c.NotBefore, c.NotAfter = year(1980), year(1990) }

// NotYetValid makes one whose time has not come.
func NotYetValid(c *x509.Certificate) { c.NotBefore, c.NotAfter = year(2150), year(2160) }

// Valid makes one for that time.
func Valid(from, to time.Time) Option {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

// Usage makes one for those usages, instead of client and server.
func Usage(usages ...x509.ExtKeyUsage) Option {
	return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
}

// Bigger makes one that is that many octets longer.
func Bigger(octets int) Option {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}, Value: make([]byte, octets)})
	}
}

// Issue makes a certificate for name, which is its common name and its DNS name,
// good for clients and for servers.
func (ca *CA) Issue(name string, options ...Option) *tls.Certificate {
	t := named(name, options)
	key := newKey()
	c := certificate(t, ca.Certificate, key.Public(), ca.Key)
	return &tls.Certificate{Certificate: append([][]byte{c.Raw}, ca.above...), PrivateKey: key, Leaf: c}
}

// SelfSigned makes a certificate that no CA has signed.
func SelfSigned(name string, options ...Option) *tls.Certificate {
	key := newKey()
	c := certificate(named(name, options), nil, key.Public(), key)
	return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// Verify returns a judge of chains for EAP-TLS: signed by ca for usage, in time.
func (ca *CA) Verify(usage x509.ExtKeyUsage) func(chain []*x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(ca.root)
	return func(chain []*x509.Certificate) error {
		if len(chain) == 0 {
			return errors.New("no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range chain[1:] {
			between.AddCert(c)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
}

// PEM is c as files hold it: the chain, leaf first, and the key.
func PEM(c *tls.Certificate) (chain, key []byte) {
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	must(err)
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// PEM is the certificate of ca as a file holds it.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate.Raw})
}

// Revoke makes a revocation list of ca, in DER, that is in force at any time.
func (ca *CA) Revoke(revoked ...*x509.Certificate) []byte {
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: year(1999), NextUpdate: year(2140)}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: year(1999)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.Certificate, ca.Key)
	must(err)
	return der
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: year(1999), NotAfter: year(2140)}
}

func named(name string, options []Option) *x509.Certificate {
	t := template(name)
	t.DNSNames, t.KeyUsage = []string{name}, x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, o := range options {
		o(t)
	}
	return t
}

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

func newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

// certificate signs t; parent nil: by itself.
func certificate(t, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	if parent == nil {
		parent = t
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, signer)
	must(err)
	c, err := x509.ParseCertificate(der)
	must(err)
	return c
}

// must ends a test whose certificates cannot be made, which is a fault in it.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("tlstest: %v", err))
	}
}
