package router

import (
	"slices"
	"sync/atomic"

	"sitebridge/ipx"
)

// bucketBits makes enough buckets for chains of one or two networks.
const bucketBits = 13

// forwarding says where packets for a network go. Those who forward read it
// without a lock; whoever holds Router.mu changes it. It is a hash table of
// chains that never change: a change makes one chain anew, so that its cost does
// not grow with the table.
type forwarding struct {
	factor  uint64 // random: nobody can choose numbers that fall into one bucket
	buckets [1 << bucketBits]atomic.Pointer[chained]
}

// A chained is one link of a chain.
type chained struct {
	hop     hop
	next    *chained
	network ipx.Network
}

// A hop is the way to one network. It does not change once published.
type hop struct {
	at     *Attached // nil: the internal network, or held
	face   *face     // of at, when it was looked up
	held   *holding  // the link that leads there is gone, but expected back
	next   ipx.Node  // the next router's node, unless direct
	direct bool      // one of our own
	up     bool      // false: there is none now
	hops   uint8
	ticks  uint16
	// behind are the links that the network is behind, or was until just now: those
	// that may bring packets from it.
	behind []*Attached
}

func (h *hop) same(o *hop) bool {
	return h.at == o.at && h.held == o.held && h.next == o.next && h.direct == o.direct && h.up == o.up &&
		h.hops == o.hops && h.ticks == o.ticks && slices.Equal(h.behind, o.behind)
}

func (f *forwarding) bucket(n ipx.Network) *atomic.Pointer[chained] {
	return &f.buckets[uint64(n)*f.factor>>(64-bucketBits)]
}

// get returns what is known of exactly this network, nil if nothing.
func (f *forwarding) get(n ipx.Network) *hop {
	for l := f.bucket(n).Load(); l != nil; l = l.next {
		if l.network == n {
			return &l.hop
		}
	}
	return nil
}

// set changes the way to n; nil: none.
func (f *forwarding) set(n ipx.Network, h *hop) {
	bucket := f.bucket(n)
	var chain *chained
	for l := bucket.Load(); l != nil; l = l.next {
		if l.network != n {
			chain = &chained{l.hop, chain, l.network}
		}
	}
	if h != nil {
		chain = &chained{*h, chain, n}
	}
	bucket.Store(chain)
}

// A table is all that forwarding needs. But for the ways in it, which change
// behind their own pointers, it does not change once published.
type table struct {
	ways     *forwarding
	faces    []*face // where packets of type 20 are copied to
	sockets  map[ipx.Socket]*Socket
	internal ipx.Network
	home     ipx.Addr // whom the daemon's own packets come from
}

// find returns the way to n, the default route if no better is known.
func (t *table) find(n ipx.Network) (hop, bool) {
	h := t.ways.get(n)
	if h == nil || !h.up {
		if h = t.ways.get(ipx.DefaultRoute); h == nil || !h.up {
			return hop{}, false
		}
	}
	way := *h
	if way.at != nil {
		if way.face = way.at.face.Load(); way.face == nil {
			return hop{}, false // detached just now
		}
	}
	return way, true
}

// sourceOK reports whether src may speak on f. A link carries packets from its
// own network and from those that are known behind it; behind a default route is
// everything that is not known to be elsewhere.
func (t *table) sourceOK(f *face, src ipx.Addr) bool {
	switch {
	case f.kind == LAN:
		return true
	case f.kind == Workstation:
		return src.Network == f.network && src.Node == f.at.cfg.Peer
	case src.Network == f.network:
		return true
	}
	h := t.ways.get(src.Network)
	if h != nil && slices.Contains(h.behind, f.at) {
		return true
	}
	world := t.ways.get(ipx.DefaultRoute)
	return world != nil && slices.Contains(world.behind, f.at) && (h == nil || !h.up)
}

// publish makes a new table of wires and sockets. r.mu is held.
func (r *Router) publish() {
	t := &table{
		ways:     &r.ways,
		sockets:  make(map[ipx.Socket]*Socket, len(r.sockets)),
		internal: r.internal,
	}
	for number, s := range r.sockets {
		t.sockets[number] = s
	}
	if r.internal != ipx.ThisNetwork {
		t.home = ipx.Addr{Network: r.internal, Node: ipx.ServerNode}
	}
	// The first LAN is where the daemon's own packets come from: other sites know
	// a LAN better than a link or the internal network.
	for _, a := range slices.Backward(r.attached) {
		f := a.face.Load()
		t.faces = append(t.faces, f)
		if f.kind == LAN && f.network != ipx.ThisNetwork {
			t.home = ipx.Addr{Network: f.network, Node: f.node}
		}
	}
	slices.Reverse(t.faces)
	r.table.Store(t)
}

// hopOf is what forwarding needs to know of a network.
func hopOf(e *entry[ipx.Network]) (h hop) {
	if e.up {
		c := &e.best
		h = hop{at: c.at, held: c.held, next: c.next, direct: c.origin == originOwn, up: true, hops: c.hops, ticks: c.ticks}
	}
	for i := range e.ways {
		a := e.ways[i].at
		if a == nil || a.cfg.Kind != Link || slices.Contains(h.behind, a) || isElsewhere(e, &e.ways[i]) {
			continue
		}
		if h.behind == nil {
			h.behind = a.alone
		} else {
			h.behind = append(slices.Clip(h.behind), a)
		}
	}
	return h
}

// isElsewhere reports whether a network is known so much better than c says that
// the link of c may not speak for it: anybody can announce anything. It is when it
// is our own, when the configuration puts it behind another site, and when a
// neighbour on a LAN is next to it.
func isElsewhere(e *entry[ipx.Network], c *candidate) bool {
	switch {
	case e.up && e.best.origin == originOwn:
		return true
	case c.origin == originStatic:
		return false
	case slices.ContainsFunc(e.ways, func(o candidate) bool { return o.isNextDoor() }):
		return true
	}
	return e.up && e.best.origin == originStatic && e.best.held == nil && !slices.ContainsFunc(e.ways, func(o candidate) bool {
		return o.origin == originStatic && o.sameSite(c)
	})
}
