package config

import (
	"fmt"
	"slices"
	"strings"

	"sitebridge/ppp/auth"
)

// secretMethods are those by which a secret is proved.
var secretMethods = []auth.Method{auth.EAPMSCHAPv2, auth.MSCHAPv2, auth.CHAP, auth.PAP}

// neverMethods are ways to prove a name that other programs have and we never
// will, and why.
var neverMethods = map[string]string{
	"mschapv1": "it gives the password away to who listens",
	"mschap":   "it gives the password away to who listens",
	"ms-chap":  "it gives the password away to who listens",
	"eap-md5":  "it proves one end only, and leaves no keys",
	"md5":      "it proves one end only, and leaves no keys",
}

// method parses a method of authentication.
func method(raw any) (auth.Method, *mistake) {
	words := []string{auth.EAPTLS.String()}
	for _, m := range secretMethods {
		words = append(words, m.String())
	}
	w, wrong := wordBut(neverMethods, words...)(raw)
	if wrong != nil {
		return 0, wrong
	}
	m, _ := auth.ParseMethod(w)
	return m, nil
}

// readAuth reads [site.NAME.auth].
func (d *draft) readAuth(s *Site, t *table) Auth {
	a := Auth{
		Methods:  []auth.Method{auth.EAPTLS},
		Name:     read(t, "name", d.Daemon.Name, authName),
		PeerName: read(t, "peer_name", s.Name, authName),
	}
	if t.has("methods") {
		a.Methods = readList(t, "methods", method)
		slices.Sort(a.Methods)
		a.Methods = slices.Compact(a.Methods)
		slices.Reverse(a.Methods)
	}
	if len(a.Methods) == 0 && t.at("methods").faultless() {
		t.at("methods").fault("no method", `write methods = ["eap-tls"], or leave it out, which is the same`)
	}
	if s.Remote != nil {
		d.readCallersAuth(s, &a, t)
	} else {
		readSecrets(s, &a, t)
	}
	a.Trust = d.readTrust(&a, t)
	if a.Trust != nil && s.Remote != nil {
		a.Trust.AnyName = true
	}
	a.OldTLS13 = readOldTLS13(a, t)
	return a
}

// The TLS 1.3 that a peer may have: that of EAP-TLS, and what was taken for it before
// there was a standard.
const (
	rfc9190 = "rfc9190"
	pppd249 = "pppd-2.4.9"
)

func readOldTLS13(a Auth, t *table) bool {
	old := read(t, "tls13", rfc9190, word(rfc9190, pppd249)) == pppd249
	if !a.Allows(auth.EAPTLS) {
		t.unused(`it belongs to "eap-tls", which the site does not allow`, `leave it out, or add "eap-tls" to methods`, "tls13")
		return false
	}
	return old
}

// readSecrets reads what both ends prove themselves with where they have no
// certificates.
func readSecrets(s *Site, a *Auth, t *table) {
	a.SecretOut = read(t, "secret_out_file", "", secretBeside(t.at("secret_out_file")))
	a.SecretIn = read(t, "secret_in_file", "", secretBeside(t.at("secret_in_file")))
	if !slices.ContainsFunc(secretMethods, a.Allows) {
		t.unused("no method of the site uses a secret", `leave it out, or write methods = ["mschapv2"] for a peer that has no certificate`,
			"secret_out_file", "secret_in_file")
		a.SecretOut, a.SecretIn = "", ""
		return
	}
	if len(s.Dial) > 0 && !t.has("secret_out_file") {
		t.below("secret_out_file").fault("the site is dialled, and we have nothing to prove ourselves with",
			`write secret_out_file = "..."`)
	}
	if s.Answer && !t.has("secret_in_file") {
		fix := `write secret_in_file = "..."`
		if len(s.Dial) > 0 {
			fix += ", or answer = false in [site." + s.Name + "]"
		}
		t.below("secret_in_file").fault("the site may call, and we have nothing to know it by", fix)
	}
	if a.SecretOut != "" && a.SecretOut == a.SecretIn && (a.Allows(auth.CHAP) || a.Allows(auth.PAP)) {
		t.at("secret_in_file").fault("the same secret as in secret_out_file: with chap and pap a peer could send our own proof back",
			"take another secret for one of them")
	}
}

// unused reports keys that no method has a use for. Where methods has a fault
// nobody knows what was meant.
func (t *table) unused(reason, fix string, keys ...string) {
	if t.at("methods").faultless() {
		t.stray(reason, fix, keys...)
	}
}

// agreeOnNames checks that a name which a peer proves leads to one site, and is
// not one of ours.
func (d *draft) agreeOnNames() {
	ours := map[string]string{withoutDomain(d.Daemon.Name): "daemon.name"}
	for _, s := range d.Sites {
		if d.siteAt[s].auth.has("name") {
			ours[withoutDomain(s.Auth.Name)] = d.siteAt[s].auth.at("name").String()
		}
	}
	theirs := map[string]*Site{}
	for _, s := range d.Sites {
		if s.Remote != nil {
			continue // agreeOnCallers looks at its users
		}
		at := d.siteAt[s].auth.at("peer_name")
		if key, taken := ours[withoutDomain(s.Auth.PeerName)]; taken {
			at.fault(fmt.Sprintf("%s is our own name too, by %s: a peer could send our own proof back", show(s.Auth.PeerName), key),
				"give the peer another name, in peer_name here and at its end")
		}
		if !s.Answer {
			continue
		}
		if other := theirs[s.Auth.PeerName]; other != nil {
			at.fault(fmt.Sprintf("%s is the name of site %s too, and the name decides which site calls", show(s.Auth.PeerName), other.Name),
				"give each peer its own name, in peer_name here and at its end")
			continue
		}
		theirs[s.Auth.PeerName] = s
	}
}

func withoutDomain(name string) string { return name[strings.LastIndexByte(name, '\\')+1:] }
