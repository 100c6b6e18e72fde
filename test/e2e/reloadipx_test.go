package e2e

import (
	"testing"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// TestReloadIPX: LANs come, go and change under a segment, and its tunnels stay; only
// what the segment itself is takes its sites with it.
func TestReloadIPX(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	hub := bridging{name: "a", answers: []string{"b"}}
	a, _ := pair(w, hub, bridging{})
	all := taps(w, w.HostA, w.HostB)
	ready(t, ipx.Ethernet8022, all[0], all[1])
	before := a.WaitUp("b")

	sent := 500
	reload := func(text, want string, begunAnew bool) {
		t.Helper()
		a.Rewrite(text)
		if out, errs, code := a.Run("reload"); code != 0 || out != want {
			t.Errorf("reload: %d\n%s%swant\n%s", code, out, errs, want)
		}
		after := a.WaitSite("b", "up", func(s bridge.SiteStatus) bool { return s.State == bridge.StateUp && s.Tunnel != nil })
		if (after.Tunnel.CallID != before.Tunnel.CallID) != begunAnew {
			t.Errorf("%sthe call was %d and is %d", want, before.Tunnel.CallID, after.Tunnel.CallID)
		}
		before = after
		for i, from := range all {
			sent++
			pkt := announce(from.port.MAC(), 0, sent)
			lab.Wait(t, want+"what is said on one LAN is heard on the other", func() bool {
				from.send(t, ipx.Ethernet8022, ipx.Broadcast, pkt)
				return all[1-i].times(pkt) > 0
			})
		}
	}
	changed := hub
	changed.lans = map[string]string{"lan": "interface = \"lan\"\ndeny = [\"020000006666\"]"}
	reload(changed.text(), "~ lan lan: deny\n", false)
	const routed = "[lan.vm]\ntap = \"ipx0\"\nethernet_ii = \"00000077\"\n"
	reload(changed.text()+routed, "+ lan vm\n", false)
	if !device(w.SiteA, "ipx0") {
		t.Error("the new LAN has no interface")
	}
	if s, err := a.Status(); err != nil || len(s.LANs) != 2 || len(s.LANs[1].Wires) != 1 || !s.LANs[1].Up {
		t.Errorf("LANs %+v, %v", s.LANs, err)
	}
	reload(changed.text(), "- lan vm\n", false)
	if device(w.SiteA, "ipx0") {
		t.Error("the LAN left its interface")
	}
	changed.segment = `ageing = "60s"`
	reload(changed.text(), "~ segment games: ageing\n", true)
	changed.lans["more"] = "tap = \"ipx1\""
	reload(changed.text(), "+ lan more\n~ segment games: lans\n", false)
	if s := segmentStatus(t, a); len(s.Ports) != 3 {
		t.Errorf("ports %+v", s.Ports)
	}
}
