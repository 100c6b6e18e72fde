package router

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

const (
	// clashOver is how long after it was last seen a clash is over.
	clashOver = 5 * time.Minute
	// clashReminder is how often one that lasts is logged.
	clashReminder = time.Hour
	// maxClashes bounds them: who forges one can forge many.
	maxClashes = 256
)

// The kinds of clashes.
const (
	// NetworkElsewhere is a number of one of our wires to which a link's peer says
	// it is attached, or one to which two sites say that they are.
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
// next to. On a LAN that is usual: two routers may have the same two wires. r.mu
// is held.
func (r *Router) checkRoute(at *Attached, by *neighbour, n ipx.Network, hops uint8, now time.Time) {
	if hops > 1 {
		return
	}
	it := Claimant{Via: at.cfg.Name, Node: by.node}
	e := r.routes.entries[n]
	switch {
	case e == nil:
	case n == r.internal:
		r.clash(InternalTwice, n, "two routers or servers have this internal network number; change one", now, Claimant{Node: ipx.ServerNode}, it)
	case at.cfg.Kind != Link:
	case r.ours(n) != nil:
		if e.best.at != at {
			r.clash(NetworkElsewhere, n, "two wires have this number; change one", now, e.best.holder(), it)
		}
	default:
		r.checkSites(at, it, e, now)
	}
}

// checkSites looks whether another site is next to the network of e too. They may
// be if the configuration says so for both.
func (r *Router) checkSites(at *Attached, it Claimant, e *entry[ipx.Network], now time.Time) {
	said := slices.ContainsFunc(e.ways, func(c candidate) bool { return c.at == at && c.origin == originStatic })
	for i := range e.ways {
		c := &e.ways[i]
		link := c.held != nil || c.at != nil && c.at.cfg.Kind == Link
		if link && c.at != at && c.hops <= 1 && c.site() != at.cfg.Site && !(said && c.origin == originStatic) {
			r.clash(NetworkElsewhere, e.key, "two sites have a wire of this number; change one, or give both sites a static route to it", now, c.claimant(), it)
			return
		}
	}
}

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
func (a *Attached) heardOurselves(h *ipx.Header) {
	if forRouter(h.Src.Socket) && a.now.Sub(a.echo) >= time.Second {
		a.echo = a.now
		a.router.offer(arrival{at: a})
	}
}

// heardForged has it looked at, once a second at most, whether a packet that came
// from a network which is not behind the link tells of a clash.
func (a *Attached) heardForged(h *ipx.Header) {
	if a.now.Sub(a.forged) >= time.Second && h.Src.Network != ipx.ThisNetwork {
		a.forged = a.now
		a.router.offer(arrival{at: a, forged: h.Src})
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
