package bench

import (
	"slices"
	"testing"

	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// measureIPX measures the same frames, LAN to LAN, through our daemons and through
// OpenVPN, in turn: each burst of 64 begins when the one before has arrived.
func measureIPX(t *testing.T, into *table) {
	if why := openVPNMissing(); why != "" {
		if earnest() {
			t.Fatalf("%s: test/deps installs it", why)
		}
		t.Logf("without OpenVPN: %s", why)
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w := lab.Unjudged(t)
			turns := newLanes(w, m)
			if openVPNMissing() == "" {
				for i, l := range addTheirs(w) { // each behind the one it is compared with
					turns = slices.Insert(turns, 2*i+1, l)
				}
			}
			measureLanes(t, into, m, turns)
		})
	}
}

const (
	ipxLen      = 576 // octets of a packet that every IPX router carries
	burstLen    = 64
	benchSocket = ipx.Socket(0x5b1d)
)

// measureLanes measures lanes in turn.
func measureLanes(t *testing.T, into *table, m *mode, turns []*lane) {
	t.Helper()
	for range *rounds {
		for _, l := range turns {
			before := cpuTime(t, l.ends[0]) + cpuTime(t, l.ends[1])
			alone := l.line.run(t, l.trip, ipxLen, 1, *slice/2)
			four := l.line.run(t, l.trip, ipxLen, 4, *slice/2)
			spent := cpuTime(t, l.ends[0]) + cpuTime(t, l.ends[1]) - before
			into.add(m.alone, l.name, alone.rate())
			into.add(m.four, l.name, four.rate())
			into.add(m.loss, l.name, lost(alone.sent+four.sent, alone.got+four.got))
			into.add(m.cpu, l.name, micro(spent)/float64(max(alone.got+four.got, 1)))
		}
	}
}
