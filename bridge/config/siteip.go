package config

import (
	"fmt"
	"net/netip"
	"slices"
)

const (
	defaultMetric = 100
	maxMetric     = 4294967294 // the worst one is that of the route that keeps traffic in
	maxServers    = 2          // of DNS or NBNS, which IPCP has a first and second option for
	maxTold       = 28         // what fits the option, however long the networks are (RFC 3442)
	minIPv6MTU    = 1280       // RFC 8200, section 5
)

// readIP reads [site.NAME.ip].
func readIP(t *table, remote *Remote) *IP {
	ip := &IP{
		Peer:   read(t, "peer", netip.Addr{}, ipv4),
		Pool:   read(t, "pool", netip.Prefix{}, pool),
		Routes: readList(t, "routes", prefix),
		Metric: uint32(read(t, "metric", defaultMetric, number(1, maxMetric))),
		DNS:    servers(t, "dns"),
		NBNS:   servers(t, "nbns"),
	}
	ip.TellRoutes = readList(t, "tell_routes", toldRoute)
	ip.Domain = read(t, "domain", "", domain)
	if len(ip.TellRoutes) > maxTold {
		t.at("tell_routes").fault(fmt.Sprintf("%d networks, where a caller can be told %d", len(ip.TellRoutes), maxTold), "put some of them together into larger ones")
	}
	if remote == nil {
		t.stray("only callers of a pool are told", "leave it out, or write pool", "tell_routes", "domain")
		ip.TellRoutes, ip.Domain = nil, ""
	}
	own := read(t, "address", address{}, parseAddress)
	ip.Mode, ip.Address = own.mode, own.addr
	v6 := slices.ContainsFunc(ip.Routes, func(p netip.Prefix) bool { return p.Addr().Is6() })
	ip.IPv6 = read(t, "ipv6", v6, flag)

	for i, p := range ip.Routes {
		if slices.Contains(ip.Routes[:i], p) {
			t.at("routes").fault(fmt.Sprintf("%q stands there twice", p), "leave one out")
		}
	}
	if v6 && !ip.IPv6 {
		t.at("ipv6").fault("routes has IPv6 networks", "write true, or leave them out")
	}
	t.agreeOnPeer(ip)
	if remote != nil {
		t.agreeOnCallers(ip)
	}
	return ip
}

// agreeOnPeer checks the two addresses of the link against each other.
func (t *table) agreeOnPeer(ip *IP) {
	switch {
	case t.has("peer") && t.has("pool"):
		t.at("pool").fault("the peer's address is given by peer already", "leave one out")
	case ip.Pool.IsValid() && ip.Mode == Unnumbered:
		t.at("pool").fault("on an unnumbered link the peer gets no address", `write address = "10.255.0.1" too, or leave pool out`)
	case ip.Peer.IsValid() && ip.Peer == ip.Address:
		t.at("peer").fault("the same address as ours", "write another one for one end")
	case ip.Pool.IsValid() && ip.Pool.Bits() == 32 && ip.Pool.Addr() == ip.Address:
		t.at("pool").fault("its only address is ours", "write a larger network, or another one")
	}
}

// agreeOnCallers checks what a site with a pool can have. What the defaults say about
// routes is for others.
func (t *table) agreeOnCallers(ip *IP) {
	if ip.Mode == FromPeer && t.at("address").faultless() {
		t.at("address").fault("callers give us no address", `write one, as in "10.255.1.1"`)
	}
	t.stray("what is behind a caller stands with its name in users_file", "leave it out", "routes")
	t.stray("callers have IPv4 alone", "leave it out", "ipv6")
	ip.Routes, ip.IPv6 = nil, false
}

// An address is where ours comes from, as one value.
type address struct {
	mode AddressMode
	addr netip.Addr
}

func parseAddress(raw any) (address, *mistake) {
	switch raw {
	case Unnumbered.String():
		return address{mode: Unnumbered}, nil
	case FromPeer.String():
		return address{mode: FromPeer}, nil
	}
	a, wrong := ipv4(raw)
	if wrong != nil {
		wrong.fix += fmt.Sprintf(`, or "%s" or "%s"`, FromPeer, Unnumbered)
	}
	return address{Static, a}, wrong
}

// toldRoute parses a network that callers reach through us: of IPv4, and also all of
// it.
func toldRoute(raw any) (netip.Prefix, *mistake) {
	p, wrong := prefix(raw)
	if wrong == nil && !p.Addr().Is4() {
		return p, &mistake{show(raw) + " is a network of IPv6, which callers do not have", "leave it out"}
	}
	return p, wrong
}

// domain parses the name of a DNS domain.
func domain(raw any) (string, *mistake) {
	s, _ := raw.(string)
	if _, err := netip.ParseAddr(s); s == "" || err == nil || !isHost(s) {
		return "", notA(raw, "the name of a domain", `write it as in "example.net"`)
	}
	return s, nil
}

// pool parses a network that the peer gets an address from.
func pool(raw any) (netip.Prefix, *mistake) {
	p, wrong := prefix(raw)
	if wrong == nil && (!p.Addr().Is4() || p.Bits() < 8) {
		wrong = notA(raw, "a pool of IPv4 addresses", `write it in quotes, as in "10.255.1.0/24"`)
	}
	return p, wrong
}

// servers reads the addresses of name servers.
func servers(t *table, key string) []netip.Addr {
	list := readList(t, key, ipv4)
	if len(list) > maxServers {
		t.at(key).fault(fmt.Sprintf("%d addresses, where a peer can ask for %d", len(list), maxServers), "leave the others out")
	}
	return list
}

// agreeOnRoutes checks the IP layers of all sites against each other.
func (d *draft) agreeOnRoutes() {
	type way struct {
		to     netip.Prefix
		metric uint32
	}
	ways := map[way]*Site{}
	peers := map[netip.Addr]*Site{}
	for _, s := range d.Sites {
		if s.IP == nil {
			continue
		}
		at := d.siteAt[s].ip
		for _, p := range s.IP.Routes {
			w := way{p, s.IP.Metric}
			if other := ways[w]; other != nil && other != s {
				at.at("metric").fault(fmt.Sprintf("%s leads to site %s too, with the same metric %d", p, other.Name, s.IP.Metric),
					"write a larger metric for the way that is second choice")
			}
			ways[w] = s
		}
		if p := s.IP.Peer; p.IsValid() {
			if other := peers[p]; other != nil {
				at.at("peer").fault(fmt.Sprintf("%s is the address of site %s too", p, other.Name), "write another one for one of them")
			}
			peers[p] = s
		}
		if s.IP.IPv6 && s.MTU != 0 && s.MTU < minIPv6MTU {
			d.siteAt[s].site.at("mtu").fault(fmt.Sprintf("%d is too small for IPv6", s.MTU),
				fmt.Sprintf("write %d to 1500, or ipv6 = false in [site.%s.ip]", minIPv6MTU, s.Name))
		}
	}
}
