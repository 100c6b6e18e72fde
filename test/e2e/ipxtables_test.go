package e2e

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// What is on the LAN of site b: more than goes into one packet.
const (
	manyNetworks = 120
	manyServers  = 16
	firstNetwork = ipx.Network(0x1000)
)

// TestTablesOnTheWire: Wireshark reads our RIP and SAP, on the LANs and on the link,
// with a table of several packets: at most 50 networks and 7 services in each, one
// tick apart; nobody is told what is known from him; and when the daemon ends, its
// LAN is told that all is gone.
func TestTablesOnTheWire(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	config := ipxOnly("exchange = \"rip-sap\"\nupdate = \"10s\"")
	ca, cb := config, config
	ca.LAN, cb.LAN = "ethernet_802_2 = \"00000010\"\nupdate = \"10s\"", "ethernet_802_2 = \"00000020\"\nupdate = \"10s\""
	captures := map[string]func() string{"lan a": w.Capture(w.HostA, "lan"), "lan b": w.Capture(w.HostB, "lan"), "wan": w.Capture(w.SiteA, "wan")}
	a, b := w.Start(w.SiteA, ca.A()), w.Start(w.SiteB, cb.B())
	a.WaitUp("b")
	b.WaitUp("a")
	near := newTap(w, w.HostA)
	l := newLiar(w)
	var networks []ipx.Network
	want := map[string]bool{lanB.String(): true}
	for i := range ipx.Network(manyNetworks) {
		networks = append(networks, firstNetwork+i)
		want[(firstNetwork + i).String()] = true
	}
	for part := range slices.Chunk(networks, rip.MaxEntries) {
		l.networks(1, part...)
	}
	servers := map[string]bool{}
	for i := range manyServers {
		name := fmt.Sprintf("SERVER%02d", i)
		l.service(sap.FileServer, name, firstNetwork+ipx.Network(i))
		servers[name] = true
	}
	lab.Wait(t, "a knows all", func() bool {
		return len(networksVia(a, "b")) == len(want) && len(servicesVia(a, "b")) == len(servers)
	})
	lab.Wait(t, "periodic updates of both, after the changes", func() bool {
		routes, services := timesTold(near.heard(macOf(w, w.SiteA)))
		return routes >= 2 && services >= 2
	})
	a.Stop()
	pcaps := map[string]string{}
	for name, stop := range captures {
		pcaps[name] = stop()
	}

	// What is announced goes to all; who asks is answered by himself, and at once.
	const toAll = "ipx.dst.node == ff:ff:ff:ff:ff:ff && "
	fromA, fromB := toAll+"eth.src == "+colons(macOf(w, w.SiteA)), toAll+"eth.src == "+colons(macOf(w, w.SiteB))
	up, down := toAll+"ip.src == "+lab.WANB, toAll+"ip.src == "+lab.WANA
	wantTold(t, "b tells the link", judge.Routes(t, pcaps["wan"], up), rip.MaxEntries, want)
	wantTold(t, "a tells its LAN", judge.Routes(t, pcaps["lan a"], fromA), rip.MaxEntries, want)
	wantTold(t, "a tells the link", judge.Routes(t, pcaps["wan"], down), rip.MaxEntries, map[string]bool{lanA.String(): true})
	wantTold(t, "b tells its LAN", judge.Routes(t, pcaps["lan b"], fromB), rip.MaxEntries, map[string]bool{lanA.String(): true})
	wantTold(t, "b tells the link of servers", judge.Services(t, pcaps["wan"], up), sap.MaxServices, servers)
	wantTold(t, "a tells its LAN of servers", judge.Services(t, pcaps["lan a"], fromA), sap.MaxServices, servers)
	wantTold(t, "a tells the link of servers", judge.Services(t, pcaps["wan"], down), sap.MaxServices, nil)
	wantTold(t, "b tells its LAN of servers", judge.Services(t, pcaps["lan b"], fromB), sap.MaxServices, nil)

	wantGone(t, "networks", judge.Routes(t, pcaps["lan a"], fromA), want)
	wantGone(t, "servers", judge.Services(t, pcaps["lan a"], fromA), servers)
}

// timesTold is how often the first of the networks, and of the servers, was told.
func timesTold(all []heardPacket) (routes, services int) {
	for _, p := range all {
		h, data, _ := ipx.Parse(p.pkt)
		if m, err := rip.Parse(data); h.Src.Socket == ipx.SocketRIP && err == nil && m.Operation == rip.OpResponse {
			routes += count(m.Entries, func(e rip.Entry) bool { return e.Network == firstNetwork })
		}
		if m, err := sap.Parse(data); h.Src.Socket == ipx.SocketSAP && err == nil && m.Operation == sap.OpResponse {
			services += count(m.Services, func(s sap.Service) bool { return s.Addr.Network == firstNetwork })
		}
	}
	return routes, services
}

func count[T any](all []T, which func(T) bool) (n int) {
	for _, v := range all {
		if which(v) {
			n++
		}
	}
	return n
}

// colons is a node as Ethernet addresses are written.
func colons(n ipx.Node) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", n[0], n[1], n[2], n[3], n[4], n[5])
}

// wantTold checks that announcements, apart from those of losses, name what they
// should and nothing else, in packets that are not too long and come one tick apart.
func wantTold(t *testing.T, what string, all []judge.Announcement, most int, want map[string]bool) {
	t.Helper()
	named, longest := map[string]bool{}, 0
	for _, a := range all {
		longest = max(longest, len(a.Names))
		for i, n := range a.Names {
			if a.Hops[i] < 16 {
				named[n] = true
			}
		}
	}
	if !maps.Equal(named, want) {
		t.Errorf("%s: %d told, want %d: %v", what, len(named), len(want), slices.Sorted(maps.Keys(named)))
	}
	if longest > most || len(want) > most && longest < most {
		t.Errorf("%s: %d in one packet, want at most %d, and so many if there are more", what, longest, most)
	}
	wantPaced(t, what, all)
}

// wantPaced checks that no second sees more packets than ticks: of a single pair the
// clock of a busy machine says little.
func wantPaced(t *testing.T, what string, all []judge.Announcement) {
	t.Helper()
	const tick, some, slack = 55 * time.Millisecond, 3, 30 * time.Millisecond
	for i := some - 1; i < len(all); i++ {
		if took := all[i].At.Sub(all[i-some+1].At); took < (some-1)*tick-slack {
			t.Errorf("%s: %d packets within %v", what, some, took)
		}
	}
}

// wantGone checks that the last thing said of each is that it is gone.
func wantGone(t *testing.T, what string, all []judge.Announcement, want map[string]bool) {
	t.Helper()
	last := map[string]int{}
	for _, a := range all {
		for i, n := range a.Names {
			last[n] = a.Hops[i]
		}
	}
	for n := range want {
		if last[n] != 16 {
			t.Errorf("%s: of %s was last said: %d hops, want 16", what, n, last[n])
		}
	}
}
