package config

import (
	"fmt"
	"slices"
	"strings"

	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
)

// readAuth reads [site.NAME.auth].
func (d *draft) readAuth(s *Site, t *table) Auth {
	a := Auth{
		Methods:   readList(t, "methods", method),
		Name:      read(t, "name", d.Daemon.Name, authName),
		PeerName:  read(t, "peer_name", s.Name, authName),
		SecretOut: read(t, "secret_out_file", "", secretBeside(t.at("secret_out_file"))),
		SecretIn:  read(t, "secret_in_file", "", secretBeside(t.at("secret_in_file"))),
	}
	slices.Sort(a.Methods)
	a.Methods = slices.Compact(a.Methods)
	slices.Reverse(a.Methods)
	t.laterKeys(`leave it out; it belongs to "eap-tls"`, "ca", "fingerprint")

	if !t.has("methods") {
		t.below("methods").fault(`the default is "eap-tls", and this version does not have it`,
			`write methods = ["mschapv2"], or "chap" or "pap" for a peer that knows nothing better`)
	} else if len(a.Methods) == 0 && t.at("methods").faultless() {
		t.at("methods").fault("no method", `write methods = ["mschapv2"], or "chap" or "pap" for a peer that knows nothing better`)
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
	return a
}

// secretBeside parses the path of a secret, relative to the file that names it.
func secretBeside(at place) func(any) (secret.Secret, *mistake) {
	return func(raw any) (secret.Secret, *mistake) {
		path, wrong := text(raw)
		if wrong != nil {
			return "", wrong
		}
		return readSecret(at.doc.beside(""), path)
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
