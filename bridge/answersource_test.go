package bridge

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/ip"
)

// A call that we answer leaves by the interface of its site too, from when it is known
// which that is, and is lost with it.
func TestAnsweredCallLeavesByItsSource(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		site := peerSite("alpha", "beta", false, true)
		site.Source = config.Source{Interface: lo.Name}
		k := &fakeKernel{homes: map[netip.Addr]string{addrOf["alpha"]: "eth0"}, down: map[string]bool{},
			route: ip.Uplink{Way: ip.Way{Device: "eth0", Source: addrOf["alpha"]}}}
		a := w.startOn("alpha", k, site)
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		if s := a.tunnel(); s.path.Device != lo.Index || s.device() != lo.Name {
			t.Errorf("it leaves by %d (%s), want %d", s.path.Device, s.device(), lo.Index)
		}
		k.change(func() { k.down[lo.Name] = true })
		a.uplinksChanged()
		synctest.Wait()
		if s := a.allSites()[0].status(); s.State != StateListening || !strings.HasPrefix(s.Reason, "interface lo, by which 192.0.2.2 was reached, is down") {
			t.Errorf("state %s, reason %q", s.State, s.Reason)
		}
	})
}

// Without the interface nobody is let in: a call would leave by another one.
func TestAnsweredCallWithoutItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		site := peerSite("alpha", "beta", false, true)
		site.Source = config.Source{Interface: "sb-none"}
		a := w.start("alpha", site)
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 10*time.Second, "beta is sent away", b.is(StateWaiting))
		if a.is(StateUp)() {
			t.Error("it is up")
		}
	})
}
