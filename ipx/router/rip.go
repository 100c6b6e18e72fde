package router

import (
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

// rip handles a RIP packet for the router.
func (o *owner) rip(at *Attached, h *ipx.Header, payload []byte) drop {
	f := at.face.Load()
	if f == nil || !onWire(f, h) {
		return dropIgnored
	}
	if h.Src.Socket == ipx.SocketRIP && o.r.receive(at, h, payload) {
		return kept
	}
	m, err := rip.Parse(payload)
	switch {
	case err != nil:
		return dropIgnored
	case m.Operation == rip.OpRequest:
		return o.reply(at, h, ipx.TypeRIP, 0, o.r.ripAnswer(at, m.Entries))
	case m.Operation == rip.OpResponse && h.Src.Socket == ipx.SocketRIP && f.kind != Workstation:
		o.r.learnRoutes(at, h, m.Entries, time.Now())
		return kept
	}
	return dropIgnored
}

// ripAnswer returns what we tell a neighbour that asked. For all networks, that
// is every one whose way does not lead there: split horizon. When there is
// nothing else to tell a host that asks for all, it is told of its own wire,
// whose number it may be looking for.
func (r *Router) ripAnswer(at *Attached, asked []rip.Entry) func() ([]byte, bool) {
	if !slices.ContainsFunc(asked, func(e rip.Entry) bool { return e.Network == ipx.AllNetworks }) {
		return func() ([]byte, bool) { return r.ripAnswerOf(at, asked), false }
	}
	var c cursor[ipx.Network]
	first := true
	return func() ([]byte, bool) {
		lines, more := r.routes.page(at, &c, rip.MaxEntries, nil)
		if own := r.ours(at.network); first && lines == nil && own != nil {
			lines = []telling[ipx.Network]{{own, 1}}
		}
		if first = false; lines == nil {
			return nil, false
		}
		return at.ripResponse(lines), more
	}
}

// ripAnswerOf answers for single networks. Each is told only when known, also by
// the default route; that includes the wire's own, and what went down just now.
func (r *Router) ripAnswerOf(at *Attached, asked []rip.Entry) []byte {
	m := rip.Message{Operation: rip.OpResponse}
	now := time.Now()
	for _, e := range asked[:min(len(asked), rip.MaxEntries)] {
		if !at.cfg.Limits.AnnounceNetworks.Has(e.Network) {
			continue
		}
		switch way, lost := r.reach(e.Network), r.routes.entries[e.Network]; {
		case way != nil && r.answerable(at, way):
			m.Entries = append(m.Entries, at.ripEntry(e.Network, &way.best, uint16(way.best.hops)+1))
		case way == nil && lost != nil && now.Before(lost.down) && !slices.Contains(lost.split, at):
			m.Entries = append(m.Entries, at.ripEntry(e.Network, &lost.best, infinity))
		}
	}
	if len(m.Entries) == 0 {
		return nil
	}
	return m.Append(nil)
}

func (r *Router) answerable(at *Attached, way *entry[ipx.Network]) bool {
	return way.best.hops < infinity-1 && (way.best.origin == originOwn || !slices.Contains(way.split, at))
}
