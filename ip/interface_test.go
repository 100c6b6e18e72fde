package ip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
)

// A recorder is a Link that keeps what it is given.
type recorder struct {
	mu   sync.Mutex // guards what follows
	sent []string   // each call: protocol, df, number of packets
	err  error
}

func (r *recorder) Send(protocol uint16, pkts []*packet.Buffer, df bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range pkts {
		b.Prepend(20) // as a link does
	}
	r.sent = append(r.sent, fmt.Sprintf("%04x df=%v %d", protocol, df, len(pkts)))
	return r.err
}

// batch makes buffers of packets.
func batch(pkts ...[]byte) (list []*packet.Buffer) {
	for _, p := range pkts {
		b := packet.Get()
		b.Set(p)
		list = append(list, b)
	}
	return list
}

// offline is an interface without a device, for the pure part of the data path.
func offline(l Link, mtu int) *Interface {
	i := &Interface{name: "offline"}
	i.live.Store(&live{link: l, mtu4: mtu, mtu6: mtu, sources: newSourceSet(parsePrefixes("10.2.0.0/16", "2001:db8:2::/48"))})
	return i
}

// fill puts packets into a transmitter's batch, as if they were read.
func (t *transmitter) fill(pkts ...[]byte) {
	if t.batch == nil {
		t.batch = packet.GetBatch()
	}
	for _, p := range pkts {
		t.batch.Buffers[t.filled].Set(p)
		t.filled++
	}
}

func TestPacketsLeaveByKind(t *testing.T) {
	udp := make([]byte, 8)
	cut4 := ipPacket("10.1.0.2", "10.2.0.2", 17, make([]byte, 1300))
	cut4[6] = 0 // may be fragmented
	four, six := ipPacket("10.1.0.2", "10.2.0.2", 17, udp), ipPacket("2001:db8:1::2", "2001:db8:2::2", 17, udp)
	for _, c := range []struct {
		name  string
		pkts  [][]byte
		mtu   int
		want  string
		drops Drops
	}{
		{"nothing", nil, 1400, "", Drops{}},
		{"together", [][]byte{four, four, four}, 1400, "0021 df=true 3", Drops{}},
		{"in order", [][]byte{four, six, six, four}, 1400, "0021 df=true 1, 0057 df=true 2, 0021 df=true 1", Drops{}},
		{"may be cut", [][]byte{four, cut4}, 1400, "0021 df=true 1, 0021 df=false 1", Drops{}},
		{"too long, may be cut", [][]byte{cut4}, 1200, "0021 df=false 1", Drops{}},
		{"IPv6 below its least MTU", [][]byte{ipPacket("2001:db8:1::2", "2001:db8:2::2", 17, make([]byte, 1240))}, 1200, "0057 df=false 1", Drops{}},
		{"not IP", [][]byte{four, {0x12, 0x34}, four}, 1400, "0021 df=true 2", Drops{MalformedOut: 1}},
		{"protocol is down", [][]byte{four}, 0, "", Drops{ProtocolDown: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{}
			i := offline(r, c.mtu)
			tr := transmitter{i: i}
			tr.fill(c.pkts...)
			tr.flush()
			if got := strings.Join(r.sent, ", "); got != c.want || i.Stats().Drops != c.drops {
				t.Errorf("sent %q, want %q; drops %+v, want %+v", got, c.want, i.Stats().Drops, c.drops)
			}
		})
	}
}

func TestOutgoingIsCounted(t *testing.T) {
	r := &recorder{}
	i := offline(r, 1400)
	tr := transmitter{i: i}
	pkt := ipPacket("10.1.0.2", "10.2.0.2", 17, make([]byte, 80))
	tr.fill(pkt, append(slices.Clone(pkt), 0, 0)) // the second with two octets too many
	tr.flush()
	r.err = errors.New("closed")
	tr.fill(pkt)
	tr.flush()
	i.Down()
	tr.fill(pkt, pkt, pkt)
	tr.flush()
	want := Stats{PacketsOut: 2, OctetsOut: 200, Drops: Drops{LinkRefused: 1, LinkDown: 3}}
	if got := i.Stats(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// admitAll runs packets through the incoming checks.
func admitAll(i *Interface, version uint8, pkts ...[]byte) (admitted int) {
	for _, b := range batch(pkts...) {
		if _, ok := i.admit(i.live.Load(), version, b, nil); ok {
			admitted++
		}
	}
	return admitted
}

// TestAttackG8SpoofedSource: what bears a source that is not behind the peer
// does not come out of the tunnel, and is counted.
func TestAttackG8SpoofedSource(t *testing.T) {
	i := offline(&recorder{}, 1400)
	for _, src := range []string{"10.1.0.2", "10.3.0.1", "0.0.0.0", "127.0.0.1", "192.0.2.1", "255.255.255.255", "224.0.0.1",
		"2001:db8:1::2", "::", "::1", "fe80::1", "ff02::1", "::ffff:10.2.0.1"} {
		dst, version := "10.1.0.2", uint8(4)
		if strings.Contains(src, ":") {
			dst, version = "2001:db8:1::2", 6
		}
		before := i.Stats().Drops.SourceNotBehindPeer
		if admitAll(i, version, ipPacket(src, dst, 17, make([]byte, 8))) != 0 {
			t.Errorf("%s came through", src)
		}
		if i.Stats().Drops.SourceNotBehindPeer != before+1 {
			t.Errorf("%s was not counted", src)
		}
	}
	if admitAll(i, 4, ipPacket("10.2.0.2", "10.1.0.2", 17, nil)) != 1 || admitAll(i, 6, ipPacket("2001:db8:2::2", "2001:db8:1::2", 17, nil)) != 1 {
		t.Error("a source behind the peer was refused")
	}
}

// TestAttackG8Kernel is the same with real packets: a host behind the peer
// spoofs, and the host that it wants to reach sees nothing.
func TestAttackG8Kernel(t *testing.T) {
	s := newTwoSites(t, 1400, 1400)
	s.east.Sysctl("net.ipv4.conf.all.rp_filter", "0") // a careless peer
	s.right.Addr("eth0", "172.16.0.9/32")             // not behind it
	var in net.PacketConn
	must(t, s.left.Do(func() (err error) { in, err = net.ListenPacket("udp4", "10.1.0.2:7000"); return err }))
	defer in.Close()
	send := func(source string) {
		t.Helper()
		must(t, s.right.Do(func() error {
			d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(source)}}
			c, err := d.Dial("udp4", "10.1.0.2:7000")
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte(source))
			return err
		}))
	}
	send("172.16.0.9")
	waitFor(t, "the drop", func() bool { return s.west.dev.Stats().Drops.SourceNotBehindPeer == 1 })
	send("10.2.0.2")
	b := make([]byte, 100)
	if n, _, err := in.ReadFrom(b); err != nil || string(b[:n]) != "10.2.0.2" {
		t.Errorf("the first to arrive is %q, %v", b[:n], err)
	}
}

func TestIncomingIsCheckedForItsVersion(t *testing.T) {
	i := offline(&recorder{}, 1400)
	four, six := ipPacket("10.2.0.2", "10.1.0.2", 17, nil), ipPacket("2001:db8:2::2", "2001:db8:1::2", 17, nil)
	for _, c := range []struct {
		name    string
		version uint8
		pkt     []byte
		ok      bool
	}{
		{"IPv4", 4, four, true},
		{"IPv4 padded", 4, append(slices.Clone(four), 1, 2, 3), true},
		{"IPv6", 6, six, true},
		{"IPv6 as IPv4", 4, six, false},
		{"IPv4 as IPv6", 6, four, false},
		{"empty", 4, nil, false},
		{"cut short", 4, four[:19], false},
	} {
		before := i.Stats().Drops.MalformedIn
		if ok := admitAll(i, c.version, c.pkt) == 1; ok != c.ok || i.Stats().Drops.MalformedIn != before+map[bool]uint64{false: 1}[ok] {
			t.Errorf("%s: admitted %v, want %v; %+v", c.name, ok, c.ok, i.Stats().Drops)
		}
	}
	i.live.Store(&live{mtu4: 1400})
	i.Deliver(ProtocolIPv6, batch(six))
	if n := i.Stats().Drops.ProtocolDown; n != 1 {
		t.Errorf("%d dropped without IPv6CP, want 1", n)
	}
	i.Down()
	i.Deliver(ProtocolIPv4, batch(four, four))
	if n := i.Stats().Drops.LinkDown; n != 2 {
		t.Errorf("%d dropped without a link, want 2", n)
	}
}

func TestAddressesSurviveReconnect(t *testing.T) {
	hub, _ := newHubAndISP(t)
	a := Addresses{Local: netip.MustParseAddr("10.255.0.1"), Peer: netip.MustParseAddr("10.255.0.2"), LocalID: 0x1234, PeerID: 2}
	first := hub.configure(t, a)
	wantAddresses(t, hub, "10.255.0.1/32 peer 10.255.0.2/32, fe80::1234/64")
	hub.wantWay(t, "configured", "sb-one", "10.255.0.2")

	var c net.Conn // a socket bound to the address
	must(t, hub.Do(func() (err error) {
		c, err = (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IP{10, 255, 0, 1}}}).Dial("udp4", "10.255.0.2:9")
		return err
	}))
	defer c.Close()

	second := hub.configure(t, a) // the next call agrees on the same
	if _, err := c.Write([]byte("still there")); err != nil {
		t.Error(err)
	}
	b := a
	b.Local, b.LocalID = netip.MustParseAddr("10.255.0.9"), 0
	third := hub.configure(t, b)
	wantAddresses(t, hub, "10.255.0.9/32 peer 10.255.0.2/32")
	must(t, first())
	must(t, second())
	wantAddresses(t, hub, "10.255.0.9/32 peer 10.255.0.2/32") // a late undo of old addresses
	must(t, third())
	wantAddresses(t, hub, "")

	unnumbered := hub.configure(t, Addresses{Peer: a.Peer})
	wantAddresses(t, hub, "")
	hub.wantWay(t, "unnumbered", "sb-one", "10.255.0.2")
	must(t, unnumbered())
	hub.wantWay(t, "after", "wan", "10.255.0.2")

	lent := hub.configure(t, Addresses{Local: netip.MustParseAddr("192.0.2.2"), Peer: a.Peer}) // also on wan
	hub.wantWay(t, "address lent by another interface", "sb-one", "10.255.0.2")
	must(t, lent())
	hub.wantWay(t, "its own way", "wan", "192.0.2.1")
}

func wantAddresses(t *testing.T, g *gateway, want string) {
	t.Helper()
	list, err := g.host.nl.AddrList(g.dev.link, netlink.FAMILY_ALL)
	must(t, err)
	var got []string
	for _, a := range list {
		text := a.IPNet.String()
		if a.Peer != nil && a.Peer.String() != text {
			text += " peer " + a.Peer.String()
		}
		got = append(got, text)
	}
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("addresses %q, want %q", got, want)
	}
}

// TestInterfaceTakenDown has an administrator who says `ip link set down`.
func TestInterfaceTakenDown(t *testing.T) {
	hub, _ := newHubAndISP(t)
	must(t, hub.dev.Up(Live{Link: discard{}, MTU4: 1400, Behind: parsePrefixes("10.2.0.0/16")}))
	pkt := ipPacket("10.2.0.2", "192.0.2.2", 17, make([]byte, 8))
	hub.Down("sb-one")
	hub.dev.Deliver(ProtocolIPv4, batch(pkt, pkt))
	hub.Up("sb-one")
	hub.dev.Deliver(ProtocolIPv4, batch(pkt))
	if s := hub.dev.Stats(); s.Drops.InterfaceRefused != 2 || s.PacketsIn != 1 {
		t.Errorf("%d refused while the interface is down, %d taken afterwards, want 2 and 1", s.Drops.InterfaceRefused, s.PacketsIn)
	}
}

func TestInterfaceDeletedUnderUs(t *testing.T) {
	lab := netlab.New(t, cloneDevice)
	ns := lab.Namespace("a")
	var dev *Interface
	must(t, ns.Do(func() (err error) { dev, err = Open(Config{Name: "sb-a"}); return err }))
	defer dev.Close()
	ended := make(chan error, 1)
	go func() { ended <- dev.Run(t.Context()) }()
	ns.Delete("sb-a")
	if err := <-ended; !errors.Is(err, ErrGone) {
		t.Errorf("Run = %v, want %v", err, ErrGone)
	}
}

func TestRunEnds(t *testing.T) {
	ns := netlab.New(t, cloneDevice).Namespace("a")
	var dev *Interface
	must(t, ns.Do(func() (err error) { dev, err = Open(Config{Name: "sb-a"}); return err }))
	for _, how := range []string{"context", "context again", "close"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- dev.Run(ctx) }()
		if how == "close" {
			must(t, dev.Close())
		} else {
			cancel()
		}
		if err := <-ended; err != nil {
			t.Errorf("%s: Run = %v", how, err)
		}
		cancel()
	}
	must(t, ns.Do(func() error {
		if _, err := net.InterfaceByName("sb-a"); err == nil {
			t.Error("a closed interface is still there")
		}
		return nil
	}))
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	lab := netlab.New(t, cloneDevice)
	ns := lab.Namespace("a")
	lab.Veth(ns, "eth0", ns, "eth1")
	for name, want := range map[string]string{
		"a-name-of-16-oct": "a name has 1 to 15 octets",
		"eth0":             "another program has an interface of this name",
	} {
		err := ns.Do(func() error { _, err := Open(Config{Name: name}); return err })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want it to say %q", name, err, want)
		}
	}
	if got := tunHint(fmt.Errorf("make: %w", unix.EPERM)); !strings.Contains(got, "CAP_NET_ADMIN") {
		t.Errorf("missing privilege: %q", got)
	}
	for err, want := range map[error]string{unix.EACCES: "chmod 666 /dev/net/tun", unix.EPERM: "chmod 666 /dev/net/tun", unix.ENOENT: "modprobe tun", unix.EMFILE: ""} {
		if got := openHint(fmt.Errorf("open: %w", err)); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
