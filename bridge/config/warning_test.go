package config

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/ppp/auth"
)

func told(ws []Warning) []string {
	var all []string
	for _, w := range ws {
		all = append(all, w.String())
	}
	return all
}

// E6: stateful MPPE is taken only where it is written, and then warned of, like all
// that is less than authenticated encryption.
func TestAttackE6WarningsOfWeakEncryption(t *testing.T) {
	const (
		des      = "site.b1: mschapv2 falls to one DES search over a recorded exchange: take a long random secret that is used for nothing else"
		eapDES   = "site.b1: eap-mschapv2 falls to one DES search over a recorded exchange: take a long random secret that is used for nothing else"
		change   = "site.b1: mppe-128 has no integrity: who is on the way can change packets"
		weaker   = "site.b1: a downgrade is allowed: who is on the way can have mppe-128 taken instead of aead"
		repeats  = "site.b1: stateful MPPE repeats its keystream after each lost packet: who is on the way can read what was sent with it"
		prefers  = "site.b1: encryption is only preferred: who is on the way can have it switched off"
		permits  = `site.b1: encryption is only permitted: who is on the way can have it switched off, and where the peer has the policy "permitted" too nobody asks for it and nothing is encrypted`
		disabled = "site.b1: nothing in this tunnel is encrypted: who is on the way can read and change it"
	)
	for _, c := range []struct {
		name, methods, encryption string
		want                      []string
	}{
		{"nothing weak", `["eap-tls"]`, "", nil},
		{"preferred", `["eap-tls"]`, `policy = "preferred"`, []string{prefers}},
		{"permitted", `["eap-tls"]`, `policy = "permitted"`, []string{permits}},
		{"disabled", `["eap-tls"]`, `policy = "disabled"`, []string{disabled}},
		{"MPPE", `["eap-tls"]`, `methods = ["mppe-128"]`, []string{change}},
		{"stateful MPPE", `["eap-mschapv2"]`, `mppe_stateful = true`, []string{eapDES, change, repeats}},
		{"a downgrade", `["eap-tls", "mschapv2"]`, "methods = [\"aead\", \"mppe-128\"]\ndowngrade = \"allowed\"", []string{des, change, weaker}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf, err := Load(newEncrypted(t, withMethods(c.methods, c.encryption)).path())
			if err != nil {
				t.Fatal(err)
			}
			if got := told(conf.Warnings()); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A secret that somebody may find by trying is told with its length, where it is used.
func TestWarningsOfShortSecrets(t *testing.T) {
	short := func(key string, n int) string {
		return fmt.Sprintf("site.b1: the secret in %s has a length of %d, which may be found by trying: take 16 octets or more, of a random generator", key, n)
	}
	for _, c := range []struct {
		name, methods, out, in string
		want                   []string
	}{
		{"long enough", `["mschapv2"]`, "0123456789abcdef", "fedcba9876543210", nil},
		{"one octet less", `["mschapv2"]`, "0123456789abcde", "fedcba9876543210", []string{short("secret_out_file", 15)}},
		{"both", `["eap-mschapv2"]`, "hunter2\n", "hunter", []string{short("secret_out_file", 7), short("secret_in_file", 6)}},
		{"chap", `["chap"]`, "0123456789abcdef", "hunter2", []string{short("secret_in_file", 7)}},
		{"pap", `["pap"]`, "hunter2", "fedcba9876543210", []string{short("secret_out_file", 7)}},
		{"not used", `["eap-tls"]`, "hunter2", "hunter", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newEncrypted(t, withMethods(c.methods, `policy = "disabled"`))
			d.secret("out", c.out)
			d.secret("in", c.in)
			conf, err := Load(d.path())
			if err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(told(conf.Warnings()), func(w string) bool { return !strings.Contains(w, "has a length of") })
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if strings.Contains(strings.Join(got, ""), "hunter") {
				t.Error("the secret is in the warning")
			}
		})
	}
}

// A13: what is about to expire is told days ahead, and what is not good as well.
func TestAttackA13WarningsOfCertificates(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ca := must(identity.NewCA("ca", now, 1000*testDay))
	c := &Config{
		Daemon: Daemon{Identity: must(ca.Issue("hq", now, 365*testDay))},
		Sites: []*Site{
			{Name: "b1", Auth: Auth{Methods: []auth.Method{auth.EAPTLS}, Name: "hq", Trust: &identity.Trust{CAs: []*x509.Certificate{ca.Leaf()}}}},
			{Name: "b2", Auth: Auth{Methods: []auth.Method{auth.EAPTLS}, Name: "hq", Trust: &identity.Trust{Pinned: true}}},
			{Name: "b3", Auth: Auth{Methods: []auth.Method{auth.CHAP}}},
		},
	}
	const (
		again  = ": have it issued anew; sitebridge identity does that"
		anewCA = `site.b1: the certificate of "ca", who signs for the peer, `
	)
	for _, w := range []struct {
		name string
		days int
		want []string
	}{
		{"the day before", -1, []string{"daemon: our certificate is not good before 2026-05-01: is the clock right?"}},
		{"the first day", 0, nil},
		{"31 days before the end", 365 - 31, nil},
		{"30 days before the end", 365 - 30, []string{"daemon: our certificate expires in 30 days, on 2027-05-01" + again}},
		{"on the day", 365, []string{"daemon: our certificate expires in 0 days, on 2027-05-01" + again}},
		{"too late", 366, []string{"daemon: our certificate expired on 2027-05-01" + again}},
		{"the CA too", 1000 - 7, []string{"daemon: our certificate expired on 2027-05-01" + again,
			anewCA + "expires in 7 days, on 2029-01-25: have it renewed, and write the new one into ca too"}},
		{"the CA, too late", 1001, []string{"daemon: our certificate expired on 2027-05-01" + again,
			anewCA + "expired on 2029-01-25: have it renewed, and write the new one into ca too"}},
	} {
		t.Run(w.name, func(t *testing.T) {
			if got := told(c.Expiring(now.Add(time.Duration(w.days) * testDay))); !slices.Equal(got, w.want) {
				t.Errorf("%q, want %q", got, w.want)
			}
		})
	}
}

// A peer looks for our name in our certificate.
func TestWarningOfAnotherName(t *testing.T) {
	d := newEncrypted(t, withMethods(`["eap-tls"]`, "")+"[site.b2]\ndial = [\"192.0.2.2\"]\n[site.b2.ip]\n[site.b2.auth]\nname = \"centre\"\n")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`site.b2: our certificate is for "hq", and our name there is "centre": the peer asks for a certificate of that name`}
	if got := told(c.Warnings()); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWarningOfOldTLS13(t *testing.T) {
	const (
		lacks  = `: tls13 = "pppd-2.4.9" gives up the octet by which RFC 9190 protects a success, and keys that are for nothing else: let the peer speak TLS 1.2, which is its default, or give it a newer pppd`
		ticket = `: for tls13 = "pppd-2.4.9" every caller with TLS 1.3 is given a session ticket: it opens nothing`
		weak   = `: mppe-128 has no integrity: who is on the way can change packets`
	)
	for _, c := range []struct {
		name, answer, tls13 string
		want                []string
	}{
		{"a peer that we dial", "answer = false", pppd249, []string{"site.b1" + lacks, "site.b1" + weak}},
		{"a peer that calls", "", pppd249, []string{"site.b1" + lacks, "site.b1" + ticket, "site.b1" + weak}},
		{"TLS 1.3 as it is", "", rfc9190, []string{"site.b1" + weak}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(certified, "[site.b1.auth]", c.answer+"\n[site.b1.encryption]\nmethods = [\"mppe-128\"]\n[site.b1.auth]\ntls13 = \""+c.tls13+"\"", 1)
			d := newDir(t, text)
			d.certificates()
			conf, err := Load(d.path())
			if err != nil {
				t.Fatal(err)
			}
			if got := told(conf.Warnings()); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestCallers(t *testing.T) {
	text := strings.Replace(certified, pinnedB2, pinnedB2+"\nmethods = [\"eap-tls\", \"mschapv2\"]\nsecret_in_file = \"in\"", 1) + `
[defaults.encryption]
methods = ["mppe-128"]
[site.b3]
dial = ["b3.example.net"]
answer = false
auth = { ca = "ca.pem" }
ip = {}
`
	d := newDir(t, text)
	d.certificates()
	d.secret("in", "a secret")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	for m, want := range map[auth.Method][]*Site{
		auth.EAPTLS:   {c.Site("b1"), c.Site("b2")},
		auth.MSCHAPv2: {c.Site("b2")},
		auth.PAP:      nil,
	} {
		if got := c.Callers(m); !slices.Equal(got, want) {
			t.Errorf("by %v call %v, want %v", m, got, want)
		}
	}
	if want := []auth.Method{auth.EAPTLS, auth.MSCHAPv2}; !slices.Equal(c.Listen.Methods, want) {
		t.Errorf("offers %v, want %v", c.Listen.Methods, want)
	}
}
