package port

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"sitebridge/internal/netlab"
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
	e.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
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
