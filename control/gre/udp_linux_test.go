package gre

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/internal/turns"
)

func openUDP(t *testing.T, cfg UDPConfig) *UDP {
	t.Helper()
	u, err := OpenUDP(cfg)
	if err != nil {
		t.Fatalf("OpenUDP: %v", err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// sized is a packet of that many octets in all, with a number.
func sized(seq, length int) *packet.Buffer {
	h := Header{PayloadLen: uint16(length - 12), CallID: 7, HasSeq: true, Seq: uint32(seq)}
	p := encode(h, make([]byte, length-12))
	for i := range p[12:] {
		p[12+i] = byte(seq + i)
	}
	return buffer(p)
}

// messagesOf returns how many packets go in each message of a batch.
func messagesOf(pkts []*packet.Buffer, longest int) (counts []int) {
	b := newSegments()
	b.longest = longest
	b.fill(pkts, 0)
	return append(counts, b.count[:b.n]...)
}

func TestRunsOfOneLength(t *testing.T) {
	of := func(lengths ...int) (pkts []*packet.Buffer) {
		for i, n := range lengths {
			pkts = append(pkts, sized(i, n))
		}
		return pkts
	}
	many := func(n, length int) (lengths []int) {
		for range n {
			lengths = append(lengths, length)
		}
		return lengths
	}
	for _, c := range []struct {
		name    string
		pkts    []*packet.Buffer
		longest int
		want    []int
	}{
		{"one", of(100), maxDatagram, []int{1}},
		{"equal", of(many(64, 576)...), maxDatagram, []int{64}},
		{"shorter last", of(1400, 1400, 60, 1400, 1400), maxDatagram, []int{3, 2}},
		{"longer next", of(60, 1400, 1400), maxDatagram, []int{1, 2}},
		{"all different, falling", of(500, 400, 300), maxDatagram, []int{2, 1}},
		{"as much as a datagram holds", of(many(64, 1400)...), maxDatagram, []int{46, 18}},
		{"none allowed", of(100, 100, 100), 0, []int{1, 1, 1}},
		{"too long for runs that may be fragmented", of(1473, 1473, 576, 576), fragmentRun, []int{1, 1, 2}},
		{"as the kernel takes at most", of(many(65, 100)...), maxDatagram, []int{64}},
	} {
		got := messagesOf(c.pkts, c.longest)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
}

// Packets of all lengths, in runs and singly, come whole and in order, with the address
// and the port that they were sent from.
func TestUDPSendsAndReceivesBatches(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{})
		in := read(t, u)
		var pkts []*packet.Buffer
		for i := range 300 {
			pkts = append(pkts, sized(i, []int{1400, 1400, 1400, 60, 576, 576, 12, 2048}[i*7/20%8]))
		}
		for _, df := range []bool{true, false} {
			for _, local := range []netip.Addr{loopback(5), {}} {
				if err := u.Send(Path{Local: local, Remote: loopback(2), Port: u.Port()}, pkts, df); err != nil {
					t.Fatalf("Send: %v", err)
				}
				want := Path{Local: loopback(2), Remote: local, Port: u.Port()}
				if !local.IsValid() {
					want.Remote = loopback(1) // the address of lo
				}
				for _, p := range pkts {
					in.want(want, p.Bytes())
				}
			}
		}
		if s := u.Stats(); s.Sent != 1200 || s.Received != 1200 || s.Resent != 0 || s.Drops != (UDPDrops{}) {
			t.Errorf("counted %+v", s)
		}
	})
}

// A few Buffers at a time are enough, however long the runs are.
func TestUDPReceivesIntoFewBuffers(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{})
		var pkts []*packet.Buffer
		for i := range 40 {
			pkts = append(pkts, sized(i, 700))
		}
		if err := u.Send(Path{Remote: loopback(2), Port: u.Port()}, pkts, true); err != nil {
			t.Fatal(err)
		}
		in := []Datagram{{Buffer: new(packet.Buffer)}, {Buffer: new(packet.Buffer)}, {Buffer: new(packet.Buffer)}}
		for i := 0; i < len(pkts); {
			n, err := u.Receive(in)
			if err != nil || n == 0 {
				t.Fatalf("Receive = %d, %v", n, err)
			}
			for _, d := range in[:n] {
				if string(d.Buffer.Bytes()) != string(pkts[i].Bytes()) {
					t.Errorf("packet %d is % x", i, head(d.Buffer.Bytes()))
				}
				i++
			}
		}
		if n, err := u.Receive(nil); n != 0 || err != nil {
			t.Errorf("Receive into nothing = %d, %v", n, err)
		}
	})
}

func TestUDPDropsWhatDoesNotFit(t *testing.T) {
	inNamespace(t, func() {
		setLoopbackMTU(t, 1400)
		u := openUDP(t, UDPConfig{Mark: 0x5b1d})
		in := read(t, u)
		fits, tooBig := sized(1, 1372), sized(2, 1373)
		path := Path{Local: loopback(1), Remote: loopback(2), Port: u.Port()}
		err := u.Send(path, []*packet.Buffer{fits, fits, tooBig, tooBig, tooBig, fits, fits}, true)
		var e *TooBigError
		if !errors.Is(err, ErrTooBig) || !errors.As(err, &e) || e.MTU != 1400 || e.Packets != 3 {
			t.Errorf("Send = %v (%+v), want 3 packets too big for 1400", err, e)
		}
		back := Path{Local: loopback(2), Remote: loopback(1), Port: u.Port()}
		for range 4 {
			in.want(back, fits.Bytes())
		}
		if got := u.plain.longest(path, true); got != maxDatagram {
			t.Error("runs are given up for a path that is only too narrow")
		}

		before := fragmentsCreated(t)
		if err := u.Send(path, []*packet.Buffer{tooBig, tooBig, fits}, false); err != nil {
			t.Errorf("Send without df: %v", err)
		}
		in.want(back, tooBig.Bytes())
		in.want(back, tooBig.Bytes())
		in.want(back, fits.Bytes())
		if n := fragmentsCreated(t) - before; n != 4 {
			t.Errorf("the kernel made %d fragments, want 4", n)
		}
		if got := u.Stats(); got.Resent != 2 || got.Sent != 7 {
			t.Errorf("counted %+v, want two runs taken apart", got)
		}
	})
}

// On a path narrower than fragmentRun the kernel refuses runs: they go singly, in
// fragments.
func TestUDPFragmentsOnVeryNarrowPaths(t *testing.T) {
	inNamespace(t, func() {
		setLoopbackMTU(t, 600)
		u := openUDP(t, UDPConfig{})
		in := read(t, u)
		p := sized(1, 1000)
		if err := u.Send(Path{Remote: loopback(2), Port: u.Port()}, []*packet.Buffer{p, p, p}, false); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			in.want(Path{Local: loopback(2), Remote: loopback(1), Port: u.Port()}, p.Bytes())
		}
	})
}

// A device that cannot make checksums gets no runs, and is remembered for a while.
func TestUDPSendsSinglyWhereRunsAreRefused(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{})
		in := read(t, u)
		u.plain.always = true
		var pkts []*packet.Buffer
		for i := range 100 {
			pkts = append(pkts, sized(i, 300))
		}
		path := Path{Remote: loopback(2), Port: u.Port()}
		for range 2 {
			if err := u.Send(path, pkts, true); err != nil {
				t.Fatal(err)
			}
			for _, p := range pkts {
				in.want(Path{Local: loopback(2), Remote: loopback(1), Port: u.Port()}, p.Bytes())
			}
			u.plain.always = false
			u.plain.remember(path)
			if got := u.plain.longest(path, true); got != 0 {
				t.Errorf("packets of %d octets may go in runs again", got)
			}
		}
		if got := u.plain.longest(Path{Remote: loopback(3)}, true); got != maxDatagram {
			t.Error("another path has no runs")
		}
	})
}

// What leaves has the port that we receive at, and nobody else can have that.
func TestUDPHasItsPortAlone(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{Port: 4754})
		if u.Port() != 4754 {
			t.Errorf("port %d", u.Port())
		}
		if v, err := OpenUDP(UDPConfig{Port: 4754}); !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "4754") {
			t.Errorf("a second carrier on the port: %v, %v", v, err)
		}
		for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
			for _, addr := range [][4]byte{{}, {127, 0, 0, 2}} {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
					t.Fatal(err)
				}
				if err := bindUDP(fd, 4754, addr); !errors.Is(err, unix.EADDRINUSE) {
					t.Errorf("a program that shares ports gets ours at %v: %v", addr, err)
				}
				unix.Close(fd)
			}
		}
	})
}

// What only sends takes nothing of what arrives, not even without its filter.
func TestUDPSendersTakeNothing(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{Mark: 0x5b1d, ReceiveBuffer: 1 << 20})
		polled := polledDescriptors(t)
		for _, s := range []*socket{u.whole, u.fragment, u.receive} {
			if got := s.option(unix.SO_MARK); got != 0x5b1d {
				t.Errorf("mark %#x", got)
			}
			s.conn.Control(func(fd uintptr) {
				if polled[int(fd)] != (s == u.receive) {
					t.Errorf("polled is %t", polled[int(fd)])
				}
				if s != u.receive {
					if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
		in := read(t, u)
		for from := range 50 {
			for _, df := range []bool{true, false} {
				path := Path{Local: loopback(byte(1 + from)), Remote: loopback(2), Port: u.Port()}
				if err := u.Send(path, []*packet.Buffer{sized(1, 100)}, df); err != nil {
					t.Fatal(err)
				}
				in.want(Path{Local: loopback(2), Remote: path.Local, Port: u.Port()}, sized(1, 100).Bytes())
			}
		}
		for _, s := range []*socket{u.whole, u.fragment} {
			s.conn.Control(func(fd uintptr) {
				if n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ); n != 0 || err != nil {
					t.Errorf("%d octets are queued at a socket that only sends, %v", n, err)
				}
			})
		}
	})
}

func TestUDPErrors(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{})
		pkts := []*packet.Buffer{sized(1, 100), sized(2, 100)}
		if err := u.Send(Path{Remote: netip.MustParseAddr("192.0.2.1"), Port: 9}, pkts, true); !errors.Is(err, unix.ENETUNREACH) {
			t.Errorf("Send without a route = %v, want ENETUNREACH", err)
		}
		for _, path := range []Path{{Remote: netip.MustParseAddr("2001:db8::1"), Port: 9}, {Remote: loopback(2)}} {
			if err := u.Send(path, pkts, true); err == nil {
				t.Errorf("Send to %v did not fail", path)
			}
		}
		u.Close()
		u.Close()
		if err := u.Send(Path{Remote: loopback(2), Port: 9}, pkts, true); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close = %v, want net.ErrClosed", err)
		}
		if _, err := u.Receive([]Datagram{{Buffer: new(packet.Buffer)}}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive after Close = %v, want net.ErrClosed", err)
		}
	})
}

// sendUDP sends datagrams from any port, also from 0, as a raw socket may.
func (s *ipSocket) sendUDP(from, to uint16, payload []byte) {
	s.t.Helper()
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2}
	b = binary.BigEndian.AppendUint16(b, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(append(b, 0, 0), payload...) // without a checksum
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if err := unix.Sendto(s.fd, b, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}}); err != nil {
		s.t.Fatalf("send forged datagram: %v", err)
	}
}

// Whatever strangers send, one thing is counted for each and the rest goes on.
func TestAttackG9StrangeDatagrams(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{})
		s := openIP(t)
		s.sendUDP(0, u.Port(), data(7, 1))
		s.sendUDP(9, u.Port(), make([]byte, 3000))
		s.sendUDP(9, u.Port(), nil)
		s.sendUDP(9, u.Port(), make([]byte, packet.MaxLen+1))
		s.sendUDP(9, u.Port(), data(7, 2))
		in := read(t, u)
		from := Path{Local: loopback(2), Remote: loopback(1), Port: 9}
		in.want(from, nil)
		in.want(from, data(7, 2))
		if got := u.Stats(); got.Drops != (UDPDrops{Overlong: 2, NoPort: 1}) || got.Received != 2 {
			t.Errorf("counted %+v", got)
		}
	})
}

func TestUDPCountsOverflow(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{ReceiveBuffer: 1}) // the kernel's least
		for range 100 {
			if err := u.Send(Path{Remote: loopback(2), Port: u.Port()}, []*packet.Buffer{sized(1, 100)}, true); err != nil {
				t.Fatal(err)
			}
		}
		if s := u.Stats(); s.Drops.ReceiveQueueFull == 0 {
			t.Errorf("100 packets, nobody reads, counted %+v", s)
		}
	})
}

func TestUDPDoesNotAllocate(t *testing.T) {
	inNamespace(t, func() {
		u := openUDP(t, UDPConfig{})
		pkts := []*packet.Buffer{sized(1, 300), sized(2, 300), sized(3, 100), sized(4, 500)}
		for _, df := range []bool{true, false} {
			wantNoAllocation(t, u, Path{Local: loopback(1), Remote: loopback(2), Port: u.Port()}, pkts, df)
		}
	})
}

// hosts are two hosts with both carriers each, on one wire with that MTU.
func hosts(t *testing.T, mtu int, do func(west, east *end)) {
	t.Helper()
	lab := netlab.New(t)
	w, e := lab.Namespace("west"), lab.Namespace("east")
	lab.Veth(w, "wan", e, "wan")
	w.Addr("wan", "192.0.2.1/24")
	e.Addr("wan", "192.0.2.2/24")
	w.MTU("wan", mtu)
	e.MTU("wan", mtu)
	ends := make([]*end, 2)
	for i, ns := range []*netlab.Namespace{w, e} {
		if err := ns.Do(func() error {
			ends[i] = &end{mux: runMuxes(t, openRaw(t, RawConfig{}), openUDP(t, UDPConfig{Port: udpPort}))}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	do(ends[0], ends[1])
}

// A lane is a call over two hosts whose east sends back what it gets.
type lane struct {
	west, east *Channel
	back       chan uint32
}

var westAddr, eastAddr = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

// newLane calls, by UDP or not, and waits for the first frame to come back.
func newLane(t *testing.T, west, east *end, byUDP bool) *lane {
	t.Helper()
	west.open(t, eastAddr, ChannelConfig{})
	east.open(t, westAddr, ChannelConfig{})
	l := &lane{west.Channel, east.Channel, make(chan uint32, packet.BatchLen)}
	mine, theirs := NewToken(), NewToken()
	l.east.Expect(theirs, mine)
	if byUDP {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := l.west.Probe(ctx, Path{Local: westAddr, Remote: eastAddr, Port: udpPort}, mine, theirs); err != nil {
			t.Fatal(err)
		}
	}
	l.west.Connect(westAddr, l.east.ID(), 64, func(frames []*packet.Buffer) {
		for _, p := range frames {
			l.back <- binary.BigEndian.Uint32(p.Bytes())
		}
	})
	go func() {
		<-l.east.Chosen()
		l.east.Connect(eastAddr, l.west.ID(), 64, func(frames []*packet.Buffer) {
			if err := l.east.Send(frames, false); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}()
	l.roundTrip(t, numbered(0, 1))
	return l
}

// roundTrip sends frames and has them back.
func (l *lane) roundTrip(t *testing.T, frames []*packet.Buffer) {
	first := binary.BigEndian.Uint32(frames[0].Bytes())
	if err := l.west.Send(frames, true); err != nil {
		t.Errorf("Send: %v", err)
	}
	for i := range frames {
		if n := <-l.back; n != first+uint32(i) {
			t.Errorf("frame %d came back as %d", int(first)+i, n)
		}
	}
}

// Two calls between the same hosts, one by each carrier, at once.
func TestBothCarriersSideBySide(t *testing.T) {
	hosts(t, 1500, func(west, east *end) {
		lanes := []*lane{newLane(t, west, east, false), newLane(t, west, east, true)}
		var all sync.WaitGroup
		for _, l := range lanes {
			all.Go(func() {
				for first := 1; first < 5000; first += 50 {
					frames := numbered(first, 50)
					for i, p := range frames {
						p.SetLen([]int{1400, 1400, 1400, 60, 576, 1448}[(first+i)/7%6])
					}
					l.roundTrip(t, frames)
				}
			})
		}
		all.Wait()
		for i, want := range []uint16{0, udpPort} {
			l := lanes[i]
			if w, e := l.west.Path().Port, l.east.Path().Port; w != want || e != want {
				t.Errorf("by ports %d and %d, want %d", w, e, want)
			}
			for _, c := range []*Channel{l.west, l.east} {
				if s := c.Stats(); s.Drops != (Drops{}) || s.Lost != 0 || s.SendErrors != 0 {
					t.Errorf("counted %+v", s)
				}
			}
		}
	})
}

// What does not fit is dropped, or goes in fragments: never as a run.
func TestUDPOverANarrowWire(t *testing.T) {
	hosts(t, 1300, func(west, east *end) {
		l := newLane(t, west, east, true)
		frames := numbered(1, 3)
		for _, p := range frames {
			p.SetLen(1300)
		}
		var e *TooBigError
		if err := l.west.Send(frames, true); !errors.As(err, &e) || e.Packets != 3 {
			t.Errorf("Send = %v, want 3 too big", err)
		}
		frames = numbered(4, 3)
		for _, p := range frames {
			p.SetLen(1300)
		}
		if err := l.west.Send(frames, false); err != nil {
			t.Errorf("Send in fragments: %v", err)
		}
		for i := range frames {
			if n := <-l.back; int(n) != 4+i {
				t.Errorf("frame %d came back as %d", 4+i, n)
			}
		}
	})
}

// What a packet of 64 costs by UDP, and by raw GRE in turn, out through the kernel and in
// again. It runs where it is, over lo, and so needs CAP_NET_RAW.
func BenchmarkCarriers(b *testing.B) {
	for _, size := range []int{1400, 576, 64} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkCarriers(b, size) })
	}
}

func benchmarkCarriers(b *testing.B, size int) {
	u, err := OpenUDP(UDPConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer u.Close()
	r, err := OpenRaw(RawConfig{})
	if errors.Is(err, unix.EPERM) {
		b.Skip(err)
	} else if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	in := make([]Datagram, packet.BatchLen)
	for i := range in {
		in[i].Buffer = new(packet.Buffer)
	}
	pkts := make([]*packet.Buffer, packet.BatchLen)
	for i := range pkts {
		pkts[i] = sized(i, size)
	}
	path := Path{Local: loopback(1), Remote: loopback(2)}
	through := func(c Carrier, path Path) func() {
		return func() {
			if err := c.Send(path, pkts, true); err != nil {
				b.Fatal(err)
			}
			for got := 0; got < len(pkts); {
				n, err := c.Receive(in)
				if err != nil {
					b.Fatal(err)
				}
				got += n
			}
		}
	}
	byPort := path
	byPort.Port = u.Port()
	turns.Pair{
		Ours:    turns.Work{Do: through(u, byPort)},
		Measure: turns.Work{Do: through(r, path)},
		Name:    "raw", Packets: len(pkts),
	}.Benchmark(b)
}

// A router on the way says that a packet is too big: the next one that is finds the
// kernel knowing it, runs as well as single packets. Marks must not keep the news from the
// sockets that need it.
func TestUDPHearsOfANarrowPath(t *testing.T) {
	lab := netlab.New(t)
	west, router, east := lab.Namespace("west"), lab.Namespace("router"), lab.Namespace("east")
	lab.Veth(west, "wan", router, "west")
	lab.Veth(router, "east", east, "wan")
	west.Addr("wan", "192.0.2.1/24")
	router.Addr("west", "192.0.2.254/24")
	router.Addr("east", "198.51.100.254/24")
	east.Addr("wan", "198.51.100.2/24")
	router.MTU("east", 1300)
	router.Forward()
	west.Route("198.51.100.0/24", "192.0.2.254")
	east.Route("192.0.2.0/24", "198.51.100.254")
	if err := west.Do(func() error {
		u := openUDP(t, UDPConfig{Mark: 0x5b1d})
		path := Path{Local: westAddr, Remote: netip.MustParseAddr("198.51.100.2"), Port: udpPort}
		for _, run := range []int{1, 3} {
			pkts := make([]*packet.Buffer, run)
			for i := range pkts {
				pkts[i] = sized(i, 1400)
			}
			var e *TooBigError
			late := time.Now().Add(10 * time.Second)
			for !errors.As(u.Send(path, pkts, true), &e) {
				if runtime.Gosched(); time.Now().After(late) {
					t.Fatal("nothing was learned of the path")
				}
			}
			if e.MTU != 1300 || e.Packets != run {
				t.Errorf("%+v, want %d too big for 1300", e, run)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
