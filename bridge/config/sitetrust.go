package config

import (
	"cmp"
	"crypto/x509"
	"fmt"

	"sitebridge/bridge/identity"
	"sitebridge/ppp/auth"
)

// readTrust reads whose certificate is the peer's: one that a CA of the file
// signed for its name, or the one that has the fingerprint.
func (d *draft) readTrust(a *Auth, t *table) *identity.Trust {
	cas := read(t, "ca", nil, d.casBeside(t.at("ca")))
	fingerprint := read(t, "fingerprint", identity.Fingerprint{}, parseFingerprint)
	crl := read(t, "crl", revocations{}, crlBeside(t.at("crl")))
	if !a.Allows(auth.EAPTLS) {
		t.unused(`it belongs to "eap-tls", which the site does not allow`, `leave it out, or add "eap-tls" to methods`, "ca", "fingerprint", "crl")
		return nil
	}
	d.needIdentity()
	trust := &identity.Trust{Name: a.PeerName}
	switch byCA, pinned := t.either("ca", "fingerprint"); {
	case byCA && pinned:
		t.at("fingerprint").fault("the peer is known by ca already", "leave one out")
	case byCA:
		trust.CAs, trust.CRL = cas, crl.path
		a.Revoked = crl.sum
		t.agreeOnCRL(crl, cas)
	case pinned:
		trust.Fingerprint, trust.Pinned = fingerprint, true
		if t.owns("crl") {
			t.below("crl").fault("a certificate that is known by its fingerprint is on no list", "leave it out: to revoke it, take its fingerprint out")
		}
	default:
		t.needTrust()
	}
	return trust
}

// either reports which of two keys counts: where one is the site's own and one a
// default, its own.
func (t *table) either(a, b string) (hasA, hasB bool) {
	if ownA, ownB := t.owns(a), t.owns(b); ownA != ownB {
		return ownA, ownB
	}
	return t.has(a), t.has(b)
}

// needTrust reports that there is nothing to know the peer's certificate by.
func (t *table) needTrust() {
	fix := `write ca = "ca.pem", who signs for it, or fingerprint = "sha256:...", which sitebridge identity show prints there`
	if !t.has("methods") {
		fix += `; or methods = ["mschapv2"] for a peer that has no certificate`
	}
	t.below("ca").fault(`with "eap-tls", we have nothing to know the peer's certificate by`, fix)
}

// needIdentity reports, once for all sites, that we have no certificate.
func (d *draft) needIdentity() {
	if d.daemonAt.has("certificate") {
		return
	}
	us := cmp.Or(d.Daemon.Name, "hq")
	d.daemonAt.below("certificate").fault(`"eap-tls", which is the default of auth.methods, needs a certificate of our own`,
		fmt.Sprintf(`make one with sitebridge identity new %s and write certificate = "%s.pem", or write other methods for the sites that do not have it`, us, us))
}

// casBeside parses the path of a file of CAs, which stands in the configuration
// at a place.
func (d *draft) casBeside(at place) func(any) ([]*x509.Certificate, *mistake) {
	return func(raw any) ([]*x509.Certificate, *mistake) {
		b, wrong := certificateFile.beside(at)(raw)
		if wrong != nil {
			return nil, wrong
		}
		if cas := d.cas[string(b)]; cas != nil {
			return cas, nil
		}
		cas, err := identity.ParseCertificates(b)
		if err != nil {
			return nil, &mistake{fmt.Sprintf("%s: %s", show(raw), printable(err.Error())), "write the path of a file with the certificate of who signs for the peer"}
		}
		for _, c := range cas {
			if !c.IsCA {
				return nil, &mistake{fmt.Sprintf("the certificate of %s in %s may not sign for others", nameOf(c), show(raw)),
					fmt.Sprintf("if it is the peer's own, write fingerprint = %q instead", identity.Of(c))}
			}
		}
		if d.cas == nil {
			d.cas = map[string][]*x509.Certificate{}
		}
		d.cas[string(b)] = cas
		return cas, nil
	}
}

// nameOf is the first name that a certificate proves, for a message.
func nameOf(c *x509.Certificate) string {
	if names := identity.Names(c); len(names) > 0 {
		return show(names[0])
	}
	return show(c.Subject.String())
}

func parseFingerprint(raw any) (identity.Fingerprint, *mistake) {
	s, _ := raw.(string)
	f, err := identity.ParseFingerprint(s)
	if err != nil {
		return f, notA(raw, "a fingerprint", `write "sha256:" and 64 hexadecimal digits, as sitebridge identity show prints it`)
	}
	if f == (identity.Fingerprint{}) {
		return f, &mistake{"that is the README's placeholder", "write the fingerprint that the peer printed (sitebridge identity show)"}
	}
	return f, nil
}

// agreeOnCertificates checks that a certificate leads to one site, and that it is
// not ours. One that a CA signed leads there by its name, which agreeOnNames looks
// at.
func (d *draft) agreeOnCertificates() {
	callers := map[identity.Fingerprint]*Site{}
	for _, s := range d.Sites {
		if s.Auth.Trust == nil || !s.Auth.Trust.Pinned {
			continue
		}
		at, print := d.siteAt[s].auth.at("fingerprint"), s.Auth.Trust.Fingerprint
		if own := d.Daemon.Identity; own != nil && print == identity.Of(own.Leaf()) {
			at.fault("that is our own certificate", "write the fingerprint that sitebridge identity show prints at the peer")
		}
		if !s.Answer || !at.faultless() {
			continue
		}
		if other := callers[print]; other != nil {
			at.fault(fmt.Sprintf("it is the certificate of site %s too, and the certificate decides which site calls", other.Name),
				"give each peer its own certificate")
			continue
		}
		callers[print] = s
	}
}
