package segment

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// maxNetworks bounds the networks remembered beyond one port.
const maxNetworks = 1024

// A beyond is a network that is not the segment's: by which router of the wire
// it is reached, or just that it is behind the link's peer.
type beyond struct {
	frame atomic.Uint64 // of the router, on a wire
	last  atomic.Int64
}

// reaches returns how p reaches network n, if it does.
func (p *Port) reaches(n ipx.Network, now int64) *beyond {
	b, known := p.networks.Get(n)
	if !known || p.segment.old(b.last.Load(), now) {
		return nil
	}
	return b
}

// wayTo returns the port by which n is reached.
func (s *Segment) wayTo(n ipx.Network, now int64) (*Port, *beyond) {
	for _, p := range *s.ports.Load() {
		if b := p.reaches(n, now); b != nil {
			return p, b
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
			return false
		}
		p.reach(src.Network, frame, now)
		return true
	}
	if mac, _ := unframing(frame); p.isLAN() && src.Node != mac && b.frame.Load() != frame {
		b.frame.Store(frame) // a station's own address would say nothing of a router
	}
	if now-b.last.Load() > fresh {
		b.last.Store(now)
	}
	return true
}

// reach notes that n is beyond p. What is known to be beyond another port stays
// there until it falls silent, unless a wire says otherwise: a peer cannot take
// over a network of ours by announcing it.
func (p *Port) reach(n ipx.Network, frame uint64, now int64) {
	if other, _ := p.segment.wayTo(n, now); other != nil && other != p {
		if !p.isLAN() {
			return
		}
		other.lose(n)
	}
	p.networks.Update(func(next map[ipx.Network]*beyond) {
		for other, b := range next {
			if p.segment.old(b.last.Load(), now) {
				delete(next, other)
			}
		}
		if len(next) >= maxNetworks {
			return
		}
		b := new(beyond)
		b.frame.Store(frame)
		b.last.Store(now)
		next[n] = b
	})
}

// lose forgets that n is beyond p.
func (p *Port) lose(n ipx.Network) {
	p.networks.Update(func(next map[ipx.Network]*beyond) { delete(next, n) })
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
				p.hearNetwork(e.Network, e.Hops < rip.Infinity, frame, now)
			}
		}
	case ipx.SocketSAP:
		m, err := sap.Parse(payload)
		if err != nil || m.Operation != sap.OpResponse && m.Operation != sap.OpNearestResponse {
			return
		}
		for _, s := range m.Services {
			if s.Hops < sap.Infinity {
				p.hearNetwork(s.Addr.Network, true, frame, now)
			}
		}
	}
}

// hearNetwork takes up one network of an announcement. The present router's
// word counts; another one's only when there is none.
func (p *Port) hearNetwork(n ipx.Network, up bool, frame uint64, now int64) {
	if !n.Assignable() || p.segment.native(n) {
		return
	}
	b := p.reaches(n, now)
	switch {
	case b == nil && up:
		p.reach(n, frame, now)
	case b == nil || b.frame.Load() != frame:
	case up:
		b.last.Store(now)
	default:
		p.lose(n)
	}
}

// A NetworkInfo is a network beyond the segment, for status.
type NetworkInfo struct {
	Network ipx.Network `json:"network"`
	Port    string      `json:"port"`
	Router  ipx.Node    `json:"router,omitzero"` // its Ethernet address, on a LAN
	Last    time.Time   `json:"last"`
}

// Networks lists the networks beyond the segment, by number.
func (s *Segment) Networks() []NetworkInfo {
	now := time.Now().UnixNano()
	var infos []NetworkInfo
	for _, p := range *s.ports.Load() {
		for n, b := range p.networks.All() {
			last := b.last.Load()
			if s.old(last, now) {
				continue
			}
			info := NetworkInfo{Network: n, Port: p.name, Last: time.Unix(0, last)}
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
