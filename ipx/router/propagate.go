package router

import (
	"encoding/binary"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
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
// listens here hears it as well, also when it goes no further.
func (a *Inlet) propagate(t *table, f *face, h *ipx.Header, p *packet.Buffer) drop {
	switch {
	case p.Len() < ipx.HeaderLen+slotsLen:
		return dropPropagatedShort
	case h.Hops > slots:
		return dropPropagatedHops
	}
	heard := false
	if _, open := t.sockets[h.Dst.Socket]; open {
		heard = a.router.deliver(t, a, h, p) == kept
	}
	from := t.mark(f)
	if why := t.mayPropagate(f, from, h, p.Bytes()); why != kept {
		if heard {
			return kept
		}
		return why
	}
	setSlot(p.Bytes(), h.Hops, from)
	ipx.SetHops(p.Bytes(), h.Hops+1)
	for _, out := range t.faces {
		if out != f && out.at.cfg.NetBIOS != policy.PropagateOff && !t.hadIt(out, p.Bytes(), h.Hops+1) {
			a.copyTo(out, *h, p)
			heard = true
		}
	}
	if !heard {
		return dropPropagatedNowhere
	}
	return kept
}

// mayPropagate reports why a packet of type 20 from f goes no further.
func (t *table) mayPropagate(f *face, from ipx.Network, h *ipx.Header, pkt []byte) drop {
	switch f.at.cfg.NetBIOS {
	case policy.PropagateOff:
		return dropPropagatedOff
	case policy.PropagateReverse:
		if way, known := t.find(h.Src.Network); h.Src.Network != f.network && (!known || way.face != f) {
			return dropPropagatedDetour
		}
	}
	switch {
	case h.Hops == slots:
		return dropPropagatedHops
	case from == ipx.ThisNetwork:
		return dropPropagatedUnnumbered
	case crossed(pkt, h.Hops, from):
		return dropPropagatedSeen
	}
	return kept
}

// hadIt reports whether a packet that crossed so many networks has been on the
// wire of out, or could not be told from one that has.
func (t *table) hadIt(out *face, pkt []byte, hops byte) bool {
	n := t.mark(out)
	return n == ipx.ThisNetwork || out.network != ipx.ThisNetwork && crossed(pkt, hops, n)
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
// of the batch. The number is zero on an unnumbered link: "this network". A copy
// that cannot go there counts as dropped.
func (a *Inlet) copyTo(out *face, h ipx.Header, p *packet.Buffer) {
	if p.Len() > out.mtu {
		a.count.drop(dropTooLong)
		return
	}
	c := packet.Get()
	c.Set(p.Bytes())
	ipx.SetDstNetwork(c.Bytes(), out.network)
	ipx.SetDstNode(c.Bytes(), ipx.Broadcast)
	h.Dst.Network, h.Dst.Node = out.network, ipx.Broadcast
	if why := out.at.gate.release(&h, c, a.now); why != kept {
		a.count.drop(why)
		packet.Put(c)
		return
	}
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
