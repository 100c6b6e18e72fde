package segment

import (
	"math/rand/v2"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/ipx"
)

// A packet that came in by one port and comes again by another goes round: there
// is another bridge, a mirrored switch port, or a second tunnel between the
// sites. It is dropped, so that nothing goes round twice. What is known of it is
// held against the port by which it came back, and when it happens more than a
// few times in a second, or goes on for long, one port is taken out of use.

const (
	// A looped packet, or a station heard on two ports, counts in full. The same
	// one once more within a second counts little: it may be a station that moved
	// and repeats itself.
	looping   = 16
	repeating = 1
	// tolerated is what a port may have against it: as much as five packets.
	tolerated = 5 * looping
	// forgiven is what is forgotten of it each second.
	forgiven = looping / 2

	// maxPatience bounds how long we wait from then on. Both ends of a loop see
	// the same; each waits a time of its own, and who is first ends it for the
	// other, so that one port is blocked and not two.
	maxPatience = int64(250 * time.Millisecond)
	// lapse is how long after the last sign somebody else has cut the loop.
	lapse = int64(time.Second)
	// maxStormBlock bounds how long a port stays out of use at a time.
	maxStormBlock = 5 * time.Minute
)

// A suspicion is what is held against a port.
type suspicion struct {
	score    int
	last     int64 // when there was last a sign
	since    int64 // when it became too much
	patience int64
	settled  bool          // nothing more to do when the signs end
	partner  *Port         // by which the packets came first, if another port
	mirror   bool          // packets for this port's own stations come back: no other port has a part in it
	stations [4]stationKey // that were lately heard on two ports
	next     int

	// For Troubles.
	began  int64
	events uint64
}

// A block is the last time that a port was out of use.
type block struct {
	since, until int64
	length       time.Duration
	partner      *Port
	open         bool // it is in use again

	watch watch
}

// goesRound reports whether a packet came in by another port a moment ago, or
// comes in once more after it did.
func (p *Port) goesRound(h *ipx.Header, seen sighting, hash uint64, now int64) bool {
	if seen.refused || seen.port == p.id && !seen.looped {
		return false
	}
	s := p.segment
	first := p
	if seen.port != p.id {
		if first = s.portOf(seen.port); first == nil {
			return false // a link that is gone
		}
	}
	weight := repeating
	if s.taken.mark(hash) {
		weight = looping
	}
	if st := s.lookup(s.key(h.Dst), now); p.isLAN() && st != nil && st.port == p {
		first = nil // it went nowhere but to this wire: the wire is a mirror
	}
	s.suspect(p, first, weight, now)
	return true
}

// suspectOther holds against another port that it brought what belongs to p. A
// blocked port may: it is watched, and what it brought reached nobody.
func (s *Segment) suspectOther(id uint16, p *Port, hash uint64, now int64) {
	other := s.portOf(id)
	if other == nil {
		return
	}
	if now < other.blocked.Load() {
		s.taken.unmark(hash)
	}
	s.suspect(other, p, looping, now)
}

func (s *Segment) portOf(id uint16) *Port {
	for _, p := range *s.ports.Load() {
		if p.id == id {
			return p
		}
	}
	return nil
}

// conflict holds it against a port that one station after another is heard there
// which is on other ports. A single one is somebody with a second one's address.
func (s *Segment) conflict(p *Port, st *station, key stationKey, now int64) {
	s.heardAlsoOn(st, p, key, now)
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	c := &p.suspicion
	for _, other := range c.stations {
		if other == key {
			return
		}
	}
	c.stations[c.next%len(c.stations)] = key
	c.next++
	s.charge(p, st.port, looping, now)
}

// suspect holds something against p: what comes by it came by first before, if
// that is known and is another port. Who finds the lock taken lets it be: there
// will be more.
func (s *Segment) suspect(p, first *Port, weight int, now int64) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.charge(p, first, weight, now)
}

// charge is suspect with mu held.
func (s *Segment) charge(p, first *Port, weight int, now int64) {
	if now < p.blocked.Load() {
		p.block.watch.seen = true
		return
	}
	c := &p.suspicion
	if now-c.last > recent {
		c.began, c.events, c.mirror = now, 0, false
	}
	c.score = min(c.against(now)+weight, 2*tolerated)
	c.last, c.settled = now, false
	c.events++
	switch {
	case first == nil:
		c.mirror, c.partner = true, nil
	case first != p && !c.mirror:
		c.partner = first
	}
	s.wake(now + lapse)
	if c.score < tolerated {
		c.since = 0
		return
	}
	if c.since == 0 {
		c.since, c.patience = now, rand.Int64N(maxPatience)
	}
	if now-c.since >= c.patience {
		s.cut(p.worse(c.partner, now), now)
	}
}

// against returns what is held against the port by now.
func (c *suspicion) against(now int64) int {
	if now-c.last > recent {
		return 0 // the sum below would overflow
	}
	return max(0, c.score-int((now-c.last)*forgiven/int64(time.Second)))
}

// worse returns which of the two ports of a loop is to be blocked: the one by
// which packets come back; when they do by both, a link before a LAN, and the
// younger before the older.
func (p *Port) worse(other *Port, now int64) *Port {
	switch {
	case other == nil, other.detached.Load(), now < other.blocked.Load():
		return p
	case other.suspicion.against(now) == 0 && (other.isLAN() || !p.isLAN()):
		return p
	case other.isLAN() != p.isLAN():
		if other.isLAN() {
			return p
		}
		return other
	case other.born > p.born:
		return other
	}
	return p
}

// cut takes a port out of use. What is held against the others may be because of
// it, and is forgotten. mu is held.
func (s *Segment) cut(p *Port, now int64) {
	length, early := s.cfg.StormBlock, 0
	if last := &p.block; last.length > 0 && now < last.until+max(int64(last.length), int64(time.Minute)) {
		early = last.watch.early
		length = min(2*last.length, max(maxStormBlock, s.cfg.StormBlock))
	}
	partner := s.clearSuspicions(p)
	until := now + int64(length) + rand.Int64N(int64(length/16)+1)
	p.block = block{since: now, until: until, length: length, partner: partner, watch: watch{early: early}}
	p.blocked.Store(until)
	p.watching.Store(now + lapse)
	p.count.blocks.Add(1)
	s.doubt(p)
	s.wake(until)
	s.cfg.Log.Warn("port blocked, packets come back: is there a second way around?",
		"port", p.name, "also_on", partner.label(), "for", length)
}

// clearSuspicions forgets what is held against all ports, and returns the other
// port of the loop that p is on.
func (s *Segment) clearSuspicions(p *Port) (partner *Port) {
	partner = p.suspicion.partner
	for _, other := range *s.ports.Load() {
		if c := &other.suspicion; other != p && partner == nil && c.partner == p {
			partner = other
		}
		c := &other.suspicion
		c.score, c.since, c.partner, c.mirror = 0, 0, nil, false
	}
	return partner
}

// label is a port's name for the log, or that of no other port.
func (p *Port) label() string {
	if p == nil {
		return "itself"
	}
	return p.name
}

// openBlocked tries ports again whose time is over. mu is held.
func (s *Segment) openBlocked(now int64) {
	for _, p := range *s.ports.Load() {
		switch b := &p.block; {
		case b.until == 0 || b.open:
		case now < b.until:
			s.wake(b.until)
		default:
			s.open(p, now)
		}
	}
}

// open puts a port into use again. mu is held.
func (s *Segment) open(p *Port, now int64) {
	p.block.open, p.block.until = true, now
	p.blocked.Store(0)
	s.cfg.Log.Info("port that was blocked is tried again", "port", p.name)
}

// partnerWent opens the ports that were blocked because of another one that is
// gone: they may be the only way left. mu is held.
func (s *Segment) partnerWent(gone *Port) {
	now := clock.Now()
	for _, p := range *s.ports.Load() {
		if now < p.blocked.Load() && p.block.partner == gone {
			s.open(p, now)
		}
		if p.suspicion.partner == gone {
			p.suspicion.partner = nil
		}
	}
}

// settleSuspicions looks at ports for which there were signs of a loop that have
// ended: somebody else has cut it, perhaps at the other end of this very link.
// Then what was behind the link must be looked for anew. mu is held.
func (s *Segment) settleSuspicions(now int64) {
	for _, p := range *s.ports.Load() {
		switch c := &p.suspicion; {
		case c.score < 2*looping || c.settled:
		case now-c.last < lapse:
			s.wake(c.last + lapse)
		default:
			c.settled = true
			if !p.isLAN() {
				s.doubt(p)
			}
		}
	}
}

// doubt forgets the stations of a port, and lets any other port that brings
// packets from a network beyond it have that network.
func (s *Segment) doubt(p *Port) {
	for _, b := range p.networks.All() {
		b.doubtful.Store(true)
	}
	s.forgetStations(p)
}
