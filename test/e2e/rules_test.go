package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ipx/segment"
	"sitebridge/test/lab"
)

// TestBroadcastBudget: what one wire may say to all is bounded, two seconds' worth at
// once; the rest is counted and told. What is for one station is not part of it.
func TestBroadcastBudget(t *testing.T) {
	t.Parallel()
	const limit, burst = 10, 2 * 10
	w := lab.New(t)
	a, _ := pair(w, bridging{segment: fmt.Sprintf("broadcasts = %d", limit)}, bridging{})
	all := taps(w, w.HostA, w.HostB)
	mac, far := all[0].port.MAC(), all[1].port.MAC()
	ready(t, ipx.Ethernet8022, all[1], all[0])
	before := len(all[1].heard(mac))
	began := time.Now()
	const n = 200
	for i := range n {
		all[0].send(t, ipx.Ethernet8022, ipx.Broadcast, announce(mac, i, i))
	}
	direct := announce(mac, 1, 900)
	copy(direct[10:], far[:])
	all[0].send(t, ipx.Ethernet8022, far, direct)
	lab.Wait(t, "what is for one", func() bool { return all[1].times(direct) == 1 })
	most := burst + limit*int(1+time.Since(began)/time.Second)
	got := len(all[1].heard(mac)) - before - 1
	if got < burst || got > most {
		t.Errorf("%d of %d broadcasts crossed, want %d to %d", got, n, burst, most)
	}
	s := segmentStatus(t, a)
	if d := s.port(t, "lan").Stats.Drops.BroadcastBudget; d != uint64(n-got) {
		t.Errorf("%d crossed and %d are counted as dropped, of %d", got, d, n)
	}
	if len(s.Troubles) != 1 || s.Troubles[0].Kind != segment.TroubleBroadcast {
		t.Errorf("troubles: %+v", s.Troubles)
	}
	wantOutput(t, a, "brings more than 10 packets a second", "status")
	if !strings.Contains(a.Log(), "more packets for everybody than the segment takes") {
		t.Error("the log does not tell")
	}
}

// TestWhoMayTakePart: stations that are denied, or not among those allowed, are not
// heard, and counted. One whose frame type is fixed is answered in that type.
func TestWhoMayTakePart(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	macs := map[string]string{"allowed": "020000001001", "denied": "020000006666", "unknown": "020000001003"}
	hosts := map[string]*netlab.Namespace{}
	for name, mac := range macs {
		hosts[name] = w.Desk(w.HostA, name)
		hosts[name].MAC("lan", mac[0:2]+":"+mac[2:4]+":"+mac[4:6]+":"+mac[6:8]+":"+mac[8:10]+":"+mac[10:12])
	}
	lan := fmt.Sprintf("interface = \"lan\"\nallow = [%q]\ndeny = [%q]\nstations = { %q = \"ethernet_snap\" }",
		macs["allowed"], macs["denied"], macs["allowed"])
	a, _ := pair(w, bridging{lans: map[string]string{"lan": lan}}, bridging{})
	far := newTap(w, w.HostB)
	at := map[string]*tap{}
	for name, ns := range hosts {
		at[name] = newTap(w, ns)
	}
	for _, name := range []string{"denied", "unknown", "allowed"} {
		at[name].send(t, ipx.Ethernet8023, ipx.Broadcast, announce(at[name].port.MAC(), 1, 10))
	}
	lab.Wait(t, "the one that is allowed", func() bool { return len(far.heard(at["allowed"].port.MAC())) == 1 })
	for _, name := range []string{"denied", "unknown"} {
		if n := len(far.heard(at[name].port.MAC())); n != 0 {
			t.Errorf("%s: %d packets crossed", name, n)
		}
	}
	if d := segmentStatus(t, a).port(t, "lan").Stats.Drops.DeniedMAC; d != 2 {
		t.Errorf("%d denied are counted", d)
	}
	// It speaks 802.3, and is answered in SNAP all the same.
	mac := at["allowed"].port.MAC()
	reply := announce(far.port.MAC(), 2, 20)
	copy(reply[10:], mac[:])
	far.send(t, ipx.EthernetII, mac, reply)
	lab.Wait(t, "the reply", func() bool { return at["allowed"].times(reply) == 1 })
	if got := at["allowed"].heard(far.port.MAC()); got[0].enc != ipx.EthernetSNAP {
		t.Errorf("the reply came in %v", got[0].enc)
	}
}

// TestAttackX7SerialNumbersStayHere: NetWare's copy protection, and network management,
// do not cross a bridged tunnel unless that is allowed; NetBIOS crosses unless it is
// not. What is held back is counted.
func TestAttackX7SerialNumbersStayHere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ipx   string
		cross map[ipx.Socket]bool
	}{
		"by default":       {"", map[ipx.Socket]bool{0x0457: false, 0x900F: false, 0x9010: false, 0x0455: true}},
		"allowed, and not": {"serial = true\nsnmp = true\nnetbios = \"off\"", map[ipx.Socket]bool{0x0457: true, 0x900F: true, 0x9010: true, 0x0455: false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			w.Allow("Malformed Packet (Exception occurred)") // the content is none of theirs
			a, _ := pair(w, bridging{ipx: c.ipx}, bridging{ipx: c.ipx})
			all := taps(w, w.HostA, w.HostB)
			mac := all[0].port.MAC()
			sent, dropped := map[ipx.Socket][]byte{}, uint64(0)
			for socket, crosses := range c.cross {
				pkt := announce(mac, 1, 40)
				pkt[16], pkt[17] = byte(socket>>8), byte(socket)
				pkt[28], pkt[29] = byte(socket>>8), byte(socket)
				sent[socket] = pkt
				all[0].send(t, ipx.Ethernet8022, ipx.Broadcast, pkt)
				if !crosses {
					dropped++
				}
			}
			last := announce(mac, 2, 50)
			all[0].send(t, ipx.Ethernet8022, ipx.Broadcast, last)
			lab.Wait(t, "what comes after them", func() bool { return all[1].times(last) == 1 })
			for socket, crosses := range c.cross {
				if got := all[1].times(sent[socket]) == 1; got != crosses {
					t.Errorf("socket %v: crossed: %v", socket, got)
				}
			}
			d := segmentStatus(t, a).port(t, "lan").Stats.Drops
			if d.SerialNumberBroadcast+d.SNMP+d.NetBIOS != dropped {
				t.Errorf("drops %+v, want %d by these reasons", d, dropped)
			}
		})
	}
}
