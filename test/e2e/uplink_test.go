package e2e

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
)

// TestBoundToAnUplink: a site whose source is an interface sends everything by that, GRE
// too, although the route to the peer is by another one; and is lost with it at once.
func TestBoundToAnUplink(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	secondUplink(w)
	cfg := lab.Config{Site: `source = "wan1"` + "\n" + `echo = { interval = "1h", failures = 3 }`}
	cfg.Answer = false
	other := w.Capture(w.SiteB, "wan")
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, cfg.B())
	a.WaitUp("b")
	if s := b.WaitUp("a"); s.Tunnel.Interface != "wan1" || s.Tunnel.Local.String() != wan1B {
		t.Errorf("the tunnel leaves by %q from %v", s.Tunnel.Interface, s.Tunnel.Local)
	}
	w.WantPing(w.HostB, lab.AddrA)
	pcap := other()
	if n := judge.Count(t, pcap, "ip.src == "+wan1B); n != 0 {
		t.Errorf("%d packets of the tunnel left by the other uplink", n)
	}

	w.SiteB.Down("wan1")
	b.WaitSite("a", "down", notUp)
	if log := b.Log(); !strings.Contains(log, "interface wan1, by which "+lab.WANA+" was reached, is down") {
		t.Error("the log does not say what happened")
	}
	w.SiteB.Up("wan1")
	b.WaitUp("a")
	w.WantPing(w.HostB, lab.AddrA)
}

// secondUplink gives site b another one, on the same switch.
func secondUplink(w *lab.World) {
	w.Veth(w.SiteB, "wan1", w.WAN, "site-b1")
	w.Plug("site-b1")
	w.SiteB.Sysctl("net.ipv4.conf.all.arp_ignore", "1") // two uplinks, one switch
	w.SiteA.Addr("wan", wan1A+"/24")
	w.SiteB.Addr("wan1", wan1B+"/24")
}

// TestUplinkChanges: the address is taken away, then the peer's route moves to another
// uplink; both are noticed without an echo, and a host's session goes on.
func TestUplinkChanges(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	secondUplink(w)
	cfg := lab.Config{Site: `echo = { interval = "1h", failures = 3 }`}
	a, b := w.Start(w.SiteA, cfg.A()), w.Start(w.SiteB, cfg.B())
	a.WaitUp("b")
	b.WaitUp("a")
	session := w.Echo(w.HostB, w.HostA, lab.AddrA)
	session.Say()
	session.Hear()
	lose := func(how func(), from, reason string) {
		t.Helper()
		how()
		b.WaitSite("a", "up from "+from, func(s bridge.SiteStatus) bool {
			return s.State == bridge.StateUp && s.Tunnel.Local.String() == from
		})
		if log := b.Log(); !strings.Contains(log, reason) {
			t.Errorf("the log does not say %q", reason)
		}
		session.Say()
		session.Hear()
	}
	w.SiteB.Sysctl("net.ipv4.conf.wan.promote_secondaries", "1")
	lose(func() {
		w.SiteB.Addr("wan", "192.0.2.22/24")
		unaddress(t, w.SiteB, "wan", lab.WANB+"/24")
	}, "192.0.2.22", lab.WANB+" is no longer an address of this host")
	lose(func() {
		w.SiteB.Route(lab.WANA+"/32", wan1A)
	}, wan1B, "the route to "+lab.WANA+" now leaves by wan1 with source "+wan1B+", the call came from 192.0.2.22")
	if s := b.Site("a"); s.Ups != 3 || s.Dials > 5 {
		t.Errorf("up %d times after %d dials", s.Ups, s.Dials)
	}
}

// unaddress takes an address from an interface.
func unaddress(t *testing.T, ns *netlab.Namespace, ifname, prefix string) {
	t.Helper()
	link, err := ns.Handle().LinkByName(ifname)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := netlink.ParseAddr(prefix)
	if err == nil {
		err = ns.Handle().AddrDel(link, addr)
	}
	if err != nil {
		t.Fatal(err)
	}
}
