package segment

import (
	"slices"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// LANConfig is what a port on a wire is made of.
type LANConfig struct {
	Name string
	// Wire is promiscuous.
	Wire Wire
	// Encapsulations are the frame types that are bridged; others are left alone.
	// A broadcast goes out in the first of them until stations are heard in
	// others. None: all four, Ethernet II first.
	Encapsulations []ipx.Encapsulation
	// Allow and Deny are Ethernet addresses from which frames are taken, and are
	// not. An empty Allow allows all that Deny does not name.
	Allow, Deny []ipx.Node
	// Frames are stations, by their Ethernet addresses, whose frame type is not
	// learned: what is for them leaves in this one, and so do broadcasts. A type
	// that is not bridged on the wire has no effect.
	Frames map[ipx.Node]ipx.Encapsulation
}

// AttachLAN adds a wire.
func (s *Segment) AttachLAN(c LANConfig) *Port {
	encaps := slices.Clone(c.Encapsulations)
	if len(encaps) == 0 {
		encaps = []ipx.Encapsulation{ipx.EthernetII, ipx.Ethernet8023, ipx.Ethernet8022, ipx.EthernetSNAP}
	}
	p := &Port{name: c.Name, wire: c.Wire, encaps: encaps, mtu: ipx.MaxLen, allow: setOf(c.Allow), deny: setOf(c.Deny)}
	p.listed = p.allow != nil || p.deny != nil
	for mac, enc := range c.Frames {
		p.fix(mac, enc)
	}
	return s.attach(p)
}

func setOf(nodes []ipx.Node) map[ipx.Node]bool {
	if len(nodes) == 0 {
		return nil
	}
	set := make(map[ipx.Node]bool)
	for _, n := range nodes {
		set[n] = true
	}
	return set
}

// A Watchdog knows the sessions that cross one site's link, and answers their
// watchdogs while the far end is away: package watchdog's Table is one.
type Watchdog interface {
	// Observe looks at a packet that crosses the link; out is to the peer.
	Observe(pkt []byte, out bool, now time.Time)
	// Lost and Found say that the far end went and came back.
	Lost(now time.Time)
	Found()
	// Answer writes the far end's answer to pkt into reply, if it has one.
	Answer(pkt []byte, reply *packet.Buffer, now time.Time) bool
}

// LinkConfig is what a port on a link is made of.
type LinkConfig struct {
	Name string
	Link Sender
	MTU  int          // longest packet; zero: 1500
	Gate *policy.Gate // what may cross; nil: all
	// Hold is how long the stations behind the link are known after it went, so
	// that nobody looks for them elsewhere. Attaching a link of the same name
	// takes them over.
	Hold time.Duration
	// Watchdog answers for them meanwhile; nil: nobody does.
	Watchdog Watchdog
}

// AttachLink adds a link.
func (s *Segment) AttachLink(c LinkConfig) *Port {
	if c.MTU == 0 {
		c.MTU = ipx.MaxLen
	}
	p := s.attach(&Port{name: c.Name, link: c.Link, mtu: c.MTU, gate: newGate(c.Gate), hold: c.Hold, watchdog: c.Watchdog})
	if p.watchdog != nil {
		p.watchdog.Found()
	}
	return p
}

func (s *Segment) attach(p *Port) *Port {
	p.segment = s
	if s.cfg.Broadcasts > 0 {
		p.budget.cost = int64(time.Second) / int64(s.cfg.Broadcasts)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.born++
	p.born, p.id = s.born, uint16(s.born&portMask)
	s.takeOver(p)
	ports := append(slices.Clone(*s.ports.Load()), p)
	s.ports.Store(&ports)
	return p
}

// Detach takes the port out of use. Its stations are forgotten, or held if the
// link was to hold them. For a moment after it packets may still be sent to it.
// A second call does nothing.
func (p *Port) Detach() {
	s := p.segment
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.detached.Load() {
		return
	}
	s.ports.Store(without(s.ports.Load(), p))
	heir := s.linkNamed(p.name)
	holds := p.hold > 0 && heir == nil
	if holds {
		s.beginHolding(p, time.Now())
	}
	p.detached.Store(true)
	switch {
	case holds:
	case heir != nil && !p.isLAN(): // the site's next call came before this one ended
		s.bequeath(p, heir, clock.Now())
	default:
		s.forget(p)
	}
	s.partnerWent(p)
}

// without returns the list without p.
func without(list *[]*Port, p *Port) *[]*Port {
	rest := slices.DeleteFunc(slices.Clone(*list), func(other *Port) bool { return other == p })
	return &rest
}

// forget forgets what is behind a port.
func (s *Segment) forget(p *Port) {
	p.networks.Update(func(next map[ipx.Network]*beyond) { clear(next) })
	s.forgetStations(p)
}

func (s *Segment) forgetStations(p *Port) {
	s.stations.Update(func(next map[stationKey]*station) {
		for key, st := range next {
			if st.port == p {
				delete(next, key)
			}
		}
	})
	p.stations.Store(0)
}
