package fastpath

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

func TestMapReadersSeeWholeStates(t *testing.T) {
	var m Map[string, int]
	if v, ok := m.Get("a"); ok {
		t.Fatalf("empty map holds %d", v)
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for m.All()["a"] < 100 {
				if all := m.All(); all["a"] != all["b"] {
					t.Errorf("half a change seen: %v", all)
					return
				}
			}
		})
	}
	for i := range 101 {
		m.Update(func(next map[string]int) { next["a"], next["b"] = i, i })
	}
	readers.Wait()
}

func TestSorterKeepsOrder(t *testing.T) {
	var s Sorter[string]
	bufs := make([]*packet.Buffer, 6)
	for i := range bufs {
		bufs[i] = packet.Get()
		bufs[i].Set([]byte{byte(i)})
		s.Add([]string{"lan", "link", "lan", "link", "third", "lan"}[i], bufs[i])
	}
	var got []string
	send := func(to string, pkts []*packet.Buffer) {
		line := to
		for _, p := range pkts {
			line += fmt.Sprint(" ", p.Bytes()[0])
		}
		got = append(got, line)
	}
	s.Flush(send)
	s.Flush(send)
	if want := []string{"lan 0 2 5", "link 1 3", "third 4"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestGuessWantsAgreement(t *testing.T) {
	var g Guess
	var believed []ipx.Network
	for _, n := range []ipx.Network{1, 1, 2, 1, 1, ipx.AllNetworks, 1} {
		if g.Hear(n) {
			believed = append(believed, n)
		}
	}
	if want := []ipx.Network{1}; !slices.Equal(believed, want) {
		t.Errorf("believed %v, want %v", believed, want)
	}
}

func TestCountersFillAndSum(t *testing.T) {
	type drops struct{ Short, Long uint64 }
	type stats struct {
		In    uint64
		Drops drops
	}
	var counters [2]atomic.Uint64
	counters[0].Store(3)
	counters[1].Store(4)
	var s, total stats
	Fill(&s.Drops, counters[:])
	s.In = 10
	Sum(&total, s)
	Sum(&total, s)
	if want := (stats{20, drops{6, 8}}); total != want {
		t.Errorf("sum %+v, want %+v", total, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("a counter without a field was accepted")
		}
	}()
	Fill(&s.Drops, counters[:1])
}

func TestIntraNet(t *testing.T) {
	for _, tt := range []struct {
		h    ipx.Header
		want bool
	}{
		{ipx.Header{Src: ipx.Addr{Network: 1}, Dst: ipx.Addr{Network: 1}}, true},
		{ipx.Header{Src: ipx.Addr{Network: 1}, Dst: ipx.Addr{Network: 1}, Hops: 1}, false},
		{ipx.Header{Src: ipx.Addr{Network: 1}, Dst: ipx.Addr{Network: 2}}, false},
		{ipx.Header{}, false},
	} {
		if got := IntraNet(&tt.h); got != tt.want {
			t.Errorf("IntraNet(%+v) = %v", tt.h, got)
		}
	}
}

func TestFastPathDoesNotAllocate(t *testing.T) {
	var m Map[ipx.Addr, *int]
	var s Sorter[ipx.Addr]
	key := ipx.Addr{Network: 1}
	m.Update(func(next map[ipx.Addr]*int) { next[key] = new(int) })
	buf, sent := packet.Get(), 0
	if n := testing.AllocsPerRun(100, func() {
		m.Get(key)
		s.Add(key, buf)
		s.Flush(func(_ ipx.Addr, pkts []*packet.Buffer) { sent += len(pkts) })
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
