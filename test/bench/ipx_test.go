package bench

import (
	"context"
	"encoding/binary"
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

const (
	ipxLen      = 576 // octets of a packet that every IPX router carries
	burstLen    = 64
	benchSocket = ipx.Socket(0x5b1d)
)

// ipx measures IPX packets from LAN to LAN in bursts, the tunnels in turn.
func (b *bench) ipx() {
	b.printf("IPX, packets of %d octets in bursts of %d, a to b, packets per second\n", ipxLen, burstLen)
	l := b.newIPXLine()
	for _, flying := range []int{1, 4} {
		rates := map[string][]float64{}
		loss := map[string][]float64{}
		for range *rounds {
			for _, w := range tunnels {
				l.trip.Store(l.trips[w.name])
				sent, got, took := l.run(b.T, flying)
				if got > sent {
					b.T.Errorf("%s: %d IPX packets of %d arrived", w.name, got, sent)
				}
				rates[w.name] = append(rates[w.name], float64(got)/took.Seconds())
				loss[w.name] = append(loss[w.name], lost(sent, got))
			}
		}
		b.printf("  %d at once:", flying)
		for _, w := range tunnels {
			b.printf("  %s %.0f (%.2f %% lost, of clear %.2f)",
				w.name, median(rates[w.name]), median(loss[w.name]), ratio(rates[w.name], rates[inClear.name]))
		}
		b.printf("\n")
	}
}

// An ipxLine sends from a host at one site to one at the other.
type ipxLine struct {
	out     port.Port
	trips   map[string]*ipxTrip // by way
	trip    atomic.Pointer[ipxTrip]
	arrived atomic.Int64
	wake    chan struct{} // something arrived
}

// An ipxTrip is how packets go, which depends on the networks that they are from and to.
type ipxTrip struct {
	frame  ipx.Encapsulation
	router ipx.Node // our next hop
	head   ipx.Header
}

func (b *bench) newIPXLine() *ipxLine {
	b.T.Helper()
	l := &ipxLine{out: b.Port(b.HostA, "lan"), trips: map[string]*ipxTrip{}, wake: make(chan struct{}, 1)}
	for _, w := range tunnels {
		l.trips[w.name] = b.newIPXTrip(w)
	}
	l.trip.Store(l.trips[inClear.name])
	in := b.Port(b.HostB, "lan")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in.Run(ctx, l.receive)
	}()
	b.T.Cleanup(func() {
		cancel()
		<-ended
	})
	return l
}

func (b *bench) newIPXTrip(w way) *ipxTrip {
	b.T.Helper()
	near, router := b.find(b.HostA, w.frame, w.ipxB)
	far, _ := b.find(b.HostB, w.frame, w.ipxA)
	return &ipxTrip{frame: w.frame, router: router, head: ipx.Header{Type: ipx.TypePEP, Src: near, Dst: far}}
}

// find lets a station find its number and the way to another network, as hosts do.
// The station is gone afterwards: it would take its share of all that is sent.
func (b *bench) find(host *netlab.Namespace, frame ipx.Encapsulation, other ipx.Network) (ipx.Addr, ipx.Node) {
	b.T.Helper()
	s, stop := b.briefStation(host, frame)
	defer stop()
	route, err := s.FindRoute(b.Patiently(), other)
	if err != nil {
		b.T.Fatal(err)
	}
	addr := s.Addr()
	addr.Socket = benchSocket
	return addr, route.Router
}

func (b *bench) briefStation(host *netlab.Namespace, frame ipx.Encapsulation) (s *station.Station, stop func()) {
	p := b.Port(host, "lan")
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

func (l *ipxLine) receive(frames []port.Frame) {
	n, to := 0, l.trip.Load().head.Dst
	for _, f := range frames {
		if h, payload, err := ipx.Parse(f.Packet.Bytes()); err == nil && h.Dst == to && len(payload) == ipxLen-ipx.HeaderLen {
			n++
		}
	}
	l.arrived.Add(int64(n))
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run sends bursts for a slice of time, so many being under way at most. A
// burst that is not whole after a while has lost something.
func (l *ipxLine) run(t *testing.T, flying int) (sent, got int, took time.Duration) {
	batch := make([]*packet.Buffer, burstLen)
	for i := range batch {
		batch[i] = packet.Get()
		defer packet.Put(batch[i])
	}
	payload := make([]byte, ipxLen-ipx.HeaderLen)
	var pkt []byte
	trip := l.trip.Load()
	first, given, began := l.arrived.Load(), 0, time.Now()
	arrived := func() int { return int(l.arrived.Load() - first) }
	for time.Since(began) < *slice {
		for i := range batch {
			binary.BigEndian.PutUint64(payload, uint64(sent+i))
			pkt = ipx.AppendPacket(pkt[:0], trip.head, payload)
			batch[i].Set(pkt)
		}
		if l.out.Send(trip.frame, trip.router, l.out.MAC(), batch) != nil {
			return sent, arrived(), time.Since(began)
		}
		sent += burstLen
		if !l.wait(func() bool { return sent-given-arrived() <= (flying-1)*burstLen }) {
			given = sent - arrived() // up
		}
	}
	l.wait(func() bool { return arrived() == sent })
	took = time.Since(began)
	lab.Wait(t, "an IPX packet arrives", func() bool { return arrived() > 0 })
	return sent, arrived(), took
}

// wait waits until enough has arrived. It reports false when nothing has
// arrived for 100 ms.
func (l *ipxLine) wait(enough func() bool) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !enough() {
		timer.Reset(100 * time.Millisecond)
		select {
		case <-l.wake:
		case <-timer.C:
			return enough()
		}
	}
	return true
}
