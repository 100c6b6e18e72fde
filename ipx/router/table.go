package router

import (
	"cmp"
	"slices"
	"time"

	"sitebridge/ipx"
)

// A Route is a static way to a network: hops and ticks as a neighbour would
// have announced them, so the network next to a peer has one hop.
type Route struct {
	Network ipx.Network // ipx.DefaultRoute: all others
	Hops    uint8
	Ticks   uint16
	Via     *Attached
	Next    ipx.Node // the next router on a LAN; a link needs none
}

// SetRoutes replaces the static routes of owner, which is usually a site. Where
// several lead to one network, the fewest ticks win, then the fewest hops; a
// number that one of our own wires has is not routed elsewhere. A static route
// is preferred to a learned one: nobody on a LAN can draw a site's packets to
// himself.
func (r *Router) SetRoutes(owner string, routes []Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, route := range routes {
		if err := r.free(route.Network, nil); err != nil {
			r.log.Warn("route to a network of our own ignored", "site", owner, "error", err)
		}
	}
	r.routes[owner] = slices.Clone(routes)
	if len(routes) == 0 {
		delete(r.routes, owner)
	}
	r.publish()
}

// A table is all that forwarding needs. It does not change once published.
type table struct {
	routes   map[ipx.Network]hop
	behind   map[reach]struct{} // which networks are behind which link
	faces    []*face            // where packets of type 20 are copied to
	sockets  map[ipx.Socket]*Socket
	internal ipx.Network
	home     ipx.Addr // whom the daemon's own packets come from
}

// A hop is the way to one network.
type hop struct {
	face   *face    // nil: the internal network
	next   ipx.Node // the next router's node, unless direct
	direct bool     // one of our own
	hops   uint8
	ticks  uint16
	origin origin
	owner  string
}

// A reach says that a network is behind a link.
type reach struct {
	at      *Attached
	network ipx.Network
}

// find returns the way to n, the default route if no better is known.
func (t *table) find(n ipx.Network) (hop, bool) {
	h, ok := t.routes[n]
	if !ok {
		h, ok = t.routes[ipx.DefaultRoute]
	}
	return h, ok
}

// sourceOK reports whether src may speak on f. A link carries packets from its
// own network and from those whose static routes go by it; behind a default
// route is everything that is not known to be elsewhere.
func (t *table) sourceOK(f *face, src ipx.Addr) bool {
	switch {
	case f.kind == LAN:
		return true
	case f.kind == Workstation:
		return src.Network == f.network && src.Node == f.at.cfg.Peer
	case src.Network == f.network:
		return true
	}
	if _, ok := t.behind[reach{f.at, src.Network}]; ok {
		return true
	}
	if _, ok := t.behind[reach{f.at, ipx.DefaultRoute}]; !ok {
		return false
	}
	_, elsewhere := t.routes[src.Network]
	return !elsewhere
}

// publish makes a new table of all that is known. r.mu is held.
func (r *Router) publish() {
	t := &table{
		routes:   make(map[ipx.Network]hop),
		behind:   make(map[reach]struct{}),
		sockets:  make(map[ipx.Socket]*Socket, len(r.sockets)),
		internal: r.internal,
	}
	for number, s := range r.sockets {
		t.sockets[number] = s
	}
	if r.internal != ipx.ThisNetwork {
		t.routes[r.internal] = hop{direct: true, ticks: 1, origin: originOwn}
		t.home = ipx.Addr{Network: r.internal, Node: ipx.ServerNode}
	}
	r.publishWires(t)
	r.publishStatic(t)
	r.publishLearned(t)
	r.table.Store(t)
}

// publishWires adds our own wires. The first LAN is where the daemon's own
// packets come from: other sites know a LAN better than a link or the internal
// network.
func (r *Router) publishWires(t *table) {
	for _, a := range slices.Backward(r.attached) {
		f := &face{at: a, kind: a.cfg.Kind, network: a.network, node: a.node, mtu: a.cfg.MTU, out: a.cfg.Send}
		a.face.Store(f)
		t.faces = append(t.faces, f)
		if f.network == ipx.ThisNetwork {
			continue
		}
		t.routes[f.network] = hop{face: f, direct: true, ticks: a.cfg.Ticks, origin: originOwn}
		if f.kind == LAN {
			t.home = ipx.Addr{Network: f.network, Node: f.node}
		}
	}
	slices.Reverse(t.faces)
}

func (r *Router) publishStatic(t *table) {
	for owner, routes := range r.routes {
		for _, route := range routes {
			if route.Via == nil || route.Via.face.Load() == nil {
				continue // detached
			}
			t.behind[reach{route.Via, route.Network}] = struct{}{}
			if route.Network == ipx.ThisNetwork || route.Hops > ipx.MaxHops {
				continue
			}
			h := hop{face: route.Via.face.Load(), next: route.Next, hops: route.Hops, ticks: route.Ticks, origin: originStatic, owner: owner}
			if old, known := t.routes[route.Network]; !known || old.origin == originStatic && h.betterThan(old) {
				t.routes[route.Network] = h
			}
		}
	}
}

func (r *Router) publishLearned(t *table) {
	for n, l := range r.learned {
		if _, known := t.routes[n]; !known {
			t.routes[n] = hop{face: l.at.face.Load(), next: l.next, hops: l.hops, ticks: l.ticks, origin: originLearned}
		}
	}
}

// betterThan puts ticks first, as RIP does. The owner's name decides between
// equals, so that the choice does not change from one table to the next.
func (h hop) betterThan(old hop) bool {
	return cmp.Or(cmp.Compare(h.ticks, old.ticks), cmp.Compare(h.hops, old.hops), cmp.Compare(h.owner, old.owner)) < 0
}

// An origin says where a route or service is known from.
type origin uint8

const (
	originOwn origin = iota
	originStatic
	originLearned
)

var origins = [...]string{"own", "static", "learned"}

func (o origin) String() string { return origins[o] }

// A RouteInfo is a route in use, for status and for answers.
type RouteInfo struct {
	Network ipx.Network `json:"network"`
	Hops    uint8       `json:"hops"`
	Ticks   uint16      `json:"ticks"`
	Via     string      `json:"via"`            // the attachment's name; empty: inside the router
	Next    ipx.Node    `json:"next"`           // zero: direct, or a link
	Origin  string      `json:"origin"`         // own, static or learned
	Site    string      `json:"site,omitempty"` // static: who gave it
	// Expires is when a learned route is forgotten if nobody confirms it.
	Expires time.Time `json:"expires,omitzero"`
}

// Routes lists the routes in use by network number.
func (r *Router) Routes() []RouteInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	infos := make([]RouteInfo, 0, len(t.routes))
	for n, h := range t.routes {
		info := RouteInfo{Network: n, Hops: h.hops, Ticks: h.ticks, Next: h.next, Origin: h.origin.String(), Site: h.owner}
		if h.face != nil {
			info.Via = h.face.at.cfg.Name
		}
		if h.origin == originLearned {
			info.Expires = r.learned[n].expires
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b RouteInfo) int { return cmp.Compare(a.Network, b.Network) })
	return infos
}
