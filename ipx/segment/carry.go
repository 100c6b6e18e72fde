package segment

import (
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// carry decides which ports a packet leaves by: that of the station it is for,
// or that of the router to its network, or all but the one it came from.
func (p *Port) carry(h *ipx.Header, pkt *packet.Buffer, hash uint64, now int64) drop {
	s := p.segment
	if !h.Dst.Node.IsGroup() {
		if st := s.lookup(s.key(h.Dst), now); st != nil {
			return p.pass(st.port, h, pkt, st.frame.Load(), hash, now)
		}
	}
	if s.native(h.Dst.Network) {
		return p.flood(h, pkt, h.Dst.Node, hash, now)
	}
	if out, b := s.wayTo(h.Dst.Network, now); out != nil {
		return p.pass(out, h, pkt, b.frame.Load(), hash, now)
	}
	// Nobody knows the router. One that routes what is sent to all would make
	// copies, so none does; but a server takes what is for its own inside.
	return p.flood(h, pkt, ipx.Broadcast, hash, now)
}

// pass sends a packet by the one port that its destination is on.
func (p *Port) pass(out *Port, h *ipx.Header, pkt *packet.Buffer, frame, hash uint64, now int64) drop {
	if out == p {
		return dropLocal
	}
	if out.isLAN() {
		mac, enc := unframing(frame)
		return p.toLAN(out, enc, mac, h, pkt, hash, now)
	}
	return p.toLink(out, pkt, hash, now)
}

// flood sends a packet by every port but the one it came from: to dst in each
// frame type that is spoken on a wire. All links but the last get a copy, since
// each writes its own headers around it.
func (p *Port) flood(h *ipx.Header, pkt *packet.Buffer, dst ipx.Node, hash uint64, now int64) drop {
	var room [ipx.Encapsulations]ipx.Encapsulation
	var last *Port
	p.count.flooded.Add(1)
	why := dropAlone
	for _, out := range *p.segment.ports.Load() {
		switch {
		case out == p:
		case out.isLAN():
			for _, enc := range out.live(room[:], now) {
				why = p.merge(why, p.toLAN(out, enc, dst, h, pkt, hash, now))
			}
		default:
			if last != nil {
				why = p.merge(why, p.toLink(last, p.copyOf(pkt), hash, now))
			}
			last = out
		}
	}
	if last != nil {
		why = p.merge(why, p.toLink(last, pkt, hash, now))
	}
	return why
}

// merge joins what became of a packet on two ports: what was sent once was not
// dropped, but a copy that was is counted.
func (p *Port) merge(all, one drop) drop {
	switch {
	case all == dropAlone || all == one:
		return one
	case one == kept:
		p.count.drop(all)
		return kept
	}
	p.count.drop(one)
	return all
}

// toLAN puts a packet on a wire at the end of the batch. A sender on the segment
// keeps its address, so that stations there answer it directly; for one beyond
// a router we are the router.
func (p *Port) toLAN(out *Port, enc ipx.Encapsulation, dst ipx.Node, h *ipx.Header, pkt *packet.Buffer, hash uint64, now int64) drop {
	if pkt.Len() > enc.MaxPacket() {
		return dropTooLong
	}
	src := h.Src.Node
	if !p.segment.native(h.Src.Network) {
		src = out.wire.MAC()
	}
	out.sent.Remember(hash, now)
	p.lans.Add(lanTarget{out, enc, dst, src}, pkt)
	return kept
}

// toLink sends a packet by a link at the end of the batch.
func (p *Port) toLink(out *Port, pkt *packet.Buffer, hash uint64, now int64) drop {
	if pkt.Len() > out.mtu {
		return dropTooLong
	}
	out.sent.Remember(hash, now)
	p.links.Add(out, pkt)
	return kept
}

func (p *Port) copyOf(pkt *packet.Buffer) *packet.Buffer {
	c := packet.Get()
	c.Set(pkt.Bytes())
	p.copies = append(p.copies, c)
	return c
}
