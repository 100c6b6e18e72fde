package bench

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/station"
)

const (
	ipxLen      = 576 // octets of a packet that every IPX router carries
	burstLen    = 64
	benchSocket = ipx.Socket(0x5b1d)
)

// ipx measures IPX packets from LAN to LAN in bursts.
func (b *bench) ipx() {
	l := b.newIPXLine()
	b.printf("IPX, packets of %d octets in bursts of %d, a to b\n", ipxLen, burstLen)
	for _, flying := range []int{1, 4} {
		sent, got, took := l.run(flying)
		b.printf("  %d at once: %6.0f packets per second, %.2f %% of %d lost\n",
			flying, float64(got)/took.Seconds(), lost(sent, got), sent)
		if got == 0 || got > sent {
			b.T.Errorf("%d IPX packets of %d arrived", got, sent)
		}
	}
}

// An ipxLine sends from a host at one site to one at the other.
type ipxLine struct {
	out     port.Port
	router  ipx.Node // our next hop
	head    ipx.Header
	arrived atomic.Int64
	wake    chan struct{} // something arrived
}

func (b *bench) newIPXLine() *ipxLine {
	b.T.Helper()
	near, far := b.find(b.Station(b.HostA, "lan", ipx.Ethernet8022), 0x20), b.find(b.Station(b.HostB, "lan", ipx.Ethernet8022), 0x10)
	l := &ipxLine{out: b.Port(b.HostA, "lan"), router: near.via, wake: make(chan struct{}, 1)}
	l.head = ipx.Header{Type: ipx.TypePEP, Src: near.addr, Dst: far.addr}
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

// A place is where a station is, and its router.
type place struct {
	addr ipx.Addr
	via  ipx.Node
}

// find lets a station find its number and the way to another network, as hosts
// do.
func (b *bench) find(s *station.Station, other ipx.Network) place {
	b.T.Helper()
	route, err := s.FindRoute(b.Patiently(), other)
	if err != nil {
		b.T.Fatal(err)
	}
	addr := s.Addr()
	addr.Socket = benchSocket
	return place{addr, route.Router}
}

func (l *ipxLine) receive(frames []port.Frame) {
	n := 0
	for _, f := range frames {
		if h, payload, err := ipx.Parse(f.Packet.Bytes()); err == nil && h.Dst == l.head.Dst && len(payload) == ipxLen-ipx.HeaderLen {
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
func (l *ipxLine) run(flying int) (sent, got int, took time.Duration) {
	batch := make([]*packet.Buffer, burstLen)
	for i := range batch {
		batch[i] = packet.Get()
		defer packet.Put(batch[i])
	}
	payload := make([]byte, ipxLen-ipx.HeaderLen)
	var pkt []byte
	first, given, began := l.arrived.Load(), 0, time.Now()
	arrived := func() int { return int(l.arrived.Load() - first) }
	for time.Since(began) < *slice {
		for i := range batch {
			binary.BigEndian.PutUint64(payload, uint64(sent+i))
			pkt = ipx.AppendPacket(pkt[:0], l.head, payload)
			batch[i].Set(pkt)
		}
		if l.out.Send(ipx.Ethernet8022, l.router, l.out.MAC(), batch) != nil {
			return sent, arrived(), time.Since(began)
		}
		sent += burstLen
		if !l.wait(func() bool { return sent-given-arrived() <= (flying-1)*burstLen }) {
			given = sent - arrived() // up
		}
	}
	l.wait(func() bool { return arrived() == sent })
	return sent, arrived(), time.Since(began)
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
