package bridge

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ip"
)

// A caller's call is given up at once when our address that it has called is gone.
func TestCallerFollowsOurUplink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shareIP = func(*site) (sharedIP, error) { return noKernel{}, nil }
		way := ip.Uplink{Way: ip.Way{Device: "eth0", Source: addrOf["alpha"]}}
		k := &fakeKernel{homes: map[netip.Addr]string{addrOf["alpha"]: "eth0"}, down: map[string]bool{}, route: way}
		a := w.startOn("alpha", k, roadSite("10.9.0.0/24", 64, "beta", "gamma"))
		w.start("beta", callerSite("beta"))
		w.start("gamma", callerSite("gamma"))
		reaches(t, 5*time.Second, "both up", a.callersUp(2))
		a.uplinksChanged()
		time.Sleep(time.Minute)
		if !a.callersUp(2)() || strings.Contains(a.log.String(), "caller gone") {
			t.Fatalf("after a change that changes nothing:\n%s", a.log)
		}
		k.change(func() { k.homes = nil })
		a.uplinksChanged()
		synctest.Wait()
		if n := len(a.callers()); n != 0 {
			t.Errorf("%d callers after the address was lost", n)
		}
		reaches(t, time.Minute, "told", func() bool {
			return strings.Count(a.log.String(), `msg="caller gone"`) >= 2 && strings.Contains(a.log.String(), `reason="192.0.2.1 is no longer an address of this host"`)
		})
	})
}
