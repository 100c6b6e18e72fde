package router

import (
	"math"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// Farewell takes a link or wire out of use politely: its neighbours are told that all
// that they were told of there is gone, so that they give it up at once instead of
// waiting for it. Then it is detached. Farewell takes at most as long as limit says;
// packets leave one tick apart, or closer if there are too many for that.
func (a *Attached) Farewell(limit time.Duration) {
	list := a.lastWords(time.Now())
	pause := min(gap, max(limit, 0)/time.Duration(max(len(list), 1)))
	for i := range list {
		time.Sleep(pause) // what Run was about to say goes first
		list[i].broadcast()
	}
	a.Detach()
}

// lastWords returns what the neighbours are told at the end, routes first: nobody
// goes by a service without one. Nothing is said after it.
func (a *Attached) lastWords(now time.Time) (list []saying) {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.face.Load() == nil || !a.talks() || a.rip.leaving {
		return nil
	}
	say := func(socket ipx.Socket, payload []byte) { list = append(list, saying{a, socket, payload}) }
	routes, _ := r.routes.farewell(a, &cursor[ipx.Network]{}, math.MaxInt, now)
	services, _ := r.services.farewell(a, &cursor[serviceKey]{}, math.MaxInt, now)
	if a.plain(ofRoutes) {
		for some := range slices.Chunk(routes, rip.MaxEntries) {
			say(ipx.SocketRIP, a.ripResponse(some))
		}
	} else {
		for _, payload := range a.changing.routes.Leave(a.ripEntries(routes)) {
			say(ipx.SocketRIP, payload)
		}
	}
	if a.plain(ofServices) {
		for some := range slices.Chunk(services, sap.MaxServices) {
			say(ipx.SocketSAP, sapResponse(sap.OpResponse, some))
		}
	} else {
		for _, payload := range a.changing.services.Leave(sapServices(services)) {
			say(ipx.SocketSAP, payload)
		}
	}
	a.silence()
	return list
}

// silence ends what Run would say on a. r.mu is held.
func (a *Attached) silence() {
	a.rip.leave()
	a.sap.leave()
	a.rip.full, a.sap.full = false, false
	a.initiation.asks = false
	a.changing = nil
	a.router.outbox = slices.DeleteFunc(a.router.outbox, func(s saying) bool { return s.at == a })
}
