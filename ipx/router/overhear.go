package router

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

const (
	maxNodes  = 1024 // stations remembered on one LAN
	maxClaims = 16   // wrong network numbers remembered on one LAN
	// silent is how long a station or a claim is remembered.
	silent = 5 * time.Minute
)

// overhear looks at every packet on a LAN, also those for others: which
// stations there are, and which number they believe the wire to have.
func (a *Inlet) overhear(f *face, h *ipx.Header, pkt []byte, now time.Time) {
	n := h.Src.Network
	switch {
	case n == f.network || n == ipx.ThisNetwork:
		a.sight(h.Src.Node, now)
	case !namesWire(h, pkt):
		return
	case f.network != ipx.ThisNetwork:
		a.claims.add(Claim{Network: n, Node: h.Src.Node, Last: now, Count: 1})
	case a.cfg.Learn && (ripResponse(h, pkt) || a.guess.Hear(n)):
		a.router.offer(arrival{at: a.Attached, number: n})
	}
}

// namesWire reports whether a packet begins and ends on the wire, so that its
// network is what the sender takes the wire's number to be: others crossed a
// router and tell of elsewhere.
func namesWire(h *ipx.Header, pkt []byte) bool {
	if h.Hops != 0 || !h.Src.Network.Assignable() {
		return false
	}
	return h.Dst.Network == h.Src.Network || h.Dst.Network == ipx.ThisNetwork && ripResponse(h, pkt)
}

// ripResponse reports whether a router speaks, who should know.
func ripResponse(h *ipx.Header, pkt []byte) bool {
	return h.Src.Socket == ipx.SocketRIP && h.Dst.Socket == ipx.SocketRIP && h.Length >= ipx.HeaderLen+2 &&
		rip.Operation(binary.BigEndian.Uint16(pkt[ipx.HeaderLen:])) == rip.OpResponse
}

// A sighting is when a station was last heard.
type sighting struct{ last atomic.Int64 } // by internal/clock

// sight notes that a station lives. Only a new one costs more than a look.
func (a *Attached) sight(node ipx.Node, now time.Time) {
	seen, known := a.nodes.Get(node)
	if !known {
		seen = a.admit(node, now)
	}
	if seen != nil {
		seen.last.Store(clock.Of(now))
	}
}

// admit makes room for a new station by forgetting silent ones. With a full
// table of live stations it stays unknown, which harms nothing but the list.
func (a *Attached) admit(node ipx.Node, now time.Time) (seen *sighting) {
	if full := a.nodes.All(); len(full) >= maxNodes && !anySilent(full, now) {
		return nil
	}
	a.nodes.Update(func(next map[ipx.Node]*sighting) {
		for other, s := range next {
			if s.silent(now) {
				delete(next, other)
			}
		}
		seen = new(sighting)
		next[node] = seen
	})
	return seen
}

func anySilent(nodes map[ipx.Node]*sighting, now time.Time) bool {
	for _, s := range nodes {
		if s.silent(now) {
			return true
		}
	}
	return false
}

func (s *sighting) silent(now time.Time) bool {
	return now.Sub(clock.Time(s.last.Load())) > silent
}

// A NodeInfo is a station heard on a LAN.
type NodeInfo struct {
	Network ipx.Network `json:"network"`
	Node    ipx.Node    `json:"node"`
	Via     string      `json:"via"` // the attachment's name
	Last    time.Time   `json:"last"`
}

// Nodes lists the stations heard on LANs in the last five minutes, by network
// and node.
func (r *Router) Nodes() []NodeInfo {
	r.mu.Lock()
	attached := slices.Clone(r.attached)
	r.mu.Unlock()
	var infos []NodeInfo
	now := time.Now()
	for _, a := range attached {
		for node, s := range a.nodes.All() {
			if !s.silent(now) {
				infos = append(infos, NodeInfo{a.Network(), node, a.cfg.Name, clock.Wall(s.last.Load())})
			}
		}
	}
	slices.SortFunc(infos, func(x, y NodeInfo) int {
		return cmp.Or(cmp.Compare(x.Network, y.Network), slices.Compare(x.Node[:], y.Node[:]))
	})
	return infos
}

// A Claim is a network number that somebody on a LAN takes for the wire's,
// though ours is another: one of the two is configured wrong.
type Claim struct {
	Network ipx.Network `json:"network"`
	Node    ipx.Node    `json:"node"` // who spoke last
	Last    time.Time   `json:"last"`
	Count   uint64      `json:"count"` // packets
}

// claims remembers them. A wire where all agree has none and never locks.
type claims struct {
	mu   sync.Mutex // guards what follows
	made []Claim
}

func (c *claims) add(claim Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.made {
		if c.made[i].Network == claim.Network {
			claim.Count += c.made[i].Count
			c.made[i] = claim
			return
		}
	}
	if len(c.made) == maxClaims { // the oldest goes
		oldest := slices.MinFunc(c.made, func(x, y Claim) int { return x.Last.Compare(y.Last) })
		c.made = slices.DeleteFunc(c.made, func(x Claim) bool { return x == oldest })
	}
	c.made = append(c.made, claim)
}

// list returns the claims that are not too old, by network.
func (c *claims) list(now time.Time) []Claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = slices.DeleteFunc(c.made, func(x Claim) bool { return now.Sub(x.Last) > silent })
	list := slices.Clone(c.made)
	slices.SortFunc(list, func(x, y Claim) int { return cmp.Compare(x.Network, y.Network) })
	return list
}
