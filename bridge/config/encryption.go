package config

import (
	"fmt"
	"slices"

	"sitebridge/ppp/auth"
)

// leaves lists the ciphers that each method of authentication leaves keys for.
// The others leave none.
var leaves = map[auth.Method][]Cipher{
	auth.EAPTLS:      {AEAD, MPPE128},
	auth.EAPMSCHAPv2: {MPPE128},
	auth.MSCHAPv2:    {MPPE128},
}

func leavesKeys(m auth.Method) bool { return len(leaves[m]) > 0 }

// neverCiphers are those that other programs have and we never will, and why.
var neverCiphers = map[string]string{
	"mppe-40": "keys of 40 bits can be tried out",
	"mppe-56": "keys of 56 bits can be tried out",
}

// cipher parses a method of encryption.
func cipher(raw any) (Cipher, *mistake) { return wordBut(neverCiphers, AEAD, MPPE128)(raw) }

// readEncryption reads [site.NAME.encryption]. What the site allows for
// authentication is known already: the keys come from there.
func readEncryption(s *Site, at *siteTables) Encryption {
	t := at.encryption
	e := Encryption{
		Policy:   read(t, "policy", PolicyRequired, word(PolicyRequired, PolicyPreferred, PolicyPermitted, PolicyDisabled)),
		Methods:  readList(t, "methods", cipher),
		Stateful: read(t, "mppe_stateful", false, flag),
	}
	downgrade := read(t, "downgrade", "", word("allowed"))
	if e.Policy == PolicyDisabled {
		at.agreeOnNone()
		return Encryption{Policy: PolicyDisabled}
	}
	slices.Sort(e.Methods) // the stronger one is first in the alphabet too
	e.Methods = slices.Compact(e.Methods)
	if !at.agreeOnKeys(s, e.Policy) {
		return e
	}
	if !t.has("methods") {
		e.Methods = at.defaultCiphers(s)
	}
	at.agreeOnCiphers(s, e, downgrade)
	e.Stateful = e.Stateful && e.Allows(MPPE128)
	return e
}

// agreeOnNone checks that nothing stands beside the policy "disabled". A site's
// own "disabled" undoes all that the defaults say.
func (at *siteTables) agreeOnNone() {
	t := at.encryption
	for _, key := range []string{"methods", "mppe_stateful", "downgrade"} {
		if t.owns(key) || t.has(key) && !t.owns("policy") {
			t.at(key).fault(`nothing is encrypted with policy = "disabled"`, "leave it out, or write another policy")
		}
	}
}

// agreeOnKeys checks that authentication leaves keys to encrypt with: each method
// where encryption is required, else one of them. With a fault it reports false.
func (at *siteTables) agreeOnKeys(s *Site, p Policy) bool {
	if p != PolicyRequired {
		return at.agreeOnSomeKeys(s)
	}
	sure := true
	for _, m := range s.Auth.Methods {
		if !leavesKeys(m) {
			sure = false
			at.auth.at("methods").fault(fmt.Sprintf("%q leaves no keys to encrypt with, and encryption is required", m),
				fmt.Sprintf(`leave it out, or write policy = "disabled" in [site.%s.encryption] to agree to that`, s.Name))
		}
	}
	return sure
}

func (at *siteTables) agreeOnSomeKeys(s *Site) bool {
	if !at.auth.at("methods").faultless() || slices.ContainsFunc(s.Auth.Methods, leavesKeys) {
		return true
	}
	at.encryption.at("policy").fault(fmt.Sprintf("no method of [site.%s.auth] leaves keys, so that nothing would ever be encrypted", s.Name),
		`write policy = "disabled" to agree to that`)
	return false
}

// defaultCiphers chooses where methods is not written: the best that all methods
// of authentication leave keys for. Where that is not the best of each of them,
// the file has to say what it wants.
func (at *siteTables) defaultCiphers(s *Site) []Cipher {
	certificates := s.Auth.Allows(auth.EAPTLS)
	for _, m := range s.Auth.Methods {
		if m != auth.EAPTLS && (certificates || !leavesKeys(m)) {
			at.encryption.below("methods").fault(fmt.Sprintf("missing: the methods of [site.%s.auth] leave keys for different ones", s.Name),
				`write methods = ["aead"], ["mppe-128"], or both with downgrade = "allowed"`)
			return nil
		}
	}
	if certificates {
		return []Cipher{AEAD}
	}
	return []Cipher{MPPE128}
}

// agreeOnCiphers checks the methods against what authentication leaves keys for,
// and against each other.
func (at *siteTables) agreeOnCiphers(s *Site, e Encryption, downgrade string) {
	t, methods := at.encryption, at.encryption.at("methods")
	switch {
	case !methods.faultless():
		return // what was meant is not known
	case len(e.Methods) == 0:
		methods.fault("no method", `write methods = ["aead"] or ["mppe-128"], or policy = "disabled"`)
		return
	case e.Allows(AEAD) && !s.Auth.Allows(auth.EAPTLS):
		methods.fault(fmt.Sprintf(`only "eap-tls" leaves keys for "aead", and [site.%s.auth] does not allow it`, s.Name),
			`write methods = ["mppe-128"], or allow "eap-tls"`)
		return
	}
	if e.Policy == PolicyRequired {
		at.agreeOnEachKey(s, e)
	}
	if e.Allows(AEAD) && s.Auth.OldTLS13 {
		at.agreeOnTLS13(s)
	}
	both := e.Allows(AEAD) && e.Allows(MPPE128)
	if both && downgrade == "" && t.at("downgrade").faultless() {
		methods.fault(`ECP's negotiation is not authenticated: who is on the path could strip "aead" and leave "mppe-128"`,
			`leave one out, or write downgrade = "allowed" to agree to that`)
	}
	if !both && downgrade != "" && t.owns("downgrade") {
		t.below("downgrade").fault(`there is nothing to fall back to: it is for "aead" beside "mppe-128"`, "leave it out")
	}
	if e.Stateful && !e.Allows(MPPE128) && t.owns("mppe_stateful") {
		t.below("mppe_stateful").fault(`it is for "mppe-128", which methods does not have`, "leave it out")
	}
}

// agreeOnEachKey checks that each method of authentication leaves keys for one of
// the ciphers.
func (at *siteTables) agreeOnEachKey(s *Site, e Encryption) {
	for _, m := range s.Auth.Methods {
		if !slices.ContainsFunc(leaves[m], e.Allows) {
			at.auth.at("methods").fault(fmt.Sprintf("%q leaves no keys for %s, and encryption is required", m, oneOf(e.Methods)),
				fmt.Sprintf("leave it out, or allow %s in [site.%s.encryption]", oneOf(leaves[m]), s.Name))
		}
	}
}

// agreeOnTLS13 reports a site that would found its authenticated encryption on less
// than RFC 9190 has. The peers that need that have no such encryption.
func (at *siteTables) agreeOnTLS13(s *Site) {
	fix := "leave it out"
	if !at.auth.owns("tls13") {
		fix = fmt.Sprintf("tls13 = %q in [site.%s.auth]", rfc9190, s.Name)
	}
	at.auth.at("tls13").fault(fmt.Sprintf(`%q gives up the octet by which RFC 9190 protects a success, and keys that are for nothing else: that is too little for "aead", which site %s has`, pppd249, s.Name),
		fmt.Sprintf(`write methods = ["mppe-128"] in [site.%s.encryption], or %s`, s.Name, fix))
}
