package bridge

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
)

// A satellite or a full mobile line answers after the restart timer of PPP.
func TestSlowLineComesUp(t *testing.T) {
	for _, delay := range []time.Duration{300 * time.Millisecond, 500 * time.Millisecond, 700 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second} {
		t.Run(fmt.Sprint(delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.startInside("alpha", 0xA, ipxSite("alpha", "beta", false, config.IPX{}))
				a.carrier.SetLine(gre.Line{Delay: delay})
				b := w.startInside("beta", 0xB, ipxSite("beta", "alpha", true, config.IPX{}))
				b.carrier.SetLine(gre.Line{Delay: delay})
				reaches(t, 2*time.Minute, "both up", both(a, b, StateUp))
				up := time.Now()
				reaches(t, 2*time.Minute, "both up for a minute", func() bool {
					if !both(a, b, StateUp)() {
						t.Fatalf("up for %v: %q %q", time.Since(up), a.allSites()[0].status().Reason, b.allSites()[0].status().Reason)
					}
					return time.Since(up) > time.Minute
				})
			})
		})
	}
}
