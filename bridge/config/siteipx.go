package config

import (
	"fmt"
	"slices"

	"sitebridge/ipx"
)

// readIPX reads [site.NAME.ipx].
func readIPX(t *table) *IPX {
	x := &IPX{
		Network:     readOwn(t, "network", 0, network),
		Routes:      readList(t, "routes", ipxRoute),
		Services:    readList(t, "services", ipxService),
		Workstation: read(t, "workstation", false, flag),
	}
	read(t, "exchange", "", soon([]string{"static"}, "rip-sap", "triggered", "auto-static"))
	t.laterKeys(`leave it out; with exchange = "static" the peer's announcements are not heard`, "accept_networks")
	t.laterKeys("leave it out; networks are forgotten with the tunnel that they are behind", "hold")

	behind := func(n ipx.Network) bool {
		return slices.ContainsFunc(x.Routes, func(r IPXRoute) bool { return r.Network == n })
	}
	for i, r := range x.Routes {
		if slices.ContainsFunc(x.Routes[:i], func(o IPXRoute) bool { return o.Network == r.Network }) {
			t.at("routes").fault(fmt.Sprintf("network %s stands there twice", r.Network), "leave one out")
		}
	}
	for _, s := range x.Services {
		if !behind(s.Address.Network) && t.at("routes").faultless() {
			t.at("services").fault(fmt.Sprintf("%s is on network %s, and no route leads there", s.Name, s.Address.Network),
				fmt.Sprintf(`add "%s hops 1 ticks 7" to routes`, s.Address.Network))
		}
	}
	if x.Workstation {
		t.agreeOnWorkstation(x)
	}
	return x
}

// agreeOnWorkstation checks what a peer that is one host can have.
func (t *table) agreeOnWorkstation(x *IPX) {
	if !t.owns("network") {
		t.below("network").fault("a workstation needs a network to be on", networkFix+", which nothing else has")
	}
	if len(x.Routes) > 0 {
		t.at("routes").fault("nothing is behind a workstation", "leave it out, or workstation")
	}
}

// agreeOnNetworks checks that an IPX network number stands for one wire or link.
// A network behind a peer may be behind others too, but not here.
func (d *draft) agreeOnNetworks() {
	here := map[ipx.Network]string{}
	take := func(n ipx.Network, at place) {
		if n == 0 {
			return
		}
		if other, taken := here[n]; taken {
			at.fault(fmt.Sprintf("network %s is %s already", n, other), "write a number that nothing else has")
			return
		}
		here[n] = at.String()
	}
	take(d.Daemon.InternalNetwork, d.daemonAt.at("ipx_internal_network"))
	for _, l := range d.LANs {
		for _, f := range l.Frames {
			take(f.Network, d.lanAt[l].at(f.Encapsulation.String()))
		}
	}
	for _, s := range d.Segments {
		take(s.Network, d.segmentAt[s].at("network"))
	}
	for _, s := range d.Sites {
		if s.IPX != nil {
			take(s.IPX.Network, d.siteAt[s].ipx.below("network"))
		}
	}
	for _, s := range d.Sites {
		if s.IPX == nil {
			continue
		}
		for _, r := range s.IPX.Routes {
			if other, taken := here[r.Network]; taken {
				d.siteAt[s].ipx.at("routes").fault(fmt.Sprintf("network %s cannot be behind the peer: it is %s", r.Network, other),
					"give one of the two another number")
			}
		}
	}
}
