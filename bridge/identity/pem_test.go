package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
)

func TestParseCertificates(t *testing.T) {
	one, two := testCA(t, "one"), testCA(t, "two")
	key := one.Key()
	join := func(texts ...[]byte) []byte { return slices.Concat(texts...) }
	for name, c := range map[string]struct {
		text []byte
		n    int
		want string
	}{
		"one":                    {one.Certificate(), 1, ""},
		"two":                    {join(one.Certificate(), two.Certificate()), 2, ""},
		"text around them":       {join([]byte("Certificate:\n  of one\n"), one.Certificate(), []byte("that of two\n"), two.Certificate(), []byte("end")), 2, ""},
		"lines end in CR LF":     {bytes.ReplaceAll(one.Certificate(), []byte("\n"), []byte("\r\n")), 1, ""},
		"empty":                  {nil, 0, `not in PEM, which begins with "-----BEGIN CERTIFICATE-----"`},
		"DER":                    {one.Leaf().Raw, 0, "not in PEM"},
		"cut off":                {one.Certificate()[:300], 0, "damaged"},
		"second cut off":         {join(one.Certificate(), two.Certificate()[:300]), 0, "one of the 2 PEM blocks is damaged"},
		"first damaged":          {join(bytes.Replace(one.Certificate(), []byte("MII"), []byte("M!I"), 1), two.Certificate()), 0, "damaged"},
		"key among them":         {join(one.Certificate(), key), 0, "a private key stands there"},
		"list among them":        {join(one.Certificate(), list(t, one, noon)), 0, `a PEM block "X509 CRL" stands there`},
		"certificate of nothing": {encode(typeCertificate, []byte{0x30, 0}), 0, "certificate 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			certs, err := ParseCertificates(c.text)
			switch {
			case c.want == "" && (err != nil || len(certs) != c.n):
				t.Errorf("%d certificates, %v; want %d", len(certs), err, c.n)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestKeysOfAllKinds(t *testing.T) {
	ec := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	fair := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	pkcs8 := func(key any) []byte { return encode(typeKey, must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))) }
	sec1 := encode("EC PRIVATE KEY", must[[]byte](t)(x509.MarshalECPrivateKey(ec)))
	params := encode("EC PARAMETERS", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22})
	locked := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00", "Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("SECRET")})
	self := must[*Own](t)(SelfSigned("other", noon, year))
	for name, c := range map[string]struct {
		cert *Own
		key  []byte
		want string
	}{
		"ECDSA, PKCS#8":          {mint{name: "x", key: ec}.make(t), pkcs8(ec), ""},
		"ECDSA, SEC 1":           {mint{name: "x", key: ec}.make(t), slices.Concat(params, sec1), ""},
		"RSA, PKCS#8":            {mint{name: "x", key: fair}.make(t), pkcs8(fair), ""},
		"RSA, PKCS#1":            {mint{name: "x", key: fair}.make(t), encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(fair)), ""},
		"Ed25519":                {mint{name: "x", key: ed}.make(t), pkcs8(ed), ""},
		"of another certificate": {self, pkcs8(ec), `does not fit the certificate of "other"`},
		"of another kind":        {mint{name: "x", key: ed}.make(t), pkcs8(ec), `does not fit`},
		"no key":                 {self, self.Certificate(), "no key in PEM"},
		"damaged":                {self, encode(typeKey, []byte("SECRET")), "the key is damaged"},
		"locked, PKCS#8":         {self, encode("ENCRYPTED PRIVATE KEY", []byte("SECRET")), "locked with a password"},
		"locked, older":          {self, locked, "locked with a password"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := Load(c.cert.Certificate(), c.key)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "" && !o.Leaf().Equal(c.cert.Leaf()):
				t.Error("another certificate came back")
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			case err != nil && strings.Contains(err.Error(), "SECRET"):
				t.Errorf("%v shows what the file holds", err)
			}
		})
	}
}

// What is read is all that there is: encoded again, it is read the same.
func FuzzParseCertificates(f *testing.F) {
	one, two := testCA(f, "one"), must[*Own](f)(SelfSigned("two", noon, year))
	f.Add(one.Certificate())
	f.Add(slices.Concat([]byte("text\n"), one.Certificate(), two.Certificate()))
	f.Add(one.Certificate()[:200])
	f.Fuzz(func(t *testing.T, text []byte) {
		certs, err := ParseCertificates(text)
		if err != nil {
			return
		}
		if n := bytes.Count(text, []byte("-----BEGIN ")); n != len(certs) || n == 0 {
			t.Fatalf("%d certificates of %d", len(certs), n)
		}
		again, err := ParseCertificates((&Own{chain: certs}).Certificate())
		if err != nil || !slices.EqualFunc(again, certs, (*x509.Certificate).Equal) {
			t.Errorf("came back as %d certificates, %v", len(again), err)
		}
		(&Trust{CAs: certs, Name: "two"}).Check(certs, client, noon)
	})
}

// A list that cannot be read whole is refused.
func FuzzParseLists(f *testing.F) {
	ca := testCA(f, "one")
	text := list(f, ca, noon, must[*Own](f)(ca.Issue("two", noon, year)))
	f.Add(text)
	f.Add(must[[][]byte](f)(blocks(text, typeList))[0])
	f.Add(slices.Concat(text, text[:100]))
	f.Fuzz(func(t *testing.T, b []byte) {
		lists, err := ParseLists(b)
		if n := max(1, bytes.Count(b, []byte("-----BEGIN "))); err == nil && len(lists) != n {
			t.Fatalf("%d lists of %d", len(lists), n)
		}
		for _, l := range lists {
			usable(l, noon)
		}
	})
}
