package router

import (
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

// A Route is a static way to a network: hops and ticks as a neighbour would
// have announced them, so the network next to a peer has one hop.
type Route struct {
	Network ipx.Network // ipx.DefaultRoute: all others
	Hops    uint8
	Ticks   uint16
	Next    ipx.Node // the next router on a LAN; a link needs none
}

// SetStatic replaces the static routes and services behind a. Where several lead
// to one network, the fewest ticks win, then the fewest hops; a number that one
// of our own wires has is not routed elsewhere. A static route is preferred to a
// learned one: nobody can draw a site's packets to himself. A service whose
// network has no route is kept and told to nobody: a client would hang on it.
func (a *Attached) SetStatic(routes []Route, services []Service) {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.face.Load() == nil {
		return
	}
	now := time.Now()
	r.setStatic(a, routes, services, now)
	r.settle(now)
}

// setStatic is SetStatic without its end. r.mu is held; settle must follow.
func (r *Router) setStatic(a *Attached, routes []Route, services []Service, now time.Time) {
	keepRoute := make(map[ipx.Network][]ipx.Node)
	for _, route := range routes {
		if route.Network == ipx.ThisNetwork || route.Network == ipx.AllNetworks {
			continue
		}
		if r.ours(route.Network) != nil {
			r.log.Warn("route to a network of our own ignored", "via", a.cfg.Name, "network", route.Network)
		}
		c := candidate{at: a, origin: originStatic, next: route.Next, hops: min(route.Hops, infinity), ticks: route.Ticks}
		r.routes.tell(route.Network, c, now)
		keepRoute[route.Network] = append(keepRoute[route.Network], route.Next)
	}
	keepService := make(map[serviceKey]bool)
	for _, s := range services {
		c := candidate{at: a, origin: originStatic, addr: s.Addr, hops: uint8(min(s.Hops, infinity))}
		r.services.tell(serviceKey{s.Type, s.Name}, c, now)
		keepService[serviceKey{s.Type, s.Name}] = true
	}
	r.routes.each(func(e *entry[ipx.Network], c *candidate) bool {
		return c.at != a || c.origin != originStatic || slices.Contains(keepRoute[e.key], c.next)
	})
	r.services.each(func(e *entry[serviceKey], c *candidate) bool {
		return c.at != a || c.origin != originStatic || keepService[e.key]
	})
}

// mayHearOfRoute is the policy for announcing a network.
func mayHearOfRoute(at *Attached, e *entry[ipx.Network]) bool {
	return at.cfg.Limits.AnnounceNetworks.Has(e.key)
}

// acceptsNetwork reports whether a neighbour on a may teach us n. The default
// route draws everything that nobody knows, so it must be allowed by name, and
// never comes from a LAN, where anybody can speak.
func (a *Attached) acceptsNetwork(n ipx.Network) bool {
	accepted := a.cfg.Limits.AcceptNetworks
	if n == ipx.DefaultRoute {
		return a.cfg.Kind == Link && accepted != nil && accepted.Has(n)
	}
	return n.Assignable() && accepted.Has(n)
}

// tellerOf is what tells news on a wire apart: on a LAN, who told.
func (a *Attached) tellerOf(n *neighbour) ipx.Node {
	if a.cfg.Kind == LAN {
		return n.node
	}
	return ipx.Node{}
}

// floor is the fewest ticks that a way by a can have: nothing behind a link is
// nearer than its peer, or a peer could draw what it likes.
func (a *Attached) floor() uint16 {
	if a.cfg.Kind == Link {
		return max(a.ticks, 1)
	}
	return 1
}

// learnRoutes takes up what a neighbour announces. Hops and ticks are kept as
// they are: the sender added its part. News from the router that a network is
// reached through is always believed, also bad news.
func (r *Router) learnRoutes(at *Attached, h *ipx.Header, entries []rip.Entry, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := at.neighbour(h.Src.Node, now)
	if by == nil {
		return
	}
	at.initiation.answered[ofRoutes] = at.initiation.answered[ofRoutes] || h.Dst.Node != ipx.Broadcast
	r.takeRoutes(at, by, entries, at.expiry(ofRoutes, by, h, now), now)
	r.settle(now)
}

// takeRoutes is learnRoutes without its end. r.mu is held; settle must follow.
func (r *Router) takeRoutes(at *Attached, by *neighbour, entries []rip.Entry, expires, now time.Time) {
	at.collectRoutes(entries)
	learns := at.exchange != ExchangeStatic
	by.listen(entries, now)
	for _, e := range entries {
		hops := uint8(min(max(e.Hops, 1), infinity))
		r.checkRoute(at, by, e, now)
		if !learns || !at.acceptsNetwork(e.Network) {
			continue
		}
		if r.ours(e.Network) != nil { // known better by us, as long as it is
			at.shadowed = true
			continue
		}
		r.routes.tell(e.Network, candidate{
			at: at, by: by, next: at.tellerOf(by), origin: originLearned, hops: hops,
			said: e.Ticks, ticks: max(e.Ticks, at.floor()), expires: expires,
		}, now)
	}
}

// A RouteInfo is a route in use, for status and for answers.
type RouteInfo struct {
	Network ipx.Network `json:"network"`
	Way
	// Down: there is no way now; neighbours are told so for a while.
	Down         bool  `json:"down,omitempty"`
	Alternatives []Way `json:"alternatives,omitempty"` // not in use
}

// A Way is one way in which something is known.
type Way struct {
	Hops   uint8    `json:"hops"`
	Ticks  uint16   `json:"ticks"`
	Via    string   `json:"via"`            // the attachment's name; empty: inside the router
	Next   ipx.Node `json:"next"`           // zero: direct, or a link
	From   ipx.Node `json:"from,omitzero"`  // who told
	Origin string   `json:"origin"`         // own, static or learned
	Site   string   `json:"site,omitempty"` // of a link: whose
	// Expires is when a learned one is forgotten if nobody confirms it.
	Expires time.Time `json:"expires,omitzero"`
	// Held is until when it stays known while its link is gone.
	Held time.Time `json:"held,omitzero"`
}

func wayOf(c *candidate) Way {
	w := Way{
		Hops: c.hops, Ticks: c.ticks, Via: c.via(), Next: c.next, From: c.from(),
		Origin: c.origin.String(), Site: c.site(), Held: c.until(),
	}
	if c.origin == originLearned && c.held == nil && !c.expires.Equal(never) {
		w.Expires = c.expires
	}
	return w
}

// Routes lists the routes by network number, also those that went down just now.
func (r *Router) Routes() []RouteInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	infos := make([]RouteInfo, 0, len(r.routes.sorted))
	for _, e := range r.routes.sorted {
		switch {
		case e.up:
			infos = append(infos, RouteInfo{Network: e.key, Way: wayOf(&e.ways[0]), Alternatives: alternatives(e)})
		case now.Before(e.down):
			info := RouteInfo{Network: e.key, Way: wayOf(&e.best), Down: true}
			info.Hops, info.Expires, info.Held = infinity, e.down, time.Time{}
			infos = append(infos, info)
		}
	}
	return infos
}

// alternatives lists the ways that are not in use and not taken back.
func alternatives[K comparable](e *entry[K]) (list []Way) {
	for i := range e.ways[1:] {
		if c := &e.ways[1+i]; c.hops < infinity {
			list = append(list, wayOf(c))
		}
	}
	return list
}
