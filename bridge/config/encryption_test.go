package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"sitebridge/ppp/auth"
)

// encrypted is a base in which cases write methods of authentication, and the keys
// of encryption.
const encrypted = `[daemon]
name = "hq"
certificate = "hq.pem"
[defaults.auth]
ca = "ca.pem"
secret_out_file = "out"
secret_in_file = "in"
[site.b1]
dial = ["b1.example.net"]
[site.b1.auth]
methods = METHODS
[site.b1.ip]
[site.b1.encryption]
`

func withMethods(methods, encryption string) string {
	return strings.Replace(encrypted, "METHODS", methods, 1) + encryption
}

func newEncrypted(t *testing.T, text string) dir {
	d := newDir(t, text)
	d.certificates()
	d.secret("out", "one secret that is long")
	d.secret("in", "another that is long")
	return d
}

func TestEncryption(t *testing.T) {
	const (
		tls, old = `["eap-tls"]`, `["mschapv2", "eap-mschapv2"]`
		both     = `["eap-tls", "mschapv2"]`
	)
	strong, weak := []Cipher{AEAD}, []Cipher{MPPE128}
	for _, c := range []struct {
		name, methods, encryption string
		want                      Encryption
	}{
		{"by default, with certificates", tls, "", Encryption{PolicyRequired, strong, false}},
		{"by default, with secrets", old, "", Encryption{PolicyRequired, weak, false}},
		{"by default, with MS-CHAPv2 alone", `["mschapv2"]`, "", Encryption{PolicyRequired, weak, false}},
		{"by default, where it is not required", tls, `policy = "preferred"`, Encryption{PolicyPreferred, strong, false}},
		{"permitted", old, `policy = "permitted"`, Encryption{PolicyPermitted, weak, false}},
		{"disabled", both, `policy = "disabled"`, Encryption{PolicyDisabled, nil, false}},
		{"MPPE with certificates", tls, `methods = ["mppe-128"]`, Encryption{PolicyRequired, weak, false}},
		{"MPPE for all", both, `methods = ["mppe-128"]`, Encryption{PolicyRequired, weak, false}},
		{"both", both, "methods = [\"mppe-128\", \"aead\", \"aead\"]\ndowngrade = \"allowed\"", Encryption{PolicyRequired, []Cipher{AEAD, MPPE128}, false}},
		{"stateful", old, "mppe_stateful = true", Encryption{PolicyRequired, weak, true}},
		{"a method without keys, where they are not required", `["eap-tls", "chap"]`, "policy = \"preferred\"\nmethods = [\"aead\"]", Encryption{PolicyPreferred, strong, false}},
		{"defaults that are for others", tls, "[defaults.encryption]\nmppe_stateful = true\ndowngrade = \"allowed\"", Encryption{PolicyRequired, strong, false}},
		{"disabled, whatever the defaults", tls, "policy = \"disabled\"\n[defaults.encryption]\nmethods = [\"aead\"]\nmppe_stateful = true", Encryption{PolicyDisabled, nil, false}},
		{"disabled by default", tls, "[defaults.encryption]\npolicy = \"disabled\"", Encryption{PolicyDisabled, nil, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf, err := Load(newEncrypted(t, withMethods(c.methods, c.encryption)).path())
			if err != nil {
				t.Fatal(err)
			}
			if got := conf.Sites[0].Encryption; !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestEncryptionFaults(t *testing.T) {
	const tls, both = `["eap-tls"]`, `["eap-tls", "mschapv2"]`
	for _, c := range []struct {
		name, methods, encryption string
		want                      []string
	}{
		{"words of no version", tls, "policy = \"on\"\nmethods = [\"aes\"]\ndowngrade = true\nmppe_stateful = \"no\"", []string{
			`:14: site.b1.encryption.policy: "on" is not known here: write "required", "preferred", "permitted" or "disabled"`,
			`:15: site.b1.encryption.methods: "aes" is not known here: write "aead" or "mppe-128"`,
			`:16: site.b1.encryption.downgrade: true is not known here: write "allowed"`,
			`:17: site.b1.encryption.mppe_stateful: "no" is not a yes or no: write true or false, without quotes`}},
		{"no method", tls, "methods = []", []string{
			`:14: site.b1.encryption.methods: no method: write methods = ["aead"] or ["mppe-128"], or policy = "disabled"`}},
		{"an unknown key", tls, "mppe_40 = true", []string{
			`:14: site.b1.encryption.mppe_40: unknown key: known here are downgrade, methods, mppe_stateful, policy`}},
		{"nothing said where methods differ", both, "", []string{
			`:13: site.b1.encryption.methods: missing: the methods of [site.b1.auth] leave keys for different ones: write methods = ["aead"], ["mppe-128"], or both with downgrade = "allowed"`}},
		{"aead without certificates", `["mschapv2"]`, `methods = ["aead"]`, []string{
			`:14: site.b1.encryption.methods: only "eap-tls" leaves keys for "aead", and [site.b1.auth] does not allow it: write methods = ["mppe-128"], or allow "eap-tls"`}},
		{"a method without keys for aead", both, `methods = ["aead"]`, []string{
			`:11: site.b1.auth.methods: "mschapv2" leaves no keys for "aead", and encryption is required: leave it out, or allow "mppe-128" in [site.b1.encryption]`}},
		{"methods without keys", `["pap", "chap", "mschapv2"]`, "", []string{
			`:11: site.b1.auth.methods: "chap" leaves no keys to encrypt with, and encryption is required: leave it out, or write policy = "disabled" in [site.b1.encryption] to agree to that`,
			`:11: site.b1.auth.methods: "pap" leaves no keys to encrypt with, and encryption is required: leave it out, or write policy = "disabled" in [site.b1.encryption] to agree to that`}},
		{"no keys at all", `["chap"]`, "policy = \"permitted\"", []string{
			`:14: site.b1.encryption.policy: no method of [site.b1.auth] leaves keys, so that nothing would ever be encrypted: write policy = "disabled" to agree to that`}},
		{"a downgrade that nobody agreed to", both, `methods = ["mppe-128", "aead"]`, []string{
			`:14: site.b1.encryption.methods: ECP's negotiation is not authenticated: who is on the path could strip "aead" and leave "mppe-128": leave one out, or write downgrade = "allowed" to agree to that`}},
		{"a downgrade to nothing", tls, `downgrade = "allowed"`, []string{
			`:14: site.b1.encryption.downgrade: there is nothing to fall back to: it is for "aead" beside "mppe-128": leave it out`}},
		{"stateful without MPPE", tls, `mppe_stateful = true`, []string{
			`:14: site.b1.encryption.mppe_stateful: it is for "mppe-128", which methods does not have: leave it out`}},
		{"disabled, and more", tls, "policy = \"disabled\"\nmethods = [\"aead\"]\nmppe_stateful = false\ndowngrade = \"allowed\"", []string{
			`:15: site.b1.encryption.methods: nothing is encrypted with policy = "disabled": leave it out, or write another policy`,
			`:16: site.b1.encryption.mppe_stateful: nothing is encrypted with policy = "disabled": leave it out, or write another policy`,
			`:17: site.b1.encryption.downgrade: nothing is encrypted with policy = "disabled": leave it out, or write another policy`}},
		{"disabled as a default, and more", tls, "[defaults.encryption]\npolicy = \"disabled\"\nmethods = [\"aead\"]", []string{
			`:16: defaults.encryption.methods: nothing is encrypted with policy = "disabled": leave it out, or write another policy`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newEncrypted(t, withMethods(c.methods, c.encryption))
			_, err := Load(d.path())
			wantFaults(t, d, err, c.want)
		})
	}
}

// A1: MS-CHAPv2 is in no default. What nobody wrote is certificates of both ends,
// authenticated encryption, and no link without it.
func TestAttackA1NothingWeakByDefault(t *testing.T) {
	d := newEncrypted(t, strings.Replace(encrypted, "methods = METHODS\n", "", 1))
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sites[0]
	if !slices.Equal(s.Auth.Methods, []auth.Method{auth.EAPTLS}) || s.Auth.SecretOut != "" || s.Auth.SecretIn != "" {
		t.Errorf("by default %v are allowed, with secrets: %v", s.Auth.Methods, s.Auth.SecretOut != "")
	}
	if want := (Encryption{PolicyRequired, []Cipher{AEAD}, false}); !reflect.DeepEqual(s.Encryption, want) {
		t.Errorf("by default %+v, want %+v", s.Encryption, want)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the default is warned of: %v", w)
	}
}

// A2: MS-CHAPv1 and keys of 40 and 56 bits have words, so that who asks for them
// hears that they never come.
func TestAttackA2NeverAccepted(t *testing.T) {
	for word, why := range map[string]string{
		"mschapv1": "it gives the password away to who listens",
		"MSCHAPv1": "it gives the password away to who listens",
		"mschap":   "it gives the password away to who listens",
		"eap-md5":  "it proves one end only, and leaves no keys",
	} {
		d := newEncrypted(t, withMethods(`["eap-tls", "`+word+`"]`, ""))
		_, err := Load(d.path())
		wantFaults(t, d, err, []string{`:11: site.b1.auth.methods: "` + word + `" is never accepted: ` + why +
			`: write "eap-tls", "eap-mschapv2", "mschapv2", "chap" or "pap"`})
	}
	for word, why := range map[string]string{
		"mppe-40": "keys of 40 bits can be tried out",
		"mppe-56": "keys of 56 bits can be tried out",
		"MPPE-40": "keys of 40 bits can be tried out",
	} {
		d := newEncrypted(t, withMethods(`["mschapv2"]`, `methods = ["mppe-128", "`+word+`"]`))
		_, err := Load(d.path())
		wantFaults(t, d, err, []string{`:14: site.b1.encryption.methods: "` + word + `" is never accepted: ` + why + `: write "aead" or "mppe-128"`})
	}
}
