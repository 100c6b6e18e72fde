package port

import (
	"net/netip"
	"testing"
	"time"

	"sitebridge/ipx"
)

// Whoever registers, speaks under whatever node, is silent or refused, in whatever order:
// there are no more clients than may be, each under the one node of its address, which
// only the reply to its registration tells; and a newcomer gets two pings at most.
func FuzzHouse(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 4, 1, 3, 200, 4, 1})
	f.Add([]byte{0, 1, 0, 2, 1, 1, 1, 2, 1, 3, 2, 1, 3, 255, 3, 255, 3, 255, 0, 1})
	f.Add([]byte{0, 9, 5, 0, 5, 0, 5, 0, 3, 6, 3, 20})
	f.Fuzz(func(t *testing.T, story []byte) {
		const limit = 3
		now := time.Unix(1000, 0)
		h := newHouse(ipx.Node{2, 5: 1}, limit, 100, now)
		told := map[netip.AddrPort]ipx.Node{}
		pings := map[*path]int{}
		for ; len(story) > 1; story = story[2:] {
			op, x := story[0]%6, story[1]
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, x & 7}), 1000+uint16(x>>3&1))
			switch op {
			case 0:
				p := new(path)
				if node, why := h.register(from, p, now); why == 0 {
					if old, known := told[from]; known && old != node || node.IsGroup() || node == h.mac {
						t.Fatalf("%v is %v, was %v", from, node, old)
					}
					told[from] = node
					h.expect(from, p, now)
				}
			case 1, 2: // under its own node, or another's
				node := told[from]
				if op == 2 {
					node = told[netip.AddrPortFrom(from.Addr(), from.Port()^1)]
				}
				if c, why := h.sender(from, node, func() *path { return new(path) }, now); why == 0 && (c.addr != from || c.node != told[from] || op == 2) {
					t.Fatalf("%v spoke as %v: %v", from, node, c.node)
				}
			case 3:
				now = now.Add(time.Duration(x) * time.Second)
				_, ping := h.tick(now)
				for _, p := range ping {
					pings[p]++
				}
			case 4:
				h.refused(from, now)
			case 5:
				for _, p := range h.pingable(nil) {
					pings[p]++
				}
			}
			r := h.clients.Load()
			if len(r.all) > limit || len(r.byAddr) != len(r.all) || len(r.byNode) != len(r.all) || len(h.newcomers) > maxNewcomers {
				t.Fatalf("%d clients, %d by address, %d by node, %d newcomers", len(r.all), len(r.byAddr), len(r.byNode), len(h.newcomers))
			}
			for _, n := range h.newcomers {
				if pings[n.path] > newcomerPings {
					t.Fatalf("%v was pinged %d times", n.addr, pings[n.path])
				}
			}
		}
	})
}
