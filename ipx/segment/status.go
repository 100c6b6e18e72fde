package segment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/ipx"
)

// A PortInfo is what status shows of one port.
type PortInfo struct {
	Name     string `json:"name"`
	LAN      bool   `json:"lan"`
	Stations int    `json:"stations"`
	// Blocked is since when the port is out of use because of a loop, and Until
	// when it is tried again.
	Blocked time.Time `json:"blocked_since,omitzero"`
	Until   time.Time `json:"blocked_until,omitzero"`
	// AlsoOn is the other port of the loop.
	AlsoOn string `json:"loop_with,omitempty"`
	// Lost is since when the link is down, and Held until when its stations are
	// known nevertheless.
	Lost  time.Time `json:"lost_since,omitzero"`
	Held  time.Time `json:"held_until,omitzero"`
	Stats Stats     `json:"stats"`
}

// Ports lists the ports in the order in which they were attached, and after them
// the links that went and whose stations are held.
func (s *Segment) Ports() []PortInfo {
	now := clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	count := make(map[*Port]int)
	for _, st := range s.stations.All() {
		if !s.gone(st, now) {
			count[st.port]++
		}
	}
	var infos []PortInfo
	for _, p := range slices.Concat(*s.ports.Load(), *s.absent.Load()) {
		info := PortInfo{Name: p.name, LAN: p.isLAN(), Stations: count[p], Stats: p.Stats()}
		if until := p.held.Load(); until >= now {
			info.Lost, info.Held = clock.Wall(p.since), clock.Wall(until)
		} else if until != 0 {
			continue
		}
		if until := p.blocked.Load(); now < until && !p.detached.Load() {
			info.Blocked, info.Until = clock.Wall(p.block.since), clock.Wall(until)
			if p.block.partner != nil {
				info.AlsoOn = p.block.partner.name
			}
		}
		infos = append(infos, info)
	}
	return infos
}

// A TroubleKind says what a Trouble is about.
type TroubleKind string

// The kinds.
const (
	TroubleLoop      TroubleKind = "loop"
	TroubleBroadcast TroubleKind = "broadcast_budget"
	TroubleStation   TroubleKind = "station"
)

// A Trouble is something for an administrator to look into.
type Trouble struct {
	Kind  TroubleKind `json:"kind"`
	Port  string      `json:"port"`
	Text  string      `json:"text"`
	Since time.Time   `json:"since"`
	Count uint64      `json:"count"` // of the packets that showed it
}

// Troubles lists what is wrong now or was a minute ago: loops with the ports that
// they blocked, ports that bring too much for everybody, and stations that go
// from one port to another and back.
func (s *Segment) Troubles() []Trouble {
	now := clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Trouble
	for _, p := range *s.ports.Load() {
		if t, is := p.loopTrouble(now); is {
			all = append(all, t)
		}
		if b := &p.budget; b.last.Load() != 0 && now-b.last.Load() <= recent {
			all = append(all, Trouble{TroubleBroadcast, p.name,
				fmt.Sprintf("brings more than %d packets a second for everybody or for unknown stations; what is more is dropped", s.cfg.Broadcasts),
				clock.Wall(b.since.Load()), b.refused.Load()})
		}
	}
	return append(all, s.stationTroubles(now)...)
}

// loopTrouble tells of a loop on the port. segment.mu is held.
func (p *Port) loopTrouble(now int64) (Trouble, bool) {
	c := &p.suspicion
	t := Trouble{TroubleLoop, p.name, "", clock.Wall(c.began), c.events}
	switch {
	case now < p.blocked.Load():
		with := "what leaves by this port comes back by it"
		if o := p.block.partner; o != nil {
			with = fmt.Sprintf("there is another way between this port and %q", o.name)
		}
		t.Text = fmt.Sprintf("blocked until %s because of a loop: %s", clock.Wall(p.block.until).Format(time.TimeOnly), with)
		if t.Count == 0 { // the signs were on the other port
			t.Since = clock.Wall(p.block.since)
		}
		return t, true
	case c.last == 0 || now-c.last > recent:
		return t, false
	}
	t.Text = "packets come back that came by another port first: is there a second way around?"
	return t, true
}

// stationTroubles lists the stations that flap, by network and node.
func (s *Segment) stationTroubles(now int64) (all []Trouble) {
	var keys []stationKey
	stations := s.stations.All()
	for key, st := range stations {
		if st.flaps.recent(now) >= flapping && !s.gone(st, now) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b stationKey) int {
		return cmp.Or(cmp.Compare(a.network, b.network), slices.Compare(a.node[:], b.node[:]))
	})
	for _, key := range keys {
		st, network := stations[key], key.network
		if network == ipx.ThisNetwork {
			network = s.Network()
		}
		all = append(all, Trouble{TroubleStation, st.port.name,
			fmt.Sprintf("station %v:%v is heard here and on %q: a loop, or two stations with one address", network, key.node, st.flaps.other.Load().name),
			clock.Wall(st.flaps.began.Load()), uint64(st.flaps.count.Load())})
	}
	return all
}
