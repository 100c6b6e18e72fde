package ip

import (
	"context"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// A wire is a Link straight into the interface at the other end, which sees the
// packets as they would come out of a tunnel: one after the other, in buffers
// with headroom.
type wire struct {
	to   *Interface
	seen func(protocol uint16, pkts []*packet.Buffer, df bool) // nil: nobody looks
	// nameless, unless nil, counts IPv6 packets from nobody, "::": what the kernel says
	// of its groups (RFC 3810, section 5.2.13) before it has an address there. On a busy
	// machine it is read when the link is up already.
	nameless *atomic.Uint64
}

func (w *wire) Send(protocol uint16, pkts []*packet.Buffer, df bool) error {
	for _, b := range pkts {
		if v, ok := parse(b.Bytes()); ok && w.nameless != nil && v.version == 6 && v.source(b.Bytes()).IsUnspecified() {
			w.nameless.Add(1)
		}
	}
	if w.seen != nil {
		w.seen(protocol, pkts, df)
	}
	w.to.Deliver(protocol, pkts)
	return nil
}

// A gateway is one end of a tunnel.
type gateway struct {
	*netlab.Namespace
	host *Host
	dev  *Interface

	nameless atomic.Uint64 // packets to it from "::"
}

// newGateway opens an interface in a namespace of the lab and runs it.
func newGateway(t *testing.T, ns *netlab.Namespace, device string) *gateway {
	t.Helper()
	g := &gateway{Namespace: ns}
	if err := ns.Do(func() (err error) { g.host, err = OpenHost(); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.host.Close)
	g.dev = openDevice(t, ns, Config{Name: device, Host: g.host})
	return g
}

func openDevice(t *testing.T, ns *netlab.Namespace, cfg Config) *Interface {
	t.Helper()
	var dev *Interface
	if err := ns.Do(func() (err error) { dev, err = Open(cfg); return err }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- dev.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run of %s: %v", cfg.Name, err)
		}
		if err := dev.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return dev
}

// configure gives the interface addresses.
func (g *gateway) configure(t *testing.T, a Addresses) (undo func() error) {
	t.Helper()
	undo, err := g.dev.Configure(a)
	if err != nil {
		t.Fatal(err)
	}
	return undo
}

// route installs the live routes of prefixes.
func (g *gateway) route(t *testing.T, metric uint32, prefixes ...string) (remove func() error) {
	t.Helper()
	remove, err := g.host.InstallLive(g.dev, parsePrefixes(prefixes...), metric, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return remove
}

func parsePrefixes(s ...string) (list []netip.Prefix) {
	for _, p := range s {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}

// twoSites is
//
//	left --10.1.0.0/24-- west ==tunnel== east --10.2.0.0/24-- right
//	     2001:db8:1::/64      10.255.0.0      2001:db8:2::/64
//
// with everything up.
type twoSites struct {
	lab         *netlab.Lab
	left, right *netlab.Namespace
	west, east  *gateway
}

func newTwoSites(t *testing.T, mtu4, mtu6 int) *twoSites {
	t.Helper()
	lab := netlab.New(t, cloneDevice)
	s := &twoSites{lab: lab, left: lab.Namespace("left"), right: lab.Namespace("right")}
	west, east := lab.Namespace("west"), lab.Namespace("east")
	lab.Veth(s.left, "eth0", west, "lan")
	lab.Veth(s.right, "eth0", east, "lan")
	for _, h := range []struct {
		ns     *netlab.Namespace
		device string
		host   string
	}{{s.left, "eth0", "10.1.0.2"}, {west, "lan", "10.1.0.1"}, {s.right, "eth0", "10.2.0.2"}, {east, "lan", "10.2.0.1"}} {
		a := netip.MustParseAddr(h.host).As4()
		h.ns.Addr(h.device, h.host+"/24")
		h.ns.Addr(h.device, netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, a[1], 15: a[3]}).String()+"/64")
	}
	s.left.Route("default", "10.1.0.1")
	s.left.Route("default", "2001:db8:1::1")
	s.right.Route("default", "10.2.0.1")
	s.right.Route("default", "2001:db8:2::1")
	west.Forward()
	east.Forward()

	s.west, s.east = newGateway(t, west, "sb-east"), newGateway(t, east, "sb-west")
	w, e := netip.MustParseAddr("10.255.0.1"), netip.MustParseAddr("10.255.0.2")
	s.west.configure(t, Addresses{Local: w, Peer: e, LocalID: 1, PeerID: 2})
	s.east.configure(t, Addresses{Local: e, Peer: w, LocalID: 2, PeerID: 1})
	s.west.route(t, 100, "10.2.0.0/16", "2001:db8:2::/48")
	s.east.route(t, 100, "10.1.0.0/16", "2001:db8:1::/48")
	s.up(t, mtu4, mtu6, nil)
	return s
}

// up joins the two interfaces. seen looks at what goes either way.
func (s *twoSites) up(t *testing.T, mtu4, mtu6 int, seen func(uint16, []*packet.Buffer, bool)) {
	t.Helper()
	for _, end := range []struct {
		from, to *gateway
		behind   []netip.Prefix
	}{
		{s.west, s.east, parsePrefixes("10.2.0.0/16", "2001:db8:2::/48")},
		{s.east, s.west, parsePrefixes("10.1.0.0/16", "2001:db8:1::/48")},
	} {
		err := end.from.dev.Up(Live{Link: &wire{end.to.dev, seen, &end.to.nameless}, MTU4: mtu4, MTU6: mtu6, Behind: end.behind})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// waitFor waits for something that happens on another goroutine.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not happen in 5 s", what)
		}
	}
}
