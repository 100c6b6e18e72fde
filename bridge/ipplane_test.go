package bridge

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/internal/netlab"
	"sitebridge/ip"
)

// newHub makes the kernel's end of a site in a namespace, where run calls ip(8).
func newHub(t *testing.T) (d *Daemon, st *site, run func(args ...string) string) {
	ns := netlab.New(t, "/dev/net/tun").Namespace("hub")
	log := slog.New(slog.DiscardHandler)
	d = newDaemon(&config.Config{}, log, "test")
	routes := []netip.Prefix{netip.MustParsePrefix("198.51.0.0/16")}
	st = &site{d: d, log: log, cfg: &config.Site{Name: "branch", Device: "sb-branch", IP: &config.IP{Routes: routes, Metric: 100}}}
	if err := ns.Do(func() (err error) {
		if d.host, err = ip.OpenHost(); err != nil {
			return err
		}
		st.ip, err = d.openIP(st)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.host.Close)
	d.setSites([]*site{st})
	return d, st, func(args ...string) string {
		t.Helper()
		out, err := ns.Command("ip", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
		return string(out)
	}
}

// The same for a demand site that is idle: without its routes nothing would wake it.
func TestIdleRoutesComeBack(t *testing.T) {
	d, st, run := newHub(t)
	st.cfg.Demand = &config.Demand{Idle: time.Minute}
	st.supervisor = newSupervisor(discard, "a", "b", nil)
	st.openDemand()
	if err := st.ip.prepare(); err != nil {
		t.Fatal(err)
	}
	there := func() bool { return strings.Contains(run("route"), "198.51.0.0/16 dev sb-branch") }
	if !there() {
		t.Fatal("no route to begin with")
	}
	flap := func() {
		run("link", "set", "sb-branch", "down")
		run("link", "set", "sb-branch", "up")
	}
	l := siteLoop{s: st.supervisor, enabled: true, idle: time.NewTimer(time.Hour)}
	flap()
	if l.lookIdle(); !there() {
		t.Error("they did not come back")
	}
	d.setSites(nil)
	st.demand.enabled(false)
	if l.lookIdle(); there() {
		t.Error("the operator stopped the site, and its routes are there")
	}
}

// Who sets the interface down and up again takes the routes of a site that is
// up; they come back without a new call.
func TestRoutesComeBack(t *testing.T) {
	_, st, run := newHub(t)
	n := &networks{s: new(session), st: st}
	p := st.ip
	p.owner, p.v4, p.v6, p.sum.InnerMTU = n, true, true, 1400
	p.addrs = ip.Addresses{Local: netip.MustParseAddr("10.255.0.1"), Peer: netip.MustParseAddr("10.255.0.2"), LocalID: 1, PeerID: 2}
	if err := p.apply(); err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		return strings.Contains(run("route"), "198.51.0.0/16 dev sb-branch") && strings.Contains(run("-6", "addr"), "fe80::1/64")
	}
	if !there() {
		t.Fatal("no route or address to begin with")
	}
	run("link", "set", "sb-branch", "down")
	p.keep(n) // cannot
	run("link", "set", "sb-branch", "up")
	if there() {
		t.Fatal("the kernel kept them")
	}
	p.keep(n)
	if !there() {
		t.Error("they did not come back")
	}
	if err := st.close(); err != nil {
		t.Error(err)
	}
	if out := run("route", "show", "table", "all", "proto", "173"); out != "" {
		t.Errorf("left behind: %s", out)
	}
}

// The rules and routes of a full tunnel that could not be made are tried again
// at the next dial, though the peer's address is the same, and what was made
// before that is undone at the end.
func TestRerouteIsTriedAgain(t *testing.T) {
	d, st, run := newHub(t)
	const table = "172316" // where the prefix goes once it covers the peer
	theirs := strings.Fields("route add unreachable 198.51.0.0/16 metric 4294967295 proto static table " + table)
	run(theirs...)
	peer := []netip.Addr{netip.MustParseAddr("198.51.100.1")}
	for range 2 {
		if err := d.peersOf(st, peer, never); err == nil {
			t.Error("no error though another route is in the way")
		}
	}
	theirs[1] = "del"
	run(theirs...)
	if err := d.peersOf(st, peer, never); err != nil {
		t.Errorf("the way is free: %v", err)
	}
	if out := run("route", "show", "table", table); !strings.Contains(out, "unreachable 198.51.0.0/16") {
		t.Errorf("table %s has %q", table, out)
	}
	if err := st.close(); err != nil {
		t.Error(err)
	}
	if err := d.unprotectPeers(); err != nil {
		t.Error(err)
	}
	for _, proto := range []string{"172", "173"} {
		if out := run("route", "show", "table", "all", "proto", proto); out != "" {
			t.Errorf("left behind: %s", out)
		}
	}
	if out := run("rule"); strings.Count(out, "\n") != 3 {
		t.Errorf("left behind: %s", out)
	}
}

// A full tunnel that is down must not swallow the question where its peer is.
func TestNamesAreAskedForOutsideOfTheTunnels(t *testing.T) {
	ns := netlab.New(t).Namespace("hub")
	var mark int
	if err := ns.Do(func() error {
		c, err := resolver.Dial(t.Context(), "udp", "127.0.0.1:53")
		if err != nil {
			return err
		}
		defer c.Close()
		raw, err := c.(*net.UDPConn).SyscallConn()
		if err != nil {
			return err
		}
		return raw.Control(func(fd uintptr) { mark, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK) })
	}); err != nil {
		t.Fatal(err)
	}
	if mark != int(ip.Mark) {
		t.Errorf("mark %#x, want %#x", mark, ip.Mark)
	}
}
