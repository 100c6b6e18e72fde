package router

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

// maxLearned bounds the routes, and the services, that LANs can teach us.
const maxLearned = 8192

// A learned route was announced on a LAN.
type learned struct {
	at      *Attached
	next    ipx.Node
	hops    uint8
	ticks   uint16
	expires time.Time
}

// rip handles a RIP packet for the router.
func (o *owner) rip(at *Attached, h *ipx.Header, payload []byte) drop {
	f := at.face.Load()
	if f == nil || !onWire(f, h) {
		return dropIgnored
	}
	m, err := rip.Parse(payload)
	switch {
	case err != nil:
		return dropIgnored
	case m.Operation == rip.OpRequest:
		return o.reply(at, h, ipx.TypeRIP, ripResponses(o.r.table.Load().answer(f, m.Entries)))
	case m.Operation == rip.OpResponse && h.Src.Socket == ipx.SocketRIP && f.kind == LAN:
		o.r.learnRoutes(at, h, m.Entries, time.Now())
		return kept
	}
	return dropIgnored
}

// answer returns what we tell a neighbour on f that asked. For all networks,
// that is every one whose way does not lead over f: split horizon. A single
// one is told only when known, also by the default route; that includes the
// wire's own. When there is nothing else to tell a host that asks for all, it
// is told of its own wire too, whose number it may be looking for.
func (t *table) answer(f *face, asked []rip.Entry) []rip.Entry {
	var told []rip.Entry
	for _, e := range asked {
		if e.Network == ipx.AllNetworks {
			if told = t.allBut(f); len(told) == 0 && f.network != ipx.ThisNetwork {
				told = append(told, advertise(f, f.network, t.routes[f.network]))
			}
			return told
		}
		if way, known := t.find(e.Network); known && (way.face != f || way.direct) && way.hops < ipx.MaxHops {
			told = append(told, advertise(f, e.Network, way))
		}
	}
	return told
}

// allBut returns every route but those over f, by network number.
func (t *table) allBut(f *face) []rip.Entry {
	var told []rip.Entry
	for _, n := range slices.Sorted(maps.Keys(t.routes)) {
		if way := t.routes[n]; way.face != f && way.hops < ipx.MaxHops {
			told = append(told, advertise(f, n, way))
		}
	}
	return told
}

// advertise adds our own part to a route: one router, and the wire it is told on.
func advertise(f *face, n ipx.Network, way hop) rip.Entry {
	ticks := min(uint32(way.ticks)+uint32(f.at.cfg.Ticks), 0xFFFF)
	return rip.Entry{Network: n, Hops: uint16(way.hops) + 1, Ticks: uint16(ticks)}
}

// ripResponses cuts the entries into messages.
func ripResponses(entries []rip.Entry) (payloads [][]byte) {
	for chunk := range slices.Chunk(entries, rip.MaxEntries) {
		payloads = append(payloads, rip.Message{Operation: rip.OpResponse, Entries: chunk}.Append(nil))
	}
	return payloads
}

// learnRoutes takes up what a server or router on a LAN announces. Hops and
// ticks are kept as they are: the sender added its part. News from the router
// that a network is reached through is always believed, also bad news.
func (r *Router) learnRoutes(at *Attached, h *ipx.Header, entries []rip.Entry, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	expires := now.Add(r.lifetime(at, h, now))
	changed := false
	for _, e := range entries {
		if !e.Usable() || r.free(e.Network, nil) != nil {
			continue // our own wires are known better by us
		}
		news := learned{at, h.Src.Node, uint8(min(e.Hops, rip.Infinity)), e.Ticks, expires}
		changed = r.learnRoute(e.Network, news) || changed
	}
	if changed {
		r.publish()
	}
}

// learnRoute reports whether news changes the way to n.
func (r *Router) learnRoute(n ipx.Network, news learned) bool {
	old := r.learned[n]
	present := old != nil && old.at == news.at && old.next == news.next
	switch {
	case news.hops >= rip.Infinity:
		if present {
			delete(r.learned, n)
		}
		return present
	case present && old.hops == news.hops && old.ticks == news.ticks:
		old.expires = news.expires
		return false
	case old == nil && len(r.learned) >= maxLearned,
		old != nil && !present && !news.betterThan(*old):
		return false
	}
	r.learned[n] = &news
	return true
}

func (l learned) betterThan(old learned) bool {
	return cmp.Or(cmp.Compare(l.ticks, old.ticks), cmp.Compare(l.hops, old.hops)) < 0
}
