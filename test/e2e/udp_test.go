package e2e

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"sitebridge/bridge"
	"sitebridge/bridge/diagnose"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// swallow has a host drop what comes to it by the WAN and looks so: "ipproto", "47".
func swallow(w *lab.World, at *netlab.Namespace, match ...string) {
	w.IP(at, "rule", "add", "pref", "2", "lookup", "local")
	w.IP(at, append(append([]string{"rule", "add", "pref", "1", "iif", "wan"}, match...), "blackhole")...)
	w.IP(at, "rule", "del", "pref", "0")
}

func swallowNoMore(w *lab.World, at *netlab.Namespace) { w.IP(at, "rule", "del", "pref", "1") }

// TestUDP: two sites take UDP by themselves. Nobody lets GRE pass, and nothing is wrong with
// that; the WAN takes 1400 octets. A file crosses each way, IPX frames of 1500 octets cross,
// and no packet of GRE is ever sent.
func TestUDP(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	for _, ns := range []*netlab.Namespace{w.SiteA, w.SiteB} {
		ns.MTU("wan", 1400)
		swallow(w, ns, "ipproto", "47")
	}
	ca, cb := lab.Config{LAN: `ethernet_ii = "00000010"`}, lab.Config{LAN: `ethernet_ii = "00000020"`}
	a, b := w.Start(w.SiteA, ca.Certified().A()), w.Start(w.SiteB, cb.Certified().B())
	sa, sb := a.WaitUp("b"), b.WaitUp("a")
	const sum = "1400 - 20 IP - 8 UDP - 16 GRE - 30 PPP = 1326"
	for _, s := range []bridge.SiteStatus{sa, sb} {
		if s.Tunnel.Carrier != "udp" || s.Tunnel.PeerPort != 4754 || s.IP.MTU != 1326 || s.IP.MTUSum != sum {
			t.Errorf("carrier %s, port %d, MTU %d, %s; want UDP and %s", s.Tunnel.Carrier, s.Tunnel.PeerPort, s.IP.MTU, s.IP.MTUSum, sum)
		}
	}
	stop := w.Capture(w.WAN, "site-a")
	w.WantPing(w.HostA, lab.AddrB, "-M", "do", "-s", "1298")
	if out, ok := lab.Ping(w.HostA, lab.AddrB, "-M", "do", "-s", "1299"); ok || !strings.Contains(out, "1326") {
		t.Errorf("1327 octets that must not be cut: %s", out)
	}
	pingIPX(t, w, w.Station(w.HostA, "lan", ipx.EthernetII), w.Station(w.HostB, "lan", ipx.EthernetII), 0x20, 1500, 576)
	pcap := stop()
	if judge.Count(t, pcap, "ip.flags.mf == 1") == 0 {
		t.Error("no outer packet was fragmented: did 1500 octets of IPX cross?")
	}
	if n := judge.Count(t, pcap, "ip.proto == 47"); n > 0 {
		t.Errorf("%d packets of GRE", n)
	}
	var both sync.WaitGroup
	both.Go(func() {
		if err := transfer(w, w.HostA, w.HostB, lab.AddrB+":9", 8<<20); err != nil {
			t.Error(err)
		}
	})
	both.Go(func() {
		if err := transfer(w, w.HostB, w.HostA, lab.AddrA+":9", 8<<20); err != nil {
			t.Error(err)
		}
	})
	both.Wait()
	x := diagnosed(t, b, "a")
	x.sound(t)
	x.says(t, "carrier", diagnose.OK, "UDP port 4754: the peer answered")
	if n := a.Site("b").Ups + b.Site("a").Ups; n != 2 {
		t.Errorf("up %d times in sum, want 2", n)
	}
}

// TestUDPBlocked: where UDP is dropped the tunnel goes by GRE, and says why. A site that
// wants UDP alone says what is in the way, and comes up when that is gone.
func TestUDPBlocked(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	swallow(w, w.SiteA, "ipproto", "17", "dport", "4754")
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
	a.WaitUp("b")
	const why = "the peer did not answer on UDP port 4754 within 1.5s"
	if s := b.WaitUp("a").Tunnel; s.Carrier != "gre" || s.CarrierReason != why {
		t.Errorf("carrier %s: %s", s.Carrier, s.CarrierReason)
	}
	x := diagnosed(t, b, "a")
	x.sound(t)
	x.says(t, "carrier", diagnose.OK, why)
	b.Stop()
	b = w.Start(w.SiteB, lab.Config{Site: `transport = "udp"`}.B())
	b.WaitSite("a", "says that UDP is blocked", func(s bridge.SiteStatus) bool {
		return strings.Contains(s.Reason, why+`, and transport = "udp" allows nothing else`)
	})
	swallowNoMore(w, w.SiteA)
	if s := b.WaitUp("a").Tunnel; s.Carrier != "udp" {
		t.Errorf("carrier %s: %s", s.Carrier, s.CarrierReason)
	}
}

// TestTwoSitesBehindOneAddress: two branches call the hub from one address, as behind a NAT
// that knows nothing of PPTP. Both get through. When the NAT begins anew, and each branch
// has another port, what crosses the tunnels goes on in the same calls.
func TestTwoSitesBehindOneAddress(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	nat := w.AddSite("nat", "192.0.2.7")
	c := w.AddSite("site-c", "192.0.2.3")
	lab.WriteIdentities(t, w.Dir, "a", "b", "c")
	outside := newProxy(w, nat, lab.WANA)
	hub := w.Start(w.SiteA, lab.Config{IPX: "none", More: `
[site.c]
required = ["ip"]
[site.c.auth]
ca = "ca.pem"
[site.c.ip]
address = "10.255.0.1"
peer = "10.255.0.3"
`}.Certified().A())
	branch := func(name, inside, dial string) string {
		return `[daemon]
name = "` + name + `"
status = "STATUS"
certificate = "` + name + `.pem"
[site.a]
dial = ["` + dial + `"]
[site.a.auth]
ca = "ca.pem"
[site.a.ip]
address = "` + inside + `"
peer = "10.255.0.1"
`
	}
	b := w.Start(w.SiteB, branch("b", "10.255.0.2", "192.0.2.7"))
	d := w.Start(c, branch("c", "10.255.0.3", "192.0.2.7"))
	calls := map[string]uint16{}
	for name, branch := range map[string]*lab.Daemon{"b": b, "c": d} {
		branch.WaitUp("a")
		s := hub.WaitUp(name).Tunnel
		if s.Carrier != "udp" || s.Peer != netip.MustParseAddr("192.0.2.7") || s.PeerPort == 4754 {
			t.Errorf("%s: by %s from %v, port %d", name, s.Carrier, s.Peer, s.PeerPort)
		}
		calls[name] = s.CallID
	}
	say := []*lab.Echo{w.Echo(w.SiteB, w.SiteA, "10.255.0.1")}
	say[0].Say()
	say[0].Hear()
	outside.restart()
	say[0].Say()
	say[0].Hear()
	w.WantPing(c, "10.255.0.1")
	for name, old := range calls {
		s := hub.Site(name).Tunnel
		if s == nil || s.CallID != old || s.GRE.Moves == 0 {
			t.Errorf("%s: is it the same call, by another port? %+v", name, s)
		}
	}
	if log := hub.Log(); strings.Count(log, "the peer's UDP port has moved") != 2 {
		t.Error("the log does not tell of two moves")
	}
}

// A proxy stands for a NAT: what comes to its address goes on from there, TCP 1723 and UDP
// 4754, each sender's UDP from a port of its own. It carries no GRE.
type proxy struct {
	w    *lab.World
	ns   *netlab.Namespace
	to   string
	in   *net.UDPConn
	mu   sync.Mutex // guards outs
	outs map[netip.AddrPort]*net.UDPConn
}

func newProxy(w *lab.World, ns *netlab.Namespace, to string) *proxy {
	p := &proxy{w: w, ns: ns, to: to, in: w.ListenUDP(ns, "0.0.0.0:4754"), outs: map[netip.AddrPort]*net.UDPConn{}}
	l := w.Listen(ns, "0.0.0.0:1723")
	w.T.Cleanup(p.restart)
	go p.relayTCP(l)
	go p.relayUDP()
	return p
}

func (p *proxy) relayTCP(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := lab.Dial(p.ns, p.to+":1723", lab.Patience)
		if err != nil {
			near.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
			go func() {
				io.Copy(way[0], way[1])
				way[0].Close()
			}()
		}
	}
}

func (p *proxy) relayUDP() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := p.in.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if out := p.port(from); out != nil {
			out.Write(buf[:n])
		}
	}
}

// port is the port of a sender, and sends back to it what comes there.
func (p *proxy) port(of netip.AddrPort) *net.UDPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outs[of] != nil {
		return p.outs[of]
	}
	var out *net.UDPConn
	err := p.ns.Do(func() (err error) {
		out, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(p.to+":4754")))
		return err
	})
	if err != nil {
		return nil
	}
	p.outs[of] = out
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := out.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				p.in.WriteToUDPAddrPort(buf[:n], of)
			}
		}
	}()
	return out
}

// restart forgets which port is whose.
func (p *proxy) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, out := range p.outs {
		out.Close()
	}
	clear(p.outs)
}
