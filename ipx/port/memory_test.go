package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
)

var (
	macA = ipx.Node{2, 0, 0, 0, 0x10, 0x0A}
	macB = ipx.Node{2, 0, 0, 0, 0x10, 0x0B}
	macC = ipx.Node{2, 0, 0, 0, 0x10, 0x0C}
)

// packetOf returns a packet of n octets from one node of network 1001 to
// another.
func packetOf(n int, dst, src ipx.Node) []byte {
	h := ipx.Header{
		Dst: ipx.Addr{Network: 0x1001, Node: dst, Socket: 0x4002},
		Src: ipx.Addr{Network: 0x1001, Node: src, Socket: 0x4001},
	}
	return ipx.AppendPacket(nil, h, bytes.Repeat([]byte{byte(n)}, n-ipx.HeaderLen))
}

// buffersOf puts packets into buffers.
func buffersOf(pkts ...[]byte) (bufs []*packet.Buffer) {
	for _, p := range pkts {
		b := new(packet.Buffer)
		b.Set(p)
		bufs = append(bufs, b)
	}
	return bufs
}

// frameOf returns a packet as a frame.
func frameOf(tb testing.TB, encap ipx.Encapsulation, dst, src ipx.Node, pkt []byte) []byte {
	tb.Helper()
	b := buffersOf(pkt)[0]
	if err := ipx.EncapsulateInPlace(b, encap, dst, src); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// An arrival is a Frame that was kept.
type arrival struct {
	packet   []byte
	encap    ipx.Encapsulation
	dst, src ipx.Node
}

// run runs the port until the test ends, inside what do enters, and returns
// what arrives.
func run(tb testing.TB, p Port, do func(func() error) error) <-chan arrival {
	tb.Helper()
	arrivals := make(chan arrival, 8192)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- do(func() error {
			return p.Run(ctx, func(frames []Frame) {
				for _, f := range frames {
					arrivals <- arrival{bytes.Clone(f.Packet.Bytes()), f.Encap, f.Dst, f.Src}
				}
			})
		})
	}()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			tb.Errorf("%s: Run = %v", p.Name(), err)
		}
		if err := p.Close(); err != nil {
			tb.Errorf("%s: Close = %v", p.Name(), err)
		}
	})
	return arrivals
}

func here(fn func() error) error { return fn() }

// next returns what arrives next.
func next(tb testing.TB, arrivals <-chan arrival) arrival {
	tb.Helper()
	select {
	case a := <-arrivals:
		return a
	case <-time.After(time.Minute):
		tb.Fatal("nothing arrived")
	}
	return arrival{}
}

func TestHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub()
		a, b := hub.Port("a", macA, false), hub.Port("b", macB, false)
		c := hub.Port("c", macC, true)
		atB, atC := run(t, b, here), run(t, c, here)
		var watched int
		hub.Watch(func([]byte) { watched++ })

		toB, toC, toAll := packetOf(45, macB, macA), packetOf(46, macC, macA), packetOf(47, ipx.Broadcast, macA)
		for _, s := range []struct {
			pkt []byte
			dst ipx.Node
		}{{toB, macB}, {toC, macC}, {toAll, ipx.Broadcast}} {
			if err := a.Send(ipx.EthernetSNAP, s.dst, macA, buffersOf(s.pkt)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for _, want := range []arrival{{toB, ipx.EthernetSNAP, macB, macA}, {toAll, ipx.EthernetSNAP, ipx.Broadcast, macA}} {
			if got := next(t, atB); !equal(got, want) {
				t.Errorf("at b: %+v, want %+v", got, want)
			}
		}
		if len(atB) != 0 || len(atC) != 3 || watched != 3 {
			t.Errorf("%d more at b, %d at c, %d watched", len(atB), len(atC), watched)
		}
		if s := c.Stats(); s.BroadcastIn != 1 || s.UnicastIn != 1 || s.OtherIn != 1 || s.In.EthernetSNAP != 3 {
			t.Errorf("c counts %+v", s)
		}
		if s := a.Stats(); s.Out.EthernetSNAP != 3 || s.Drops != (Drops{}) {
			t.Errorf("a counts %+v", s)
		}
	})
}

func equal(a, b arrival) bool {
	return bytes.Equal(a.packet, b.packet) && a.encap == b.encap && a.dst == b.dst && a.src == b.src
}

// Row X8, at a port: what is short or overlong is dropped and counted, whatever
// checksum and hop count a packet has it passes.
func TestAttackX8FramesAreDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub()
		p := hub.Port("p", macA, true)
		arrivals := run(t, p, here)
		edit := func(off int, value ...byte) {
			frame := frameOf(t, ipx.Ethernet8022, macA, macB, packetOf(40, macA, macB))
			copy(frame[off:], value)
			hub.Inject(frame)
		}
		const header = 17 // of the frame
		edit(header+2, 0, 29)
		edit(header+2, 0, 0)
		edit(header+2, 0, 41)
		edit(header+2, 0xFF, 0xFF)
		edit(12, 0x81, 0x00)
		edit(12, 0x08, 0x00)
		edit(6, 0x03)
		edit(6, macA[:]...)
		hub.Inject(frameOf(t, ipx.Ethernet8022, macA, macB, packetOf(40, macA, macB))[:header+29])
		for _, checksum := range [][]byte{{0, 0}, {0x12, 0x34}, {0xFF, 0xFF}} {
			edit(header, checksum...)
		}
		for _, hops := range []byte{15, 16, 127} {
			edit(header+4, hops)
		}
		synctest.Wait()
		if len(arrivals) != 6 {
			t.Errorf("%d packets passed, want 6", len(arrivals))
		}
		want := Drops{Short: 2, Overlong: 2, VLAN: 1, NotIPX: 1, BadSource: 1, OwnFrame: 1, Truncated: 1}
		if got := p.Stats().Drops; got != want {
			t.Errorf("drops %+v, want %+v", got, want)
		}
	})
}

func TestSendLeavesPacketsAsTheyWere(t *testing.T) {
	hub := NewHub()
	p := hub.Port("p", macA, false)
	defer p.Close()
	var seen []byte
	hub.Watch(func(frame []byte) { seen = frame })
	pkt := packetOf(41, macB, macA)
	sum := ipx.Checksum(pkt)
	pkt[0], pkt[1] = byte(sum>>8), byte(sum)
	bufs := buffersOf(pkt)
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		if err := p.Send(e, macB, macA, bufs); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bufs[0].Bytes(), pkt) || bufs[0].Room() != packet.Headroom {
			t.Errorf("after %v: % x, room %d", e, bufs[0].Bytes(), bufs[0].Room())
		}
		if enc, _, _, _, err := ipx.Decapsulate(seen); enc != e || err != nil {
			t.Errorf("%v left as %v, %v: % x", e, enc, err, seen)
		}
	}
}

func TestSendDropsWhatNoFrameCarries(t *testing.T) {
	hub := NewHub()
	p := hub.Port("p", macA, false)
	var passed int
	hub.Watch(func([]byte) { passed++ })
	err := p.Send(ipx.EthernetSNAP, macB, macA, buffersOf(
		packetOf(1493, macB, macA), []byte("short"), nil, packetOf(1492, macB, macA), packetOf(60, macB, macA)[:59],
	))
	if s := p.Stats(); err != nil || s.Drops != (Drops{TooLong: 1, BadPacket: 3}) || s.Out.EthernetSNAP != 1 || passed != 1 {
		t.Errorf("Send = %v, %d passed, %+v", err, passed, s)
	}
	p.Close()
	if err := p.Send(ipx.EthernetII, macB, macA, buffersOf(packetOf(60, macB, macA))); err != ErrDown || p.Up() {
		t.Errorf("Send after Close = %v", err)
	}
	if s := p.Stats(); s.Drops.InterfaceDown != 1 {
		t.Errorf("after Close %+v", s.Drops)
	}
	if err := p.Run(t.Context(), nil); err != net.ErrClosed {
		t.Errorf("Run after Close = %v", err)
	}
}

// Several sites send to one LAN at once, and their packets do not mix.
func TestManySendersAtOnce(t *testing.T) {
	hub := NewHub()
	p := hub.Port("p", macA, false)
	defer p.Close()
	var frames [][]byte // the Hub passes one at a time
	hub.Watch(func(frame []byte) { frames = append(frames, frame) })
	const senders, each = 4, 200
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			e := ipx.Encapsulation(s)
			pkts := buffersOf(packetOf(100+s, macB, macC), packetOf(200+s, macB, macC))
			for range each {
				if err := p.Send(e, macB, macC, pkts); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	count := make(map[string]int)
	for _, frame := range frames {
		e, _, _, pkt, err := ipx.Decapsulate(frame)
		if err != nil || !bytes.Equal(pkt, packetOf(len(pkt), macB, macC)) || len(pkt)%100 != int(e) {
			t.Fatalf("%v of %d octets, %v", e, len(pkt), err)
		}
		count[fmt.Sprint(e, len(pkt))]++
	}
	if len(count) != 2*senders {
		t.Errorf("kinds of frames: %v", count)
	}
	for kind, n := range count {
		if n != each {
			t.Errorf("%d of %s, want %d", n, kind, each)
		}
	}
}

func TestAFullQueueIsCounted(t *testing.T) {
	hub := NewHub()
	p := hub.Port("p", macA, false)
	defer p.Close()
	frame := frameOf(t, ipx.EthernetII, macA, macB, packetOf(60, macA, macB))
	for range memoryQueueLen + 5 {
		hub.Inject(frame)
	}
	if got := p.Stats().Drops.ReceiveQueueFull; got != 5 {
		t.Errorf("%d dropped, want 5", got)
	}
}

func TestFramingAllocatesNothing(t *testing.T) {
	p := &kernelPort{put: func(*outgoing) error { return nil }}
	p.mac.Store(&macA)
	bufs := buffersOf(packetOf(60, macB, macA), packetOf(1400, macB, macA))
	frame := frameOf(t, ipx.Ethernet8022, macA, macB, packetOf(60, macA, macB))
	in := buffersOf(frame, frame)
	handled := 0
	h := Handler(func(frames []Frame) { handled += len(frames) })
	if n := testing.AllocsPerRun(100, func() {
		if err := p.Send(ipx.Ethernet8023, macB, macA, bufs); err != nil {
			t.Fatal(err)
		}
		for _, b := range in {
			b.Set(frame)
		}
		p.deliver(in, h)
	}); n != 0 && !race.Enabled || handled == 0 {
		t.Errorf("%v allocations for each batch, %d handled", n, handled)
	}
}
