package segment

import (
	"slices"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A link that went may be back soon. For the time of LinkConfig.Hold what was
// behind it is not looked for elsewhere, and is answered for where that can be
// done, so that servers keep their clients logged in. Then it ends by itself.

// beginHolding keeps what is behind a link that went. mu is held.
func (s *Segment) beginHolding(p *Port, now time.Time) {
	until := clock.Of(now.Add(p.hold))
	p.since = clock.Of(now)
	p.held.Store(until)
	absent := append(slices.Clone(*s.absent.Load()), p)
	s.absent.Store(&absent)
	s.wake(until + 1)
	if p.watchdog != nil {
		p.watchdog.Lost(now)
	}
}

// endHolding ends it for links that have been away too long. mu is held.
func (s *Segment) endHolding(now int64) {
	for _, p := range *s.absent.Load() {
		if until := p.held.Load(); now <= until {
			s.wake(until + 1)
			continue
		}
		s.letGo(p)
		s.cfg.Log.Info("stations of a lost link are held no longer", "port", p.name)
	}
}

// letGo ends the holding of one link. mu is held.
func (s *Segment) letGo(p *Port) {
	p.held.Store(1) // long ago: nothing is ever found behind it again
	s.absent.Store(without(s.absent.Load(), p))
	s.forget(p)
}

// Forget ends the holding of a link that went.
func (s *Segment) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range *s.absent.Load() {
		if p.name == name {
			s.letGo(p)
		}
	}
}

// takeOver gives a link what was held of its last one. mu is held.
func (s *Segment) takeOver(p *Port) {
	now := clock.Now()
	for _, old := range *s.absent.Load() {
		if old.name != p.name || p.isLAN() {
			continue
		}
		if now <= old.held.Load() {
			s.bequeath(old, p, now)
		}
		s.letGo(old)
	}
}

// linkNamed returns the newest link of that name. mu is held.
func (s *Segment) linkNamed(name string) (found *Port) {
	for _, p := range *s.ports.Load() {
		if p.name == name && !p.isLAN() {
			found = p
		}
	}
	return found
}

// bequeath moves what is behind one link to another, where it has not been heard
// already. It is as if it had just been heard there: its time begins anew.
func (s *Segment) bequeath(from, to *Port, now int64) {
	s.stations.Update(func(next map[stationKey]*station) {
		for key, st := range next {
			if st.port == from {
				next[key] = newStation(to, 0, now)
				to.stations.Add(1)
			}
		}
	})
	to.networks.Update(func(next map[ipx.Network]*beyond) {
		for n, b := range from.networks.All() {
			if _, known := next[n]; !known {
				next[n] = newBeyond(0, b.hops.Load(), now)
			}
		}
	})
	s.forget(from)
}

// answer answers for a station behind a link that went, if the packet is a
// watchdog's. The answer goes back to where the packet came from.
func (p *Port) answer(out *Port, h *ipx.Header, pkt *packet.Buffer, now int64) drop {
	if out.watchdog == nil {
		return dropHeld
	}
	reply := packet.Get()
	p.copies = append(p.copies, reply) // given back with the batch
	if !out.watchdog.Answer(pkt.Bytes(), reply, clock.Time(now)) {
		return dropHeld
	}
	back := *h
	back.Src, back.Dst = h.Dst, h.Src
	if !p.isLAN() {
		p.count.answered.Add(1)
		p.links.Add(p, reply)
		return kept
	}
	st := p.segment.lookup(p.segment.key(h.Src), now)
	if st == nil || st.port != p {
		return dropHeld // one station too many for the port's limit
	}
	p.count.answered.Add(1)
	mac, enc := unframing(st.frame.Load())
	return p.toLAN(p, enc, mac, &back, reply)
}
