package bench

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/station"
	"sitebridge/test/lab"
)

// An ipxLine sends bursts from the host at site-a to the one at site-b, on the
// interface of that name at both.
type ipxLine struct {
	out, in port.Port
	flight  atomic.Pointer[ipxFlight]
}

// An ipxTrip is how packets go, which depends on the networks that they are from and to.
type ipxTrip struct {
	frame  ipx.Encapsulation
	router ipx.Node // our next hop
	head   ipx.Header
}

// An ipxFlight is one measurement. Whoever receives also sends, as soon as there is
// room for a burst: handing that over to somebody else would cost more than a packet
// does on its way.
type ipxFlight struct {
	line   *ipxLine
	trip   *ipxTrip
	length int // of the packets
	flying int // bursts that may be under way
	began  time.Time

	mu    sync.Mutex // guards what follows
	burst *ipxBurst  // nil: the measurement has ended
	until time.Duration
	sent  int
	got   int
	given int           // up: it counts as lost
	last  time.Duration // when something last arrived, or was given up
	idle  time.Duration // spent waiting for what was lost
	err   error
}

func newIPXLine(w *lab.World, ifname string) *ipxLine {
	w.T.Helper()
	l := &ipxLine{out: w.Port(w.HostA, ifname), in: w.Port(w.HostB, ifname)}
	l.flight.Store(&ipxFlight{trip: new(ipxTrip)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.in.Run(ctx, l.receive)
	}()
	w.T.Cleanup(func() {
		cancel()
		<-ended
	})
	return l
}

// newRoutedTrip lets the hosts find their numbers and the way to each other.
func newRoutedTrip(w *lab.World, ifname string, frame ipx.Encapsulation, a, b ipx.Network) *ipxTrip {
	w.T.Helper()
	near, router := find(w, w.HostA, ifname, frame, b)
	far, _ := find(w, w.HostB, ifname, frame, a)
	return &ipxTrip{frame: frame, router: router, head: ipx.Header{Type: ipx.TypePEP, Src: near, Dst: far}}
}

// newBridgedTrip is a trip to a station on the same network, of no number. What is
// for a station that has never been heard goes to everywhere, and so is limited as
// broadcasts are.
func (l *ipxLine) newBridgedTrip(frame ipx.Encapsulation) *ipxTrip {
	near := ipx.Addr{Node: l.out.MAC(), Socket: benchSocket}
	far := ipx.Addr{Node: l.in.MAC(), Socket: benchSocket}
	return &ipxTrip{frame: frame, router: far.Node, head: ipx.Header{Type: ipx.TypePEP, Src: near, Dst: far}}
}

// speak sends a broadcast from the far host, so that it is heard.
func (l *ipxLine) speak(t *testing.T, trip *ipxTrip) {
	t.Helper()
	hello := packet.Get()
	defer packet.Put(hello)
	all := ipx.Addr{Node: ipx.Broadcast, Socket: benchSocket}
	hello.Set(ipx.AppendPacket(nil, ipx.Header{Type: ipx.TypePEP, Src: trip.head.Dst, Dst: all}, nil))
	if err := l.in.Send(trip.frame, ipx.Broadcast, l.in.MAC(), []*packet.Buffer{hello}); err != nil {
		t.Fatal(err)
	}
}

// find lets a station find its number and the way to another network, as hosts do.
// The station is gone afterwards: it would take its share of all that is sent.
func find(w *lab.World, host *netlab.Namespace, ifname string, frame ipx.Encapsulation, other ipx.Network) (ipx.Addr, ipx.Node) {
	w.T.Helper()
	s, stop := briefStation(w, host, ifname, frame)
	defer stop()
	route, err := s.FindRoute(w.Patiently(), other)
	if err != nil {
		w.T.Fatal(err)
	}
	addr := s.Addr()
	addr.Socket = benchSocket
	return addr, route.Router
}

func briefStation(w *lab.World, host *netlab.Namespace, ifname string, frame ipx.Encapsulation) (s *station.Station, stop func()) {
	p := w.Port(host, ifname)
	s = station.New(p, frame)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	return s, func() {
		cancel()
		<-ended
		p.Close()
	}
}

// warm sends until everything arrives, and for long enough that the judges of the wires
// have seen all that they want to: they cost time.
func (l *ipxLine) warm(t *testing.T, trip *ipxTrip) {
	t.Helper()
	lab.Wait(t, "a burst of IPX packets arrives", func() bool {
		if trip.head.Dst.Network == 0 { // of this network
			l.speak(t, trip)
		}
		f := l.fly(trip, ipxLen, 1, 0, burstPatience)
		return f.err == nil && f.got == f.sent
	})
	l.fly(trip, ipxLen, 1, *slice/4, burstPatience)
}

// run sends bursts for a slice of time, so many being under way at most.
func (l *ipxLine) run(t *testing.T, trip *ipxTrip, length, flying int, slice time.Duration) *ipxFlight {
	t.Helper()
	f := l.fly(trip, length, flying, slice, lastPatience)
	if f.err != nil {
		t.Fatal(f.err)
	}
	if f.got == 0 || f.got > f.sent {
		t.Errorf("%d IPX packets of %d arrived", f.got, f.sent)
	}
	return f
}

// How long a burst may be under way with nothing arriving before some of it counts
// as lost: while others follow, and at the end. And how often that is looked at.
const (
	burstPatience = 100 * time.Millisecond
	lastPatience  = 2 * time.Second
	lookEvery     = 10 * time.Millisecond
)

// fly sends one burst, and more until the time is over. The time for which nothing
// arrived because something was lost does not count.
func (l *ipxLine) fly(trip *ipxTrip, length, flying int, slice, patience time.Duration) *ipxFlight {
	f := &ipxFlight{line: l, trip: trip, length: length, flying: flying, began: time.Now(), until: slice, burst: newIPXBurst()}
	l.flight.Store(f)
	f.arrive(0)
	for !f.ended(patience) {
		time.Sleep(lookEvery)
	}
	return f
}

// ended reports whether all has arrived, or has not for longer than patience. Before
// the time is over it gives up what was lost, and sends on.
func (f *ipxFlight) ended(patience time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Since(f.began)
	over, silent := now >= f.until, now-f.last
	switch {
	case f.err != nil, over && f.got == f.sent, over && silent > patience:
		f.burst.free()
		f.burst = nil
		return true
	case !over && silent > burstPatience:
		f.given, f.last, f.idle = f.sent-f.got, now, f.idle+silent
		f.send(now)
	}
	return false
}

// send sends as many bursts as there is room for; the first one at any time. The lock
// is held.
func (f *ipxFlight) send(now time.Duration) {
	room := func() bool { return now < f.until && f.sent-f.given-f.got <= (f.flying-1)*burstLen }
	for f.burst != nil && f.err == nil && (f.sent == 0 || room()) {
		f.burst.fill(f.trip.head, f.length, f.sent)
		f.sent += burstLen
		f.err = f.line.out.Send(f.trip.frame, f.trip.router, f.line.out.MAC(), f.burst.packets)
	}
}

// receive counts what arrives, and sends what there is room for then.
func (l *ipxLine) receive(frames []port.Frame) {
	f, n := l.flight.Load(), 0
	for _, frame := range frames {
		h, payload, err := ipx.Parse(frame.Packet.Bytes())
		if err == nil && h.Dst == f.trip.head.Dst && len(payload) == f.length-ipx.HeaderLen {
			n++
		}
	}
	if n > 0 {
		f.arrive(n)
	}
}

func (f *ipxFlight) arrive(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.burst == nil {
		return // what is late is too late
	}
	f.got += n
	f.last = time.Since(f.began)
	f.send(f.last)
}

// An ipxBurst is packets that are sent at once.
type ipxBurst struct {
	packets []*packet.Buffer
	payload []byte
	pkt     []byte
}

func newIPXBurst() *ipxBurst {
	b := &ipxBurst{packets: make([]*packet.Buffer, burstLen), payload: make([]byte, packet.MaxLen)}
	for i := range b.packets {
		b.packets[i] = packet.Get()
	}
	return b
}

func (b *ipxBurst) free() {
	for _, p := range b.packets {
		packet.Put(p)
	}
}

// fill makes packets of that length, numbered from first.
func (b *ipxBurst) fill(head ipx.Header, length, first int) {
	payload := b.payload[:length-ipx.HeaderLen]
	for i, p := range b.packets {
		binary.BigEndian.PutUint64(payload, uint64(first+i))
		b.pkt = ipx.AppendPacket(b.pkt[:0], head, payload)
		p.Set(b.pkt)
	}
}
