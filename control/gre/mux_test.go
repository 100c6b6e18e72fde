package gre

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
)

func host(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, n}) }

// A hub has one carrier for all its peers.
func TestMuxTellsPeersApart(t *testing.T) {
	virtual(t, func(t *testing.T) {
		var net Network
		hub := net.Attach(host(1))
		m := runMux(t, hub)
		const peers = 20
		var boxes [peers]*inbox
		var channels [peers]*Channel
		for i := range peers {
			c, err := m.Open(host(byte(10+i)), ChannelConfig{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			boxes[i], channels[i] = &inbox{t: t}, c
			c.Connect(host(1), 1, 64, boxes[i].receive)
		}
		for seq := range 30 {
			for i, c := range channels {
				p := data(c.ID(), uint32(seq))
				hub.arrive(Datagram{Path{Local: host(1), Remote: host(byte(10 + i))}, buffer(p)})
			}
		}
		synctest.Wait()
		for i, box := range boxes {
			if got := box.take(); !slices.Equal(got, numbers(0, 30)) {
				t.Errorf("peer %d: received %v", i, got)
			}
			if box.calls > 15 { // batches of 64 hold three or four packets of each
				t.Errorf("peer %d: %d calls for 30 frames", i, box.calls)
			}
		}
	})
}

// RFC 2637 lets two peers be given the same call ID; the address decides.
func TestMuxAllowsOneIDForTwoPeers(t *testing.T) {
	m := NewMux(&sink{}, nil, nil)
	x, y := newChannel(m, 7, host(1), ChannelConfig{}), newChannel(m, 7, host(2), ChannelConfig{})
	for _, c := range []*Channel{x, y} {
		next := m.table.Load().clone()
		next.calls[call{c.peer, c.id}], next.byID[c.id] = c, c
		m.table.Store(next)
	}
	now := time.Now()
	m.raw.dispatch([]Datagram{
		{Path{Remote: host(2)}, buffer(data(7, 0))},
		{Path{Remote: host(1)}, buffer(data(7, 0))},
		{Path{Remote: host(2)}, buffer(data(7, 1))},
	}, now)
	if x, y := x.Stats().PacketsReceived, y.Stats().PacketsReceived; x != 1 || y != 2 {
		t.Errorf("received %d and %d, want 1 and 2", x, y)
	}
	y.Close()
	m.raw.dispatch([]Datagram{{Path{Remote: host(1)}, buffer(data(7, 1))}}, now)
	if got := x.Stats().PacketsReceived; got != 2 {
		t.Errorf("received %d after the other call ended, want 2", got)
	}
	x.Close()
}

func TestMuxNamesAStranger(t *testing.T) {
	virtual(t, func(t *testing.T) {
		var log strings.Builder
		a, b := dial(t, ChannelConfig{}, ChannelConfig{Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 10 {
			b.inject(t, host(9), b.peerPacket(0))
		}
		b.inject(t, host(8), b.peerPacket(0))
		mustSend(t, a, numbered(0, 1))
		wantFrames(t, b, []uint32{0})
		if got := b.Stranger(); got != host(8) {
			t.Errorf("stranger %v, want %v", got, host(8))
		}
		if s, m := b.Stats().Drops.WrongSource, b.mux.Stats().Drops.WrongSource; s != 11 || m != 11 {
			t.Errorf("counted %d and %d, want 11", s, m)
		}
		if n := strings.Count(log.String(), "another address"); n != 1 {
			t.Errorf("logged %d lines, want one:\n%s", n, &log)
		}
	})
}

func TestMuxCountsWhatIsMalformed(t *testing.T) {
	virtual(t, func(t *testing.T) {
		_, b := dial(t, ChannelConfig{}, ChannelConfig{})
		for _, p := range []string{
			"3001", "3000 880b 0000 0001 00000000", "3001 880b 0009 0001 00000000",
			"3001 880b 0000 0001 00000000 00",
		} {
			b.inject(t, b.peer, unhex(p))
		}
		b.inject(t, b.peer, encode(Header{CallID: b.ID(), PayloadLen: 4}, []byte("data")))
		synctest.Wait()
		want := MuxStats{Received: 5, Drops: MuxDrops{ShortHeader: 1, NotEnhanced: 1, PayloadShort: 1, PayloadLong: 1}}
		if got := b.mux.Stats(); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		if got := b.Stats().Drops.UnnumberedFrame; got != 1 {
			t.Errorf("counted %d frames without a number, want 1", got)
		}
		wantFrames(t, b, nil)
	})
}

// A sink is a carrier that swallows what is sent and never receives.
type sink struct {
	receive error
	sent    atomic.Int64
}

func (s *sink) Receive([]Datagram) (int, error) { return 0, s.receive }
func (s *sink) Close() error                    { return nil }
func (s *sink) Send(_ Path, pkts []*packet.Buffer, _ bool) error {
	s.sent.Add(int64(len(pkts)))
	return nil
}

// A moody carrier fails a few times before it is closed.
type moody struct {
	sink
	failures int
	calls    int
}

func (m *moody) Receive([]Datagram) (int, error) {
	if m.calls++; m.calls > m.failures {
		return 0, net.ErrClosed
	}
	return 0, errors.New("no memory")
}

func TestMuxOutlivesTheCarriersErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, began := &moody{failures: 12}, time.Now()
		if err := NewMux(m, nil, nil).Run(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run = %v, want the carrier's end", err)
		}
		if m.calls != 13 {
			t.Errorf("Receive called %d times, want 13", m.calls)
		}
		if took := time.Since(began); took < 10*time.Second || took > 5*time.Minute {
			t.Errorf("12 failures took %v: too fast for the processor, or too slow for the peer", took)
		}
	})
}

func TestMuxRefusesNoPeer(t *testing.T) {
	if _, err := NewMux(&sink{}, nil, nil).Open(netip.Addr{}, ChannelConfig{}); err == nil {
		t.Error("Open took an invalid address")
	}
}

func TestCallIDsRest(t *testing.T) {
	var ids callIDs
	empty := &table{}
	start := time.Unix(1e9, 0)
	for id := 1; id < 1<<16; id++ { // all but 200 rest from now on
		if id != 200 {
			ids.retire(call{host(1), uint16(id)}, start)
		}
	}
	if id, err := ids.pick(empty, host(1), start); id != 200 || err != nil {
		t.Fatalf("pick = %d, %v, want the only one left, 200", id, err)
	}
	ids.retire(call{host(1), 200}, start.Add(time.Minute))
	if id, err := ids.pick(empty, host(1), start.Add(reuseAfter-1)); !errors.Is(err, ErrNoCallID) {
		t.Errorf("pick = %d, %v while all rest, want ErrNoCallID", id, err)
	}
	if id, err := ids.pick(empty, host(2), start.Add(reuseAfter-1)); err != nil || id == 0 {
		t.Errorf("pick for another peer = %d, %v", id, err)
	}
	if id, err := ids.pick(empty, host(1), start.Add(reuseAfter)); err != nil || id == 0 || id == 200 {
		t.Errorf("pick = %d, %v after two minutes, want any but 200", id, err)
	}
	ids.wake(start.Add(time.Hour))
	if len(ids.resting)+len(ids.rests)+len(ids.restIDs) != 0 {
		t.Errorf("%d, %d, %d left after all have woken", len(ids.resting), len(ids.rests), len(ids.restIDs))
	}
}

func TestCallIDsInUseAreNotPicked(t *testing.T) {
	var ids callIDs
	used := &table{calls: map[call]*Channel{}, byID: map[uint16]*Channel{}}
	some := new(Channel)
	for id := 1; id < 1<<16; id++ {
		if id != 77 {
			used.calls[call{host(1), uint16(id)}], used.byID[uint16(id)] = some, some
		}
	}
	if id, err := ids.pick(used, host(1), time.Now()); id != 77 || err != nil {
		t.Errorf("pick = %d, %v, want the only one left, 77", id, err)
	}
	used.calls[call{host(1), 77}] = some
	if id, err := ids.pick(used, host(1), time.Now()); !errors.Is(err, ErrNoCallID) {
		t.Errorf("pick = %d, %v, want ErrNoCallID", id, err)
	}
}

func TestMemoryNetwork(t *testing.T) {
	virtual(t, func(t *testing.T) {
		var n Network
		a, b := n.Attach(host(1)), n.Attach(host(2), host(3))
		defer a.Close()
		defer b.Close()
		a.SetLine(Line{Delay: time.Second, MTU: 60})
		in := []Datagram{{Buffer: new(packet.Buffer)}, {Buffer: new(packet.Buffer)}}
		small, large := buffer(make([]byte, 40)), buffer(make([]byte, 41))
		start := time.Now()
		if err := a.Send(Path{Remote: host(3)}, []*packet.Buffer{small, large}, true); !errors.Is(err, ErrTooBig) {
			t.Errorf("Send = %v, want ErrTooBig", err)
		}
		if err := a.Send(Path{Remote: host(4)}, []*packet.Buffer{small}, true); err != nil {
			t.Errorf("Send to nobody = %v, want silence", err)
		}
		got, err := b.Receive(in)
		if err != nil || got != 1 || in[0].Buffer.Len() != 40 || time.Since(start) != time.Second {
			t.Errorf("Receive = %d, %v after %v", got, err, time.Since(start))
		}
		if want := (Path{Local: host(3), Remote: host(1)}); in[0].Path != want {
			t.Errorf("path %v, want %v", in[0].Path, want)
		}
		if got, want := a.Stats(), (MemoryStats{Sent: 2, Unreached: 1}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

func TestFaultsRepeatWithTheirSeed(t *testing.T) {
	run := func(f Fault) string {
		var out strings.Builder
		for i := range 200 {
			for _, p := range f([]byte{byte(i)}) {
				fmt.Fprint(&out, p[0], " ")
			}
		}
		return out.String()
	}
	seeded := func(seed uint64) Fault {
		return Chain(Lose(seed, 0.1), Duplicate(seed, 0.1), Reorder(seed, 0.1, 5))
	}
	first, again, other := run(seeded(1)), run(seeded(1)), run(seeded(2))
	if first != again {
		t.Error("one seed gave two outcomes")
	}
	if first == other {
		t.Error("two seeds gave one outcome")
	}
}
