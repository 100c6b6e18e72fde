package router

import (
	"slices"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

const (
	// sweep is how often the tables are looked through for what is too old.
	sweep = 5 * time.Second
	// farewell is how long Run may take to say that it goes.
	farewell = 2 * time.Second
)

// An owner is the state of Run: who is being answered, and the timers.
type owner struct {
	r       *Router
	answers map[*Attached]*answers
	swept   time.Time
	pings   bucket    // our own
	gone    time.Time // when Run ends at the latest; zero: not yet

	diagnoses []*diagnosis
}

func newOwner(r *Router) *owner {
	return &owner{r: r, answers: make(map[*Attached]*answers), swept: time.Now()}
}

// arrived handles one thing from the queue.
func (o *owner) arrived(a arrival) {
	switch {
	case a.pkt != nil:
		if why := o.packet(a); why != kept && a.at != nil {
			a.at.count.drop(why)
		}
		packet.Put(a.pkt)
	case a.forged.Network != ipx.ThisNetwork:
		o.r.noteForged(a.at, a.forged)
	case a.at != nil && a.number == ipx.ThisNetwork:
		o.r.noteEcho(a.at)
	case a.at != nil:
		o.r.numberFound(a.at, a.number)
	}
}

func (o *owner) packet(a arrival) drop {
	h, payload, err := ipx.Parse(a.pkt.Bytes())
	if err != nil {
		return dropIgnored
	}
	switch h.Dst.Socket {
	case ipx.SocketRIP:
		return o.rip(a.at, &h, payload)
	case ipx.SocketSAP:
		return o.sap(a.at, &h, payload)
	case ipx.SocketDiagnostics:
		return o.diagnostics(a.at, &h, payload)
	}
	return o.ping(a.at, &h, payload)
}

// numberFound gives a LAN the number that its stations agree on, once.
func (r *Router) numberFound(a *Attached, n ipx.Network) {
	if a.Network() != ipx.ThisNetwork {
		return // an earlier packet was faster
	}
	if err := a.SetNetwork(n); err != nil {
		if now := time.Now(); now.Sub(a.refused) > time.Minute { // every packet says it again
			a.refused = now
			r.log.Warn("network number of a wire not usable", "lan", a.cfg.Name, "error", err)
		}
		return
	}
	r.log.Info("network number of a wire learned", "lan", a.cfg.Name, "network", n)
}

// tick does what is due.
func (o *owner) tick() {
	now := time.Now()
	for at, list := range o.answers {
		if o.answer(list, now); list.over(now) {
			delete(o.answers, at)
		}
	}
	for _, s := range o.r.say(now) {
		s.broadcast()
	}
	o.diagnose(now)
	if now.Sub(o.swept) >= sweep {
		o.swept = now
		o.r.expire(now)
	}
}

// pause is how long nothing is due.
func (o *owner) pause() time.Duration {
	now := time.Now()
	next := o.swept.Add(sweep)
	if !o.gone.IsZero() {
		next = earlier(next, o.gone)
	}
	for _, list := range o.answers {
		next = earlier(next, list.when())
	}
	next = earlier(o.nextDiagnosis(next), o.r.nextSaying(next))
	return max(0, next.Sub(now))
}

// post sends what somebody left to be sent.
func (o *owner) post() {
	o.r.mu.Lock()
	list := o.r.outbox
	o.r.outbox = nil
	o.r.mu.Unlock()
	for _, s := range list {
		s.broadcast()
	}
}

// leave begins the end: all that our neighbours reach through us is down.
func (o *owner) leave() {
	o.gone = time.Now().Add(farewell)
	clear(o.answers)
	r := o.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attached {
		if a.changing != nil {
			a.changing.leave(time.Now())
		}
		a.rip.leave()
		a.sap.leave()
		a.initiation.asks = false
	}
}

// left reports whether everybody has been told, or the time for it is over.
func (o *owner) left() bool {
	if o.gone.IsZero() {
		return false
	}
	r := o.r
	r.mu.Lock()
	defer r.mu.Unlock()
	telling := func(a *Attached) bool {
		return a.plain(ofRoutes) && a.rip.full || a.plain(ofServices) && a.sap.full || a.changing != nil && a.changing.telling()
	}
	return !slices.ContainsFunc(r.attached, telling) || !time.Now().Before(o.gone)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// onWire reports whether the sender of h is on the wire of f itself: only a
// neighbour's RIP and SAP count. The peer of a link may call itself anything;
// Windows changes the number of an unnumbered link after a while.
func onWire(f *face, h *ipx.Header) bool {
	switch {
	case f.kind == Link, f.kind == Workstation && f.network == ipx.ThisNetwork:
		return true
	case f.network == ipx.ThisNetwork:
		return false
	}
	return h.Src.Network == f.network
}
