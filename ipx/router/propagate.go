package router

import (
	"encoding/binary"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// NetBIOS finds names by packets of type 20, which cross every network once.
// Their data begins with slots for the networks crossed so far, as many as the
// hop count says; a network that is in a slot has had the packet.
const (
	slots    = 8
	slotsLen = 4 * slots
)

// propagate copies a packet of type 20 to every network that has not seen it.
// The destination becomes "all nodes" of each, as Linux does it too. Whoever
// listens here hears it as well.
func (a *Attached) propagate(t *table, f *face, h *ipx.Header, p *packet.Buffer) drop {
	from := t.mark(f)
	switch {
	case p.Len() < ipx.HeaderLen+slotsLen:
		return dropPropagatedShort
	case h.Hops > slots:
		return dropPropagatedHops
	case from == ipx.ThisNetwork:
		return dropPropagatedUnnumbered
	case crossed(p.Bytes(), h.Hops, from):
		return dropPropagatedSeen
	}
	heard := false
	if _, open := t.sockets[h.Dst.Socket]; open {
		heard = a.router.deliver(t, a, h, p) == kept
	}
	if h.Hops == slots {
		if heard {
			return kept
		}
		return dropPropagatedHops
	}
	setSlot(p.Bytes(), h.Hops, from)
	ipx.SetHops(p.Bytes(), h.Hops+1)
	for _, out := range t.faces {
		n := t.mark(out)
		if out == f || n == ipx.ThisNetwork || p.Len() > out.mtu {
			continue
		}
		if out.network != ipx.ThisNetwork && crossed(p.Bytes(), h.Hops+1, n) {
			continue
		}
		a.copyTo(out, p)
	}
	return kept
}

// mark returns the number by which type 20 knows a wire: its own, or that of
// the router's inside for an unnumbered link, which a loop would come back to.
// A LAN without a number yet has none.
func (t *table) mark(f *face) ipx.Network {
	if f.network == ipx.ThisNetwork && f.kind != LAN {
		return t.internal
	}
	return f.network
}

// copyTo sends a copy of a propagated broadcast to everybody on out, at the end
// of the batch. The number is zero on an unnumbered link: "this network".
func (a *Attached) copyTo(out *face, p *packet.Buffer) {
	c := packet.Get()
	c.Set(p.Bytes())
	ipx.SetDstNetwork(c.Bytes(), out.network)
	ipx.SetDstNode(c.Bytes(), ipx.Broadcast)
	a.copies = append(a.copies, c)
	a.sorter.Add(target{out, ipx.Broadcast}, c)
	a.count.propagated.Add(1)
}

// crossed reports whether n is among the first hops slots.
func crossed(pkt []byte, hops byte, n ipx.Network) bool {
	for i := range int(hops) {
		if ipx.Network(binary.BigEndian.Uint32(pkt[ipx.HeaderLen+4*i:])) == n {
			return true
		}
	}
	return false
}

func setSlot(pkt []byte, i byte, n ipx.Network) {
	var value [4]byte
	binary.BigEndian.PutUint32(value[:], uint32(n))
	ipx.SetPayload(pkt, 4*int(i), value[:])
}
