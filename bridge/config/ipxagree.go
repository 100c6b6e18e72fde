package config

import (
	"fmt"
	"slices"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// agreeOnIPX checks the IPX of sites and LANs against each other. Which links
// bridge is known.
func (d *draft) agreeOnIPX() {
	here := d.agreeOnNetworks()
	d.ours = here
	for _, l := range d.LANs {
		d.agreeOnLAN(l, here)
	}
	d.agreeOnDOSBox()
	files := map[string]*Site{}
	for _, s := range d.Sites {
		if s.IPX == nil || s.Segment != nil {
			continue
		}
		t, x := d.siteAt[s].ipx, s.IPX
		t.agreeOnExchange(x)
		if x.Workstation {
			t.agreeOnWorkstation(x)
		}
		t.agreeOnRoutes(x, here)
		t.agreeOnServices(x, here)
		t.agreeOnLimits(&x.Limits, here)
		t.agreeOnAnnounced(x)
		d.agreeOnFile(s, files)
		d.loadLearned(s, here)
	}
}

// A numbers tells what each network number is here, by the key that says so.
type numbers map[ipx.Network]string

// agreeOnNetworks checks that an IPX network number stands for one wire or link.
func (d *draft) agreeOnNetworks() numbers {
	here := numbers{}
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
			take(f.Network, d.lanAt[l].at(l.key(f.Encapsulation)))
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
	return here
}

// agreeOnExchange checks the keys of a site by how its peer's networks are known,
// and forgets what the defaults say for sites of another kind.
func (t *table) agreeOnExchange(x *IPX) {
	if !t.at("exchange").faultless() || !t.at("workstation").faultless() {
		x.Learned = ""
		return // what was meant is not known
	}
	if x.Workstation {
		t.agreeOnNothingBehind(x)
	}
	if !x.Learns() {
		t.stray(`with exchange = "static" nothing is learned from the peer`, `leave it out, or write exchange = "triggered"`, learningKeys...)
		learnNothing(&x.Limits)
	}
	if x.Exchange != ExchangeRIPSAP && x.Exchange != ExchangeTriggered {
		t.stray(`there are updates only with exchange = "rip-sap" or "triggered"`, "leave it out, or write one of them", "update")
		x.Update = 0
	}
	if x.Exchange != ExchangeAutoStatic {
		t.stray(`what is learned is kept in a file only with exchange = "auto-static"`, "leave it out, or write that", "file")
		x.Learned = ""
	}
}

// agreeOnNothingBehind checks what a peer that is one host can exchange: nothing.
func (t *table) agreeOnNothingBehind(x *IPX) {
	keys := slices.Concat(learningKeys, []string{"update", "file"})
	if x.Exchange != ExchangeStatic {
		keys = append(keys, "exchange")
	}
	if x.IPXWAN {
		keys = append(keys, "ipxwan")
	}
	t.stray("a workstation is no router, and nothing is behind it", "leave it out, or workstation", keys...)
	x.Exchange, x.IPXWAN = ExchangeStatic, false
}

// learnNothing forgets what limits learning.
func learnNothing(l *policy.Limits) {
	l.AcceptNetworks, l.AcceptServices, l.MaxNetworks, l.MaxServices = nil, nil, 0, 0
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

// agreeOnRoutes checks that a network behind the peer is there once, and not here.
// Behind other peers it may be too: one of the ways is taken.
func (t *table) agreeOnRoutes(x *IPX, here numbers) {
	for i, r := range x.Routes {
		if slices.ContainsFunc(x.Routes[:i], func(o IPXRoute) bool { return o.Network == r.Network }) {
			t.at("routes").fault(fmt.Sprintf("network %s stands there twice", r.Network), "leave one out")
		}
		if other, taken := here[r.Network]; taken {
			t.at("routes").fault(fmt.Sprintf("network %s cannot be behind the peer: it is %s", r.Network, other), "give one of the two another number")
		}
	}
}

// agreeOnServices checks that servers behind the peer can be reached. Where routes
// are learned, that of a server may be among them.
func (t *table) agreeOnServices(x *IPX, here numbers) {
	at := t.at("services")
	for _, s := range x.Services {
		if other, taken := here[s.Address.Network]; taken {
			at.fault(fmt.Sprintf("%s cannot be behind the peer: its network %s is %s", s.Name, s.Address.Network, other), "write the address that it has there, or leave it out")
		} else if !x.Learns() && !x.leadsTo(s.Address.Network) && t.at("routes").faultless() && t.at("exchange").faultless() {
			at.fault(fmt.Sprintf("%s is on network %s, and no route leads there", s.Name, s.Address.Network),
				fmt.Sprintf(`add "%s hops 1 ticks 7" to routes`, s.Address.Network))
		}
	}
}

// leadsTo reports whether a network is among the static routes.
func (x *IPX) leadsTo(n ipx.Network) bool {
	return slices.ContainsFunc(x.Routes, func(r IPXRoute) bool { return r.Network == n })
}

// agreeOnLimits checks limits that can never be met: no neighbour is believed about
// a network of ours, and nobody hears of a service without its network.
func (t *table) agreeOnLimits(l *policy.Limits, here numbers) {
	for _, r := range l.AcceptNetworks {
		if other, ours := here[r.First]; ours && r.First == r.Last {
			t.at("accept_networks").fault(fmt.Sprintf("network %s is never learned: it is %s", r, other), "leave it out, or give one of the two another number")
		}
	}
	t.agreeOnUseless(l.AcceptNetworks, l.AcceptServices, "accept_networks", "accept_services")
	t.agreeOnUseless(l.AnnounceNetworks, l.AnnounceServices, "announce_networks", "announce_services")
}

// agreeOnUseless reports services that are allowed where no network is.
func (t *table) agreeOnUseless(networks policy.Networks, services policy.Services, networksKey, servicesKey string) {
	if networks != nil && len(networks) == 0 && len(services) > 0 && t.at(networksKey).faultless() {
		t.at(servicesKey).fault(fmt.Sprintf("%s is empty, and a service is of no use without its network", networksKey),
			fmt.Sprintf("write the networks of these services into %s, or %s = [] too", networksKey, servicesKey))
	}
}

// agreeOnAnnounced checks that what a site's peer is to be told is not what lies
// behind it: that is never told back.
func (t *table) agreeOnAnnounced(x *IPX) {
	for _, r := range x.Limits.AnnounceNetworks {
		if r.First == r.Last && x.leadsTo(r.First) && t.owns("announce_networks") {
			t.at("announce_networks").fault(fmt.Sprintf("network %s is behind the peer, by routes, and is never told back to it", r), "leave it out there or here")
		}
	}
}
