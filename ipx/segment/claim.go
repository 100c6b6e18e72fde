package segment

import (
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

// A server that is carried to another site brings its internal network along. A
// wire that tells of it is believed at once. A link is not, since a peer could
// take a network over that is alive elsewhere; but neither shall clients wait
// until the old place is forgotten. So when a link tells of a network twice, of
// which nothing was heard in its old place for some seconds, its router there is
// asked. If it is silent still, the network has moved.

// A claim is a link's word that a network of another port is behind it.
type claim struct {
	from, to *Port
	at       int64 // since when; anything heard in the old place afterwards refutes it
	words    int
}

const (
	// silence is how long nothing was heard of a network before a claim is
	// listened to.
	silence = int64(3 * time.Second)
	// verdict is how long the router in the old place has for its answer.
	verdict = int64(2 * time.Second)
	// claimSpan is how long a claim stands by itself: two periods of RIP.
	claimSpan = int64(150 * time.Second)
	maxClaims = 256
	// probeGap keeps peers from using us to ask our routers all the time.
	probeGap = int64(200 * time.Millisecond)
)

// claim takes a link's word that n is behind it, and reports whether it is so
// now. Who finds the lock taken will speak again.
func (s *Segment) claim(p *Port, n ipx.Network, now int64) bool {
	from, b := s.holderOf(n, now)
	if from == nil || from == p {
		return from == p
	}
	ask, granted := s.judge(p, from, n, b, now)
	if ask {
		s.probe(from, n, b)
	}
	return granted
}

// judge decides about one word of a claim, and whether to ask the old router.
func (s *Segment) judge(p, from *Port, n ipx.Network, b *beyond, now int64) (ask, granted bool) {
	if !s.mu.TryLock() {
		return false, false
	}
	defer s.mu.Unlock()
	if b.doubtful.Load() {
		s.move(n, from, p, now)
		return false, true
	}
	c := s.claims[n]
	if c == nil || c.to != p || c.from != from || b.last.Load() > c.at || now-c.at > claimSpan {
		if now-b.last.Load() < silence || now-s.probed < probeGap || c == nil && len(s.claims) >= maxClaims {
			return false, false
		}
		s.probed = now
		s.claims[n] = &claim{from: from, to: p, at: now, words: 1}
		s.wake(now + verdict)
		return from.held.Load() == 0, false
	}
	c.words++
	return false, s.settleClaim(n, c, now)
}

// settleClaims looks at what the routers that were asked have said. mu is held.
func (s *Segment) settleClaims(now int64) {
	for n, c := range s.claims {
		if now-c.at < verdict {
			s.wake(c.at + verdict)
			continue
		}
		s.settleClaim(n, c, now)
	}
}

// settleClaim reports whether the network moved.
func (s *Segment) settleClaim(n ipx.Network, c *claim, now int64) bool {
	b := c.from.reaches(n, now)
	switch {
	case b == nil, b.last.Load() > c.at, c.to.detached.Load(), now-c.at > claimSpan:
		delete(s.claims, n) // it is alive, or there is nothing to claim any more
	case now-c.at >= verdict && c.words >= 2:
		s.move(n, c.from, c.to, now)
		return true
	}
	return false
}

// move gives a network to another link.
func (s *Segment) move(n ipx.Network, from, to *Port, now int64) {
	delete(s.claims, n)
	from.lose(n)
	to.take(n, 0, 0, now)
	s.cfg.Log.Info("network moved to another port of a segment", "network", n, "port", to.name, "from", from.name)
}

// probe asks the router that n was reached by whether it is there, with a RIP
// request as any station sends it. It needs an address, so a segment without
// wires does not ask.
func (s *Segment) probe(from *Port, n ipx.Network, b *beyond) {
	mac, enc := unframing(b.frame.Load())
	if !from.isLAN() {
		mac = ipx.Broadcast
	}
	self, ok := s.address(from)
	if !ok {
		return
	}
	network := s.Network()
	payload := rip.Ask(n)
	pkt := packet.Get()
	defer packet.Put(pkt)
	pkt.Set(ipx.AppendPacket(nil, ipx.Header{
		Type: ipx.TypeRIP,
		Src:  ipx.Addr{Network: network, Node: self, Socket: ipx.SocketRIP},
		Dst:  ipx.Addr{Network: network, Node: mac, Socket: ipx.SocketRIP},
	}, payload.Append(nil)))
	if from.isLAN() {
		sendLAN(lanTarget{from, enc, mac, self}, []*packet.Buffer{pkt})
	} else {
		sendLink(from, []*packet.Buffer{pkt})
	}
}

// address returns our own on a wire, or that on another one.
func (s *Segment) address(p *Port) (ipx.Node, bool) {
	if p.isLAN() {
		return p.wire.MAC(), true
	}
	for _, p := range *s.ports.Load() {
		if p.isLAN() {
			return p.wire.MAC(), true
		}
	}
	return ipx.Node{}, false
}
