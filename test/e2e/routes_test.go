package e2e

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// TestRoutesUnreachableWhileDown: what is meant for a branch whose tunnel is
// down is refused with an ICMP message, and never leaks to the default route.
func TestRoutesUnreachableWhileDown(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.SiteA.Route("default", lab.WANB)
	ca, cb := v6()
	w.SiteA.Addr("wan", "2001:db8:ff::1/64")
	w.SiteA.Route("::/0", "2001:db8:ff::2")
	a := w.Start(w.SiteA, ca.A())
	a.WaitSite("b", "listening", func(s bridge.SiteStatus) bool { return s.State == bridge.StateListening })
	stop := w.Capture(w.SiteA, "wan")

	unreachable := func() {
		t.Helper()
		for _, addr := range []string{lab.AddrB, lab.Addr6B} {
			if out, ok := lab.Ping(w.HostA, addr); ok || !strings.Contains(strings.ToLower(out), "unreachable") && !strings.Contains(out, "No route") {
				t.Errorf("%s, tunnel down: want unreachable, got\n%s", addr, out)
			}
			at := net.JoinHostPort(addr, "7")
			if c, err := lab.Dial(w.HostA, at, lab.Patience); !unreachableErr(err) {
				t.Errorf("TCP from the LAN to %s: %v, %v", at, c, err)
			}
			if c, err := lab.Dial(w.SiteA, at, lab.Patience); !unreachableErr(err) {
				t.Errorf("TCP from the site to %s: %v, %v", at, c, err)
			}
		}
	}
	unreachable()
	b := w.Start(w.SiteB, cb.B())
	b.WaitUp("a")
	a.WaitUp("b")
	w.WantPing(w.HostA, lab.AddrB)
	w.WantPing(w.HostA, lab.Addr6B)
	b.Stop()
	a.WaitSite("b", "down again", func(s bridge.SiteStatus) bool { return s.State == bridge.StateListening })
	unreachable()

	pcap := stop()
	leaked := "ip.addr == " + lab.AddrB + " || ipv6.addr == " + lab.Addr6B
	if n := judge.Count(t, pcap, "!gre && ("+leaked+")"); n != 0 {
		t.Errorf("%d packets leaked to the default route", n)
	}
	if n := judge.Count(t, pcap, "gre && ("+leaked+")"); n < 4 {
		t.Errorf("the tunnel carried %d packets, want 4 or more: does the filter work?", n)
	}
}

func unreachableErr(err error) bool {
	return errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}

// A hub's answer tells which one it is: both have the address of the server.
const anycast = "10.9.0.2"

func (h hubs) serve(ns *netlab.Namespace) {
	ns.Addr("lo", anycast+"/32")
	l := h.w.Listen(ns, anycast+":7")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, ns.Name())
			c.Close()
		}
	}()
}

type hubs struct{ w *lab.World }

// reached returns the name of the hub that answers, "" for none.
func (h hubs) reached() string {
	c, err := lab.Dial(h.w.HostB, anycast+":7", lab.Patience)
	if err != nil {
		return ""
	}
	defer c.Close()
	name, err := io.ReadAll(c)
	if err != nil {
		return ""
	}
	return string(name)
}

// TestTwoHubs: two tunnels lead to one prefix. The one with the lower metric
// wins, the other takes over while it is down, and gives back.
func TestTwoHubs(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	const addrC = "192.0.2.3"
	siteC := w.AddSite("site-c", addrC)
	h := hubs{w}
	h.serve(w.SiteA)
	h.serve(siteC)
	hub := lab.Config{IPX: "none"}
	textC := strings.NewReplacer("[lan.lan]", "", `interface = "lan"`, "", `ethernet_802_2 = "00000010"`, "",
		`name = "a"`, `name = "c"`, "10.255.0.1", "10.255.0.5", "10.255.0.2", "10.255.0.6").Replace(hub.A())
	branch := lab.Config{
		IPX: "none",
		IP:  "address = \"10.255.0.2\"\npeer = \"10.255.0.1\"\nroutes = [\"10.9.0.0/16\"]\nmetric = 100",
		More: `
[site.c]
dial = ["` + addrC + `"]
echo = { interval = "1s", failures = 3 }
[site.c.auth]
methods = ["mschapv2"]
secret_out_file = "secret"
[site.c.encryption]
policy = "disabled"
[site.c.ip]
address = "10.255.0.6"
peer = "10.255.0.5"
routes = ["10.9.0.0/16"]
metric = 200
`}
	a, c, b := w.Start(w.SiteA, hub.A()), w.Start(siteC, textC), w.Start(w.SiteB, branch.B())
	b.WaitUp("a")
	b.WaitUp("c")
	lab.Wait(t, "the hub of the lower metric answers", func() bool { return h.reached() == "site-a" })
	if _, _, code := a.Run("down", "b"); code != 0 {
		t.Errorf("down: exit status %d", code)
	}
	lab.Wait(t, "fail over", func() bool { return h.reached() == "site-c" })
	if _, _, code := a.Run("up", "b"); code != 0 {
		t.Errorf("up: exit status %d", code)
	}
	b.Run("up", "a") // at once
	lab.Wait(t, "back again", func() bool { return h.reached() == "site-a" })
	a.Kill()
	lab.Wait(t, "fail over from a dead hub", func() bool { return h.reached() == "site-c" })
	c.Stop()
	lab.Wait(t, "no hub is left", func() bool {
		out, ok := lab.Ping(w.HostB, anycast)
		return !ok && strings.Contains(out, "nreachable")
	})
}

// TestFullTunnel: site b sends everything through the tunnel, and the peer's own
// address lies inside its routes. The tunnel's own packets stay outside, also
// with a reverse path filter, and nothing leaks while it is down.
func TestFullTunnel(t *testing.T) {
	for name, test := range map[string]struct {
		routes   string
		rpFilter string
	}{
		"everything":             {`"0.0.0.0/0"`, "0"},
		"everything and the WAN": {`"0.0.0.0/0", "192.0.2.0/24"`, "0"},
		"strict source filter":   {`"0.0.0.0/0", "192.0.2.0/24"`, "1"},
		"loose source filter":    {`"0.0.0.0/0", "192.0.2.0/24"`, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			const far = "198.51.100.1"
			w.SiteA.Addr("lo", far+"/32")
			w.SiteB.Route("default", lab.WANA) // where it would leak
			for _, conf := range []string{"all", "default", "wan", "lan"} {
				w.SiteB.Sysctl("net.ipv4.conf."+conf+".rp_filter", test.rpFilter)
			}
			ca, cb := lab.Config{IPX: "none"}, lab.Config{IPX: "none"}
			cb.IP = "address = \"10.255.0.2\"\npeer = \"10.255.0.1\"\nroutes = [" + test.routes + "]"
			a, b := w.Start(w.SiteA, ca.A()), w.Start(w.SiteB, cb.B())
			stop := w.Capture(w.SiteB, "wan")
			for range 2 {
				b.WaitUp("a")
				a.WaitUp("b")
				w.WantPing(w.HostB, far)
				w.WantPing(w.HostB, lab.AddrA)
				s := b.Site("a").Tunnel.GRE
				if s.PacketsSent > 200 {
					t.Errorf("%d packets sent for two pings: a loop?", s.PacketsSent)
				}
				b.Run("down", "a")
				if out, ok := lab.Ping(w.HostB, far); ok || !strings.Contains(out, "nreachable") {
					t.Errorf("tunnel down: %s", out)
				}
				b.Run("up", "a")
			}
			b.WaitUp("a")
			pcap := stop()
			if n := judge.Count(t, pcap, "ip.addr == "+far+" && !gre"); n != 0 {
				t.Errorf("%d packets leaked to the default route", n)
			}
			if n := judge.Count(t, pcap, "gre && ip.addr == "+far); n < 4 {
				t.Errorf("%d packets in the tunnel, want 4 or more: does the filter work?", n)
			}
			b.Stop()
			wantClean(t, w, w.SiteB)
		})
	}
}
