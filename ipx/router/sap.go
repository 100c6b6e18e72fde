package router

import (
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

// sap handles a SAP packet for the router.
func (o *owner) sap(at *Attached, h *ipx.Header, payload []byte) drop {
	f := at.face.Load()
	if f == nil || !onWire(f, h) {
		return dropIgnored
	}
	if h.Src.Socket == ipx.SocketSAP && o.r.receive(at, h, payload) {
		return kept
	}
	m, err := sap.Parse(payload)
	switch {
	case err != nil:
		return dropIgnored
	case m.Operation == sap.OpRequest:
		return o.reply(at, h, ipx.TypePEP, 0, o.r.sapAnswer(at, m.Type))
	case m.Operation == sap.OpNearestRequest:
		return o.reply(at, h, ipx.TypePEP, at.cfg.NearestDelay, o.r.nearestAnswer(at, m.Type))
	case m.Operation == sap.OpResponse && h.Src.Socket == ipx.SocketSAP && f.kind != Workstation:
		o.r.learnServices(at, h, m.Services, time.Now())
		return kept
	}
	return dropIgnored
}

// sapAnswer returns the services of a type that a neighbour is told of: those
// whose servers are not reached, and were not announced, there.
func (r *Router) sapAnswer(at *Attached, want sap.ServiceType) func() ([]byte, bool) {
	c := cursor[serviceKey]{}
	var which func(e *entry[serviceKey]) bool
	if want != sap.AnyType {
		c = cursor[serviceKey]{serviceKey{typ: want}, true} // no service is without a name
		which = func(e *entry[serviceKey]) bool { return e.key.typ == want }
	}
	return func() ([]byte, bool) {
		lines, more := r.services.page(at, &c, sap.MaxServices, which)
		if lines == nil {
			return nil, false
		}
		return sapResponse(sap.OpResponse, lines), more && (want == sap.AnyType || c.last.typ == want)
	}
}
