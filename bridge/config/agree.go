package config

import (
	"fmt"
	"slices"

	"sitebridge/ppp/auth"
)

// agree checks values against each other, across tables.
func (d *draft) agree() {
	for _, s := range d.Sites {
		d.require(s)
		if s.Answer {
			d.Listen.Methods = append(d.Listen.Methods, s.Auth.Methods...)
		}
	}
	slices.SortFunc(d.Listen.Methods, func(a, b auth.Method) int { return int(b) - int(a) })
	d.Listen.Methods = slices.Compact(d.Listen.Methods)
	d.agreeOnDevices()
	d.agreeOnNames()
	d.agreeOnCertificates()
	d.agreeOnRoutes()
	d.agreeOnIPX()
	d.agreeOnCallers()
	d.agreeOnRadius()
	d.agreeOnDemand()
	d.agreeOnUDP()
}

// require checks what a site requires against what it runs. What it runs is the
// default, but for IPv6: many old peers refuse it.
func (d *draft) require(s *Site) {
	t := d.siteAt[s].site
	if s.IP == nil && s.IPX == nil {
		t.fault("the site carries neither IP nor IPX",
			fmt.Sprintf("add [site.%s.ip] or [site.%s.ipx], or name it in the sites of a segment", s.Name, s.Name))
		return
	}
	if !t.has("required") {
		for _, p := range []Protocol{ProtocolIP, ProtocolIPX} {
			if s.Runs(p) {
				s.Required = append(s.Required, p)
			}
		}
		return
	}
	at := t.at("required")
	if len(s.Required) == 0 && at.faultless() {
		at.fault("nothing is required", `write required = ["ip"], or leave it out for all that the site carries`)
	}
	for i, p := range s.Required {
		switch {
		case slices.Contains(s.Required[:i], p):
			at.fault(fmt.Sprintf("%q stands there twice", p), "leave one out")
		case !s.Runs(p):
			at.fault(fmt.Sprintf("the site does not carry %q", p), fmt.Sprintf("leave it out, or add %s", missing(s, p)))
		}
	}
}

// missing names what makes a site carry p.
func missing(s *Site, p Protocol) string {
	if p == ProtocolIPv6 && s.IP != nil {
		return fmt.Sprintf("ipv6 = true to [site.%s.ip]", s.Name)
	}
	table := p
	if p == ProtocolIPv6 {
		table = ProtocolIP
	}
	return fmt.Sprintf("[site.%s.%s]", s.Name, table)
}

// agreeOnDevices checks that each interface is used for one thing.
func (d *draft) agreeOnDevices() {
	users := map[string]string{}
	take := func(name string, at place, fix string) {
		if name == "" {
			return
		}
		if other, taken := users[name]; taken {
			at.fault(fmt.Sprintf("interface %q is that of %s already", name, other), fix)
			return
		}
		users[name] = at.String()
	}
	for _, l := range d.LANs {
		key, fix := "interface", "write another one"
		if l.TAP != "" {
			key = "tap"
		} else if other := d.lanOn(l.Interface); other != l { // one LAN has all frame types of its wire
			fix = fmt.Sprintf("put its frame types into [lan.%s]", other.Name)
		}
		take(l.Device(), d.lanAt[l].at(key), fix)
	}
	for _, s := range d.Sites {
		take(s.Device, d.siteAt[s].site.below("device"), "write another one")
	}
}

// lanOn returns the first LAN on an interface.
func (d *draft) lanOn(device string) *LAN {
	i := slices.IndexFunc(d.LANs, func(l *LAN) bool { return l.Interface == device })
	if i < 0 {
		return nil
	}
	return d.LANs[i]
}
