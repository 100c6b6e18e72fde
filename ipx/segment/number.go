package segment

import (
	"maps"
	"slices"
	"sync/atomic"

	"sitebridge/internal/clock"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
)

// maxNumbers bounds the numbers that a segment without a configured one may
// have at a time. On a sound one it is one number, or none but 0 for games.
const maxNumbers = 16

// A number is one that stations use among themselves.
type number struct {
	last atomic.Int64
	// lan: stations on a wire do. What only a peer says, a router on a wire may
	// gainsay: otherwise a peer could make a network of ours one of the segment's.
	lan atomic.Bool
}

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
	now := clock.Now()
	for n, num := range s.numbers.All() {
		if !s.old(num.last.Load(), now) {
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
	if num, used := s.numbers.Get(h.Src.Network); used {
		if now-num.last.Load() > fresh {
			num.last.Store(now)
		}
		if p.isLAN() && !num.lan.Load() {
			num.lan.Store(true)
		}
		return
	}
	if out, _ := s.wayTo(h.Src.Network, now); out != nil && !p.isLAN() {
		return // it is beyond a router
	}
	if s.admitNumber(h.Src.Network, p.isLAN(), now) {
		s.cfg.Log.Info("network number used on a segment", "port", p.name, "network", h.Src.Network, "node", h.Src.Node)
	}
}

// admitNumber reports whether there was room for n. What stations on a wire use
// takes the place of what only peers do: otherwise a peer that makes numbers up
// keeps a LAN's own from being the segment's.
func (s *Segment) admitNumber(n ipx.Network, lan bool, now int64) (admitted bool) {
	silent := func(_ ipx.Network, num *number) bool { return s.old(num.last.Load(), now) }
	spare := func(n ipx.Network, num *number) bool { return silent(n, num) || lan && !num.lan.Load() }
	if all := s.numbers.All(); len(all) >= maxNumbers && !anyOf(all, spare) {
		return false // without a copy for each packet
	}
	s.numbers.Update(func(next map[ipx.Network]*number) {
		maps.DeleteFunc(next, silent)
		if _, twice := next[n]; twice {
			return
		}
		if len(next) >= maxNumbers && lan {
			dropPeerNumber(next)
		}
		if len(next) >= maxNumbers {
			return
		}
		num := new(number)
		num.last.Store(now)
		num.lan.Store(lan)
		next[n], admitted = num, true
	})
	return admitted
}

// dropPeerNumber drops the number that only peers use and that was heard least
// lately, if there is one.
func dropPeerNumber(all map[ipx.Network]*number) {
	var oldest ipx.Network
	for n, num := range all {
		if !num.lan.Load() && (oldest == 0 || num.last.Load() < all[oldest].last.Load()) {
			oldest = n
		}
	}
	delete(all, oldest)
}

// disownNumber takes a number from the segment that a router on p has announced
// as beyond it, when p is a wire and only peers have used it. It reports whether
// the number is the segment's still.
func (s *Segment) disownNumber(p *Port, n ipx.Network) (native bool) {
	if !s.native(n) {
		return false
	}
	num, learned := s.numbers.Get(n)
	if !learned || !p.isLAN() || num.lan.Load() {
		return true
	}
	s.numbers.Update(func(next map[ipx.Network]*number) { delete(next, n) })
	return s.native(n)
}

func anyOf(m map[ipx.Network]*number, is func(ipx.Network, *number) bool) bool {
	for n, num := range m {
		if is(n, num) {
			return true
		}
	}
	return false
}
