package bridge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxwan"
)

// A wanEnd is one end of a link that speaks IPXWAN, and what it made of it.
type wanEnd struct {
	w      *wan
	peer   *wanEnd
	begins bool
	refuse error // of agreed
	lost   bool  // what it sends

	mu      sync.Mutex // guards what follows
	agreed  []ipxwan.Result
	undone  int
	failure string
}

func newWANEnd(node ipx.Network, begins bool) *wanEnd {
	e := &wanEnd{begins: begins}
	e.w = &wan{
		cfg: ipxwan.Config{NodeID: node, Name: "ROUTER", Send: func(pkt []byte) {
			if e.lost {
				return
			}
			p := packet.Get()
			defer packet.Put(p)
			p.Set(pkt)
			e.peer.w.take([]*packet.Buffer{p})
		}},
		in: make(chan *packet.Buffer, wanQueue),
		agreed: func(r ipxwan.Result) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.agreed = append(e.agreed, r)
			return e.refuse
		},
		undone: func() { e.mu.Lock(); defer e.mu.Unlock(); e.undone++ },
		failed: func(reason string) { e.mu.Lock(); defer e.mu.Unlock(); e.failure = reason },
	}
	return e
}

func (e *wanEnd) times() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.agreed)
}

func (e *wanEnd) failedWith() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

// joinWAN runs two ends until the test is over.
func joinWAN(t *testing.T, a, b *wanEnd) {
	ctx, cancel := context.WithCancel(t.Context())
	a.peer, b.peer = b, a
	var ends sync.WaitGroup
	for _, e := range []*wanEnd{a, b} {
		ends.Go(func() { e.w.run(ctx, e.begins) })
	}
	t.Cleanup(func() { cancel(); ends.Wait() })
}

func TestIPXWANAgrees(t *testing.T) {
	for name, begins := range map[string][2]bool{"both begin": {true, true}, "the peer begins": {false, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newWANEnd(0xA, begins[0]), newWANEnd(0xB, begins[1])
				a.w.cfg.Network = 0xFF01
				joinWAN(t, a, b)
				reaches(t, 2*time.Minute, "both agree", func() bool { return a.times() > 0 && b.times() > 0 })
				if a.agreed[0].Network != b.agreed[0].Network || a.agreed[0].PeerName != "ROUTER" {
					t.Errorf("%+v and %+v", a.agreed[0], b.agreed[0])
				}
			})
		})
	}
}

// A peer that begins anew has forgotten what was agreed on.
func TestIPXWANBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newWANEnd(0xA, true), newWANEnd(0xB, true)
		joinWAN(t, a, b)
		reaches(t, 2*time.Minute, "both agree", func() bool { return a.times() > 0 && b.times() > 0 })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		again := newWANEnd(0xB, true)
		again.peer, a.peer = a, again
		go again.w.run(ctx, true)
		reaches(t, 2*time.Minute, "agreed anew", func() bool { return a.times() > 1 && again.times() > 0 })
		if a.undone == 0 {
			t.Error("the link was used all the time")
		}
		cancel()
		synctest.Wait()
	})
}

func TestIPXWANFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(a, b *wanEnd)
		want  string
	}{
		{"a peer that says nothing", func(_, b *wanEnd) { b.lost = true }, "IPXWAN: "},
		{"two with one number", func(a, b *wanEnd) { a.w.cfg.NodeID = b.w.cfg.NodeID }, "IPXWAN: "},
		{"a number that is in use", func(a, _ *wanEnd) { a.refuse = errors.New("network 0000FF01 is in use") }, "in use"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newWANEnd(0xA, true), newWANEnd(0xB, true)
				tt.spoil(a, b)
				joinWAN(t, a, b)
				reaches(t, 3*time.Minute, "it gives up", func() bool { return strings.Contains(a.failedWith(), tt.want) })
			})
		})
	}
}

func TestOnlyIPXWANIsTaken(t *testing.T) {
	w := &wan{in: make(chan *packet.Buffer, 2)}
	var all []*packet.Buffer
	for _, s := range []ipx.Socket{ipx.SocketNCP, ipx.SocketIPXWAN, ipx.SocketIPXWAN, ipx.SocketIPXWAN, ipx.SocketRIP} {
		p := packet.Get()
		p.Set(ipx.AppendPacket(nil, ipx.Header{Dst: ipx.Addr{Node: ipx.Broadcast, Socket: s}}, nil))
		all = append(all, p)
	}
	if rest := w.take(all); len(rest) != 2 || len(w.in) != 2 {
		t.Errorf("%d passed, %d taken", len(rest), len(w.in))
	}
	w.drain()
	if len(w.in) != 0 {
		t.Error("not drained")
	}
}
