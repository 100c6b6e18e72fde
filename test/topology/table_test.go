package topology

import (
	"fmt"
	"slices"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
)

// A table is what somebody must know, exactly.
type table struct {
	routes   map[ipx.Network]wantRoute
	services map[serviceKey]wantService
}

// A wantRoute is one network. Ticks of the links on the way are measured, and may be
// those of the first measurement or of a later one.
type wantRoute struct {
	hops  int
	ticks []uint16
	via   string
}

type wantService struct {
	addr ipx.Addr
	hops int
	via  string
}

func newTable() *table {
	return &table{map[ipx.Network]wantRoute{}, map[serviceKey]wantService{}}
}

const lanWire = "lan/ethernet_802_2"

// add takes up what the LAN of p has, hops further away, over links as far as ticks.
func (t *table) add(p *place, via string, hops int, ticks []uint16) {
	t.routes[p.network] = wantRoute{hops, plus(1, ticks), via}
	t.addOffer(p, via, hops, ticks)
}

func (t *table) addOffer(p *place, via string, hops int, ticks []uint16) {
	for _, e := range p.offer.routes {
		t.routes[e.Network] = wantRoute{int(e.Hops) + hops, plus(e.Ticks, ticks), via}
	}
	for _, s := range p.offer.services {
		t.services[serviceKey{s.Type, sap.Printable(s.Name)}] = wantService{s.Addr, int(s.Hops) + hops, via}
	}
}

// plus adds to each.
func plus(n uint16, all []uint16) (sums []uint16) {
	for _, m := range all {
		sums = append(sums, n+m)
	}
	return sums
}

// sums are all that two links can come to.
func sums(a, b []uint16) (all []uint16) {
	for _, n := range a {
		all = append(all, plus(n, b)...)
	}
	return all
}

// knows is what a place must know when it reaches those: all its own, and theirs over
// the hub. New ticks cross a triggered link at once. ever: they are not waited for.
func (w *world) knows(p *place, ever bool, reached ...*place) *table {
	link := func(from, to, branch *place) []uint16 {
		return from.toward(to.name, ever || branch.exchange != "triggered")
	}
	t := newTable()
	t.add(p, lanWire, 0, []uint16{0})
	for _, o := range reached {
		switch {
		case o == p:
		case p == w.hub:
			t.add(o, o.name, 1, link(o, w.hub, o))
		case o == w.hub:
			t.add(o, w.hub.name, 1, link(w.hub, p, p))
		default:
			t.add(o, w.hub.name, 2, sums(link(o, w.hub, o), link(w.hub, p, p)))
		}
	}
	return t
}

// told is what a LAN is told when its router knows t: what is not on it, one router
// and its own wire further away.
func (t *table) told(p *place) *table {
	out := newTable()
	for n, r := range t.routes {
		if r.via != lanWire {
			out.routes[n] = wantRoute{r.hops + 1, plus(1, r.ticks), ""}
		}
	}
	for k, s := range t.services {
		if s.via != lanWire {
			out.services[k] = wantService{s.addr, s.hops + 1, ""}
		}
	}
	return out
}

// differences lists what is lost, stale or otherwise in a daemon's tables.
func (t *table) differences(got bridge.IPXTables) (list []string) {
	left := newTable()
	for _, r := range got.Routes {
		if r.Down {
			continue // told as lost, for a minute
		}
		list = append(list, t.route(r.Network, wantRoute{int(r.Hops), []uint16{r.Ticks}, r.Via}, r.Alternatives)...)
		left.routes[r.Network] = wantRoute{}
	}
	for _, s := range got.Services {
		k := serviceKey{s.Type, s.Name}
		list = append(list, t.service(k, wantService{s.Addr, int(s.Hops), s.Via}, s.Alternatives)...)
		left.services[k] = wantService{}
	}
	return append(list, t.lost(left)...)
}

// untold lists the same of what a LAN was told.
func (t *table) untold(n *neighbor) (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	left := newTable()
	for _, e := range n.routes {
		list = append(list, t.route(e.Network, wantRoute{int(e.Hops), []uint16{e.Ticks}, ""}, nil)...)
		left.routes[e.Network] = wantRoute{}
	}
	for k, s := range n.services {
		k.name = sap.Printable(k.name)
		list = append(list, t.service(k, wantService{s.Addr, int(s.Hops), ""}, nil)...)
		left.services[k] = wantService{}
	}
	return append(list, t.lost(left)...)
}

func (t *table) route(n ipx.Network, got wantRoute, others []router.Way) []string {
	want, known := t.routes[n]
	switch {
	case !known:
		return []string{fmt.Sprintf("%v is stale: via %s", n, got.via)}
	case want.hops != got.hops || want.via != got.via || !slices.Contains(want.ticks, got.ticks[0]):
		return []string{fmt.Sprintf("%v is %+v, want %+v", n, got, want)}
	case len(others) > 0:
		return []string{fmt.Sprintf("%v has another way: %+v", n, others)}
	}
	return nil
}

func (t *table) service(k serviceKey, got wantService, others []router.Way) []string {
	want, known := t.services[k]
	switch {
	case !known:
		return []string{fmt.Sprintf("%v %s is stale: via %s", k.typ, k.name, got.via)}
	case want != got:
		return []string{fmt.Sprintf("%v %s is %+v, want %+v", k.typ, k.name, got, want)}
	case len(others) > 0:
		return []string{fmt.Sprintf("%v %s has another way: %+v", k.typ, k.name, others)}
	}
	return nil
}

// lost lists what is not in got.
func (t *table) lost(got *table) (list []string) {
	for n := range t.routes {
		if _, known := got.routes[n]; !known {
			list = append(list, fmt.Sprintf("%v is lost", n))
		}
	}
	for k := range t.services {
		if _, known := got.services[k]; !known {
			list = append(list, fmt.Sprintf("%v %s is lost", k.typ, k.name))
		}
	}
	return list
}
