package segment

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
)

// maxNumbers bounds the numbers that a segment without a configured one may
// have at a time. On a sound one it is one number, or none but 0 for games.
const maxNumbers = 16

// Network returns the segment's number: as configured, or the one that all
// stations use among themselves, or 0.
func (s *Segment) Network() ipx.Network {
	if used := s.Numbers(); len(used) == 1 {
		return used[0]
	}
	return ipx.ThisNetwork
}

// Numbers lists the numbers that the segment has: the configured one, or those
// that stations used lately among themselves. More than one means that some
// station is configured wrong.
func (s *Segment) Numbers() (used []ipx.Network) {
	if s.cfg.Network != ipx.ThisNetwork {
		return []ipx.Network{s.cfg.Network}
	}
	now := time.Now().UnixNano()
	for n, last := range s.numbers.All() {
		if !s.old(last.Load(), now) {
			used = append(used, n)
		}
	}
	slices.Sort(used)
	return used
}

// native reports whether a network is the segment, and not beyond a router.
func (s *Segment) native(n ipx.Network) bool {
	if n == ipx.ThisNetwork || n == s.cfg.Network {
		return true
	}
	_, used := s.numbers.Get(n)
	return used
}

// hearNumber notes the number of a packet that begins and ends on the segment,
// unless one is configured.
func (s *Segment) hearNumber(p *Port, h *ipx.Header, now int64) {
	if s.cfg.Network != ipx.ThisNetwork || !fastpath.IntraNet(h) {
		return
	}
	if last, used := s.numbers.Get(h.Src.Network); used {
		if now-last.Load() > fresh {
			last.Store(now)
		}
		return
	}
	if s.admitNumber(h.Src.Network, now) {
		s.cfg.Log.Info("network number used on a segment", "port", p.name, "network", h.Src.Network, "node", h.Src.Node)
	}
}

// admitNumber reports whether there was room for n.
func (s *Segment) admitNumber(n ipx.Network, now int64) (admitted bool) {
	silent := func(_ ipx.Network, last *atomic.Int64) bool { return s.old(last.Load(), now) }
	if all := s.numbers.All(); len(all) >= maxNumbers && !anyOf(all, silent) {
		return false // without a copy for each packet
	}
	s.numbers.Update(func(next map[ipx.Network]*atomic.Int64) {
		maps.DeleteFunc(next, silent)
		if _, twice := next[n]; twice || len(next) >= maxNumbers {
			return
		}
		last := new(atomic.Int64)
		last.Store(now)
		next[n], admitted = last, true
	})
	return admitted
}

func anyOf(m map[ipx.Network]*atomic.Int64, is func(ipx.Network, *atomic.Int64) bool) bool {
	for n, last := range m {
		if is(n, last) {
			return true
		}
	}
	return false
}
