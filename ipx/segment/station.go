package segment

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/ipx"
)

// A stationKey is what makes a station itself. The network is part of it: every
// server is node 000000000001 of its own internal network. It is zero for the
// segment's own, which stations give as its number or as zero.
type stationKey struct {
	network ipx.Network
	node    ipx.Node
}

func (s *Segment) key(a ipx.Addr) stationKey {
	if s.native(a.Network) {
		a.Network = ipx.ThisNetwork
	}
	return stationKey{a.Network, a.Node}
}

// A station is where a sender was heard.
type station struct {
	port  *Port
	last  atomic.Int64 // when it was last heard
	frame atomic.Uint64
	flaps flaps
}

func newStation(p *Port, frame uint64, now int64) *station {
	st := &station{port: p}
	st.frame.Store(frame)
	st.last.Store(now)
	return st
}

// framing packs how a station on a wire is reached, its Ethernet address and its
// frame type, into one word that changes at once.
func framing(mac ipx.Node, enc ipx.Encapsulation) (w uint64) {
	for _, octet := range mac {
		w = w<<8 | uint64(octet)
	}
	return w<<8 | uint64(enc)
}

func unframing(w uint64) (mac ipx.Node, enc ipx.Encapsulation) {
	enc = ipx.Encapsulation(w)
	for i := range mac {
		mac[i] = byte(w >> (8 * (len(mac) - i)))
	}
	return mac, enc
}

const (
	// settle is how long a station stays where it was heard: one that is on two
	// ports within that time is seen through a loop, or somebody plays it.
	settle = int64(time.Second)
	// fresh is how old the time of last hearing may get before it is written
	// again: other senders read the same memory.
	fresh = settle / 8
)

// lookup returns the station with that key, if it was heard lately.
func (s *Segment) lookup(key stationKey, now int64) *station {
	st, known := s.stations.Get(key)
	if !known || s.gone(st, now) {
		return nil
	}
	return st
}

// gone reports whether a station is forgotten. One behind a link that went does
// not age, since it cannot be heard: it is held for a time, or gone at once.
func (s *Segment) gone(st *station, now int64) bool {
	if until := st.port.held.Load(); until != 0 {
		return now > until
	}
	return s.old(st.last.Load(), now)
}

// learn notes that the sender of a packet is on p. It reports false when the
// packet is to be dropped: its sender cannot be in two places. Only a wire is
// believed against a link, since a peer can say what it likes.
func (s *Segment) learn(p *Port, src ipx.Addr, frame uint64, now int64) bool {
	key := s.key(src)
	st, known := s.stations.Get(key)
	switch {
	case known && st.port == p:
		st.heardAgain(frame, now)
		return true
	case known && !s.gone(st, now):
		if now-st.last.Load() < settle && !(p.isLAN() && !st.port.isLAN()) && !p.sameLink(st.port) {
			s.conflict(p, st, key, now)
			return false
		}
		p.count.moves.Add(1)
	case int(p.stations.Load()) >= s.cfg.StationLimit && !p.sweepDue(now):
		p.count.unlearned.Add(1)
		return true
	}
	s.admit(p, key, frame, now)
	return true
}

// sameLink reports whether two ports are two calls of one site: the later one
// may be up before we know that the other is down.
func (p *Port) sameLink(other *Port) bool {
	return p.name == other.name && !p.isLAN() && !other.isLAN()
}

// heardAgain writes only what changed.
func (st *station) heardAgain(frame uint64, now int64) {
	if now-st.last.Load() > fresh {
		st.last.Store(now)
	}
	if st.frame.Load() != frame {
		st.frame.Store(frame)
	}
}

// sweepDue reports, once a second, that a full port should look for stations
// that have gone.
func (p *Port) sweepDue(now int64) bool {
	last := p.swept.Load()
	return now-last > settle && p.swept.CompareAndSwap(last, now)
}

// admit adds a station, or moves it, and forgets those that fell silent.
func (s *Segment) admit(p *Port, key stationKey, frame uint64, now int64) {
	s.stations.Update(func(next map[stationKey]*station) {
		count := make(map[*Port]int32)
		for other, st := range next {
			if s.gone(st, now) && other != key || st.port.detached.Load() && st.port.held.Load() == 0 {
				delete(next, other)
				continue
			}
			count[st.port]++
		}
		old, known := next[key]
		switch {
		case known && old.port == p, p.detached.Load():
			return
		case known:
			count[old.port]--
		case int(count[p]) >= s.cfg.StationLimit:
			p.count.unlearned.Add(1)
			return
		}
		st := newStation(p, frame, now)
		if known {
			s.moved(st, old, key, now)
		}
		next[key] = st
		count[p]++
		for _, port := range *s.ports.Load() {
			port.stations.Store(count[port])
		}
	})
}

// A StationInfo is a station, for status.
type StationInfo struct {
	Network ipx.Network `json:"network"`
	Node    ipx.Node    `json:"node"`
	Port    string      `json:"port"`
	// MAC and Encapsulation are how it is reached on a LAN.
	MAC           ipx.Node  `json:"mac,omitzero"`
	Encapsulation string    `json:"encapsulation,omitempty"`
	Last          time.Time `json:"last"`
	// Held is until when it is known although the link to it is down.
	Held time.Time `json:"held,omitzero"`
	// Moves is how often it lately went from one port to another.
	Moves uint32 `json:"moves,omitempty"`
}

// Stations lists the stations heard lately, by network and node.
func (s *Segment) Stations() []StationInfo {
	now := clock.Now()
	var infos []StationInfo
	for key, st := range s.stations.All() {
		if s.gone(st, now) {
			continue
		}
		infos = append(infos, s.infoOf(key, st, now))
	}
	slices.SortFunc(infos, func(a, b StationInfo) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), slices.Compare(a.Node[:], b.Node[:]))
	})
	return infos
}

func (s *Segment) infoOf(key stationKey, st *station, now int64) StationInfo {
	info := StationInfo{
		Network: key.network, Node: key.node, Port: st.port.name,
		Last: clock.Wall(st.last.Load()), Held: clock.Wall(st.port.held.Load()), Moves: st.flaps.recent(now),
	}
	if info.Network == ipx.ThisNetwork {
		info.Network = s.Network()
	}
	if st.port.isLAN() {
		mac, enc := unframing(st.frame.Load())
		info.MAC, info.Encapsulation = mac, enc.String()
	}
	return info
}
