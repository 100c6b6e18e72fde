package port

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
)

// An emulator is a client as DOSBox is one, written from what it sends.
type emulator struct {
	tb   testing.TB
	conn *net.UDPConn
	node ipx.Node
}

// newEmulator makes a client that has not registered.
func newEmulator(tb testing.TB, p *dosboxPort) *emulator {
	tb.Helper()
	server := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), p.Address().Port()))
	conn, err := net.DialUDP("udp4", nil, server)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return &emulator{tb: tb, conn: conn}
}

func (e *emulator) send(b []byte) {
	e.tb.Helper()
	if _, err := e.conn.Write(b); err != nil {
		e.tb.Fatal(err)
	}
}

func (e *emulator) receive() []byte {
	e.tb.Helper()
	e.conn.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 4096)
	n, err := e.conn.Read(b)
	if err != nil {
		e.tb.Fatal(err)
	}
	return b[:n]
}

// register registers, and takes its node from the first datagram that comes back.
func (e *emulator) register() {
	e.tb.Helper()
	e.send(ipxnet.AppendRegistration(nil))
	reply := e.receive()
	h, _, err := ipx.Parse(reply)
	if err != nil || len(reply) > len(ipxnet.AppendRegistration(nil)) || h.Dst.Socket != ipxnet.Socket || h.Dst.Network != 0 {
		e.tb.Fatalf("reply % x: %v", reply, err)
	}
	e.node = h.Dst.Node
}

// packet is what a program in the emulator sends: network 0.
func (e *emulator) packet(dst ipx.Node, payload string) []byte {
	return ipx.AppendPacket(nil, ipx.Header{
		Dst: ipx.Addr{Node: dst, Socket: 0x4002}, Src: ipx.Addr{Node: e.node, Socket: 0x4001},
	}, []byte(payload))
}

// move makes the client known: it speaks, and waits until the port has heard it.
func (e *emulator) move(arrivals <-chan arrival) {
	e.tb.Helper()
	e.register()
	e.send(e.packet(e.node, "here I am"))
	if got := next(e.tb, arrivals); got.src != e.node {
		e.tb.Fatalf("%v heard, not %v", got.src, e.node)
	}
}

// openDOSBox opens a port on the loopback interface of a namespace of its own.
func openDOSBox(tb testing.TB, cfg DOSBoxConfig) (p *dosboxPort, do func(func() error) error) {
	tb.Helper()
	ns := netlab.New(tb).Namespace("host")
	if !cfg.Listen.IsValid() {
		cfg.Listen = netip.MustParseAddrPort("127.0.0.1:10213")
	}
	cfg.Name = "games"
	err := ns.Do(func() error {
		opened, err := OpenDOSBox(tb.Context(), cfg)
		if err == nil {
			p = opened.(*dosboxPort)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p, ns.Do
}

// inside runs fn where the port is, so that emulators are there.
func inside(tb testing.TB, do func(func() error) error, fn func()) {
	tb.Helper()
	if err := do(func() error { fn(); return nil }); err != nil {
		tb.Fatal(err)
	}
}

func TestDOSBoxPortIsAWire(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{})
	arrivals := run(t, p, do)
	inside(t, do, func() {
		a, b := newEmulator(t, p), newEmulator(t, p)
		a.move(arrivals)
		b.move(arrivals)
		if a.node == b.node || a.node.IsGroup() || a.node[0]&2 == 0 || p.MAC() == a.node {
			t.Errorf("nodes %v and %v, ours %v", a.node, b.node, p.MAC())
		}

		all := a.packet(ipx.Broadcast, "to all")
		a.send(all)
		if got := b.receive(); !bytes.Equal(got, all) {
			t.Errorf("the other client got % x", got)
		}
		if got := next(t, arrivals); !equal(got, arrival{all, DOSBoxEncapsulation, ipx.Broadcast, a.node}) {
			t.Errorf("we got %+v", got)
		}

		one := a.packet(b.node, "to one")
		a.send(one)
		if got := b.receive(); !bytes.Equal(got, one) {
			t.Errorf("the other client got % x", got)
		}
		if got := next(t, arrivals); !equal(got, arrival{one, DOSBoxEncapsulation, b.node, a.node}) {
			t.Errorf("we got %+v", got)
		}

		away := a.packet(macC, "to somewhere else")
		a.send(away)
		if got := next(t, arrivals); !equal(got, arrival{away, DOSBoxEncapsulation, macC, a.node}) {
			t.Errorf("we got %+v", got)
		}

		// From the other ports.
		in := packetOf(60, a.node, macC)
		if err := p.Send(DOSBoxEncapsulation, a.node, macC, buffersOf(in)); err != nil {
			t.Fatal(err)
		}
		if got := a.receive(); !bytes.Equal(got, in) {
			t.Errorf("% x for a alone arrived as % x", in, got)
		}
		in = packetOf(61, ipx.Broadcast, macC)
		if err := p.Send(DOSBoxEncapsulation, ipx.Broadcast, macC, buffersOf(in)); err != nil {
			t.Fatal(err)
		}
		for _, e := range []*emulator{a, b} {
			if got := e.receive(); !bytes.Equal(got, in) {
				t.Errorf("% x for all arrived as % x", in, got)
			}
		}
		if err := p.Send(DOSBoxEncapsulation, macB, macC, buffersOf(in)); err != nil {
			t.Fatal(err)
		}
		s := p.Stats()
		if s.Drops != (Drops{NoClient: 1}) || s.BroadcastIn != 1 || s.OtherIn != 4 || s.UnicastIn != 0 || s.UnicastOut != 1 || s.Out.EthernetII != 3 {
			t.Errorf("%+v", s)
		}
		if got := p.Clients(); len(got) != 2 || got[0].Node != a.node || got[1].Packets != 1 {
			t.Errorf("clients %+v", got)
		}
	})
}

// In route mode a packet for no client is for the router: no frame says so.
func TestDOSBoxPortRouted(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{Routed: true})
	arrivals := run(t, p, do)
	inside(t, do, func() {
		a, b := newEmulator(t, p), newEmulator(t, p)
		a.move(arrivals)
		b.move(arrivals)
		for _, c := range []struct {
			name      string
			dst, want ipx.Node
		}{
			{"a server elsewhere", ipx.ServerNode, p.MAC()},
			{"ourselves", p.MAC(), p.MAC()},
			{"another client", b.node, b.node},
			{"all", ipx.Broadcast, ipx.Broadcast},
		} {
			a.send(a.packet(c.dst, c.name))
			if got := next(t, arrivals); got.dst != c.want {
				t.Errorf("a packet for %s is addressed to %v, want %v", c.name, got.dst, c.want)
			}
		}
		if s := p.Stats(); s.UnicastIn != 2 || s.BroadcastIn != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Any hop count and any checksum passes, in both directions and unchanged; what is
// short or overlong is dropped and counted.
func TestAttackX8DOSBox(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{})
	arrivals := run(t, p, do)
	inside(t, do, func() {
		a, b := newEmulator(t, p), newEmulator(t, p)
		a.move(arrivals)
		b.move(arrivals)
		base := a.packet(ipx.Broadcast, "to whom it may concern")
		for _, hops := range []byte{0, 15, 16, 17, 126, 127, 255} {
			for _, sum := range []uint16{ipx.NoChecksum, 0, ipx.Checksum(base), 0x1234} {
				pkt := bytes.Clone(base)
				pkt[0], pkt[1], pkt[4] = byte(sum>>8), byte(sum), hops
				a.send(pkt)
				if got := b.receive(); !bytes.Equal(got, pkt) {
					t.Errorf("hops %d, checksum %04x: client got % x", hops, sum, got)
				}
				if got := next(t, arrivals); !bytes.Equal(got.packet, pkt) {
					t.Errorf("hops %d, checksum %04x: we got % x", hops, sum, got.packet)
				}
				if err := p.Send(DOSBoxEncapsulation, b.node, macC, buffersOf(pkt)); err != nil {
					t.Fatal(err)
				}
				if got := b.receive(); !bytes.Equal(got, pkt) {
					t.Errorf("hops %d, checksum %04x: from us client got % x", hops, sum, got)
				}
			}
		}
		a.send(append(bytes.Clone(base), "padding"...))
		if got := b.receive(); !bytes.Equal(got, base) {
			t.Errorf("padding went along: % x", got)
		}
		next(t, arrivals)

		withLength := func(n uint16, datagram int) []byte {
			pkt := append(bytes.Clone(base), make([]byte, 65000)...)[:datagram]
			pkt[2], pkt[3] = byte(n>>8), byte(n)
			return pkt
		}
		var want Drops
		for _, c := range []struct {
			name  string
			b     []byte
			count *uint64
		}{
			{"empty", nil, &want.Truncated},
			{"one octet", base[:1], &want.Truncated},
			{"29 octets", base[:29], &want.Truncated},
			{"length 0", withLength(0, 60), &want.Short},
			{"length 29", withLength(29, 60), &want.Short},
			{"length beyond the datagram", withLength(61, 60), &want.Overlong},
			{"length 65535", withLength(0xFFFF, 60), &want.Overlong},
			{"longer than an Ethernet's", withLength(1501, 1501), &want.Overlong},
			{"longer than our buffer", withLength(60, 2049), &want.Overlong},
			{"as long as UDP can be", withLength(60, 65000), &want.Overlong},
		} {
			a.send(c.b)
			*c.count++
		}
		a.send(base)
		if got := next(t, arrivals); !bytes.Equal(got.packet, base) {
			t.Errorf("arrived: % x", got.packet)
		}
		if got := b.receive(); !bytes.Equal(got, base) {
			t.Errorf("client got % x", got)
		}
		if got := p.Stats().Drops; got != want {
			t.Errorf("drops %+v, want %+v", got, want)
		}
	})
}

// What a client may not send, and what is for nobody.
func TestDOSBoxPortStrangers(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{})
	arrivals := run(t, p, do)
	inside(t, do, func() {
		a, b, stranger := newEmulator(t, p), newEmulator(t, p), newEmulator(t, p)
		a.move(arrivals)
		b.move(arrivals)
		stranger.node = a.node
		stranger.send(stranger.packet(ipx.Broadcast, "I am a"))
		forged := *b
		forged.node = a.node
		forged.send(forged.packet(ipx.Broadcast, "I am a, too"))
		a.send(a.packet(b.node, "the end"))
		for _, got := range [][]byte{b.receive(), next(t, arrivals).packet} {
			if !bytes.HasSuffix(got, []byte("the end")) {
				t.Errorf("arrived: % x", got)
			}
		}
		if got := p.Stats().Drops; got != (Drops{NotRegistered: 1, ForeignNode: 1}) {
			t.Errorf("drops %+v", got)
		}

		for _, c := range []struct {
			pkt  []byte
			want Drops
		}{
			{make([]byte, 20), Drops{NotRegistered: 1, ForeignNode: 1, BadPacket: 1}},
			{packetOf(1501, ipx.Broadcast, macC), Drops{NotRegistered: 1, ForeignNode: 1, BadPacket: 1, TooLong: 1}},
		} {
			if err := p.Send(DOSBoxEncapsulation, ipx.Broadcast, macC, buffersOf(c.pkt)); err != nil {
				t.Fatal(err)
			}
			if got := p.Stats().Drops; got != c.want {
				t.Errorf("drops %+v, want %+v", got, c.want)
			}
		}
		if err := p.Send(DOSBoxEncapsulation, a.node, macC, buffersOf(packetOf(1500, a.node, macC))); err != nil {
			t.Fatal(err)
		}
		if got := a.receive(); len(got) != 1500 {
			t.Errorf("%d octets of 1500 arrived", len(got))
		}
	})
}

// Until it speaks, a client hears its reply and pings, and nothing else. Then our
// own ping is answered to us alone.
func TestDOSBoxPortNewcomer(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{})
	arrivals := run(t, p, do)
	inside(t, do, func() {
		a := newEmulator(t, p)
		a.register()
		eventually(t, "it is expected, which it is after the reply", func() bool {
			p.house.mu.Lock()
			defer p.house.mu.Unlock()
			return len(p.house.newcomers) == 1
		})
		ping := ipxnet.AppendPing(nil, macC)
		for range newcomerPings + 1 {
			if err := p.Send(DOSBoxEncapsulation, ipx.Broadcast, macC, buffersOf(packetOf(60, ipx.Broadcast, macC), ping)); err != nil {
				t.Fatal(err)
			}
		}
		for range newcomerPings {
			if got := a.receive(); !bytes.Equal(got, ping) {
				t.Errorf("a newcomer got % x", got)
			}
		}
		a.send(ipxnet.AppendPong(nil, p.MAC(), a.node))
		a.send(ipxnet.AppendPong(nil, macC, a.node))
		if got := next(t, arrivals); got.dst != macC || got.src != a.node {
			t.Errorf("arrived: %+v", got)
		}
		if got := p.Clients(); len(got) != 1 || got[0].Node != a.node {
			t.Errorf("clients %+v", got)
		}
		a.send(ipxnet.AppendRegistration(nil))
		if h, _, err := ipx.Parse(a.receive()); err != nil || h.Dst.Node != a.node { // and not a third ping
			t.Errorf("%+v, %v", h, err)
		}
	})
}

// Batches go through whole and in order, to more clients than one system call has
// room for.
func TestDOSBoxPortBatches(t *testing.T) {
	const players, packets = 9, 2*packet.BatchLen + 3
	p, do := openDOSBox(t, DOSBoxConfig{Rate: 100000})
	arrivals := run(t, p, do)
	inside(t, do, func() {
		var all []*emulator
		for range players {
			e := newEmulator(t, p)
			e.move(arrivals)
			all = append(all, e)
		}
		var pkts [][]byte
		for n := range packets {
			pkts = append(pkts, packetOf(40+n, ipx.Broadcast, macC))
		}
		if err := p.Send(DOSBoxEncapsulation, ipx.Broadcast, macC, buffersOf(pkts...)); err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			for n, want := range pkts {
				if got := e.receive(); !bytes.Equal(got, want) {
					t.Fatalf("packet %d of %v: % x", n, e.node, got)
				}
			}
		}
		for n := range packets {
			all[0].send(all[0].packet(ipx.Broadcast, string(bytes.Repeat([]byte{byte(n)}, n))))
		}
		for n := range packets {
			if got := next(t, arrivals); len(got.packet) != ipx.HeaderLen+n {
				t.Fatalf("packet %d has %d octets", n, len(got.packet))
			}
			for _, e := range all[1:] {
				if got := e.receive(); len(got) != ipx.HeaderLen+n {
					t.Fatalf("packet %d has %d octets", n, len(got))
				}
			}
		}
		if s := p.Stats(); s.Drops != (Drops{}) || s.Out.EthernetII != packets*players {
			t.Errorf("%+v", s)
		}
	})
}

// The address that a client called is the one that answers it.
func TestDOSBoxPortAnswersFromTheAddressThatWasCalled(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:10213", "[::]:10213"} {
		t.Run(listen, func(t *testing.T) {
			p, do := openDOSBox(t, DOSBoxConfig{Listen: netip.MustParseAddrPort(listen)})
			run(t, p, do)
			inside(t, do, func() {
				for _, called := range []string{"127.0.0.1", "127.0.0.77"} {
					conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					to := netip.AddrPortFrom(netip.MustParseAddr(called), 10213)
					if listen[0] == '[' && p.Address().Addr().Is4() {
						t.Fatal("not on IPv6")
					}
					if _, err := conn.WriteToUDPAddrPort(ipxnet.AppendRegistration(nil), to); err != nil {
						t.Fatal(err)
					}
					conn.SetReadDeadline(time.Now().Add(time.Minute))
					b := make([]byte, 100)
					n, from, err := conn.ReadFromUDPAddrPort(b)
					if err != nil || n != ipx.HeaderLen || netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != to {
						t.Errorf("called %v, answered by %v: %d octets, %v", to, from, n, err)
					}
				}
			})
		})
	}
}

func TestDOSBoxPortCloses(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{})
	ended := make(chan error)
	go func() { ended <- do(func() error { return p.Run(t.Context(), func([]Frame) {}) }) }()
	if !p.Up() || p.Name() != "games" {
		t.Errorf("port %q is not up", p.Name())
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; err != net.ErrClosed {
		t.Errorf("Run = %v", err)
	}
	if err := p.Send(DOSBoxEncapsulation, ipx.Broadcast, macC, buffersOf(packetOf(60, ipx.Broadcast, macC))); err != ErrDown || p.Up() {
		t.Errorf("Send = %v", err)
	}
	if got := p.Stats().Drops; got != (Drops{InterfaceDown: 1}) {
		t.Errorf("drops %+v", got)
	}
}

// What is wrong with an address is said in words.
func TestDOSBoxPortCannotListen(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{})
	inside(t, do, func() {
		_, err := OpenDOSBox(t.Context(), DOSBoxConfig{Listen: p.Address()})
		if err == nil || !strings.Contains(err.Error(), "ss -ulpn") {
			t.Errorf("taken: %v", err)
		}
	})
}

// A batch goes from a client through the port to another, and back from us to all,
// without an allocation.
func TestDOSBoxPortAllocatesNothing(t *testing.T) {
	p, do := openDOSBox(t, DOSBoxConfig{Rate: 1000000})
	inside(t, do, func() {
		handled := 0
		read := reader(t, p, func(frames []Frame) { handled += len(frames) })
		a, b := newEmulator(t, p), newEmulator(t, p)
		a.moveBy(read)
		b.moveBy(read)
		out, local := buffersOf(packetOf(60, ipx.Broadcast, macC), packetOf(1400, ipx.Broadcast, macC)), a.packet(ipx.Broadcast, "to all")
		handled = 0
		if n := testing.AllocsPerRun(200, func() {
			a.send(local)
			a.send(local)
			read()
			if err := p.Send(DOSBoxEncapsulation, ipx.Broadcast, macC, out); err != nil {
				t.Fatal(err)
			}
		}); n != 0 && !race.Enabled || handled == 0 {
			t.Errorf("%v allocations for each batch, %d handled", n, handled)
		}
	})
}

// reader returns what Run does for one batch.
func reader(tb testing.TB, p *dosboxPort, h Handler) (read func()) {
	in := newDatagramsIn()
	tb.Cleanup(in.close)
	return func() {
		tb.Helper()
		if err := p.raw.Read(in.receive); err != nil || in.errno != 0 {
			tb.Fatal(err, in.errno)
		}
		p.take(in, time.Now(), h)
	}
}

// moveBy is move for a port that does not run.
func (e *emulator) moveBy(read func()) {
	e.tb.Helper()
	e.send(ipxnet.AppendRegistration(nil))
	read()
	reply, _, err := ipx.Parse(e.receive())
	if err != nil {
		e.tb.Fatal(err)
	}
	e.node = reply.Dst.Node
	e.send(e.packet(e.node, ""))
	read()
}

// The host of an emulator that has ended says so at the next packet for it. What
// is for the others still goes out.
func TestDOSBoxPortForgetsWhoHasEnded(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:10213", "[::]:10213"} {
		t.Run(listen, func(t *testing.T) {
			p, do := openDOSBox(t, DOSBoxConfig{Listen: netip.MustParseAddrPort(listen)})
			inside(t, do, func() {
				read := reader(t, p, func([]Frame) {})
				a, b := newEmulator(t, p), newEmulator(t, p)
				a.moveBy(read)
				b.moveBy(read)
				if err := a.conn.Close(); err != nil {
					t.Fatal(err)
				}
				for n := range 3 {
					pkt := packetOf(60+n, ipx.Broadcast, macC)
					if err := p.Send(DOSBoxEncapsulation, ipx.Broadcast, macC, buffersOf(pkt)); err != nil {
						t.Fatal(err)
					}
					if got := b.receive(); !bytes.Equal(got, pkt) {
						t.Errorf("b got % x", got)
					}
				}
				p.tick(time.Now().Add(refusedGrace))
				if got := p.Clients(); len(got) != 1 || got[0].Node != b.node {
					t.Errorf("clients %+v", got)
				}
				if got := p.Stats().Drops; got != (Drops{}) {
					t.Errorf("drops %+v", got)
				}
			})
		})
	}
}
