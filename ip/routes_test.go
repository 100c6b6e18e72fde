package ip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

// newHub is a gateway with a default route to the WAN and two sites.
func newHub(t *testing.T) (hub *gateway, second *Interface) {
	t.Helper()
	hub, _ = newHubAndISP(t)
	return hub, openDevice(t, hub.Namespace, Config{Name: "sb-two", Host: hub.host})
}

// newHubAndISP is a gateway with one site, and who is at the WAN's other end.
func newHubAndISP(t *testing.T) (hub *gateway, isp *netlab.Namespace) {
	t.Helper()
	lab := netlab.New(t, cloneDevice)
	ns := lab.Namespace("hub")
	isp = lab.Namespace("isp")
	lab.Veth(ns, "wan", isp, "hub")
	ns.Addr("wan", "192.0.2.2/24")
	ns.Addr("wan", "2001:db8::2/64")
	isp.Addr("hub", "192.0.2.1/24")
	isp.Addr("hub", "2001:db8::1/64")
	ns.Route("default", "192.0.2.1")
	ns.Route("default", "2001:db8::1")
	return newGateway(t, ns, "sb-one"), isp
}

// way returns the interface that packets to dst leave by, or "unreachable".
func (g *gateway) way(t *testing.T, dst string, mark uint32) string {
	t.Helper()
	routes, err := g.host.nl.RouteGetWithOptions(netip.MustParseAddr(dst).AsSlice(), &netlink.RouteGetOptions{Mark: mark})
	if errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) {
		return "unreachable"
	}
	if err != nil {
		t.Fatalf("route to %s: %v", dst, err)
	}
	link, err := g.host.nl.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Name
}

// wantWay fails unless packets to every dst leave by the way.
func (g *gateway) wantWay(t *testing.T, when, way string, dst ...string) {
	t.Helper()
	for _, d := range dst {
		if got := g.way(t, d, 0); got != way {
			t.Errorf("%s: %s leaves by %s, want %s", when, d, got, way)
		}
	}
}

// remains lists what carries our marks.
func (g *gateway) remains(t *testing.T) (list []string) {
	t.Helper()
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := g.host.nl.RouteListFiltered(fam, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if r.Protocol == ProtoLive || r.Protocol == ProtoUnreachable {
				list = append(list, r.String())
			}
		}
		rules, err := g.host.nl.RuleList(fam)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if r.Protocol == uint8(ProtoLive) {
				list = append(list, r.String())
			}
		}
	}
	return list
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustUndo is for calls that return their undo.
func mustUndo(t *testing.T) func(undo func() error, err error) func() error {
	t.Helper()
	return func(undo func() error, err error) func() error {
		t.Helper()
		must(t, err)
		return undo
	}
}

func TestUnreachableWinsOverDefault(t *testing.T) {
	hub, _ := newHub(t)
	branch := parsePrefixes("10.2.0.0/16", "2001:db8:2::/48")
	hosts := []string{"10.2.0.7", "2001:db8:2::7"}
	hub.wantWay(t, "before", "wan", hosts...)

	remove := mustUndo(t)(hub.host.InstallUnreachable(branch))
	hub.wantWay(t, "while the site is down", "unreachable", hosts...)

	down := hub.route(t, 100, "10.2.0.0/16", "2001:db8:2::/48")
	hub.wantWay(t, "while the site is up", "sb-one", hosts...)
	must(t, down())
	hub.wantWay(t, "after the site went down", "unreachable", hosts...)

	must(t, remove())
	must(t, remove()) // twice is once
	hub.wantWay(t, "after all", "wan", hosts...)
	if left := hub.remains(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSecondWayTakesOver has two sites with one network behind them.
func TestSecondWayTakesOver(t *testing.T) {
	hub, two := newHub(t)
	net4 := parsePrefixes("10.2.0.0/16", "2001:db8:2::/48")
	hosts := []string{"10.2.0.7", "2001:db8:2::7"}
	one1 := mustUndo(t)(hub.host.InstallUnreachable(net4))
	two1 := mustUndo(t)(hub.host.InstallUnreachable(net4))
	downOne := mustUndo(t)(hub.host.InstallLive(hub.dev, net4, 100, netip.Addr{}))
	downTwo := mustUndo(t)(hub.host.InstallLive(two, net4, 200, netip.Addr{}))

	hub.wantWay(t, "both up", "sb-one", hosts...)
	must(t, downOne())
	hub.wantWay(t, "the better one down", "sb-two", hosts...)
	downOne = mustUndo(t)(hub.host.InstallLive(hub.dev, net4, 100, netip.Addr{}))
	hub.wantWay(t, "the better one back", "sb-one", hosts...)
	must(t, downTwo())
	must(t, downOne())
	hub.wantWay(t, "both down", "unreachable", hosts...)
	must(t, one1())
	hub.wantWay(t, "one site deleted", "unreachable", hosts...)
	must(t, two1())
	hub.wantWay(t, "both deleted", "wan", hosts...)
}

func TestRoutesAreAskedForTwice(t *testing.T) {
	hub, two := newHub(t)
	dst := parsePrefixes("10.2.0.0/16", "2001:db8:2::/48")
	hub.route(t, 100, "10.2.0.0/16", "2001:db8:2::/48")
	hub.route(t, 100, "10.2.0.0/16", "2001:db8:2::/48") // is what we want already

	// Another site must not take the place of the first.
	for _, p := range dst {
		_, err := hub.host.InstallLive(two, []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16"), p}, 100, netip.Addr{})
		if err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("InstallLive of %v = %v", p, err)
		}
	}
	hub.wantWay(t, "after the failure", "sb-one", "10.2.0.7", "2001:db8:2::7")
	hub.wantWay(t, "undone half way", "wan", "10.9.0.1")
}

func TestSourceOfRoute(t *testing.T) {
	hub, _ := newHub(t)
	hub.configure(t, Addresses{Local: netip.MustParseAddr("10.255.0.1"), Peer: netip.MustParseAddr("10.255.0.2")})
	mustUndo(t)(hub.host.InstallLive(hub.dev, parsePrefixes("10.2.0.0/16"), 100, netip.MustParseAddr("192.0.2.2")))
	routes, err := hub.host.nl.nl.RouteGet(net.IP{10, 2, 0, 7})
	must(t, err)
	if got := routes[0].Src.String(); got != "192.0.2.2" {
		t.Errorf("source %s, want 192.0.2.2", got)
	}
}

// TestCleanStale leaves routes and rules as a crash does.
func TestCleanStale(t *testing.T) {
	hub, _ := newHub(t)
	foreign := &netlink.Route{Dst: ipNet(netip.MustParsePrefix("10.8.0.0/16")), Gw: net.IP{192, 0, 2, 1}}
	must(t, hub.host.nl.RouteAdd(foreign))
	all := parsePrefixes("10.2.0.0/16", "2001:db8:2::/48", "0.0.0.0/0", "::/0")
	mustUndo(t)(hub.host.ProtectMarked(parsePrefixes("0.0.0.0/0", "::/0")))
	mustUndo(t)(hub.host.InstallUnreachable(all))
	mustUndo(t)(hub.host.InstallLive(hub.dev, all, 100, netip.Addr{}))
	if n := len(hub.remains(t)); n != 12 { // 4 unreachable, 4 live, 4 rules
		t.Fatalf("%d routes and rules, want 12", n)
	}

	var next *Host // of the daemon that starts after the crash
	must(t, hub.Do(func() (err error) { next, err = OpenHost(); return err }))
	defer next.Close()
	must(t, next.CleanStale())
	if left := hub.remains(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	hub.wantWay(t, "after", "wan", "10.2.0.7", "10.8.0.1", "8.8.8.8", "2001:db8:2::7")
	must(t, next.CleanStale())
}

func TestFullTunnel(t *testing.T) {
	hub, two := newHub(t)
	peer := "198.51.100.1"
	all := parsePrefixes("0.0.0.0/0", "::/0", "198.51.100.0/24", "10.2.0.0/16")
	protected := Covering(all, []netip.Addr{netip.MustParseAddr(peer)})
	if want := all[:3]; !slices.Equal(protected, want) {
		t.Fatalf("Covering = %v, want %v", protected, want)
	}
	unprotect := mustUndo(t)(hub.host.ProtectMarked(protected))
	unprotectTwo := mustUndo(t)(hub.host.ProtectMarked(protected[:1]))
	remove := mustUndo(t)(hub.host.InstallUnreachable(all))
	marked := func(when string) {
		t.Helper()
		if way := hub.way(t, peer, Mark); way != "wan" {
			t.Errorf("%s: marked packets to the peer leave by %s, want wan", when, way)
		}
	}
	outside := []string{"8.8.8.8", peer, "10.2.0.7", "2001:4860::8888"}
	hub.wantWay(t, "down: nothing leaks", "unreachable", outside...)
	hub.wantWay(t, "down: what main knows better", "wan", "192.0.2.1", "2001:db8::1")
	marked("down")

	down := mustUndo(t)(hub.host.InstallLive(hub.dev, all, 100, netip.Addr{}))
	downTwo := mustUndo(t)(hub.host.InstallLive(two, all, 200, netip.Addr{}))
	hub.wantWay(t, "up", "sb-one", outside...)
	hub.wantWay(t, "up: what main knows better", "wan", "192.0.2.1", "2001:db8::1")
	marked("up")
	must(t, down())
	hub.wantWay(t, "the second way", "sb-two", outside...)
	must(t, downTwo())
	hub.wantWay(t, "down again", "unreachable", outside...)

	for _, undo := range []func() error{remove, unprotect} {
		must(t, undo())
	}
	if n := len(hub.remains(t)); n != 2 {
		t.Errorf("%d routes and rules, want the 2 rules that the other site holds", n)
	}
	must(t, unprotectTwo())
	hub.wantWay(t, "after all", "wan", outside...)
	if left := hub.remains(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestMarkedSocketDoesNotLoop sends real packets to a peer that lies inside of
// what is routed into its own tunnel, and gets its answers.
func TestMarkedSocketDoesNotLoop(t *testing.T) {
	for _, filter := range []string{"0", "1", "2"} {
		for _, up := range []bool{false, true} {
			t.Run(fmt.Sprintf("rp_filter %s, up %v", filter, up), func(t *testing.T) {
				hub, isp := newHubAndISP(t)
				hub.Sysctl("net.ipv4.conf.all.rp_filter", filter)
				hub.Sysctl("net.ipv4.conf.wan.rp_filter", filter)
				isp.Addr("lo", "198.51.100.1/32")
				all := parsePrefixes("0.0.0.0/0")
				mustUndo(t)(hub.host.ProtectMarked(all))
				mustUndo(t)(hub.host.InstallUnreachable(all))
				unprotect := mustUndo(t)(hub.host.ProtectPeer(netip.MustParseAddr("198.51.100.1")))
				if up {
					hub.route(t, 100, "0.0.0.0/0")
				}
				askMarked(t, hub, isp, "198.51.100.1:7000")
				rules := len(hub.remains(t))
				must(t, unprotect())
				if n := len(hub.remains(t)); n != rules-1 {
					t.Errorf("%d routes and rules before, %d after the peer's rule went", rules, n)
				}
			})
		}
	}
}

// askMarked opens a TCP connection with our mark.
func askMarked(t *testing.T, from *gateway, to *netlab.Namespace, addr string) {
	t.Helper()
	var l net.Listener
	must(t, to.Do(func() (err error) { l, err = net.Listen("tcp", addr); return err }))
	defer l.Close()
	dialer := net.Dialer{Timeout: time.Second, Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(Mark)) })
		return err
	}}
	if err := from.Do(func() error {
		c, err := dialer.Dial("tcp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}); err != nil {
		t.Error(err)
	}
}
