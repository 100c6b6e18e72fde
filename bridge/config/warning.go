package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
)

// A Warning is something that works and that an operator should know about.
type Warning struct {
	Site string // empty: of the whole daemon
	Text string
}

func (w Warning) String() string {
	if w.Site == "" {
		return "daemon: " + w.Text
	}
	return fmt.Sprintf("site.%s: %s", w.Site, w.Text)
}

// Warnings lists what `check`, the start of the daemon and status must tell.
func (c *Config) Warnings() []Warning {
	all := warnings("", c.Daemon.openReaders()...)
	all = append(all, warnings("", c.openDOSBox()...)...)
	all = append(all, c.Expiring(time.Now())...)
	all = append(all, c.notes...)
	all = append(all, warnings("", c.radiusWarnings()...)...)
	for _, s := range c.Sites {
		for _, m := range s.Auth.Methods {
			all = append(all, warnings(s.Name, weakness[m])...)
		}
		all = append(all, warnings(s.Name, s.Auth.shortSecrets()...)...)
		all = append(all, warnings(s.Name, s.Remote.shortSecrets())...)
		all = append(all, warnings(s.Name, s.oneWay(), c.Daemon.misnamed(s))...)
		all = append(all, warnings(s.Name, s.oldTLS13()...)...)
		all = append(all, warnings(s.Name, s.Encryption.weaknesses()...)...)
		all = append(all, warnings(s.Name, c.deafNetBIOS(s))...)
	}
	return all
}

// Advice lists what is not wrong, and could be better: for `check` alone, since
// nobody should have to read it twice.
func (c *Config) Advice() []Warning {
	var all []Warning
	for _, s := range c.Sites {
		all = append(all, warnings(s.Name, s.IPX.believing())...)
	}
	return all
}

// Expiring lists the Warnings of certificates that are not good at the time of
// now, or not for long. They come with time, whatever was told at the start.
func (c *Config) Expiring(now time.Time) []Warning {
	all := warnings("", c.Daemon.expiring(now))
	for _, s := range c.Sites {
		all = append(all, warnings(s.Name, append(s.expiring(now), s.listExpiring(now)...)...)...)
	}
	return all
}

// warnings makes one of each text that is not empty.
func warnings(site string, texts ...string) []Warning {
	var all []Warning
	for _, text := range texts {
		if text != "" {
			all = append(all, Warning{site, text})
		}
	}
	return all
}

// weakness says what is wrong with each method.
var weakness = map[auth.Method]string{
	auth.EAPMSCHAPv2: "eap-mschapv2 falls to one DES search over a recorded exchange: take a long random secret that is used for nothing else",
	auth.MSCHAPv2:    "mschapv2 falls to one DES search over a recorded exchange: take a long random secret that is used for nothing else",
	auth.CHAP:        "chap lets who recorded an exchange try secrets against it: take a long random secret that is used for nothing else",
	auth.PAP:         "pap sends the secret in clear: who is on the way can read it",
}

// goodSecret is how long a secret is, in octets, that nobody finds by trying.
const goodSecret = 16

// shortSecrets tells of secrets that somebody may find by trying. How long one is
// does not say what it is.
func (a Auth) shortSecrets() []string {
	var all []string
	for _, s := range []struct {
		key    string
		secret secret.Secret
	}{{"secret_out_file", a.SecretOut}, {"secret_in_file", a.SecretIn}} {
		if n := len(s.secret); n > 0 && n < goodSecret {
			all = append(all, fmt.Sprintf("the secret in %s has a length of %d, which may be found by trying: take %d octets or more, of a random generator", s.key, n, goodSecret))
		}
	}
	return all
}

// oneWay tells of a peer that is not asked who it is.
func (s *Site) oneWay() string {
	if len(s.Dial) > 0 && s.Auth.SecretIn == "" && (s.Auth.Allows(auth.CHAP) || s.Auth.Allows(auth.PAP)) {
		return "with chap and pap the peer that we dial proves itself only if there is a secret_in_file"
	}
	return ""
}

// oldTLS13 tells of what a TLS 1.3 lacks that is older than RFC 9190, and what it
// means for others: who calls shows later who it is.
func (s *Site) oldTLS13() []string {
	if !s.Auth.OldTLS13 {
		return nil
	}
	all := []string{fmt.Sprintf("tls13 = %q gives up the octet by which RFC 9190 protects a success, and keys that are for nothing else: let the peer speak TLS 1.2, which is its default, or give it a newer pppd", pppd249)}
	if s.Answer {
		all = append(all, fmt.Sprintf("for tls13 = %q every caller with TLS 1.3 is given a session ticket: it opens nothing", pppd249))
	}
	return all
}

// weaknesses says what is wrong with how a link is protected.
func (e Encryption) weaknesses() []string {
	var all []string
	switch e.Policy {
	case PolicyDisabled:
		all = append(all, "nothing in this tunnel is encrypted: who is on the way can read and change it")
	case PolicyPreferred:
		all = append(all, "encryption is only preferred: who is on the way can have it switched off")
	case PolicyPermitted:
		all = append(all, `encryption is only permitted: who is on the way can have it switched off, and where the peer has the policy "permitted" too nobody asks for it and nothing is encrypted`)
	}
	if e.Allows(MPPE128) {
		all = append(all, "mppe-128 has no integrity: who is on the way can change packets")
		if e.Allows(AEAD) {
			all = append(all, "a downgrade is allowed: who is on the way can have mppe-128 taken instead of aead")
		}
	}
	if e.Stateful {
		all = append(all, "stateful MPPE repeats its keystream after each lost packet: who is on the way can read what was sent with it")
	}
	return all
}

// believing tells of a peer that may announce whatever is not ours.
func (x *IPX) believing() string {
	if x == nil || !x.Learns() || x.Limits.AcceptNetworks != nil {
		return ""
	}
	return fmt.Sprintf("with exchange = %q the peer may announce every network that is not ours, and gets the packets for it: accept_networks says which are behind it", x.Exchange)
}

// deafNetBIOS tells of broadcasts that do not cross a link in spite of netbios. Each
// network that one has crossed is noted in it, which finds loops; a link without a
// number has that of our inside.
func (c *Config) deafNetBIOS(s *Site) string {
	if s.IPX == nil || s.Segment != nil || !s.IPX.Gate.PassNetBIOS || s.IPX.Network != 0 || c.Daemon.InternalNetwork != 0 {
		return ""
	}
	return fmt.Sprintf("netbios = %q, and no NetBIOS broadcast crosses a link without a number, since its loops could not be found: write ipx_internal_network in [daemon], or network in [site.%s.ipx]", s.IPX.NetBIOS, s.Name)
}

// openReaders tells of metrics and of a page that others than this machine may read.
func (d *Daemon) openReaders() []string {
	var all []string
	for _, r := range []struct {
		what string
		at   netip.AddrPort
	}{{"metrics", d.Metrics}, {"the status page", d.Web}} {
		if r.at.IsValid() && !r.at.Addr().IsLoopback() {
			all = append(all, fmt.Sprintf("%s can be read at %s from other machines: names of our peers, and how much each sends", r.what, r.at))
		}
	}
	return all
}

// listExpiring tells of revocation lists that nobody has made anew: when their time
// is over, nobody is let in.
func (s *Site) listExpiring(now time.Time) []string {
	if s.Auth.Trust == nil || s.Auth.Trust.CRL == "" {
		return nil
	}
	lists, err := identity.LoadLists(s.Auth.Trust.CRL)
	if err != nil {
		return []string{fmt.Sprintf("the revocation list cannot be read, and nobody is let in without: %v", err)}
	}
	var all []string
	for _, l := range lists {
		if days, soon := identity.ListExpiresSoon(l, now); soon {
			all = append(all, fmt.Sprintf("the revocation list %s is good for %d days more, and nobody is let in after that: sitebridge identity revoke makes it anew", s.Auth.Trust.CRL, days))
		}
	}
	return all
}

// expiring tells of a certificate of ours that is not good, or not for long.
func (d *Daemon) expiring(now time.Time) string {
	if d.Identity == nil {
		return ""
	}
	leaf := d.Identity.Leaf()
	if now.Before(leaf.NotBefore) {
		return fmt.Sprintf("our certificate is not good before %s: is the clock right?", date(leaf.NotBefore))
	}
	if days, soon := identity.ExpiresSoon(leaf, now); soon {
		return "our certificate " + expiry(days, leaf.NotAfter) + ": have it issued anew; sitebridge identity does that"
	}
	return ""
}

// misnamed tells of a site where we go by another name than our certificate's.
func (d *Daemon) misnamed(s *Site) string {
	if d.Identity == nil || !s.Auth.Allows(auth.EAPTLS) {
		return ""
	}
	names := identity.Names(d.Identity.Leaf())
	if slices.Contains(names, s.Auth.Name) {
		return ""
	}
	return fmt.Sprintf("our certificate is for %s, and our name there is %s: the peer asks for a certificate of that name", cmp.Or(oneOf(names), "no name"), show(s.Auth.Name))
}

// expiring tells of who signs for the peer, and will not be able to for long.
func (s *Site) expiring(now time.Time) []string {
	if s.Auth.Trust == nil {
		return nil
	}
	var all []string
	for _, ca := range s.Auth.Trust.CAs {
		if days, soon := identity.ExpiresSoon(ca, now); soon {
			all = append(all, fmt.Sprintf("the certificate of %s, who signs for the peer, %s: have it renewed, and write the new one into ca too", nameOf(ca), expiry(days, ca.NotAfter)))
		}
	}
	return all
}

// expiry says when a certificate ends, days from now.
func expiry(days int, end time.Time) string {
	if days < 0 {
		return "expired on " + date(end)
	}
	return fmt.Sprintf("expires in %d days, on %s", days, date(end))
}
