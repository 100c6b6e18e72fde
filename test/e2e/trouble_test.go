package e2e

import (
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/test/lab"
)

// trouble waits until status of the LAN names a trouble with these words.
func trouble(t *testing.T, d *lab.Daemon, meanwhile func(), words ...string) {
	t.Helper()
	lab.Wait(t, "trouble: "+strings.Join(words, ", "), func() bool {
		meanwhile()
		s, err := d.Status()
		if err != nil || len(s.LANs) == 0 {
			return false
		}
		all := strings.Join(s.LANs[0].Trouble, "\n")
		for _, word := range words {
			if !strings.Contains(all, word) {
				return false
			}
		}
		return true
	})
	if out, _, _ := d.Run("status"); !strings.Contains(out, "trouble") || !strings.Contains(out, words[0]) {
		t.Errorf("status does not show the trouble:\n%s", out)
	}
}

// TestLANWithoutUnicasts: a station's broadcasts are heard and answered, and
// nothing that it addresses to us arrives.
func TestLANWithoutUnicasts(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{IP: "none"}.A())
	station := newTap(w, w.HostA)
	h := ipx.Header{
		Type: ipx.TypeRIP,
		Src:  ipx.Addr{Network: 0x10, Node: station.port.MAC(), Socket: 0x5001},
		Dst:  ipx.Addr{Network: 0x10, Node: ipx.Broadcast, Socket: ipx.SocketRIP},
	}
	question := ipx.AppendPacket(nil, h, rip.Ask(0x10).Append(nil))
	lab.Wait(t, "the daemon answers", func() bool { s, err := a.Status(); return err == nil && len(s.LANs) == 1 })
	if s, _ := a.Status(); len(s.LANs[0].Trouble) != 0 {
		t.Errorf("trouble before anything was heard: %v", s.LANs[0].Trouble)
	}
	trouble(t, a, func() { station.send(t, ipx.Ethernet8022, ipx.Broadcast, question) },
		"broadcasts are heard on lan, but no frame addressed to a station ever arrives", "promiscuous")
}

// TestNumberClaimedByOthers: a station on the LAN says that the network has
// another number.
func TestNumberClaimedByOthers(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{IP: "none"}.A())
	station := newTap(w, w.HostA)
	h := ipx.Header{
		Type: ipx.TypePEP,
		Src:  ipx.Addr{Network: 0x77, Node: station.port.MAC(), Socket: 0x5001},
		Dst:  ipx.Addr{Network: 0x77, Node: ipx.Broadcast, Socket: 0x5001},
	}
	trouble(t, a, func() { station.send(t, ipx.Ethernet8022, ipx.Broadcast, ipx.AppendPacket(nil, h, nil)) },
		station.port.MAC().String(), "lan/ethernet_802_2", "00000077", "not 00000010")
	// In a frame type that nobody set up it is only heard.
	station.send(t, ipx.EthernetSNAP, ipx.Broadcast, ipx.AppendPacket(nil, h, nil))
	lab.Wait(t, "status tells of what is heard", func() bool {
		out, _, _ := a.Run("status")
		return strings.Contains(out, "ethernet_snap network 00000077")
	})
}

// TestLANGone: the interface of a LAN goes down and comes back.
func TestLANGone(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a, b := w.Start(w.SiteA, lab.Config{IP: "none"}.A()), w.Start(w.SiteB, lab.Config{IP: "none"}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	near, far := w.Station(w.HostA, "lan", ipx.Ethernet8022), w.Station(w.HostB, "lan", ipx.Ethernet8022)
	pingIPX(t, w, near, far, 0x20, 100)
	w.SiteA.Down("lan")
	trouble(t, a, func() {}, "interface lan is down or gone")
	w.SiteA.Up("lan")
	lab.Wait(t, "the LAN is back", func() bool {
		s, err := a.Status()
		return err == nil && s.LANs[0].Up && len(s.LANs[0].Trouble) == 0
	})
	pingIPX(t, w, near, far, 0x20, 100)
}
