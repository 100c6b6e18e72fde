package bridge

import (
	"context"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
)

// A sink is an interface of IPX that takes everything, when it is let.
type sink struct {
	wait chan struct{} // nil: it is let
	got  chan struct{}
}

func (s *sink) Send(ipx.Node, []*packet.Buffer) error {
	if s.wait == nil {
		return nil
	}
	close(s.got)
	<-s.wait
	return nil
}

const lanNetwork ipx.Network = 0xA1

// newWire makes the wire of callers with two of them, beside a LAN each.
func newWire(t *testing.T, lans ...*sink) (anna, bert *wirePlace) {
	t.Helper()
	d := newDaemon(&config.Config{}, discard, "test")
	d.ipx = &ipxPlane{log: discard, router: router.New(router.Config{Log: discard})}
	w, err := openRemoteWire(&site{d: d, log: discard, cfg: roadSite("10.9.0.0/24", 64)})
	if err != nil {
		t.Fatal(err)
	}
	for i, lan := range lans {
		if _, err := d.ipx.router.Attach(router.Attachment{
			Name: "lan", Kind: router.LAN, Network: lanNetwork + ipx.Network(i), Node: ipx.Node{2, 5: 9}, Send: lan,
		}); err != nil {
			t.Fatal(err)
		}
	}
	var both [2]*wirePlace
	for i := range both {
		l := new(ipxLink)
		if err := w.join(l, callerNode(i)); err != nil {
			t.Fatal(err)
		}
		both[i] = w.place(l)
	}
	return both[0], both[1]
}

func callerNode(i int) ipx.Node { return ipx.Node{2, 0, 0, 0, 1, byte(i)} }

// toLAN is a packet of a caller to a station on a LAN.
func toLAN(caller int, lan ipx.Network) []byte {
	return ipx.AppendPacket(nil, ipx.Header{Checksum: ipx.NoChecksum, Length: ipx.HeaderLen,
		Dst: ipx.Addr{Network: lan, Node: ipx.Node{2, 5: 77}, Socket: 0x4000},
		Src: ipx.Addr{Network: roadNetwork, Node: callerNode(caller), Socket: 0x4000}}, nil)
}

// No caller waits until another's packets are where they go to.
func TestCallersDoNotWaitForEachOther(t *testing.T) {
	slow := &sink{wait: make(chan struct{}), got: make(chan struct{})}
	anna, bert := newWire(t, slow, new(sink))
	send := func(w *wirePlace, pkt []byte) {
		p := packet.Get()
		defer packet.Put(p)
		p.Set(pkt)
		w.input([]*packet.Buffer{p})
	}
	var sending sync.WaitGroup
	sending.Go(func() { send(anna, toLAN(0, lanNetwork)) })
	<-slow.got
	ctx, done := context.WithTimeout(t.Context(), 10*time.Second)
	sending.Go(func() { send(bert, toLAN(1, lanNetwork+1)); done() })
	if <-ctx.Done(); ctx.Err() != context.Canceled {
		t.Error("what bert sends waits for what anna sends")
	}
	close(slow.wait)
	sending.Wait()
}

func TestCallersInputDoesNotAllocate(t *testing.T) {
	anna, _ := newWire(t, new(sink))
	pkt := toLAN(0, lanNetwork)
	batch := make([]*packet.Buffer, packet.BatchLen)
	for i := range batch {
		batch[i] = new(packet.Buffer)
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range batch {
			p.Set(pkt)
		}
		anna.input(batch)
	}); n != 0 && !race.Enabled {
		t.Errorf("%v allocations per batch", n)
	}
}
