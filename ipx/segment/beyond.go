package segment

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// maxNetworks bounds the networks remembered beyond one port.
const maxNetworks = 1024

// A beyond is a network that is not the segment's: by which router of the wire
// it is reached, or just that it is behind the link's peer.
type beyond struct {
	frame    atomic.Uint64 // of the router, on a wire
	hops     atomic.Uint32 // as that router says; 0: it has not
	last     atomic.Int64
	doubtful atomic.Bool // the port may lead there no longer
}

func newBeyond(frame uint64, hops uint32, now int64) *beyond {
	b := new(beyond)
	b.frame.Store(frame)
	b.hops.Store(hops)
	b.last.Store(now)
	return b
}

// heard notes a sign of the network on its port.
func (b *beyond) heard(now int64) {
	if now-b.last.Load() > fresh {
		b.last.Store(now)
	}
	if b.doubtful.Load() {
		b.doubtful.Store(false)
	}
}

// reaches returns how p reaches network n, if it does.
func (p *Port) reaches(n ipx.Network, now int64) *beyond {
	b, known := p.networks.Get(n)
	if !known {
		return nil
	}
	if until := p.held.Load(); until != 0 {
		if now > until {
			return nil
		}
		return b
	}
	if p.segment.old(b.last.Load(), now) {
		return nil
	}
	return b
}

// wayTo returns the port by which n is reached.
func (s *Segment) wayTo(n ipx.Network, now int64) (*Port, *beyond) {
	if p, b := s.holderOf(n, now); p != nil && !b.doubtful.Load() {
		return p, b
	}
	return nil, nil
}

// holderOf returns the port that n belongs to, which is not the way to it while
// that is in doubt.
func (s *Segment) holderOf(n ipx.Network, now int64) (*Port, *beyond) {
	for _, list := range [...]*[]*Port{s.ports.Load(), s.absent.Load()} {
		for _, p := range *list {
			if b := p.reaches(n, now); b != nil {
				return p, b
			}
		}
	}
	return nil, nil
}

// sourceOK reports whether the sender of a foreign packet may be where it came
// from. On a wire it may, and whoever brought the packet is the router to its
// network. A link must not bring packets from networks that nobody behind it
// has announced.
func (p *Port) sourceOK(src ipx.Addr, frame uint64, now int64) bool {
	b := p.reaches(src.Network, now)
	if b == nil {
		if !p.isLAN() {
			return p.segment.claim(p, src.Network, now)
		}
		p.reach(src.Network, frame, 0, now)
		return true
	}
	if mac, _ := unframing(frame); p.isLAN() && src.Node != mac && b.frame.Load() != frame {
		b.frame.Store(frame) // a station's own address would say nothing of a router
	}
	b.heard(now)
	return true
}

// reach notes that n is beyond p, of which nothing was known, and that it is not
// beyond another port any more. A peer may not say the latter so simply: it could
// take over a network of ours by announcing it.
func (p *Port) reach(n ipx.Network, frame uint64, hops uint32, now int64) {
	if other, _ := p.segment.holderOf(n, now); other != nil && other != p {
		if !p.isLAN() {
			p.segment.claim(p, n, now)
			return
		}
		other.lose(n)
	}
	p.take(n, frame, hops, now)
}

// take notes that n is beyond p. A full table is looked through for what is old once
// a second, and not for each network that somebody makes up.
func (p *Port) take(n ipx.Network, frame uint64, hops uint32, now int64) {
	if len(p.networks.All()) >= maxNetworks {
		if last := p.cleared.Load(); now-last < settle || !p.cleared.CompareAndSwap(last, now) {
			return
		}
	}
	p.networks.Update(func(next map[ipx.Network]*beyond) {
		for other, b := range next {
			if p.segment.old(b.last.Load(), now) {
				delete(next, other)
			}
		}
		if len(next) < maxNetworks {
			next[n] = newBeyond(frame, hops, now)
		}
	})
}

// lose forgets that n is beyond p, with the stations heard from there.
func (p *Port) lose(n ipx.Network) {
	p.networks.Update(func(next map[ipx.Network]*beyond) { delete(next, n) })
	s := p.segment
	there := func(key stationKey, st *station) bool { return key.network == n && st.port == p }
	for key, st := range s.stations.All() {
		if there(key, st) {
			s.stations.Update(func(next map[stationKey]*station) {
				for key, st := range next {
					if there(key, st) {
						delete(next, key)
					}
				}
			})
			return
		}
	}
}

// hearRouter learns from RIP and SAP that pass which networks are beyond the
// port they came from. The packet itself goes on unchanged.
func (p *Port) hearRouter(h *ipx.Header, payload []byte, frame uint64, now int64) {
	switch h.Src.Socket {
	case ipx.SocketRIP:
		if len(payload) < 2 || rip.Operation(binary.BigEndian.Uint16(payload)) != rip.OpResponse {
			return
		}
		if m, err := rip.Parse(payload); err == nil {
			for _, e := range m.Entries {
				p.hearNetwork(e.Network, e.Hops, frame, now)
			}
		}
	case ipx.SocketSAP:
		m, err := sap.Parse(payload)
		if err != nil || m.Operation != sap.OpResponse && m.Operation != sap.OpNearestResponse {
			return
		}
		for _, s := range m.Services {
			if s.Hops < sap.Infinity {
				p.hearNetwork(s.Addr.Network, s.Hops, frame, now)
			}
		}
	}
}

// silentRouter is how long the present router must not have been heard of before
// another one that is no nearer takes its place: more than the period of RIP.
const silentRouter = int64(70 * time.Second)

// hearNetwork takes up one network of an announcement. The present router's
// word counts. Another one of the same wire takes its place when it is nearer,
// or is at the network itself, as a server is that got a new card.
func (p *Port) hearNetwork(n ipx.Network, hops uint16, frame uint64, now int64) {
	if !n.Assignable() || p.segment.disownNumber(p, n) {
		return
	}
	up := hops < rip.Infinity
	b := p.reaches(n, now)
	switch {
	case b == nil:
		if up {
			p.reach(n, frame, uint32(hops), now)
		}
	case b.frame.Load() == frame && !up:
		p.lose(n)
	case b.frame.Load() == frame:
		b.hops.Store(uint32(hops))
		b.heard(now)
	case up && (hops <= 1 || uint32(hops) < b.hops.Load() || now-b.last.Load() > silentRouter):
		b.frame.Store(frame)
		b.hops.Store(uint32(hops))
		b.heard(now)
	}
}

// A NetworkInfo is a network beyond the segment, for status.
type NetworkInfo struct {
	Network ipx.Network `json:"network"`
	Port    string      `json:"port"`
	Router  ipx.Node    `json:"router,omitzero"` // its Ethernet address, on a LAN
	Last    time.Time   `json:"last"`
	// Held is until when it is known although the link to it is down.
	Held time.Time `json:"held,omitzero"`
}

// Networks lists the networks beyond the segment, by number.
func (s *Segment) Networks() []NetworkInfo {
	now := clock.Now()
	var infos []NetworkInfo
	for _, p := range slices.Concat(*s.ports.Load(), *s.absent.Load()) {
		for n := range p.networks.All() {
			b := p.reaches(n, now)
			if b == nil {
				continue
			}
			info := NetworkInfo{Network: n, Port: p.name, Last: clock.Wall(b.last.Load()), Held: clock.Wall(p.held.Load())}
			if p.isLAN() {
				info.Router, _ = unframing(b.frame.Load())
			}
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b NetworkInfo) int {
		return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Port, b.Port))
	})
	return infos
}
