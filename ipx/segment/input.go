package segment

import (
	"hash/maphash"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// InputFrames takes a batch from a wire and carries it to the other ports. The
// packets are lent until it returns. One goroutine at a time calls it.
func (p *Port) InputFrames(frames []port.Frame) {
	now, mac := p.begin(), p.wire.MAC()
	for i := range frames {
		f := &frames[i]
		p.count.in(f.Packet)
		if why := p.fromWire(f, mac, now); why != kept {
			p.count.drop(why)
		}
	}
	p.flush()
}

// InputPackets is InputFrames for a link.
func (p *Port) InputPackets(pkts []*packet.Buffer) {
	now := p.begin()
	for _, pkt := range pkts {
		p.count.in(pkt)
		if why := p.fromLink(pkt, now); why != kept {
			p.count.drop(why)
		}
	}
	p.flush()
}

// begin is what is done once for a batch.
func (p *Port) begin() (now int64) {
	now = clock.Now()
	if now >= p.segment.due.Load() {
		p.segment.chores(now)
	}
	return now
}

// fromWire learns from every frame, and takes those that are not between two
// stations of the same wire.
func (p *Port) fromWire(f *port.Frame, mac ipx.Node, now int64) drop {
	if !p.bridges(f.Encap) {
		return dropOtherEncapsulation
	}
	if !p.admits(f.Src) {
		return dropDeniedMAC
	}
	h, hash, why := p.check(f.Packet, now)
	if why != kept {
		return why
	}
	if now-p.heard[f.Encap].Load() > fresh {
		p.heard[f.Encap].Store(now)
	}
	if why := p.study(&h, f.Packet, p.framing(f.Src, f.Encap), hash, now); why != kept {
		return why
	}
	s := p.segment
	switch {
	case f.Dst.IsGroup():
	case f.Dst == mac:
		if s.native(h.Dst.Network) {
			return dropForUs
		}
	default:
		// The Ethernet address and not the packet's own tells whether a packet
		// for a foreign network goes to a router of this wire.
		if st := s.lookup(stationKey{node: f.Dst}, now); st != nil && st.port == p {
			return dropLocal
		}
	}
	return p.carry(&h, f.Packet, hash, now)
}

func (p *Port) fromLink(pkt *packet.Buffer, now int64) drop {
	h, hash, why := p.check(pkt, now)
	if why != kept {
		return why
	}
	if p.gate != nil {
		if why := p.gate.judge(&h, hash, true, now); why != kept {
			return why
		}
	}
	if why := p.study(&h, pkt, 0, hash, now); why != kept {
		return why
	}
	if p.watchdog != nil {
		p.watchdog.Observe(pkt.Bytes(), false, clock.Time(now))
	}
	return p.carry(&h, pkt, hash, now)
}

// bridges reports whether a frame type of the wire belongs to the segment.
func (p *Port) bridges(enc ipx.Encapsulation) bool {
	for _, e := range p.encaps {
		if e == enc {
			return true
		}
	}
	return false
}

// check refuses what is no packet, and packets that go round. Any hop count and
// any checksum passes: DOSBox sends 127 and 0.
func (p *Port) check(pkt *packet.Buffer, now int64) (h ipx.Header, hash uint64, why drop) {
	if p.detached.Load() {
		return h, 0, dropDetached
	}
	if now < p.blocked.Load() && !p.reopens(pkt, now) {
		return h, 0, dropBlocked
	}
	h, _, err := ipx.Parse(pkt.Bytes())
	switch err {
	case nil:
		pkt.Truncate(int(h.Length))
	case ipx.Truncated:
		return h, 0, dropTruncated
	case ipx.Short:
		return h, 0, dropShort
	default:
		return h, 0, dropOverlong
	}
	switch {
	case h.Src.Node.IsGroup(), h.Src.Node.IsZero():
		return h, 0, dropBadSource
	case h.Dst.Node.IsZero():
		return h, 0, dropBadDestination
	}
	hash = p.segment.hash(pkt.Bytes())
	if seen, ok := p.segment.taken.find(hash, now); ok && p.goesRound(&h, seen, hash, now) {
		return h, hash, dropLoop
	}
	return h, hash, kept
}

// hash leaves out the checksum, which a raw 802.3 frame does not carry.
func (s *Segment) hash(pkt []byte) uint64 { return maphash.Bytes(s.seed, pkt[2:]) }

// study learns from a packet where its sender is, and what is beyond it.
func (p *Port) study(h *ipx.Header, pkt *packet.Buffer, frame, hash uint64, now int64) drop {
	s := p.segment
	s.hearNumber(p, h, now)
	if !s.native(h.Src.Network) && !p.sourceOK(h.Src, frame, now) {
		return dropNotBehindPeer
	}
	if !s.learn(p, h.Src, frame, now) {
		s.taken.refuse(hash, p.id, now)
		return dropLoop
	}
	first, ok := s.taken.note(hash, p.id, now)
	switch {
	case !ok: // it came by two ports at the same time
		p.goesRound(h, first, hash, now)
		return dropLoop
	case first.refused:
		s.suspectOther(first.port, p, hash, now)
	}
	p.hearRouter(h, pkt.Bytes()[ipx.HeaderLen:], frame, now)
	return kept
}
