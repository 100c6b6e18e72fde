package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/fsm/fsmtest"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// TestProtectedNetworks: IPv4, IPv6 and IPX cross in packets of every size that
// fits, with what each protection leaves of the path.
func TestProtectedNetworks(t *testing.T) {
	for _, c := range []struct {
		s      suite
		mtu    int
		sum    string
		method string // of authentication
		// Whether the dialler knows its peer by name: MS-CHAPv2 shows that it has
		// the secret.
		named bool
	}{
		{aead, 1434, "1500 - 20 IP - 16 GRE - 30 PPP = 1434", "eap-tls", true},
		{mppe, 1460, "1500 - 20 IP - 16 GRE - 4 PPP = 1460", "mschapv2", false},
	} {
		t.Run(c.s.method, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			middle := w.Middle()
			ca, cb := c.s.config.InGRE(), c.s.config.InGRE()
			va, vb := v6()
			ca.IP, ca.Site, ca.LAN = va.IP, va.Site+ca.Site, `ethernet_ii = "00000010"`
			cb.IP, cb.Site, cb.LAN = vb.IP, vb.Site+cb.Site, `ethernet_ii = "00000020"`
			a, b := w.Start(w.SiteA, ca.A()), w.Start(w.SiteB, cb.B())
			sa, sb := a.WaitUp("b"), b.WaitUp("a")
			for name, s := range map[string]bridge.SiteStatus{"b": sa, "a": sb} {
				e, p := s.Tunnel.PPP.Encryption, s.Tunnel.PPP.Peer
				if e.Policy != "required" || e.Method != c.s.method || e.Agreed != c.s.agreed {
					t.Errorf("encryption %+v", e)
				}
				if s.IP.MTU != c.mtu || s.IP.MTUSum != c.sum {
					t.Errorf("MTU %d, %s; want %s", s.IP.MTU, s.IP.MTUSum, c.sum)
				}
				if (name == "b" || c.named) && (!p.Proved || p.Name != name || p.Method != c.method) {
					t.Errorf("the peer is %+v, want %s by %s", p, name, c.method)
				}
			}
			out, _, _ := b.Run("status")
			for _, want := range []string{"encryption  " + c.s.agreed + " (policy required)", c.sum} {
				if !strings.Contains(out, want) {
					t.Errorf("status does not say %q:\n%s", want, out)
				}
			}
			wantSizes(t, w, c.mtu)
			session := w.Echo(w.HostB, w.HostA, lab.AddrA)
			session.Say()
			session.Hear()
			wantFiles(t, w)
			wantNothingTooLong(t, a.Site("b"), b.Site("a"))
			wantRenegotiation(t, middle, a, b, session)
			wantFlap(t, middle, a, b, session)
			pingIPX(t, w, w.Station(w.HostA, "lan", ipx.EthernetII), w.Station(w.HostB, "lan", ipx.EthernetII), 0x20, 1500)
		})
	}
}

// wantSizes sends packets of each protocol that just fit, and looks at the MSS.
func wantSizes(t *testing.T, w *lab.World, mtu int) {
	stop := w.Capture(w.HostB, "lan")
	for _, c := range []struct {
		to   string
		head int // of IP and ICMP
	}{{lab.AddrB, 28}, {lab.Addr6B, 48}} {
		w.WantPing(w.HostA, c.to, "-M", "do", "-s", fmt.Sprint(mtu-c.head))
		if out, ok := lab.Ping(w.HostA, c.to, "-M", "do", "-s", fmt.Sprint(mtu-c.head+1)); ok || !strings.Contains(strings.ReplaceAll(out, " = ", "="), fmt.Sprintf("mtu=%d", mtu)) && !strings.Contains(out, fmt.Sprintf("mtu: %d", mtu)) {
			t.Errorf("one octet more than fits to %s: %s", c.to, out)
		}
		e := w.Echo(w.HostA, w.HostB, c.to)
		e.Say()
		e.Hear()
	}
	pcap := stop()
	for filter, overhead := range map[string]int{"ip": 40, "ipv6": 60} {
		for _, mss := range judge.Fields(t, pcap, filter+" && tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.options.mss_val") {
			if mss[0] != fmt.Sprint(mtu-overhead) {
				t.Errorf("%s: MSS %s, want %d", filter, mss[0], mtu-overhead)
			}
		}
	}
	near, far := w.Station(w.HostA, "lan", ipx.EthernetII), w.Station(w.HostB, "lan", ipx.EthernetII)
	pingIPX(t, w, near, far, 0x20, 40, 41, 575, 576, 1497, 1498, 1499, 1500)
	pingIPX(t, w, far, near, 0x10, 1500)
}

// wantFiles sends a file each way.
func wantFiles(t *testing.T, w *lab.World) {
	const size = 8 << 20
	var group errgroup.Group
	group.Go(func() error { return transfer(w, w.HostA, w.HostB, lab.AddrB+":9", size) })
	group.Go(func() error { return transfer(w, w.HostB, w.HostA, lab.AddrA+":9", size) })
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// wantNothingTooLong: no packet was lost because of its size, and none for another
// reason that encryption could have.
func wantNothingTooLong(t *testing.T, sites ...bridge.SiteStatus) {
	for _, s := range sites {
		p := s.Tunnel.PPP
		if d := p.Stats.Drops; d.OverPeerMRU+d.SendFailed+d.Clear+d.NotInside+d.Malformed > 0 {
			t.Errorf("the link to %s has dropped %+v", s.Name, d)
		}
		for reason, n := range p.Encryption.Packets {
			if n > 0 && reason != "sealed" && reason != "opened" && reason != "key_changes_ahead" {
				t.Errorf("the link to %s: %d packets: %s", s.Name, n, reason)
			}
		}
	}
}

// wantRenegotiation has LCP negotiated anew, which ends a link that was encrypted:
// somebody might be in the way of the next negotiation. Another one comes up at once.
func wantRenegotiation(t *testing.T, middle *lab.Middle, a, b *lab.Daemon, session *lab.Echo) {
	before := a.Site("b")
	middle.Forge(controlPacket(lab.A, protocolLCP, fsm.ConfigureRequest, 200, fsmtest.Unhex("0506 01234567")))
	lab.Wait(t, "b says why the link ends", func() bool { return tells(b.Log(), "site down", "encryption went down: peer negotiates LCP anew") })
	lab.Wait(t, "the site has come up once more", func() bool { return a.Site("b").Ups > before.Ups && b.Site("a").Ups > 1 })
	session.Say()
	session.Hear()
	if e := a.WaitUp("b").Tunnel.PPP.Encryption; e.Method != before.Tunnel.PPP.Encryption.Method {
		t.Errorf("encryption %+v, after %+v", e, before.Tunnel.PPP.Encryption)
	}
}

// wantFlap lets nothing through until both ends have noticed.
func wantFlap(t *testing.T, middle *lab.Middle, a, b *lab.Daemon, session *lab.Echo) {
	middle.Meddle(func(lab.Packet) []lab.Packet { return nil })
	a.WaitSite("b", "down", notUp)
	b.WaitSite("a", "down", notUp)
	middle.Meddle(nil)
	b.WaitUp("a")
	a.WaitUp("b")
	session.Say()
	session.Hear()
}

// TestProtectedSegment: a bridged segment carries IPX packets of 1500 octets, whole,
// and as they were.
func TestProtectedSegment(t *testing.T) {
	for _, s := range []suite{aead, mppe} {
		t.Run(s.method, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			ca, cb := bridged("b"), bridged("a")
			if s.control == aead.control {
				ca, cb = ca.Certified(), cb.Certified()
			}
			ca.Encryption, cb.Encryption = `policy = "required"`, `policy = "required"`
			stop := w.Capture(w.SiteA, "wan")
			a, b := w.Start(w.SiteA, ca.A()), w.Start(w.SiteB, cb.B())
			a.WaitUp("b")
			b.WaitUp("a")
			tapA, tapB := newTap(w, w.HostA), newTap(w, w.HostB)
			tapB.send(t, ipx.EthernetII, ipx.Broadcast, announce(tapB.port.MAC(), 0, 1))
			lab.Wait(t, "the first broadcast has crossed", func() bool { return len(tapA.heard(tapB.port.MAC())) == 1 })
			var sent [][]byte
			for i, size := range []int{ipx.HeaderLen, 31, 576, 1499, 1500} {
				sent = append(sent, announce(tapA.port.MAC(), i, size-ipx.HeaderLen))
				tapA.send(t, ipx.EthernetII, ipx.Broadcast, sent[i])
			}
			lab.Wait(t, "all have crossed", func() bool { return len(tapB.heard(tapA.port.MAC())) == len(sent) })
			for i, p := range tapB.heard(tapA.port.MAC()) {
				if !bytes.Equal(p.pkt, sent[i]) {
					t.Errorf("packet %d: %d octets, want %d as they were", i, len(p.pkt), len(sent[i]))
				}
			}
			wantNothingTooLong(t, a.Site("b"), b.Site("a"))
			if n := judge.Count(t, stop(), "(ip.proto == 47 || ip.proto == 17) && ip.flags.mf == 1"); n == 0 {
				t.Error("no outer packet was fragmented: did 1500 octets of IPX cross?")
			}
		})
	}
}
