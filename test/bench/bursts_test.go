package bench

import (
	"testing"

	"sitebridge/test/lab"
)

// TestBurstsWithoutLoss: a burst of 64 packets arrives whole, on every lane of ours and
// in every size, and so do several of them one upon the other. It runs in `make test`,
// where daemons have the race detector and are many times slower than the hosts.
func TestBurstsWithoutLoss(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			for _, l := range newLanes(lab.New(t), m) {
				for _, length := range laneLengths {
					for _, flying := range laneFlights {
						f := l.line.run(t, l.trip, length, flying, *slice)
						if f.got != f.sent {
							t.Errorf("%s: %d packets of %d octets arrived of %d, with %d bursts under way", l.name, f.got, length, f.sent, flying)
						}
					}
				}
			}
		})
	}
}

// What arrives whole: octets of an IPX packet, and bursts that may be under way.
var (
	laneLengths = []int{64, ipxLen, 1400}
	laneFlights = []int{1, 4}
)
