package router

import (
	"slices"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A Watchdog knows the sessions that cross one site's link, and answers their
// watchdogs while the far end cannot be reached: *watchdog.Table. It is safe for
// concurrent use.
type Watchdog interface {
	// Observe looks at a packet that crosses the link; out is to the peer.
	Observe(pkt []byte, out bool, now time.Time)
	// Lost begins answering, and Found ends it.
	Lost(now time.Time)
	Found()
	// Answer writes the far end's answer to pkt into reply.
	Answer(pkt []byte, reply *packet.Buffer, now time.Time) bool
}

// A holding is what was behind a link that went, and is expected back. Its routes
// and services stay known, for those who wait, until it is over.
type holding struct {
	site       string
	via        string // the link's name
	watchdog   Watchdog
	notNearest bool
	until      time.Time
}

// hold turns what is behind a, which is detached, into what is held under its
// site. If the site has another link by now, it goes there. r.mu is held; settle
// must follow.
func (r *Router) hold(a *Attached, now time.Time) {
	h := &holding{site: a.cfg.Site, via: a.cfg.Name, watchdog: a.cfg.Watchdog, notNearest: a.cfg.NotNearest, until: now.Add(a.cfg.Hold)}
	if a.cfg.Kind != Link || a.cfg.Hold <= 0 || a.cfg.Site == "" {
		h = nil
	}
	holdAll(r.routes, a, h)
	holdAll(r.services, a, h)
	if h == nil {
		return
	}
	r.holds[h.site] = h
	for _, other := range r.attached {
		if other.cfg.Site == h.site {
			r.takeOver(other, now)
			return
		}
	}
	if h.watchdog != nil {
		h.watchdog.Lost(now)
	}
	r.wake()
}

// holdAll moves the candidates of a to h, or drops them when h is nil.
func holdAll[K comparable](b *base[K], a *Attached, h *holding) {
	b.each(func(e *entry[K], c *candidate) bool {
		switch {
		case c.at != a:
			return true
		case h == nil, c.hops >= infinity:
			return false
		}
		b.account(c, -1)
		c.at, c.held, c.waits = nil, h, time.Time{}
		b.account(c, 1)
		b.touch(e)
		return true
	})
}

// takeOver brings what is held for the site of a back to life: it is behind a
// now. The peer confirms it, or it ages. Static ones come with the attachment.
// r.mu is held; settle must follow.
func (r *Router) takeOver(a *Attached, now time.Time) {
	if a.cfg.Watchdog != nil {
		a.cfg.Watchdog.Found()
	}
	h := r.holds[a.cfg.Site]
	if h == nil {
		return
	}
	delete(r.holds, a.cfg.Site)
	takeAll(r.routes, a, h, now)
	takeAll(r.services, a, h, now)
}

func takeAll[K comparable](b *base[K], a *Attached, h *holding, now time.Time) {
	learns := a.exchange != ExchangeStatic
	b.each(func(e *entry[K], c *candidate) bool {
		if c.held != h {
			return true
		}
		if c.origin != originLearned || !learns || e.toldBy(a) {
			return false
		}
		b.account(c, -1)
		was := c.by
		c.at, c.held, c.next, c.by = a, nil, ipx.Node{}, a.neighbour(c.by.node, now)
		if c.by.least == 0 {
			c.by.least, c.by.leastAt, c.by.since = was.least, was.leastAt, was.since
		}
		c.expires = now.Add(minLifetime)
		if c.ticks > 0 { // of a route
			c.ticks = max(c.said, a.floor())
		}
		b.account(c, 1)
		b.touch(e)
		return true
	})
}

// toldBy reports whether the peer of a link has told of e itself: that is newer than
// what was held.
func (e *entry[K]) toldBy(a *Attached) bool {
	return slices.ContainsFunc(e.ways, func(c candidate) bool { return c.at == a && c.origin == originLearned })
}

// Forget ends the holding of what was behind a site's link, now: its routes and
// services are announced as down.
func (r *Router) Forget(site string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.holds[site]; h != nil {
		r.release(h)
		r.settle(time.Now())
	}
}

// release drops what is held. r.mu is held; settle must follow.
func (r *Router) release(h *holding) {
	delete(r.holds, h.site)
	r.routes.each(func(_ *entry[ipx.Network], c *candidate) bool { return c.held != h })
	r.services.each(func(_ *entry[serviceKey], c *candidate) bool { return c.held != h })
}

// releaseDue drops what was held long enough. r.mu is held; settle must follow.
func (r *Router) releaseDue(now time.Time) {
	for _, h := range r.holds {
		if !now.Before(h.until) {
			r.log.Info("site did not come back: its networks and services are given up", "site", h.site)
			r.release(h)
		}
	}
}

// heldBack handles a packet for a network whose link is expected back: a watchdog
// is answered for the far end, and the rest is lost.
func (a *Inlet) heldBack(t *table, h *holding, p *packet.Buffer) drop {
	if a.spokenFor(t, h.watchdog, p) {
		return kept
	}
	return dropHeld
}

// spokenFor has w answer p, and sends the answer back.
func (a *Inlet) spokenFor(t *table, w Watchdog, p *packet.Buffer) bool {
	if w == nil {
		return false
	}
	reply := packet.Get()
	if !w.Answer(p.Bytes(), reply, a.now) {
		packet.Put(reply)
		return false
	}
	a.copies = append(a.copies, reply)
	head, _, err := ipx.Parse(reply.Bytes())
	if err != nil {
		return false
	}
	way, known := t.find(head.Dst.Network)
	if !known || way.face == nil {
		return false
	}
	a.sorter.Add(target{way.face, way.toward(head.Dst.Node)}, reply)
	a.count.answered.Add(1)
	return true
}

// toward returns the node on the wire that a packet for dst is handed to.
func (h *hop) toward(dst ipx.Node) ipx.Node {
	if h.direct {
		return dst
	}
	return h.next
}

// observe lets the watchdog of a link see what crosses it.
func (f *face) observe(pkt []byte, out bool, now time.Time) {
	if w := f.at.cfg.Watchdog; w != nil {
		w.Observe(pkt, out, now)
	}
}
