package e2e

import (
	"context"
	"net"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// TestAttackG8SpoofedInnerSource: a host behind site b forges its source. Site a
// drops what is not behind its peer, by IP address and by IPX network, and
// counts it; nothing of it reaches the LAN.
func TestAttackG8SpoofedInnerSource(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	for _, conf := range []string{"all", "lan"} { // site b's kernel lets it pass
		w.SiteB.Sysctl("net.ipv4.conf."+conf+".rp_filter", "0")
	}
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	stop := w.Capture(w.HostA, "lan")

	const forged = "172.16.0.9"
	w.HostB.Addr("lan", forged+"/32")
	in := w.ListenUDP(w.HostA, lab.AddrA+":9")
	for _, from := range []string{forged, lab.AddrB} {
		c := w.ListenUDP(w.HostB, from+":9")
		if _, err := c.WriteTo([]byte(from), in.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	in.SetReadDeadline(time.Now().Add(lab.Patience))
	buf := make([]byte, 100)
	n, from, err := in.ReadFrom(buf)
	if err != nil || string(buf[:n]) != lab.AddrB || from.(*net.UDPAddr).IP.String() != lab.AddrB {
		t.Errorf("the first datagram to arrive is %q from %v (%v), want the one that is not forged", buf[:n], from, err)
	}
	if n := a.Site("b").IP.Stats.Drops.SourceNotBehindPeer; n != 1 {
		t.Errorf("source_not_behind_peer is %d, want 1", n)
	}

	// The same with IPX: the forger says that it comes from network 99.
	station := w.Station(w.HostB, "lan", ipx.Ethernet8022)
	ctx := w.Patiently()
	route, err := station.FindRoute(ctx, 0x10)
	if err != nil {
		t.Fatal(err)
	}
	target := w.Station(w.HostA, "lan", ipx.Ethernet8022)
	if _, err := target.FindRoute(ctx, 0x20); err != nil {
		t.Fatal(err)
	}
	forger := w.Port(w.HostB, "lan")
	h := ipx.Header{Type: ipx.TypePEP, Dst: target.Addr(), Src: ipx.Addr{Network: 0x99, Node: forger.MAC(), Socket: 0x5001}}
	h.Dst.Socket = 0x5002
	p := packet.Get()
	defer packet.Put(p)
	p.Set(ipx.AppendPacket(nil, h, []byte("forged")))
	if err := forger.Send(ipx.Ethernet8022, route.Router, forger.MAC(), []*packet.Buffer{p}); err != nil {
		t.Fatal(err)
	}
	a.WaitSite("b", "the forged packet is counted", func(s bridge.SiteStatus) bool {
		return s.IPX != nil && s.IPX.Stats != nil && s.IPX.Stats.Drops.NotBehindPeer == 1
	})
	if _, err := station.Ping(context.Background(), target.Addr(), route.Router, 10); err != nil { // after it
		t.Error(err)
	}
	pcap := stop()
	if n := judge.Count(t, pcap, "ip.src == "+forged); n != 0 {
		t.Errorf("%d forged IP packets reached the LAN", n)
	}
	if n := judge.Count(t, pcap, "ipx.src.net == 0x99"); n != 0 {
		t.Errorf("%d forged IPX packets reached the LAN", n)
	}
	if n := judge.Count(t, pcap, "ipx.src.net == 0x20"); n == 0 {
		t.Error("the capture has no honest IPX packet: does the filter work?")
	}
}
