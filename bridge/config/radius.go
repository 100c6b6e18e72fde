package config

import (
	"net/netip"
	"slices"
	"time"

	"sitebridge/internal/secret"
	"sitebridge/ipx"
	"sitebridge/ppp/auth"
)

// Defaults of RADIUS (RFC 2865, section 3; RFC 2866, section 3).
const (
	radiusPort        = 1812
	radiusAccounting  = 1813
	defaultTimeout    = 3 * time.Second
	defaultTries      = 3
	minRadiusSecret   = 16 // octets, with what RFC 2865, section 3, calls preferable
	maxRadiusIdentity = 253
)

// A Radius is who knows callers that the file does not.
type Radius struct {
	Servers    []netip.AddrPort // tried in turn
	Accounting []netip.AddrPort // told of calls; empty: nobody is
	Secret     secret.Secret    // that we share with all of them
	Timeout    time.Duration    // until a request is repeated
	Tries      int              // at each server
	Identifier string           // what we call ourselves there; empty: Daemon.Name
}

// readRadius reads [radius]; nil: there is none.
func (d *draft) readRadius(t *table) {
	if !t.present {
		return
	}
	r := &Radius{
		Servers:    readList(t, "servers", radiusServer(radiusPort)),
		Secret:     read(t, "secret_file", "", secretBeside(t.at("secret_file"))),
		Accounting: readList(t, "accounting", radiusServer(radiusAccounting)),
		Timeout:    read(t, "timeout", defaultTimeout, duration(time.Second, 30*time.Second)),
		Tries:      read(t, "tries", defaultTries, number(1, 10)),
		Identifier: read(t, "nas_identifier", "", text),
	}
	if len(r.Servers) == 0 && t.at("servers").faultless() {
		t.below("servers").fault("missing", `write the servers that know the callers, as in servers = ["192.0.2.5:1812"]`)
	}
	if r.Secret == "" && t.at("secret_file").faultless() {
		t.below("secret_file").fault("missing", `write the file with the secret that the servers and we share, as in secret_file = "secrets/radius"`)
	}
	if len(r.Identifier) > maxRadiusIdentity {
		t.at("nas_identifier").fault("it is too long", "write 253 octets at most")
	}
	t.unknown()
	d.Radius = r
}

// radiusServer parses the address of a server, whose port may be left out.
func radiusServer(port uint16) func(any) (netip.AddrPort, *mistake) {
	return func(raw any) (netip.AddrPort, *mistake) {
		text, _ := raw.(string)
		a, err := netip.ParseAddrPort(text)
		if host, e := netip.ParseAddr(text); e == nil {
			a, err = netip.AddrPortFrom(host, port), nil
		}
		if err != nil || a.Addr().Is4In6() || a.Addr().IsMulticast() || a.Addr().IsUnspecified() || a.Addr().Zone() != "" || a.Port() == 0 {
			return netip.AddrPort{}, notA(raw, "the address of a server", `write it as in "192.0.2.5:`+netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[8:]+`"`)
		}
		return a, nil
	}
}

// AskRadius returns the site whose callers RADIUS knows; nil: there is none.
func (c *Config) AskRadius() *Site {
	i := slices.IndexFunc(c.Sites, func(s *Site) bool { return s.Remote != nil && s.Remote.Radius })
	if i < 0 || !c.Sites[i].Answer {
		return nil
	}
	return c.Sites[i]
}

// agreeOnRadius checks who is asked for whom.
func (d *draft) agreeOnRadius() {
	var first *Site
	for _, s := range d.Sites {
		if s.Remote == nil || !s.Remote.Radius {
			continue
		}
		at := d.siteAt[s].site.at("radius")
		switch {
		case d.Radius == nil:
			at.fault("no server is there to be asked", `add [radius], with servers = ["192.0.2.5:1812"]`)
		case first != nil:
			at.fault("the callers of site "+first.Name+" are asked for there too, and a name decides which site is called", "leave it out for one of them")
		case !slices.ContainsFunc(secretMethods, s.Auth.Allows):
			d.siteAt[s].auth.at("methods").fault("RADIUS is asked about secrets, and the site takes certificates alone", `write methods = ["mschapv2"], or leave out radius = true`)
		default:
			first = s
		}
	}
	if d.Radius != nil && first == nil && len(*d.faults) == 0 {
		d.radiusAt.fault("no site has callers that are asked for there", "write radius = true in a [site.NAME] with a pool, or leave the table out")
	}
}

// radiusWarnings tell of what RADIUS makes weaker.
func (c *Config) radiusWarnings() (words []string) {
	if c.Radius == nil {
		return nil
	}
	if n := len(c.Radius.Secret); n > 0 && n < minRadiusSecret {
		words = append(words, "radius.secret_file: the secret may be found by trying from one recorded packet: take 16 octets or more, of a random generator")
	}
	if s := c.AskRadius(); s != nil && s.Auth.Allows(auth.PAP) {
		words = append(words, "radius: passwords of callers with \"pap\" go to the server behind MD5 alone: the way to it must be yours")
	}
	return words
}

// Routed is what a caller has whose link is a network of IPX by itself, with a router
// behind it, where x is for callers that share one.
func (x *IPX) Routed(n ipx.Network) *IPX {
	own := *x
	own.Network, own.Workstation, own.Exchange, own.Update = n, false, ExchangeTriggered, defaultUpdate
	return &own
}
