package config

import (
	"sync"
	"testing"
	"time"

	"sitebridge/bridge/identity"
)

const testDay = 24 * time.Hour

// testCA signs for the sites of the tests.
var testCA = sync.OnceValue(func() *identity.Own {
	return must(identity.NewCA("test-ca", time.Now(), 3650*testDay))
})

// testOwn is the certificate of "hq" that testCA signed.
var testOwn = sync.OnceValue(func() *identity.Own {
	return must(testCA().Issue("hq", time.Now(), 365*testDay))
})

// must is for what only fails when the machine is out of randomness.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// save writes NAME.pem and NAME.key.
func (d dir) save(name string, own *identity.Own) {
	d.t.Helper()
	if err := own.Save(d.path(name+".pem"), d.path(name+".key")); err != nil {
		d.t.Fatal(err)
	}
}

// public writes the certificate alone.
func (d dir) public(name string, own *identity.Own) {
	d.t.Helper()
	d.file(name, string(own.Certificate()), 0o644)
}

// list writes a revocation list of ca.
func (d dir) list(name string, ca *identity.Own) {
	d.t.Helper()
	d.file(name, string(must(ca.Revoke(nil, nil, time.Now(), 30*testDay))), 0o644)
}

// certificates writes hq.pem, hq.key, ca.pem and ca.crl.
func (d dir) certificates() {
	d.t.Helper()
	d.save("hq", testOwn())
	d.public("ca.pem", testCA())
	d.list("ca.crl", testCA())
}

// certified is a base for faults of certificates and of encryption.
const certified = `[daemon]
name = "hq"
listen = ["0.0.0.0:1723"]
certificate = "hq.pem"
[site.b1]
dial = ["b1.example.net"]
[site.b1.auth]
ca = "ca.pem"
[site.b1.ip]
[site.b2]
[site.b2.auth]
fingerprint = "` + printB2 + `"
[site.b2.ip]
`

const printB2 = "sha256:7d1a54127b222502f5b79b5fb0803061152a44f92b37e23c6527baf665d4da9a"

func TestCertificateFaults(t *testing.T) {
	now := time.Now()
	runFaults(t, certified, func(d dir) {
		d.certificates()
		d.save("old", must(identity.SelfSigned("old", now.Add(-20*testDay), 10*testDay)))
		d.save("next", must(identity.SelfSigned("next", now.Add(20*testDay), 10*testDay)))
		d.public("b1.pem", must(testCA().Issue("b1", now, testDay)))
		d.list("other.crl", must(identity.NewCA("other-ca", now, testDay)))
		d.file("empty.pem", "", 0o644)
		d.file("open.pem", string(testCA().Certificate()), 0o664)
		d.file("open.crl", "", 0o646)
		d.file("open.key", "", 0o640)
		d.link("ca.pem", "link.pem")
		d.secret("in", "a secret")
	}, []faultCase{
		{"nothing", "", "", nil},
	})
}
