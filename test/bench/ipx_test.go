package bench

import (
	"slices"
	"testing"
	"time"

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

// laneTurns is how many turns make a round. A turn is short, so that a bad moment of the
// machine meets all lanes alike.
func laneTurns() int { return max(int(*slice/(50*time.Millisecond)), 1) }

// measureLanes measures lanes in turn.
func measureLanes(t *testing.T, into *table, m *mode, turns []*lane) {
	t.Helper()
	for range *rounds {
		flown := make([]laneRound, len(turns))
		for range laneTurns() {
			for i, l := range turns {
				flown[i].add(t, l, *slice/2/time.Duration(laneTurns()))
			}
		}
		for i, l := range turns {
			alone, four := &flown[i].alone, &flown[i].four
			got := alone.got + four.got
			into.add(m.alone, l.name, alone.rate())
			into.add(m.four, l.name, four.rate())
			into.add(m.loss, l.name, lost(alone.sent+four.sent, got))
			into.add(m.cpu, l.name, micro(flown[i].spent)/float64(max(got, 1)))
		}
	}
}

// laneRound is what a lane has carried in a round.
type laneRound struct {
	alone, four ipxTally
	spent       time.Duration // of the processors, at both ends
}

func (r *laneRound) add(t *testing.T, l *lane, slice time.Duration) {
	t.Helper()
	before := cpuTime(t, l.ends[0]) + cpuTime(t, l.ends[1])
	r.alone.add(l.line.run(t, l.trip, ipxLen, 1, slice))
	r.four.add(l.line.run(t, l.trip, ipxLen, 4, slice))
	r.spent += cpuTime(t, l.ends[0]) + cpuTime(t, l.ends[1]) - before
}

// An ipxTally is flights together.
type ipxTally struct {
	sent, got int
	took      time.Duration
}

func (s *ipxTally) add(f *ipxFlight) {
	s.sent += f.sent
	s.got += f.got
	s.took += f.last - f.idle
}

// rate is packets that arrive in a second.
func (s *ipxTally) rate() float64 { return float64(s.got) / max(s.took, 1).Seconds() }
