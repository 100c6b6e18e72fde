package router

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

// A Service is something that a server offers, with hops as a neighbour would
// have announced them.
type Service = sap.Service

// A serviceKey is what makes a service itself.
type serviceKey struct {
	typ  sap.ServiceType
	name string
}

func (k serviceKey) compare(o serviceKey) int {
	return cmp.Or(cmp.Compare(k.typ, o.typ), strings.Compare(k.name, o.name))
}

// mayHearOfService is the policy for announcing a service.
func mayHearOfService(at *Attached, e *entry[serviceKey]) bool {
	return at.cfg.Limits.Allowed(Service{Type: e.key.typ, Name: e.key.name, Addr: e.best.addr})
}

// learnServices takes up what a neighbour announces.
func (r *Router) learnServices(at *Attached, h *ipx.Header, services []Service, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by := at.neighbour(h.Src.Node, now)
	if by == nil {
		return
	}
	at.initiation.answered[ofServices] = at.initiation.answered[ofServices] || h.Dst.Node != ipx.Broadcast
	r.takeServices(at, by, services, at.expiry(ofServices, by, h, now), now)
	r.settle(now)
}

// takeServices is learnServices without its end. r.mu is held; settle must follow.
func (r *Router) takeServices(at *Attached, by *neighbour, services []Service, expires, now time.Time) {
	at.collectServices(services)
	if at.exchange == ExchangeStatic {
		return
	}
	for _, s := range services {
		if !at.acceptsService(s) {
			continue
		}
		s.Hops = min(max(s.Hops, 1), infinity)
		r.checkService(at, by, s, now)
		r.services.tell(serviceKey{s.Type, s.Name}, candidate{
			at: at, by: by, next: at.tellerOf(by), origin: originLearned, addr: s.Addr, hops: uint8(s.Hops), expires: expires,
		}, now)
	}
}

// acceptsService reports whether a neighbour on a may teach us s.
func (a *Attached) acceptsService(s Service) bool {
	return s.Name != "" && s.Type != sap.AnyType && s.Addr.Network.Assignable() && a.cfg.Limits.Accepted(s)
}

// An index finds services by the networks of their candidates.
type index []onNetwork

type onNetwork struct {
	network ipx.Network
	e       *entry[serviceKey]
}

func (x onNetwork) compare(o onNetwork) int {
	return cmp.Or(cmp.Compare(x.network, o.network), x.e.key.compare(o.e.key))
}

// update makes the index right for e. What e left is taken out when it is come
// across.
func (x *index) update(e *entry[serviceKey]) {
	for i := range e.ways {
		row := onNetwork{e.ways[i].addr.Network, e}
		at, known := slices.BinarySearchFunc(*x, row, onNetwork.compare)
		switch {
		case !known:
			*x = slices.Insert(*x, at, row)
		case (*x)[at].e != e: // one of the same name that is gone
			(*x)[at].e = e
		}
	}
}

// each calls f with the services on n until f returns false, and reports whether
// it did.
func (x *index) each(n ipx.Network, f func(e *entry[serviceKey]) bool) bool { return x.from(n, 0, f) }

// from is each for services of type first and those after it.
func (x *index) from(n ipx.Network, first sap.ServiceType, f func(e *entry[serviceKey]) bool) (ended bool) {
	at, _ := slices.BinarySearchFunc(*x, onNetwork{network: n}, func(row, want onNetwork) int {
		return cmp.Or(cmp.Compare(row.network, want.network), cmp.Compare(row.e.key.typ, first))
	})
	for ; at < len(*x) && (*x)[at].network == n; at++ {
		if row := (*x)[at]; row.lives() && !f(row.e) {
			return true
		}
	}
	return false
}

func (x onNetwork) lives() bool {
	return slices.ContainsFunc(x.e.ways, func(c candidate) bool { return c.addr.Network == x.network })
}

// clean takes out what entries have left.
func (x *index) clean() { *x = slices.DeleteFunc(*x, func(row onNetwork) bool { return !row.lives() }) }

// A ServiceInfo is a service that can be reached, for status.
type ServiceInfo struct {
	Type sap.ServiceType `json:"type"`
	// Name is escaped, since servers may put any octet there: see sap.Printable.
	Name         string    `json:"name"`
	Addr         ipx.Addr  `json:"address"`
	Hops         uint16    `json:"hops"`
	Via          string    `json:"via"`            // the attachment that leads there; empty: inside the router
	From         ipx.Node  `json:"from,omitzero"`  // who told
	Origin       string    `json:"origin"`         // static or learned
	Site         string    `json:"site,omitempty"` // of a link: whose
	Expires      time.Time `json:"expires,omitzero"`
	Held         time.Time `json:"held,omitzero"` // until when it stays known while its link is gone
	Alternatives []Way     `json:"alternatives,omitempty"`
}

// Services lists the services that there is a route to, by type and name.
func (r *Router) Services() []ServiceInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	infos := []ServiceInfo{}
	for _, e := range r.services.sorted {
		if !e.up {
			continue
		}
		w := wayOf(&e.ways[0])
		infos = append(infos, ServiceInfo{
			Type: e.key.typ, Name: sap.Printable(e.key.name), Addr: e.best.addr, Hops: uint16(w.Hops), Via: r.reach(e.best.addr.Network).best.via(),
			From: w.From, Origin: w.Origin, Site: w.Site, Expires: w.Expires, Held: w.Held, Alternatives: alternatives(e),
		})
	}
	return infos
}
