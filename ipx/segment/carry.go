package segment

import (
	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// carry decides which ports a packet leaves by: that of the station it is for,
// or that of the router to its network, or all but the one it came from.
func (p *Port) carry(h *ipx.Header, pkt *packet.Buffer, hash uint64, now int64) drop {
	s := p.segment
	group := h.Dst.Node.IsGroup()
	if !group {
		if st := s.lookup(s.key(h.Dst), now); st != nil {
			return p.pass(st.port, h, pkt, st.frame.Load(), hash, now)
		}
	}
	dst := h.Dst.Node
	if !s.native(h.Dst.Network) {
		if out, b := s.wayTo(h.Dst.Network, now); out != nil {
			if group && !p.affords(now) {
				return dropBudget
			}
			return p.pass(out, h, pkt, b.frame.Load(), hash, now)
		}
		// Nobody knows the router. One that routes what is sent to all would make
		// copies, so none does; but a server takes what is for its own inside.
		dst = ipx.Broadcast
	} else if !group && s.isOurs(dst) {
		return dropForUs
	}
	if (dst.IsGroup() || p.spreads(now)) && !p.affords(now) {
		return dropBudget
	}
	return p.flood(h, pkt, dst, hash, now)
}

// spreads reports whether what is sent by every port leaves by more than one.
func (p *Port) spreads(now int64) bool {
	ways := 0
	for _, out := range *p.segment.ports.Load() {
		if out != p && p.bars(out, now) == kept {
			ways++
		}
	}
	return ways > 1
}

// isOurs reports whether a node is our own address on some wire.
func (s *Segment) isOurs(n ipx.Node) bool {
	for _, p := range *s.ports.Load() {
		if p.isLAN() && p.wire.MAC() == n {
			return true
		}
	}
	return false
}

// pass sends a packet by the one port that its destination is on.
func (p *Port) pass(out *Port, h *ipx.Header, pkt *packet.Buffer, frame, hash uint64, now int64) drop {
	if out == p {
		return dropLocal
	}
	if out.held.Load() != 0 {
		return p.answer(out, h, pkt, now)
	}
	if why := p.bars(out, now); why != kept {
		return why
	}
	if out.isLAN() {
		mac, enc := unframing(frame)
		return p.toLAN(out, enc, mac, h, pkt)
	}
	if why := out.refuses(h, pkt, hash, now); why != kept {
		return why
	}
	p.toLink(out, pkt, now)
	return kept
}

// bars reports why nothing goes from p to another port.
func (p *Port) bars(out *Port, now int64) drop {
	switch {
	case now < out.blocked.Load():
		return dropBlocked
	case p.segment.cfg.SplitHorizon && !p.isLAN() && !out.isLAN():
		return dropSplitHorizon
	}
	return kept
}

// flood sends a packet by every port but the one it came from: to dst in each
// frame type that is spoken on a wire. All links but the last get a copy, since
// each writes its own headers around it.
func (p *Port) flood(h *ipx.Header, pkt *packet.Buffer, dst ipx.Node, hash uint64, now int64) drop {
	var room [ipx.Encapsulations]ipx.Encapsulation
	var last *Port
	p.count.flooded.Add(1)
	why, barred := dropAlone, kept
	for _, out := range *p.segment.ports.Load() {
		if out == p {
			continue
		}
		if because := p.bars(out, now); because != kept {
			barred = because
			continue
		}
		if out.isLAN() {
			for _, enc := range out.live(room[:], dst, now) {
				why = p.merge(why, p.toLAN(out, enc, dst, h, pkt))
			}
			continue
		}
		because := out.refuses(h, pkt, hash, now)
		why = p.merge(why, because)
		if because != kept {
			continue
		}
		if last != nil {
			p.toLink(last, p.copyOf(pkt), now)
		}
		last = out
	}
	if last != nil {
		p.toLink(last, pkt, now)
	}
	if why == dropAlone && barred != kept {
		return barred
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
func (p *Port) toLAN(out *Port, enc ipx.Encapsulation, dst ipx.Node, h *ipx.Header, pkt *packet.Buffer) drop {
	if pkt.Len() > enc.MaxPacket() {
		return dropTooLong
	}
	src := h.Src.Node
	if !p.segment.native(h.Src.Network) {
		src = out.wire.MAC()
	}
	p.lans.Add(lanTarget{out, enc, dst, src}, pkt)
	return kept
}

// refuses reports why a link does not carry a packet to its peer.
func (p *Port) refuses(h *ipx.Header, pkt *packet.Buffer, hash uint64, now int64) drop {
	if pkt.Len() > p.mtu {
		return dropTooLong
	}
	if p.gate == nil {
		return kept
	}
	return p.gate.judge(h, hash, false, now)
}

// toLink sends a packet by a link at the end of the batch.
func (p *Port) toLink(out *Port, pkt *packet.Buffer, now int64) {
	if out.watchdog != nil {
		out.watchdog.Observe(pkt.Bytes(), true, clock.Time(now))
	}
	p.links.Add(out, pkt)
}

func (p *Port) copyOf(pkt *packet.Buffer) *packet.Buffer {
	c := packet.Get()
	c.Set(pkt.Bytes())
	p.copies = append(p.copies, c)
	return c
}
