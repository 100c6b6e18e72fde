package gre

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

// A rawWire is a Raw at each end of a veth pair; a bypasses its IP layer when hop says how.
type rawWire struct {
	a, b *Raw
	path Path // from a to b
	in   *rawReader
	hop  atomic.Pointer[NextHop]
	look atomic.Int64 // how often a has looked
}

func newRawWire(t *testing.T) *rawWire {
	l := netlab.New(t)
	na, nb := l.Namespace("a"), l.Namespace("b")
	l.Veth(na, "wan", nb, "wan")
	na.Addr("wan", "192.0.2.1/24")
	nb.Addr("wan", "192.0.2.2/24")
	w := &rawWire{path: Path{Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2")}}
	la, errA := na.Handle().LinkByName("wan")
	lb, errB := nb.Handle().LinkByName("wan")
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	w.hop.Store(&NextHop{Device: la.Attrs().Index, From: [6]byte(la.Attrs().HardwareAddr), To: [6]byte(lb.Attrs().HardwareAddr), MTU: 1500})
	inside := func(ns *netlab.Namespace, f func()) {
		if err := ns.Do(func() error { f(); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	inside(na, func() {
		w.a = openRaw(t, RawConfig{Mark: 7, NextHop: func(Path) (NextHop, error) {
			defer w.look.Add(1)
			if h := w.hop.Load(); h != nil {
				return *h, nil
			}
			return NextHop{}, errors.New("no hop today")
		}})
	})
	inside(nb, func() { w.b = openRaw(t, RawConfig{}) })
	w.in = read(t, w.b)
	return w
}

// send sends a batch, and wants it to arrive as it is.
func (w *rawWire) send(t *testing.T, n int, df bool) {
	t.Helper()
	pkts := rawBatch(n, 100)
	want := slices.Collect(func(yield func([]byte) bool) {
		for _, p := range pkts {
			yield(slices.Clone(p.Bytes()))
		}
	})
	if err := w.a.Send(w.path, pkts, df); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		d := <-w.in.got
		if !slices.Equal(d.Buffer.Bytes(), want[i]) || d.Path.Remote != w.path.Local || d.Path.Local != w.path.Remote {
			t.Fatalf("packet %d came as % x by %v, want % x", i, d.Buffer.Bytes(), d.Path, want[i])
		}
	}
}

// rawBatch makes enhanced GRE packets that differ.
func rawBatch(n, length int) []*packet.Buffer {
	pkts := make([]*packet.Buffer, n)
	for i := range pkts {
		b := make([]byte, length)
		h := Header{CallID: 9, HasSeq: true, Seq: uint32(i), PayloadLen: uint16(length - 12)}
		h.Put(b)
		pkts[i] = buffer(b)
	}
	return pkts
}

// learned waits until a has looked once more.
func (w *rawWire) learned(t *testing.T) {
	t.Helper()
	before := w.look.Load()
	w.send(t, bypassFrom, true)
	for w.look.Load() == before || w.a.bypass.slot(w.path).Load() == nil || !w.a.bypass.holds(w.a.bypass.slot(w.path).Load(), w.path) {
		runtime.Gosched()
	}
}

func (w *rawWire) wantBypassed(t *testing.T, what string, packets uint64) {
	t.Helper()
	if got := w.a.Stats().Bypassed; got != packets {
		t.Errorf("%s: %d packets went past the IP layer, want %d", what, got, packets)
	}
}

func TestBypass(t *testing.T) {
	t.Parallel()
	w := newRawWire(t)
	w.learned(t)
	w.wantBypassed(t, "while nothing is known", 0)
	w.send(t, 40, true)
	w.wantBypassed(t, "a stream", 40)
	w.send(t, bypassFrom-1, true)
	w.send(t, 40, false)
	w.wantBypassed(t, "few packets, and those that may be cut", 40)

	w.a.HostChanged()
	w.learned(t)
	w.wantBypassed(t, "after a change", 40)
	w.send(t, 40, true)
	w.wantBypassed(t, "after a look", 80)

	w.hop.Store(nil)
	w.a.HostChanged()
	w.learned(t)
	w.send(t, 40, true)
	w.wantBypassed(t, "without a simple way", 80)
}

// What the path does not take the raw socket refuses, in its words.
func TestBypassTakesNothingTooLong(t *testing.T) {
	t.Parallel()
	w := newRawWire(t)
	w.learned(t)
	pkts := append(rawBatch(20, 100), buffer(make([]byte, 1481)))
	err := w.a.Send(w.path, pkts, true)
	var tooBig *TooBigError
	if !errors.As(err, &tooBig) || tooBig.Packets != 1 {
		t.Errorf("Send: %v, want one packet too big", err)
	}
	w.wantBypassed(t, "a packet that is too long", 0)
}

// An interface that is gone costs no packet: the raw socket takes what is left.
func TestBypassEndsWithItsInterface(t *testing.T) {
	t.Parallel()
	w := newRawWire(t)
	hop := *w.hop.Load()
	hop.Device = 4711
	w.hop.Store(&hop)
	w.learned(t)
	w.send(t, 40, true)
	w.wantBypassed(t, "by no interface", 0)
}

func TestBypassAllocatesNothing(t *testing.T) {
	w := newRawWire(t)
	w.learned(t)
	w.b.Close() // who reads allocates
	<-w.in.done
	pkts := rawBatch(32, 100)
	n := testing.AllocsPerRun(100, func() {
		if err := w.a.Send(w.path, pkts, true); err != nil {
			t.Fatal(err)
		}
		for _, p := range pkts {
			p.TrimFront(p.Len() - 100)
		}
	})
	if n != 0 && !race.Enabled {
		t.Errorf("%v allocations for a batch", n)
	}
}
