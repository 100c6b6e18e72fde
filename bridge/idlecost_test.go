package bridge

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/race"
	"sitebridge/internal/secret"
)

// What a site that is up and idle may hold in memory, here without a TUN interface and
// with IPX. A hub has thousands of them (docs/performance.md), so this is a budget: what
// goes over it is looked at, or a good reason raises it.
const (
	idleHeap       = 38 << 10 // octets
	idleStacks     = 27 << 10
	idleGoroutines = 4 // who negotiates, who decides, and two of the control connection
)

// TestIdleSitesAreSmall: many sites of one daemon call another one and are left alone. Both
// ends count.
func TestIdleSitesAreSmall(t *testing.T) {
	if race.Enabled {
		return // which has memory of its own
	}
	const many = 200
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		before := inUse()
		beta := w.start("beta", sitesOf(many, true)...)
		alpha := w.start("alpha", sitesOf(many, false)...)
		reaches(t, time.Minute, "all sites up", func() bool {
			for n := range many {
				if !upAt(alpha, n) || !upAt(beta, n) {
					return false
				}
			}
			return true
		})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		after := inUse()
		const ends = 2 * many
		heap, stacks := (after.heap-before.heap)/ends, (after.stacks-before.stacks)/ends
		goroutines := (after.goroutines - before.goroutines) / ends
		t.Logf("an idle site holds %d octets of heap, %d of stacks, and %d goroutines", heap, stacks, goroutines)
		if heap > idleHeap || stacks > idleStacks || goroutines > idleGoroutines {
			t.Errorf("that is more than %d, %d and %d", idleHeap, idleStacks, idleGoroutines)
		}
	})
}

// sitesOf are many sites of one daemon, or those that they call.
func sitesOf(many int, dial bool) (all []*config.Site) {
	for n := range many {
		us, them := "alpha", "beta"
		if dial {
			us, them = them, us
		}
		s := peerSite(us, them, dial, !dial)
		s.Name = fmt.Sprintf("site%d", n)
		s.IPX.Routes = nil
		name := strconv.Itoa(n)
		s.Auth.SecretIn, s.Auth.SecretOut = "a word", secret.Secret("a word")
		if dial {
			s.Auth.Name = name
		} else {
			s.Auth.PeerName = name
		}
		all = append(all, s)
	}
	return all
}

func upAt(d *testDaemon, n int) bool {
	return d.allSites()[n].supervisor.snapshot().State == StateUp
}

// A footprint is what this process has in use.
type footprint struct{ heap, stacks, goroutines int }

func inUse() footprint {
	for range 6 { // a stack that has grown shrinks by half each time
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{int(m.HeapAlloc), int(m.StackInuse), runtime.NumGoroutine()}
}
