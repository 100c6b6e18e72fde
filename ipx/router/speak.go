package router

import (
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// never is later than anything.
var never = time.Unix(1<<40, 0)

// inquires reports whether a is asked when it comes into use: to learn, to find
// its number, or, of the peer of a static link, to see whether numbers clash.
func (a *Attached) inquires() bool {
	switch a.cfg.Kind {
	case Workstation:
		return false
	case LAN:
		return a.exchange != ExchangeStatic || a.network == ipx.ThisNetwork
	}
	return a.exchange != ExchangeTriggered
}

// A saying is one packet that Run is to send.
type saying struct {
	at      *Attached
	socket  ipx.Socket
	payload []byte
}

// broadcast sends it to everybody on the wire, the one peer of a link.
func (s *saying) broadcast() {
	dst := ipx.Addr{Network: s.at.Network(), Node: ipx.Broadcast, Socket: s.socket}
	typ := ipx.TypePEP
	if s.socket == ipx.SocketRIP {
		typ = ipx.TypeRIP
	}
	s.at.sendFrom(s.socket, dst, typ, s.payload)
}

// start makes a wire that came into use, or got its number, hear what we know and
// tell what it knows. r.mu is held, after settle.
func (a *Attached) start(now time.Time) {
	a.rip.start(a.router.routes, 0, now)
	a.sap.start(a.router.services, a.cfg.Update/2, now) // from then on between two of the routes
	a.initiation = initiation{due: now, asks: a.inquires()}
	if a.exchange == ExchangeTriggered {
		a.trigger(now)
	}
	a.started = true
	a.router.wake()
}

// say returns what is to be sent unasked now.
func (r *Router) say(now time.Time) (list []saying) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.releaseDue(now)
	r.settle(now)
	r.routes.repeatPoison(now)
	r.services.repeatPoison(now)
	for _, a := range r.attached {
		if a.talks() {
			list = a.announce(list, now)
		}
		list = a.inquire(list, now)
	}
	r.trim()
	list = append(list, r.outbox...)
	r.outbox = nil
	return list
}

// announce appends at most one packet of each stream. A service is useless to
// those who have no route yet, so routes come first.
func (a *Attached) announce(list []saying, now time.Time) []saying {
	r := a.router
	if a.changing != nil {
		a.changing.work(now)
	}
	if a.plain(ofRoutes) {
		if lines := a.rip.step(r.routes, a, rip.MaxEntries, now); lines != nil {
			list = append(list, saying{a, ipx.SocketRIP, a.ripResponse(lines)})
		}
	}
	a.sap.wait = a.rip.full && !a.rip.leaving && a.plain(ofRoutes)
	if !a.plain(ofServices) {
		return list
	}
	if lines := a.sap.step(r.services, a, sap.MaxServices, now); lines != nil {
		list = append(list, saying{a, ipx.SocketSAP, sapResponse(sap.OpResponse, lines)})
	}
	return list
}

// when returns the time at which announce has something to do. r.mu is held.
func (a *Attached) when() time.Time {
	t := never
	if a.changing != nil {
		t = a.changing.when()
	}
	if a.plain(ofRoutes) {
		t = earlier(t, a.rip.when(a.router.routes))
	}
	if a.plain(ofServices) {
		t = earlier(t, a.sap.when(a.router.services))
	}
	return t
}

// trim forgets the changes that everybody was told.
func (r *Router) trim() {
	routes, services := r.routes.log.seq, r.services.log.seq
	for _, a := range r.attached {
		if a.talks() {
			routes, services = min(routes, a.rip.pos), min(services, a.sap.pos)
		}
	}
	r.routes.log.trim(routes, len(r.routes.entries))
	r.services.log.trim(services, len(r.services.entries))
}

// nextSaying returns when say has something to do, or last if nothing is before
// that.
func (r *Router) nextSaying(last time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attached {
		if a.talks() {
			last = earlier(last, a.when())
		}
		if a.initiation.asks {
			last = earlier(last, a.initiation.due)
		}
	}
	for _, h := range r.holds {
		last = earlier(last, h.until)
	}
	if len(r.routes.again) > 0 {
		last = earlier(last, r.routes.again[0].due)
	}
	if len(r.services.again) > 0 {
		last = earlier(last, r.services.again[0].due)
	}
	return last
}

// Whoever comes into use is asked for all its routes and services: a server that
// announces itself every two minutes is known at once.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
	// maxAsks is how often the peer of a link is asked: it may be there a moment
	// later than we are.
	maxAsks = 5
	// clashAsks is the same where nothing is learned.
	clashAsks = 2
)

// An initiation is the asking of one attachment.
type initiation struct {
	asks  bool // it is not over
	due   time.Time
	wait  time.Duration
	times int
	// answered says what has been told to us alone. That a peer has spoken is no answer:
	// what came through may be a change, and all that it told at first, and our question,
	// may have met a link that was open at one end only.
	answered [bases]bool
}

// inquire appends the requests whose time it is.
func (a *Attached) inquire(list []saying, now time.Time) []saying {
	i := &a.initiation
	if !i.asks || now.Before(i.due) {
		return list
	}
	heard := i.times > 1 && len(a.neighbours) > 0
	if a.cfg.Kind == Link && (i.answered == [bases]bool{true, true} || heard) {
		return a.inquireAgain(list, now)
	}
	list = a.questions(list)
	i.times++
	i.wait = min(max(firstRetry, 2*i.wait), lastRetry)
	i.due = now.Add(i.wait)
	switch {
	case a.cfg.Kind == LAN:
		// One that has its number is asked this once; one without until somebody
		// answers.
		i.asks = a.network == ipx.ThisNetwork && a.cfg.Learn
	case a.exchange == ExchangeStatic:
		i.asks = i.times < clashAsks // only to see whether numbers clash
	default:
		i.asks = i.times < maxAsks
	}
	return list
}

// inquireAgain asks a peer that answers and announces nothing by itself, as one that is
// set up with static routes: what it told would age.
func (a *Attached) inquireAgain(list []saying, now time.Time) []saying {
	i := &a.initiation
	i.asks, i.due = a.plain(ofRoutes) || a.plain(ofServices), now.Add(a.cfg.Update)
	peer := a.neighbours[ipx.Node{}]
	if !i.asks || peer != nil && now.Sub(peer.beat[ofRoutes].last) < a.cfg.Update*3/2 {
		return list
	}
	return a.questions(list)
}

// questions appends the requests for all that others have. On a LAN two types are
// asked for by name: mars_nwe leaves a request for all types unanswered.
func (a *Attached) questions(list []saying) []saying {
	list = append(list, saying{a, ipx.SocketRIP, rip.Ask(ipx.AllNetworks).Append(nil)})
	if !a.talks() {
		return list
	}
	types := []sap.ServiceType{sap.AnyType}
	if a.cfg.Kind == LAN {
		types = append(types, sap.FileServer, sap.Directory)
	}
	for _, t := range types {
		query := sap.Message{Operation: sap.OpRequest, Type: t}
		list = append(list, saying{a, ipx.SocketSAP, query.Append(nil)})
	}
	return list
}
