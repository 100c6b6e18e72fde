package segment

import (
	"math/rand/v2"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A watch looks at what comes by a blocked port. As long as the loop is there,
// what comes for everybody comes by another port too. What does not shows that
// nobody carries it: the other way has gone, or both ends of the loop blocked a
// port at the same time and there is no way left. Then the port is opened before
// its time.
type watch struct {
	hash   uint64 // of one packet by the blocked port
	seen   bool   // it came by another port
	lonely int    // packets in a row that did not
	early  int    // how often the port was opened before its time
}

const (
	// enoughLonely is how many packets it takes.
	enoughLonely = 2
	// maxEarly is how often in a row a port is opened before its time. Then it was
	// too often in vain.
	maxEarly = 3
)

// reopens looks at a packet by the blocked port, one in a second or two, and
// reports whether the port is in use again. Two ends watch at different times,
// so that one opens first and the other sees it.
func (p *Port) reopens(pkt *packet.Buffer, now int64) bool {
	if now < p.watching.Load() { // in a storm, all but one
		return false
	}
	h, _, err := ipx.Parse(pkt.Bytes())
	if err != nil || !h.Dst.Node.IsGroup() || !p.segment.mu.TryLock() {
		return false
	}
	defer p.segment.mu.Unlock()
	s, b := p.segment, &p.block
	w := &b.watch
	if b.partner == nil || w.early >= maxEarly {
		return false // it does not take another port
	}
	p.watching.Store(now + lapse + rand.Int64N(lapse))
	switch {
	case w.seen:
		w.lonely = 0
	case w.hash != 0:
		w.lonely++
	}
	if w.lonely >= enoughLonely {
		w.early++
		s.open(p, now)
		return true
	}
	w.hash = s.hash(pkt.Bytes()[:h.Length])
	first, known := s.taken.find(w.hash, now)
	w.seen = known && first.port != p.id
	s.taken.refuse(w.hash, p.id, now)
	return false
}
