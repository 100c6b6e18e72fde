package router

import (
	"cmp"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
)

// A Service is something that a server offers, with hops as a neighbour would
// have announced them.
type Service = sap.Service

// SetServices replaces the static services of owner, which is usually a site. A
// service whose network has no route is kept and told to nobody: a client would
// hang on it.
func (r *Router) SetServices(owner string, services []Service) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.services[owner] = slices.Clone(services)
	if len(services) == 0 {
		delete(r.services, owner)
	}
}

// A serviceKey is what makes a service itself.
type serviceKey struct {
	typ  sap.ServiceType
	name string
}

// An offered service was announced on a LAN.
type offered struct {
	Service
	at      *Attached
	from    ipx.Node
	expires time.Time
}

// A known service is one that can be told of, with the way to it.
type known struct {
	offered
	way    hop
	origin origin
	owner  string
}

// sap handles a SAP packet for the router.
func (o *owner) sap(at *Attached, h *ipx.Header, payload []byte) drop {
	f := at.face.Load()
	if f == nil || !onWire(f, h) {
		return dropIgnored
	}
	m, err := sap.Parse(payload)
	switch {
	case err != nil:
		return dropIgnored
	case m.Operation == sap.OpRequest:
		return o.reply(at, h, ipx.TypePEP, sapResponses(offersBut(f, o.r.known(m.Type))))
	case m.Operation == sap.OpNearestRequest:
		return o.reply(at, h, ipx.TypePEP, nearestResponse(f, o.r.known(m.Type)))
	case m.Operation == sap.OpResponse && h.Src.Socket == ipx.SocketSAP && f.kind == LAN:
		o.r.learnServices(at, h, m.Services, time.Now())
		return kept
	}
	return dropIgnored
}

// offersBut returns the services that a neighbour on f is told of: those whose
// servers are not reached, and were not announced, over f.
func offersBut(f *face, services []known) (told []Service) {
	for _, k := range services {
		if k.elsewhere(f) {
			told = append(told, k.advertise())
		}
	}
	return told
}

// sapResponses cuts the services into messages.
func sapResponses(services []Service) (payloads [][]byte) {
	for chunk := range slices.Chunk(services, sap.MaxServices) {
		payloads = append(payloads, sap.Message{Operation: sap.OpResponse, Services: chunk}.Append(nil))
	}
	return payloads
}

// nearestResponse speaks for a server beyond f, unless there is one on f
// itself: that one answers for itself, and is nearer. The nearest has the
// fewest ticks to its network, then the fewest hops, then the first name.
func nearestResponse(f *face, services []known) [][]byte {
	var near []known
	for _, k := range services {
		switch {
		case k.elsewhere(f):
			near = append(near, k)
		case k.at == f.at && k.Hops <= 1:
			return nil
		}
	}
	if len(near) == 0 {
		return nil
	}
	best := slices.MinFunc(near, func(a, b known) int {
		return cmp.Or(cmp.Compare(a.way.ticks, b.way.ticks), cmp.Compare(a.Hops, b.Hops), cmp.Compare(a.Name, b.Name))
	})
	m := sap.Message{Operation: sap.OpNearestResponse, Services: []Service{best.advertise()}}
	return [][]byte{m.Append(nil)}
}

// elsewhere is split horizon: whoever is on f hears of the service from nearer.
func (k known) elsewhere(f *face) bool {
	return k.way.face != f && k.at != f.at && k.Hops < ipx.MaxHops
}

// advertise adds our own hop.
func (k known) advertise() Service {
	s := k.Service
	s.Hops++
	return s
}

// known returns the services of the wanted type that there is a route to, by
// type and name. A static one is preferred to a learned one, as with routes.
func (r *Router) known(want sap.ServiceType) []known {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	best := make(map[serviceKey]known)
	add := func(k known) {
		var routed bool
		if k.way, routed = t.find(k.Addr.Network); !routed || !k.Matches(want) {
			return
		}
		key := serviceKey{k.Type, k.Name}
		if old, twice := best[key]; !twice || k.betterThan(old) {
			best[key] = k
		}
	}
	for owner, services := range r.services {
		for _, s := range services {
			add(known{offered: offered{Service: s}, origin: originStatic, owner: owner})
		}
	}
	for _, o := range r.offered {
		add(known{offered: *o, origin: originLearned})
	}
	list := make([]known, 0, len(best))
	for _, k := range best {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b known) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return list
}

func (k known) betterThan(old known) bool {
	return cmp.Or(cmp.Compare(k.origin, old.origin), cmp.Compare(k.Hops, old.Hops), cmp.Compare(k.owner, old.owner)) < 0
}

// learnServices takes up what a server or router on a LAN announces.
func (r *Router) learnServices(at *Attached, h *ipx.Header, services []Service, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	expires := now.Add(r.lifetime(at, h, now))
	for _, s := range services {
		if s.Name == "" || s.Type == sap.AnyType {
			continue
		}
		r.learnService(offered{s, at, h.Src.Node, expires})
	}
}

// learnService compares by hops alone; news from the present teller is always
// believed.
func (r *Router) learnService(news offered) {
	key := serviceKey{news.Type, news.Name}
	old := r.offered[key]
	present := old != nil && old.at == news.at && old.from == news.from
	switch {
	case news.Hops >= sap.Infinity:
		if present {
			delete(r.offered, key)
		}
	case old == nil && len(r.offered) >= maxLearned, old != nil && !present && news.Hops >= old.Hops:
	default:
		r.offered[key] = &news
	}
}

// A ServiceInfo is a service that can be reached, for status.
type ServiceInfo struct {
	Type    sap.ServiceType `json:"type"`
	Name    string          `json:"name"`
	Addr    ipx.Addr        `json:"address"`
	Hops    uint16          `json:"hops"`
	Via     string          `json:"via"`            // the attachment's name; empty: inside the router
	Origin  string          `json:"origin"`         // static or learned
	Site    string          `json:"site,omitempty"` // static: who gave it
	Expires time.Time       `json:"expires,omitzero"`
}

// Services lists the services that there is a route to, by type and name.
func (r *Router) Services() []ServiceInfo {
	list := r.known(sap.AnyType)
	infos := make([]ServiceInfo, len(list))
	for i, k := range list {
		infos[i] = ServiceInfo{
			Type: k.Type, Name: k.Name, Addr: k.Addr, Hops: k.Hops,
			Origin: k.origin.String(), Site: k.owner, Expires: k.expires,
		}
		if k.way.face != nil {
			infos[i].Via = k.way.face.at.cfg.Name
		}
	}
	return infos
}
