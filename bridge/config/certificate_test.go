package config

import (
	"os"
	"strings"
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
` + pinnedB2 + `
[site.b2.ip]
`

const (
	pinnedB2 = `fingerprint = "` + printB2 + `"`
	printB2  = "sha256:7d1a54127b222502f5b79b5fb0803061152a44f92b37e23c6527baf665d4da9a"
)

// Each case puts text into certified and names all faults that this brings, whole.
func TestCertificateFaults(t *testing.T) {
	now := time.Now()
	b1 := must(testCA().Issue("b1", now, testDay))
	other := must(identity.NewCA("other-ca", now, testDay))
	old := must(identity.SelfSigned("old", now.Add(-20*testDay), 10*testDay))
	next := must(identity.SelfSigned("next", now.Add(20*testDay), 10*testDay))
	const ca, pinned, certificate = `ca = "ca.pem"`, pinnedB2, `certificate = "hq.pem"`
	runFaults(t, certified, func(d dir) {
		d.certificates()
		d.save("old", old)
		d.save("next", next)
		d.save("b1", b1)
		d.list("other.crl", other)
		d.file("text.pem", "a certificate", 0o644)
		d.secret("in", "a secret")
	}, []faultCase{
		{"nothing", "", "", nil},

		// our own
		{"no certificate", certificate + "\n", "", []string{
			`:1: daemon.certificate: "eap-tls", which is the default of auth.methods, needs a certificate of our own: make one with sitebridge identity new hq and write certificate = "hq.pem", or write other methods for the sites that do not have it`}},
		{"a key alone", certificate, `key = "hq.key"`, []string{
			`:1: daemon.certificate: "eap-tls", which is the default of auth.methods, needs a certificate of our own: make one with sitebridge identity new hq and write certificate = "hq.pem", or write other methods for the sites that do not have it`,
			`:4: daemon.key: a key without a certificate: write certificate = "..." too, or leave it out`}},
		{"a certificate that is not there", certificate, `certificate = "qh.pem"`, []string{
			`:4: daemon.certificate: cannot open "qh.pem": no such file or directory: write the path of a file that holds the certificate, relative to this file`}},
		{"a certificate that is no path", certificate, `certificate = 5`,
			[]string{`:4: daemon.certificate: 5 is not a text: write it in quotes`}},
		{"no key beside it", certificate, `certificate = "ca.pem"`, []string{
			`:4: daemon.key: cannot open "ca.key": no such file or directory: write the path of a file that holds the key, relative to this file`}},
		{"a key that is not there", certificate, certificate + "\nkey = \"qh.key\"", []string{
			`:5: daemon.key: cannot open "qh.key": no such file or directory: write the path of a file that holds the key, relative to this file`}},
		{"a key elsewhere", certificate, certificate + "\nkey = \"./hq.key\"", nil},
		{"a key that does not fit", certificate, certificate + "\nkey = \"b1.key\"", []string{
			`:4: daemon.certificate: the key does not fit the certificate of "hq": one of the files is that of another certificate: write a certificate and the key that belongs to it; sitebridge identity makes both`}},
		{"a certificate that is none", certificate, "certificate = \"text.pem\"\nkey = \"hq.key\"", []string{
			`:4: daemon.certificate: read the certificate: it is not in PEM, which begins with "-----BEGIN CERTIFICATE-----": write a certificate and the key that belongs to it; sitebridge identity makes both`}},
		{"an expired certificate", certificate, `certificate = "old.pem"`, []string{
			`:4: daemon.certificate: our certificate expired on ` + date(old.Leaf().NotAfter) + `: have it issued anew; sitebridge identity does that`}},
		{"a certificate of tomorrow, or a clock of yesterday", certificate, `certificate = "next.pem"`, nil},

		// the peer's
		{"nothing to know it by", ca + "\n", "", []string{
			`:7: site.b1.auth.ca: with "eap-tls", we have nothing to know the peer's certificate by: write ca = "ca.pem", who signs for it, or fingerprint = "sha256:...", which sitebridge identity show prints there; or methods = ["mschapv2"] for a peer that has no certificate`}},
		{"nothing to know it by, where methods are written", ca, `methods = ["eap-tls"]`, []string{
			`:7: site.b1.auth.ca: with "eap-tls", we have nothing to know the peer's certificate by: write ca = "ca.pem", who signs for it, or fingerprint = "sha256:...", which sitebridge identity show prints there`}},
		{"CA and fingerprint", ca, ca + "\n" + pinned, []string{
			`:9: site.b1.auth.fingerprint: the peer is known by ca already: leave one out`}},
		{"CA and fingerprint as defaults", ca, "[defaults.auth]\n" + ca + "\n" + pinned, []string{
			`:10: defaults.auth.fingerprint: the peer is known by ca already: leave one out`}},
		{"a fingerprint where a CA is the default", "", "[defaults.auth]\ncrl = \"ca.crl\"\n" + ca + "\n", nil},
		{"a CA that is not there", ca, `ca = "ac.pem"`, []string{
			`:8: site.b1.auth.ca: cannot open "ac.pem": no such file or directory: write the path of a file that holds the certificate, relative to this file`}},
		{"a CA that is none", ca, `ca = "b1.pem"`, []string{
			`:8: site.b1.auth.ca: the certificate of "b1" in "b1.pem" may not sign for others: if it is the peer's own, write fingerprint = "` + identity.Of(b1.Leaf()).String() + `" instead`}},
		{"a CA that is text", ca, `ca = "text.pem"`, []string{
			`:8: site.b1.auth.ca: "text.pem": it is not in PEM, which begins with "-----BEGIN CERTIFICATE-----": write the path of a file with the certificate of who signs for the peer`}},
		{"a fingerprint of another kind", pinned, `fingerprint = "sha1:00"`, []string{
			`:12: site.b2.auth.fingerprint: "sha1:00" is not a fingerprint: write "sha256:" and 64 hexadecimal digits, as sitebridge identity show prints it`}},
		{"a fingerprint that nobody has filled in", pinned, `fingerprint = "sha256:` + strings.Repeat("00", 32) + `"`, []string{
			`:12: site.b2.auth.fingerprint: that is the README's placeholder: write the fingerprint that the peer printed (sitebridge identity show)`}},
		{"our own fingerprint", pinned, `fingerprint = "` + identity.Of(testOwn().Leaf()).String() + `"`, []string{
			`:12: site.b2.auth.fingerprint: that is our own certificate: write the fingerprint that sitebridge identity show prints at the peer`}},
		{"one certificate for two callers", ca, pinned, []string{
			`:12: site.b2.auth.fingerprint: it is the certificate of site b1 too, and the certificate decides which site calls: give each peer its own certificate`}},
		{"one certificate for a caller and one that we only dial", "dial = [\"b1.example.net\"]\n[site.b1.auth]\n" + ca,
			"dial = [\"b1.example.net\"]\nanswer = false\n[site.b1.auth]\n" + pinned, nil},
		{"one CA and one name for two callers", pinned, ca + "\npeer_name = \"b1\"", []string{
			`:13: site.b2.auth.peer_name: "b1" is the name of site b1 too, and the name decides which site calls: give each peer its own name, in peer_name here and at its end`}},

		// revocation
		{"a revocation list", ca, ca + "\ncrl = \"ca.crl\"", nil},
		{"a list that is not there", ca, ca + "\ncrl = \"ac.crl\"", []string{
			`:9: site.b1.auth.crl: cannot open "ac.crl": no such file or directory: write the path of a file that holds the revocation list, relative to this file`}},
		{"a list that is a certificate", ca, ca + "\ncrl = \"ca.pem\"", []string{
			`:9: site.b1.auth.crl: "ca.pem": a PEM block "CERTIFICATE" stands there, and only "X509 CRL" may: leave it out: write the path of a revocation list; sitebridge identity revoke makes one`}},
		{"a list of another CA", ca, ca + "\ncrl = \"other.crl\"", []string{
			`:9: site.b1.auth.crl: no CA of ca signed the list, so that every peer would be refused: write the list of that CA`}},
		{"a list and a fingerprint", pinned, pinned + "\ncrl = \"ca.crl\"", []string{
			`:13: site.b2.auth.crl: a certificate that is known by its fingerprint is on no list: leave it out: to revoke it, take its fingerprint out`}},

		// what belongs to other methods
		{"secrets beside certificates", ca, ca + "\nmethods = [\"eap-tls\", \"mschapv2\"]\n[site.b1.encryption]\nmethods = [\"mppe-128\"]", []string{
			`:7: site.b1.auth.secret_in_file: the site may call, and we have nothing to know it by: write secret_in_file = "...", or answer = false in [site.b1]`,
			`:7: site.b1.auth.secret_out_file: the site is dialled, and we have nothing to prove ourselves with: write secret_out_file = "..."`}},
		{"a secret that nothing uses", ca, ca + "\nsecret_in_file = \"in\"", []string{
			`:9: site.b1.auth.secret_in_file: no method of the site uses a secret: leave it out, or write methods = ["mschapv2"] for a peer that has no certificate`}},
		{"a secret of others", "", "[defaults.auth]\nsecret_in_file = \"in\"\n", nil},
		{"a CA that nothing uses", pinned, "methods = [\"mschapv2\"]\nsecret_in_file = \"in\"\n" + ca, []string{
			`:14: site.b2.auth.ca: it belongs to "eap-tls", which the site does not allow: leave it out, or add "eap-tls" to methods`}},
		{"an old TLS 1.3", ca, ca + "\ntls13 = \"pppd-2.4.9\"\n[site.b1.encryption]\nmethods = [\"mppe-128\"]", nil},
		{"an old TLS 1.3 that nothing is encrypted with", ca, ca + "\ntls13 = \"pppd-2.4.9\"\n[site.b1.encryption]\npolicy = \"disabled\"", nil},
		{"an old TLS 1.3 for aead, by default", ca, ca + "\ntls13 = \"pppd-2.4.9\"", []string{
			`:9: site.b1.auth.tls13: ` + tooOld("b1") + ` in [site.b1.encryption], or leave it out`}},
		{"an old TLS 1.3 for aead beside MPPE", ca, ca + "\ntls13 = \"pppd-2.4.9\"\n[site.b1.encryption]\nmethods = [\"aead\", \"mppe-128\"]\ndowngrade = \"allowed\"", []string{
			`:9: site.b1.auth.tls13: ` + tooOld("b1") + ` in [site.b1.encryption], or leave it out`}},
		{"an old TLS 1.3 for aead that is not required", ca, ca + "\ntls13 = \"pppd-2.4.9\"\n[site.b1.encryption]\npolicy = \"permitted\"", []string{
			`:9: site.b1.auth.tls13: ` + tooOld("b1") + ` in [site.b1.encryption], or leave it out`}},
		{"an old TLS 1.3 as a default", pinned, pinned + "\ntls13 = \"rfc9190\"\n[defaults.auth]\ntls13 = \"pppd-2.4.9\"", []string{
			`:15: defaults.auth.tls13: ` + tooOld("b1") + ` in [site.b1.encryption], or tls13 = "rfc9190" in [site.b1.auth]`}},
		{"an unknown TLS 1.3", ca, ca + "\ntls13 = \"draft\"", []string{
			`:9: site.b1.auth.tls13: "draft" is not known here: write "rfc9190" or "pppd-2.4.9"`}},
		{"a TLS 1.3 that nothing uses", pinned, "methods = [\"mschapv2\"]\nsecret_in_file = \"in\"\ntls13 = \"rfc9190\"", []string{
			`:14: site.b2.auth.tls13: it belongs to "eap-tls", which the site does not allow: leave it out, or add "eap-tls" to methods`}},
		{"a CA of others", pinned, "methods = [\"mschapv2\"]\nsecret_in_file = \"in\"\n[defaults.auth]\n" + ca, nil},
	})
}

// tooOld is the beginning of the fault of a site that has "aead".
func tooOld(site string) string {
	return `"pppd-2.4.9" gives up the octet by which RFC 9190 protects a success, and keys that are for nothing else: that is too little for "aead", which site ` + site + ` has: write methods = ["mppe-128"]`
}

// H2: a key that others can read, and a certificate or list that others can choose,
// are refused, and the file named.
func TestAttackH2CertificateFiles(t *testing.T) {
	const (
		key     = "chmod 0600 it, and make another key and certificate if they may have read it"
		changed = "chmod 0644 it, and look whether it is the right one still"
	)
	for _, c := range []struct {
		name string
		make func(d dir)
		want string // empty: none
	}{
		{"as they should be", func(d dir) {}, ""},
		{"certificates only for us", func(d dir) { d.mode("hq.pem", 0o600); d.mode("ca.pem", 0o400); d.mode("ca.crl", 0o640) }, ""},
		{"a key for the group", func(d dir) { d.mode("hq.key", 0o640) },
			`:4: daemon.key: others can get at "hq.key": its mode is 0640: ` + key},
		{"a key for all", func(d dir) { d.mode("hq.key", 0o604) },
			`:4: daemon.key: others can get at "hq.key": its mode is 0604: ` + key},
		{"a key behind a link", func(d dir) { d.behindLink("hq.key") },
			`:4: daemon.key: "hq.key" leads over a link, "DIR/hq.key": write the path that it leads to`},
		{"a certificate for the group to change", func(d dir) { d.mode("hq.pem", 0o664) },
			`:4: daemon.certificate: others can change "hq.pem": its mode is 0664: ` + changed},
		{"a certificate behind a link", func(d dir) { d.behindLink("hq.pem") },
			`:4: daemon.certificate: "hq.pem" leads over a link, "DIR/hq.pem": write the path that it leads to`},
		{"a CA for all to change", func(d dir) { d.mode("ca.pem", 0o646) },
			`:8: site.b1.auth.ca: others can change "ca.pem": its mode is 0646: ` + changed},
		{"a CA behind a link", func(d dir) { d.behindLink("ca.pem") },
			`:8: site.b1.auth.ca: "ca.pem" leads over a link, "DIR/ca.pem": write the path that it leads to`},
		{"a list for the group to change", func(d dir) { d.mode("ca.crl", 0o664) },
			`:9: site.b1.auth.crl: others can change "ca.crl": its mode is 0664: ` + changed},
		{"a list behind a link", func(d dir) { d.behindLink("ca.crl") },
			`:9: site.b1.auth.crl: "ca.crl" leads over a link, "DIR/ca.crl": write the path that it leads to`},
		{"a list that is a folder", func(d dir) { d.folder("ca.crl") },
			`:9: site.b1.auth.crl: "ca.crl" is not a file: write the path of a file that holds the revocation list`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, strings.Replace(certified, `ca = "ca.pem"`, "ca = \"ca.pem\"\ncrl = \"ca.crl\"", 1))
			d.certificates()
			c.make(d)
			_, err := Load(d.path())
			var want []string
			if c.want != "" {
				want = []string{strings.ReplaceAll(c.want, "DIR", d.root)}
			}
			wantFaults(t, d, err, want)
		})
	}
}

func (d dir) mode(name string, mode os.FileMode) {
	d.t.Helper()
	if err := os.Chmod(d.path(name), mode); err != nil {
		d.t.Fatal(err)
	}
}

// behindLink moves a file away and leaves a link to it.
func (d dir) behindLink(name string) {
	d.t.Helper()
	if err := os.Rename(d.path(name), d.path("real")); err != nil {
		d.t.Fatal(err)
	}
	d.link("real", name)
}

// folder puts a folder in the place of a file.
func (d dir) folder(name string) {
	d.t.Helper()
	if err := os.Rename(d.path(name), d.path("real")); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Mkdir(d.path(name), 0o755); err != nil {
		d.t.Fatal(err)
	}
}
