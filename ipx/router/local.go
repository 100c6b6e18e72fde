package router

import (
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// deliver copies a packet that is for the router to whoever answers it: Run, or
// a socket of the daemon's own. at is where it came from, in a call of its Input;
// nil for ourselves.
func (r *Router) deliver(t *table, at *Inlet, h *ipx.Header, p *packet.Buffer) drop {
	switch s := h.Dst.Socket; {
	case forRouter(s) && at != nil, isPing(s) && h.Dst.Node != ipx.Broadcast, s == ipx.SocketDiagnostics && at != nil:
		if at != nil && !forRouter(s) && !at.pings.allow(pingPace, at.now) {
			return dropRateLimit
		}
		c := packet.Get()
		c.Set(p.Bytes())
		if !r.offer(arrival{at: at.attached(), pkt: c}) {
			packet.Put(c)
			return dropQueueFull
		}
	default:
		socket, open := t.sockets[s]
		if !open {
			return dropNoSocket
		}
		if !socket.put(p) {
			return dropQueueFull
		}
	}
	if at != nil {
		at.count.local.Add(1)
	}
	return kept
}

// hears reports whether we listen to what is sent to all on a socket, RIP and SAP
// aside.
func (t *table) hears(s ipx.Socket) bool {
	_, open := t.sockets[s]
	return open || s == ipx.SocketDiagnostics
}

// offer hands something to Run unless its queue is full.
func (r *Router) offer(a arrival) bool {
	select {
	case r.queue <- a:
		return true
	default:
		return false
	}
}

// sendFrom sends a packet of ours out of at, to a node there. The number is
// that of the wire, from which a host that does not know it learns it.
func (a *Attached) sendFrom(socket ipx.Socket, dst ipx.Addr, typ ipx.PacketType, payload []byte) {
	f := a.face.Load()
	if f == nil {
		return
	}
	src := ipx.Addr{Network: f.network, Node: f.node, Socket: socket}
	p := packet.Get()
	defer packet.Put(p)
	build(p, ipx.Header{Type: typ, Src: src, Dst: dst}, payload)
	emit(target{f, dst.Node}, []*packet.Buffer{p})
}

// build makes p a packet of ours around payload, which fits.
func build(p *packet.Buffer, h ipx.Header, payload []byte) {
	p.SetLen(ipx.HeaderLen + len(payload))
	ipx.AppendPacket(p.Bytes()[:0], h, payload)
}
