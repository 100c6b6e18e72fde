package radius

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/ppp/auth"
	"sitebridge/ppp/auth/eaptls/tlstest"
)

// pki has what the tests use: making certificates is slow, and nothing changes
// them.
var pki = sync.OnceValue(func() (p struct {
	hq, west             *identity.Own // signed by our CA
	chainedHQ, chainedW  *identity.Own // by another CA that everybody trusts, through one of several kilobytes
	foreignHQ, foreignW  *identity.Own // by a CA that has the name of ours, and is not trusted
	expiredHQ, expiredW  *identity.Own
	trusted, distrusting []byte // CAs in PEM: what everybody trusts, and what knows none of us
	cas                  []*x509.Certificate
}) {
	now := time.Now()
	ours, namesake := newCA(now), newCA(now)
	p.hq, p.west = issue(ours, "hq", now), issue(ours, "west", now)
	p.foreignHQ, p.foreignW = issue(namesake, "hq", now), issue(namesake, "west", now)
	p.expiredHQ, p.expiredW = issue(ours, "hq", now.Add(-2*day)), issue(ours, "west", now.Add(-2*day))
	root := tlstest.NewCA("root")
	below := root.Intermediate("intermediate", tlstest.Bigger(3000))
	p.chainedHQ, p.chainedW = chained(below, "hq"), chained(below, "west")
	p.trusted, p.distrusting = append(ours.Certificate(), root.PEM()...), namesake.Certificate()
	p.cas = []*x509.Certificate{ours.Leaf(), root.Certificate}
	return p
})

const day = 24 * time.Hour

func newCA(now time.Time) *identity.Own { return sure(identity.NewCA("CA", now.Add(-3*day), 30*day)) }

func issue(ca *identity.Own, name string, at time.Time) *identity.Own {
	return sure(ca.Issue(name, at, day))
}

// chained makes a certificate whose chain is longer than identity makes any.
func chained(ca *tlstest.CA, name string) *identity.Own {
	return sure(identity.Load(tlstest.PEM(ca.Issue(name))))
}

func sure(o *identity.Own, err error) *identity.Own {
	if err != nil {
		panic(err)
	}
	return o
}

// tlsConfig is that of an end which shows own and expects name. Ours would never
// show what has expired, so that own is looked at when it was new.
func tlsConfig(own *identity.Own, name string, usage x509.ExtKeyUsage, version uint16) *auth.TLSConfig {
	trust := &identity.Trust{CAs: pki().cas, Name: name}
	return &auth.TLSConfig{
		Certificate: func() (*tls.Certificate, error) { return own.TLS(own.Leaf().NotBefore) },
		Verify: func(_ string, chain []*x509.Certificate) (string, error) {
			return name, trust.Check(chain, usage, time.Now())
		},
		MinVersion: version, MaxVersion: version,
	}
}

// save writes own into the world's folder, as NAME.pem and NAME.key.
func (w *world) save(name string, own *identity.Own) (cert, key string) {
	w.t.Helper()
	cert, key = filepath.Join(w.dir, name+".pem"), filepath.Join(w.dir, name+".key")
	if err := own.Save(cert, key); err != nil {
		w.t.Fatal(err)
	}
	return cert, key
}

var versions = []struct {
	name   string
	of     uint16
	number string // as FreeRADIUS and eapol_test write it
}{
	{"TLS 1.2", tls.VersionTLS12, "1.2"},
	{"TLS 1.3", tls.VersionTLS13, "1.3"},
}

// eachVersion runs a test for each version of TLS.
func eachVersion(t *testing.T, test func(t *testing.T, version uint16, number string)) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			test(t, v.of, v.number)
		})
	}
}
