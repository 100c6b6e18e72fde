package e2e

import (
	"fmt"
	"testing"

	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// TestHubAndSpokes: three sites on one segment. All are on one cable; with
// split_horizon the spokes reach the hub and not each other.
func TestHubAndSpokes(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(*testing.T){
		"all on one cable": func(t *testing.T) { hubAndSpokes(t, false) },
		"split horizon":    func(t *testing.T) { hubAndSpokes(t, true) },
	})
}

func hubAndSpokes(t *testing.T, split bool) {
	w := lab.New(t)
	siteC, hostC := w.AddSite("site-c", "192.0.2.3"), w.Namespace("host-c")
	w.Veth(hostC, "lan", siteC, "lan")
	hub := w.Start(w.SiteA, bridging{name: "a", answers: []string{"b", "c"}, segment: fmt.Sprintf("split_horizon = %v", split)}.text())
	for name, ns := range map[string]*lab.Daemon{
		"b": w.Start(w.SiteB, bridging{name: "b", dials: map[string]string{"a": lab.WANA}}.text()),
		"c": w.Start(siteC, bridging{name: "c", dials: map[string]string{"a": lab.WANA}}.text()),
	} {
		ns.WaitUp("a")
		hub.WaitUp(name)
	}
	types := []ipx.Encapsulation{ipx.Ethernet8022, ipx.Ethernet8023, ipx.EthernetII}
	all := taps(w, w.HostA, w.HostB, hostC)
	const atHub = 0
	for i := range all { // so that their frame types are known
		for j := range all {
			if i != j && (!split || i == atHub || j == atHub) {
				ready(t, types[i], all[i], all[j])
			}
		}
	}
	for i, from := range all {
		first, last := announce(from.port.MAC(), i, 300), announce(from.port.MAC(), i, 301)
		from.send(t, types[i], ipx.Broadcast, first)
		from.send(t, types[i], ipx.Broadcast, last)
		for j, to := range all {
			reaches := !split || i == atHub || j == atHub
			if i == j || !reaches {
				continue
			}
			lab.Wait(t, fmt.Sprintf("%d hears %d", j, i), func() bool { return to.times(last) > 0 })
			if n := to.times(first); n != 1 {
				t.Errorf("%d heard a broadcast of %d %d times", j, i, n)
			}
		}
	}
	// A packet for one station goes to its site alone, or to none.
	direct := announce(all[1].port.MAC(), 1, 500)
	mac := all[2].port.MAC()
	copy(direct[10:], mac[:])
	all[1].send(t, types[1], mac, direct)
	if split {
		lab.Wait(t, "the packet to be dropped", func() bool { return segmentStatus(t, hub).port(t, "b").Stats.Drops.SplitHorizon == 1 })
	} else {
		lab.Wait(t, "the packet to arrive", func() bool { return all[2].times(direct) == 1 })
	}
	if n := all[atHub].times(direct); n != 0 {
		t.Errorf("the hub's LAN heard what was for a spoke")
	}
	if split && len(all[1].heard(mac))+len(all[2].heard(all[1].port.MAC())) != 0 {
		t.Error("a spoke heard another one")
	}
	if s := segmentStatus(t, hub); len(s.Troubles) != 0 || len(s.Stations) != 3 {
		t.Errorf("stations %+v, troubles %+v", s.Stations, s.Troubles)
	}
}
