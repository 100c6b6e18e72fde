package e2e

import (
	"slices"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// v6 is the configuration of two sites with IPv6 inside the tunnel.
func v6() (a, b lab.Config) {
	a.IP = "address = \"10.255.0.1\"\npeer = \"10.255.0.2\"\nroutes = [\"10.2.0.0/16\", \"2001:db8:2::/48\"]"
	b.IP = "address = \"10.255.0.2\"\npeer = \"10.255.0.1\"\nroutes = [\"10.1.0.0/16\", \"2001:db8:1::/48\"]"
	a.Site = "required = [\"ip\", \"ipv6\", \"ipx\"]"
	b.Site = a.Site
	return a, b
}

// TestMSSClampedBothWays: whichever end opens the connection, the SYN that
// reaches the other LAN and the SYN-ACK that comes back carry an MSS that fits
// the tunnel, for both IPs. Only site a knows of the smaller MTU, so that it has
// to clamp what comes in as well as what goes out.
func TestMSSClampedBothWays(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	ca, cb := v6()
	ca.Site += "\nmtu = 1400"
	a, b := w.Start(w.SiteA, ca.A()), w.Start(w.SiteB, cb.B())
	a.WaitUp("b")
	b.WaitUp("a")
	stopA, stopB := w.Capture(w.HostA, "lan"), w.Capture(w.HostB, "lan")
	for _, e := range []*lab.Echo{
		w.Echo(w.HostA, w.HostB, lab.AddrB), w.Echo(w.HostB, w.HostA, lab.AddrA),
		w.Echo(w.HostA, w.HostB, lab.Addr6B), w.Echo(w.HostB, w.HostA, lab.Addr6A),
	} {
		e.Say()
		e.Hear()
	}
	// What host-a received came from host-b, and the other way round.
	for _, c := range []struct{ pcap, from, from6 string }{
		{stopA(), lab.AddrB, lab.Addr6B},
		{stopB(), lab.AddrA, lab.Addr6A},
	} {
		for _, want := range []struct{ filter, mss string }{
			{"ip.src == " + c.from + " && tcp.flags.ack == 0", "1360"},
			{"ip.src == " + c.from + " && tcp.flags.ack == 1", "1360"},
			{"ipv6.src == " + c.from6 + " && tcp.flags.ack == 0", "1340"},
			{"ipv6.src == " + c.from6 + " && tcp.flags.ack == 1", "1340"},
		} {
			got := judge.Fields(t, c.pcap, "tcp.flags.syn == 1 && "+want.filter, "tcp.options.mss_val")
			if len(got) == 0 {
				t.Errorf("%s: no SYN with %s", c.pcap, want.filter)
			}
			for _, f := range got {
				if f[0] != want.mss {
					t.Errorf("%s: SYN with %s has MSS %s, want %s", c.pcap, want.filter, f[0], want.mss)
				}
			}
		}
	}
	if s := a.Site("b").IP; s.Stats.Clamped < 8 {
		t.Errorf("site a counts %d SYNs clamped, want 8 or more", s.Stats.Clamped)
	}
}

// TestTooBigForTheTunnel: a packet that must not be cut and does not fit comes
// back as an ICMP message that names the MTU; one that may be cut crosses.
func TestTooBigForTheTunnel(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	ca, cb := v6()
	a, b := w.Start(w.SiteA, ca.InGRE().A()), w.Start(w.SiteB, cb.InGRE().B())
	a.WaitUp("b")
	b.WaitUp("a")
	for _, c := range []struct {
		from, to     string
		fits, larger string // octets of data
		says         string
	}{
		{lab.AddrA, lab.AddrB, "1435", "1436", "mtu = 1463"},  // + 28
		{lab.Addr6A, lab.Addr6B, "1415", "1416", "mtu: 1463"}, // + 48
		{lab.AddrB, lab.AddrA, "1435", "1472", "mtu = 1463"},
	} {
		ns := w.HostA
		if c.from == lab.AddrB {
			ns = w.HostB
		}
		w.WantPing(ns, c.to, "-M", "do", "-s", c.fits)
		out, ok := lab.Ping(ns, c.to, "-M", "do", "-s", c.larger)
		if ok || !strings.Contains(strings.ReplaceAll(out, "mtu=", "mtu = "), strings.ReplaceAll(c.says, "mtu:", "mtu =")) {
			t.Errorf("%s to %s, %s octets: want %q, got\n%s", c.from, c.to, c.larger, c.says, out)
		}
		w.IP(ns, "route", "flush", "cache")
		w.WantPing(ns, c.to, "-M", "dont", "-s", "4000")
	}
}

// TestPathMTUBelow1500: the WAN takes 1400 octets. IP gets the MTU that is left;
// IPX, which cannot be cut, keeps its 1500, and the outer packet is fragmented.
func TestPathMTUBelow1500(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.SiteA.MTU("wan", 1400)
	w.SiteB.MTU("wan", 1400)
	ca, cb := lab.Config{LAN: `ethernet_ii = "00000010"`}, lab.Config{LAN: `ethernet_ii = "00000020"`}
	a, b := w.Start(w.SiteA, ca.InGRE().A()), w.Start(w.SiteB, cb.InGRE().B())
	const sum = "1400 - 20 IP - 16 GRE - 1 PPP = 1363"
	if s := a.WaitUp("b"); s.IP.MTU != 1363 || s.IP.MTUSum != sum {
		t.Errorf("MTU %d, %s; want %s", s.IP.MTU, s.IP.MTUSum, sum)
	}
	b.WaitUp("a")
	stop := w.Capture(w.SiteA, "wan")
	w.WantPing(w.HostA, lab.AddrB, "-M", "do", "-s", "1335")
	out, ok := lab.Ping(w.HostA, lab.AddrB, "-M", "do", "-s", "1336")
	if ok || !strings.Contains(out, "1363") {
		t.Errorf("1364 octets that must not be cut: %s", out)
	}
	pingIPX(t, w, w.Station(w.HostA, "lan", ipx.EthernetII), w.Station(w.HostB, "lan", ipx.EthernetII), 0x20, 1500)
	pcap := stop()
	if n := judge.Count(t, pcap, "ip.flags.mf == 1"); n == 0 {
		t.Error("no outer packet was fragmented: did 1500 octets of IPX cross?")
	}
	lengths := judge.Fields(t, pcap, "frame.len > 1414", "frame.len")
	if len(lengths) > 0 {
		t.Errorf("frames longer than the WAN takes: %v", slices.Concat(lengths...))
	}
}
