package router

import (
	"math"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/triggered"
)

// A triggering is the exchange of changes alone with the peer of a link, one
// machine for routes and one for services. While a peer answers, what it told
// does not age: it says what goes, and the link says when it is gone itself.
type triggering struct {
	at       *Attached
	now      time.Time // of the call under way
	routes   *triggered.Machine[rip.Entry]
	services *triggered.Machine[sap.Service]
	absent   [bases]bool // as of the last look
	// What the peer told and we did not take, it does not say again by itself: it
	// is asked for all anew, at these times at the earliest.
	again [bases]time.Time
}

const (
	// againSoon is how long after room came the peer is asked anew: more of the
	// same change may be on its way.
	againSoon = 2 * time.Second
	// againLate is the least time from one such question to the next.
	againLate = time.Minute
)

// trigger makes the machines of a link and begins. r.mu is held, as whenever they
// are called.
func (a *Attached) trigger(now time.Time) {
	r := a.router
	t := &triggering{at: a, now: now}
	t.routes = triggered.New(triggered.Config[rip.Entry]{
		PerPacket: rip.MaxEntries,
		Codec:     triggered.Routes(),
		Send:      func(payload []byte) { r.outbox = append(r.outbox, saying{a, ipx.SocketRIP, payload}) },
		Snapshot:  func() []rip.Entry { return a.ripEntries(r.routes.all(a)) },
		Learn:     func(entries []rip.Entry) { r.takeRoutes(a, a.peer(t.now), entries, never, t.now) },
		Flushed:   func() { age(r.routes, a, t.now) },
		Complete:  func() { dropUnconfirmed(r.routes, a, t.now) },
	})
	t.services = triggered.New(triggered.Config[sap.Service]{
		PerPacket: sap.MaxServices,
		Codec:     triggered.Services(),
		Send:      func(payload []byte) { r.outbox = append(r.outbox, saying{a, ipx.SocketSAP, payload}) },
		Snapshot:  func() []sap.Service { return sapServices(r.services.all(a)) },
		Learn:     func(services []sap.Service) { r.takeServices(a, a.peer(t.now), services, never, t.now) },
		Flushed:   func() { age(r.services, a, t.now) },
		Complete:  func() { dropUnconfirmed(r.services, a, t.now) },
	})
	a.changing = t
	t.routes.Up(now)
	t.services.Up(now)
}

// peer is the neighbour at the other end of a link.
func (a *Attached) peer(now time.Time) *neighbour {
	if n := a.neighbours[ipx.Node{}]; n != nil {
		return n
	}
	return a.neighbour(ipx.Node{}, now)
}

// plain reports whether routes, or services, are exchanged by periodic updates.
func (a *Attached) plain(of int) bool {
	return a.talks() && (a.changing == nil || a.changing.absent[of])
}

// receive takes a packet of this exchange from the peer, and reports whether it
// was one.
func (r *Router) receive(at *Attached, h *ipx.Header, payload []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := at.changing
	if t == nil {
		return false
	}
	now := time.Now()
	t.now = now
	at.neighbour(h.Src.Node, now)
	var err error
	if h.Dst.Socket == ipx.SocketRIP {
		err = t.routes.Receive(payload, now)
	} else {
		err = t.services.Receive(payload, now)
	}
	r.settle(now)
	return err == nil
}

// work does what is due, and hands the machines what changed.
func (t *triggering) work(now time.Time) {
	a, r := t.at, t.at.router
	t.now = now
	if lines := a.rip.unread(r.routes, a); lines != nil {
		t.routes.Changed(a.ripEntries(lines), now)
	}
	if lines := a.sap.unread(r.services, a); lines != nil {
		t.services.Changed(sapServices(lines), now)
	}
	if t.wants(ofRoutes) && t.mayAsk(ofRoutes, now) {
		t.routes.Ask(now)
	}
	if t.wants(ofServices) && t.mayAsk(ofServices, now) {
		t.services.Ask(now)
	}
	t.routes.Tick(now)
	t.services.Tick(now)
	r.settle(now)
	t.look(ofRoutes, t.routes.State(), now)
	t.look(ofServices, t.services.State(), now)
}

// wants reports whether something was not learned that could be learned now.
func (t *triggering) wants(of int) bool {
	a := t.at
	switch {
	case !a.missed[of] || !t.synchronized(of):
		return false
	case of == ofRoutes:
		return a.router.routes.hasRoom(a)
	}
	return a.router.services.hasRoom(a)
}

// mayAsk reports whether it is time to ask for it, which is then done.
func (t *triggering) mayAsk(of int, now time.Time) bool {
	switch at := t.again[of]; {
	case at.IsZero():
		t.again[of] = now.Add(againSoon)
	case !now.Before(at):
		t.at.missed[of], t.again[of] = false, now.Add(againLate)
		return true
	}
	return false
}

// look sees whether the peer answers. One that does not gets periodic updates,
// and what it told ages.
func (t *triggering) look(of int, state triggered.State, now time.Time) {
	absent := state == triggered.Absent
	if absent == t.absent[of] {
		return
	}
	t.absent[of] = absent
	a, r := t.at, t.at.router
	what := [bases]string{"routes", "services"}[of]
	if !absent {
		r.log.Info("peer answers triggered updates", "via", a.cfg.Name, "of", what)
		return
	}
	r.log.Info("peer does not answer triggered updates, and gets periodic ones", "via", a.cfg.Name, "of", what)
	if of == ofRoutes {
		a.rip.start(r.routes, 0, now)
		age(r.routes, a, now)
	} else {
		a.sap.start(r.services, a.cfg.Update/2, now)
		age(r.services, a, now)
	}
	a.initiation = initiation{due: now, asks: true}
}

// retell tells all routes again, since the link's part in them changed.
func (t *triggering) retell(now time.Time) {
	if a := t.at; !t.absent[ofRoutes] {
		t.now = now
		t.routes.Changed(a.ripEntries(a.router.routes.all(a)), now)
		a.router.wake()
	}
}

func (t *triggering) synchronized(of int) bool {
	if of == ofRoutes {
		return t.routes.State() == triggered.Synchronized
	}
	return t.services.State() == triggered.Synchronized
}

// when returns the time at which work has something to do.
func (t *triggering) when() time.Time {
	next := never
	for _, at := range []time.Time{t.routes.Next(), t.services.Next()} {
		if !at.IsZero() {
			next = earlier(next, at)
		}
	}
	for of := range bases {
		if t.wants(of) {
			next = earlier(next, t.again[of])
		}
	}
	a, r := t.at, t.at.router
	if a.rip.pos < r.routes.log.seq && !t.absent[ofRoutes] && !a.rip.leaving || a.sap.pos < r.services.log.seq && !t.absent[ofServices] && !a.sap.leaving {
		next = time.Time{}
	}
	return next
}

// leave tells the peer that everything is down.
func (t *triggering) leave(now time.Time) {
	a, r := t.at, t.at.router
	routes, _ := r.routes.farewell(a, &cursor[ipx.Network]{}, math.MaxInt, now)
	services, _ := r.services.farewell(a, &cursor[serviceKey]{}, math.MaxInt, now)
	t.routes.Changed(a.ripEntries(routes), now)
	t.services.Changed(sapServices(services), now)
}

// telling reports whether a peer that answers has not acknowledged everything.
func (t *triggering) telling() bool {
	return t.synchronized(ofRoutes) && !t.routes.Next().IsZero() || t.synchronized(ofServices) && !t.services.Next().IsZero()
}

// all returns all that at is told of.
func (b *base[K]) all(at *Attached) []telling[K] {
	lines, _ := b.page(at, &cursor[K]{}, math.MaxInt, nil)
	return lines
}

// unread returns the changes that at was not told of yet, but not those that are
// only said once more: here nothing is lost.
func (s *stream[K]) unread(b *base[K], at *Attached) (lines []telling[K]) {
	if s.leaving || s.pos == b.log.seq || at.changing.absent[b.id] {
		return nil
	}
	lines, s.pos = b.changed(at, s.pos, b.log.seq, math.MaxInt, repeated)
	s.end = s.pos
	return lines
}

// age lets what was learned on at age, unless it is confirmed.
func age[K comparable](b *base[K], at *Attached, now time.Time) {
	b.each(func(_ *entry[K], c *candidate) bool {
		if c.at == at && c.origin == originLearned && c.expires.Equal(never) {
			c.expires = now.Add(minLifetime)
		}
		return true
	})
}

// dropUnconfirmed takes back what a full update of the peer did not name.
func dropUnconfirmed[K comparable](b *base[K], at *Attached, now time.Time) {
	for _, e := range b.sorted {
		for i := range e.ways {
			if c := &e.ways[i]; c.at == at && c.origin == originLearned && c.hops < infinity && !c.expires.Equal(never) {
				b.takeBack(e, i, now)
			}
		}
	}
}
