package bridge

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/control"
	"sitebridge/control/gre"
)

// A caller's NAT begins anew: its call falls silent, and so does the control connection,
// which nobody closes. The next call comes by another one, before or after we have seen
// the end of the first, and the old connection goes with it.
func TestOldControlConnectionGoes(t *testing.T) {
	for name, silent := range map[string]time.Duration{
		"the old call is still there": 15 * time.Second,
		"the old call has ended":      50 * time.Second, // and its echo fails after 2 minutes
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.start("alpha", peerSite("alpha", "beta", false, true))
				b := w.start("beta", peerSite("beta", "alpha", true, false))
				reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
				tunnel := a.allSites()[0].supervisor.snapshot().Current.(*session)
				old := tunnel.call.Conn()

				b.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
				w.cutTCP("beta")
				time.Sleep(silent)
				if ended := tunnel.err() != nil; ended != (silent > 40*time.Second) || old.Err() != nil {
					t.Fatalf("the call's end: %v, its connection's: %v", tunnel.err(), old.Err())
				}
				again := w.start("beta", peerSite("beta", "alpha", true, false))
				reaches(t, 20*time.Second, "the new call is up", both(a, again, StateUp))
				reaches(t, 15*time.Second, "the old connection's end", func() bool { return old.Err() != nil })
				if !errors.Is(old.Err(), control.ErrClosed) {
					t.Errorf("the old connection ended: %v", old.Err())
				}
				if again.allSites()[0].status().Dials != 1 || !both(a, again, StateUp)() {
					t.Error("the new call did not stay")
				}
			})
		})
	}
}
