package router

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

const (
	// clashOver is how long after it was last seen a clash is over.
	clashOver = 5 * time.Minute
	// clashReminder is how often one that lasts is logged.
	clashReminder = time.Hour
	// maxClashes bounds them: who forges one can forge many.
	maxClashes = 256
	// toldAll is how long a neighbour that has just come up needs to tell all.
	toldAll = 3 * time.Second
)

// The kinds of clashes.
const (
	// NetworkElsewhere is a number of one of our wires to which a link's peer says
	// it is attached, or one to which two sites, or a site and a neighbour on a LAN,
	// say that they are.
	NetworkElsewhere = "network_elsewhere"
	// OtherNumber is a LAN whose stations take another number than ours for it.
	OtherNumber = "other_number"
	// InternalTwice is an internal network number that two have.
	InternalTwice = "internal_twice"
	// OwnNode is RIP or SAP from our own address: another router has it too, or
	// the wire is a loop.
	OwnNode = "own_node"
)

// A Clash is two who claim one number, or one address, that only one can have.
type Clash struct {
	Kind      string      `json:"kind"`
	Network   ipx.Network `json:"network"`
	Text      string      `json:"text"` // what is wrong and what to do
	Claimants []Claimant  `json:"claimants"`
	First     time.Time   `json:"first"`
	Last      time.Time   `json:"last"`
	Count     uint64      `json:"count"` // how often it was seen
}

// A Claimant is one of the two.
type Claimant struct {
	Via  string   `json:"via"` // the attachment's name; empty: inside the router
	Node ipx.Node `json:"node"`
	Name string   `json:"name,omitempty"` // a service's, escaped, where one tells more
}

// String names a claimant in a text.
func (c Claimant) String() string {
	s := fmt.Sprintf("node %v", c.Node)
	if c.Name != "" {
		s = `"` + c.Name + `", ` + s // escaped already
	}
	if c.Via != "" {
		s += " on " + c.Via
	}
	return s
}

type clashKey struct {
	kind    string
	network ipx.Network
	via     string // of the second claimant
}

type clash struct {
	Clash
	logged time.Time
}

// Clashes lists those of the last five minutes by kind and network.
func (r *Router) Clashes() []Clash {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.noteClaims(now)
	r.notePlaces(now)
	r.endClashes(now)
	list := []Clash{}
	for _, c := range r.clashes {
		list = append(list, c.Clash)
		list[len(list)-1].Claimants = slices.Clone(c.Claimants)
	}
	slices.SortFunc(list, func(x, y Clash) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Network, y.Network), cmp.Compare(x.Claimants[1].Via, y.Claimants[1].Via))
	})
	return list
}

// clash notes one that was seen now: what two claim, and the advice. r.mu is held.
func (r *Router) clash(kind string, n ipx.Network, what string, now time.Time, first, second Claimant) *clash {
	key := clashKey{kind, n, second.Via}
	c := r.clashes[key]
	if c == nil {
		if len(r.clashes) >= maxClashes {
			return nil
		}
		c = &clash{Clash: Clash{Kind: kind, Network: n, First: now}}
		r.clashes[key] = c
	}
	c.Last = now
	c.Count++
	c.Claimants = append(c.Claimants[:0], first, second)
	if c.logged.IsZero() || now.Sub(c.logged) >= clashReminder {
		c.Text = fmt.Sprintf("%s: %v, and %v", what, first, second)
		c.logged = now
		r.log.Warn("clash of network numbers", "kind", kind, "network", n, "problem", c.Text, "count", c.Count)
	}
	return c
}

// endClashes forgets those that were not seen for a while. r.mu is held.
func (r *Router) endClashes(now time.Time) {
	for key, c := range r.clashes {
		if now.Sub(c.Last) > clashOver {
			r.log.Info("clash of network numbers is over", "kind", c.Kind, "network", c.Network, "problem", c.Text)
			delete(r.clashes, key)
		}
	}
}

// claimant is who told of a candidate.
func (c *candidate) claimant() Claimant { return Claimant{Via: c.via(), Node: c.from()} }

// holder is claimant, and we ourselves for a number of our own.
func (c *candidate) holder() Claimant {
	if c.origin == originOwn && c.at != nil {
		return c.at.ourself()
	}
	return c.claimant()
}

// ourself is we on the wire of a.
func (a *Attached) ourself() Claimant { return Claimant{Via: a.cfg.Name, Node: a.node} }

// checkRoute looks whether a neighbour is next to a network that somebody else is
// next to. On LANs that is usual: two routers may have the same two wires. r.mu
// is held.
func (r *Router) checkRoute(at *Attached, by *neighbour, news rip.Entry, now time.Time) {
	n := news.Network
	e := r.routes.entries[n]
	if news.Hops > 1 || e == nil {
		return
	}
	it := Claimant{Via: at.cfg.Name, Node: by.node}
	switch {
	case n == r.internal:
		r.clash(InternalTwice, n, "two routers or servers have this internal network number; change one", now, Claimant{Node: ipx.ServerNode}, it)
	case r.ours(n) != nil:
		if at.cfg.Kind == Link && e.best.at != at {
			r.clash(NetworkElsewhere, n, "two wires have this number; change one", now, e.best.holder(), it)
		}
	case at.exchange == ExchangeStatic && by.isAttached(news.Ticks): // others: see notePlaces
		r.checkPlaces(at, it, e, now)
	}
}

// notePlaces looks at all networks for those that somebody is next to at two places.
// It is done now and then, since a neighbour has to be heard for a while before
// isAttached can tell. r.mu is held.
func (r *Router) notePlaces(now time.Time) {
	for _, e := range r.routes.sorted {
		if len(e.ways) < 2 || !e.up || e.best.origin == originOwn {
			continue
		}
		for i := range e.ways {
			c := &e.ways[i]
			if c.origin == originLearned && c.held == nil && c.hops <= 1 && c.by.isAttached(c.said) && c.by.settled(now) &&
				r.checkPlaces(c.at, c.claimant(), e, now) {
				break
			}
		}
	}
}

// checkPlaces looks whether somebody at another place is next to the network of e
// too, which has a LAN at both, or a server the same inside. They may be if the
// configuration says so for both.
func (r *Router) checkPlaces(at *Attached, it Claimant, e *entry[ipx.Network], now time.Time) bool {
	said := slices.ContainsFunc(e.ways, func(c candidate) bool { return c.at == at && c.origin == originStatic })
	for i := range e.ways {
		c := &e.ways[i]
		switch other := c.onLink(); {
		case c.hops > 1 || c.at == at, said && c.origin == originStatic:
			continue
		case !other && at.cfg.Kind != Link, other && at.cfg.Kind == Link && c.site() == at.cfg.Site:
			continue // one place
		case c.by != nil && (!c.by.isAttached(c.said) || !c.by.settled(now)):
			continue
		}
		kind, other := r.twice(e.key), c.claimant()
		if it.Via < other.Via { // one clash, whoever spoke last
			it, other = other, it
		}
		r.clash(kind, e.key, "two places have a network of this number; change one, or give both a static route to it", now, other, it)
		return true
	}
	return false
}

// onLink reports whether a candidate is, or was, behind a link.
func (c *candidate) onLink() bool { return c.held != nil || c.at != nil && c.at.cfg.Kind == Link }

// twice is the kind of a clash about n: that of servers, if it is inside one.
func (r *Router) twice(n ipx.Network) (kind string) {
	kind = NetworkElsewhere
	r.servers.each(n, func(e *entry[serviceKey]) bool {
		inside := func(c candidate) bool { return c.addr.Network == n && c.addr.Node == ipx.ServerNode }
		if slices.ContainsFunc(e.ways, inside) {
			kind = InternalTwice
		}
		return kind != InternalTwice
	})
	return kind
}

// listen notes the fewest ticks that a neighbour says of a network next to it.
func (n *neighbour) listen(entries []rip.Entry, now time.Time) {
	if now.Sub(n.leastAt) > maxRhythm {
		n.least = 0
	}
	if n.since.IsZero() {
		n.since = now
	}
	for _, e := range entries {
		if e.Hops <= 1 && (n.least == 0 || e.Ticks <= n.least) {
			n.least, n.leastAt = e.Ticks, now
		}
	}
}

// settled reports whether n was heard for long enough to have told all it has.
func (n *neighbour) settled(now time.Time) bool { return now.Sub(n.since) >= toldAll }

// isAttached reports whether a network next to n, told with these ticks, is a LAN
// of n, or inside it. A link of n to a third place is next to it too, and to that
// place: two who tell of it do not clash. Nothing in RIP tells one from the other
// but that a LAN takes one tick and a link more, so it is a LAN when nothing that n
// tells is nearer. (Our own routers say two at least of the number of a link, see
// wireTicks.) Where n tells of links alone, or says one tick of a link, as others
// may, that takes a link for a LAN: two such neighbours at its ends are reported,
// though they are right. And a slower LAN beside a quick one is passed over.
func (n *neighbour) isAttached(ticks uint16) bool { return ticks <= n.least }

// checkService looks whether two file servers have one internal network. r.mu is
// held.
func (r *Router) checkService(at *Attached, by *neighbour, s Service, now time.Time) {
	if s.Type != sap.FileServer || s.Addr.Node != ipx.ServerNode || s.Hops >= infinity {
		return
	}
	r.servers.from(s.Addr.Network, sap.FileServer, func(e *entry[serviceKey]) bool {
		switch {
		case e.key.typ != sap.FileServer:
			return false
		case e.key.name == s.Name:
			return true
		}
		for i := range e.ways {
			c := &e.ways[i]
			if c.hops < infinity && c.addr.Network == s.Addr.Network && c.addr.Node == ipx.ServerNode {
				other := c.claimant()
				other.Name = sap.Printable(e.key.name)
				r.clash(InternalTwice, s.Addr.Network, "two file servers have this internal network number; change one", now,
					other, Claimant{Via: at.cfg.Name, Node: by.node, Name: sap.Printable(s.Name)})
				return false
			}
		}
		return true
	})
}

// heardOurselves notes, once a second at most, that RIP or SAP with our own
// address came in.
func (a *Inlet) heardOurselves(h *ipx.Header) {
	if forRouter(h.Src.Socket) && a.now.Sub(a.echo) >= time.Second {
		a.echo = a.now
		a.router.offer(arrival{at: a.Attached})
	}
}

// heardForged has it looked at, once a second at most, whether a packet that came
// from a network which is not behind the link tells of a clash.
func (a *Inlet) heardForged(h *ipx.Header) {
	if a.now.Sub(a.forged) >= time.Second && h.Src.Network != ipx.ThisNetwork {
		a.forged = a.now
		a.router.offer(arrival{at: a.Attached, forged: h.Src})
	}
}

// noteForged notes that packets come in by a link from a network that its peer has
// announced, but that is known better elsewhere.
func (r *Router) noteForged(a *Attached, src ipx.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.routes.entries[src.Network]
	if e == nil || a.face.Load() == nil {
		return
	}
	for i := range e.ways {
		if c := &e.ways[i]; c.at == a && c.hops < infinity && isElsewhere(e, c) {
			r.clash(NetworkElsewhere, e.key, "packets of this network come in by a link too, and are dropped; one of the two has a number that is the other's", time.Now(),
				e.best.holder(), Claimant{Via: a.cfg.Name, Node: src.Node})
			return
		}
	}
}

func (r *Router) noteEcho(a *Attached) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.face.Load() != nil {
		r.clash(OwnNode, a.network, "RIP or SAP came in from our own address; another router has it, or the wire is a loop", time.Now(), a.ourself(), a.ourself())
	}
}

// noteClaims takes over what LANs overheard of other numbers. r.mu is held.
func (r *Router) noteClaims(now time.Time) {
	for _, a := range r.attached {
		if a.cfg.Kind != LAN {
			continue
		}
		for _, claim := range a.claims.list(now) {
			key := clashKey{OtherNumber, claim.Network, a.cfg.Name}
			if known := r.clashes[key]; known != nil && !known.Last.Before(claim.Last) {
				continue
			}
			what := fmt.Sprintf("our number of this wire is %v, and others have another; change one", a.network)
			if c := r.clash(OtherNumber, claim.Network, what, now, a.ourself(), Claimant{Via: a.cfg.Name, Node: claim.Node}); c != nil {
				c.Last, c.Count = claim.Last, claim.Count
			}
		}
	}
}
