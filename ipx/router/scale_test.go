package router

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

const many = 10000

// large makes a router that learned many networks and services by a link, packet
// by packet, and has LAN A; it returns how long the learning took.
func large(tb testing.TB, out *wire) (r *Router, a *Attached, took time.Duration) {
	tb.Helper()
	r = New(Config{})
	attach := func(cfg Attachment) *Attached {
		at, err := r.Attach(cfg)
		if err != nil {
			tb.Fatal(err)
		}
		return at
	}
	a = attach(Attachment{Name: "a", Network: netA, Node: nodeA, Send: out, Exchange: ExchangeStatic})
	cfg := Attachment{Name: "l", Kind: Link, Network: netL, Node: nodeL, Send: new(wire), Exchange: ExchangeRIPSAP}
	cfg.Limits.MaxNetworks, cfg.Limits.MaxServices = many, many
	l := attach(cfg)
	h := &ipx.Header{Src: addr(routerL)}
	now := time.Now()
	var routes [][]rip.Entry
	for n := 0; n < many; n += rip.MaxEntries {
		var some []rip.Entry
		for i := range rip.MaxEntries {
			// Not in order, as after a change.
			some = append(some, rip.Entry{Network: ipx.Network(0x10000 + (n+i)*7919%many), Hops: 2, Ticks: 3})
		}
		routes = append(routes, some)
	}
	var services [][]Service
	for n := 0; n < many; n += sap.MaxServices {
		var some []Service
		for i := n; i < min(n+sap.MaxServices, many); i++ {
			k := i * 7919 % many
			some = append(some, Service{Type: sap.ServiceType(1 + k%50), Name: fmt.Sprintf("SERVER-OF-THE-BRANCH-%d", k), Hops: 3, Addr: ipx.Addr{Network: ipx.Network(0x10000 + k), Node: ipx.ServerNode}})
		}
		services = append(services, some)
	}
	began := cpu()
	for _, some := range routes {
		r.learnRoutes(l, h, some, now)
	}
	for _, some := range services {
		r.learnServices(l, h, some, now)
	}
	took = cpu() - began
	if n, m := len(r.Routes()), len(r.Services()); n != many+2 || m != many {
		tb.Fatalf("%d routes, %d services", n, m)
	}
	return r, a, took
}

// TestTenThousand: learned in well under a second, in less than 20 MiB.
func TestTenThousand(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r, _, took := large(t, new(wire))
	used := heap() - before
	t.Logf("%v of CPU, %.1f MiB", took, float64(used)/(1<<20))
	if used > 20<<20 {
		t.Errorf("%d octets of heap", used)
	}
	if took > 500*time.Millisecond && !race.Enabled {
		t.Errorf("learning took %v", took)
	}
	runtime.KeepAlive(r)
}

// TestLookupDoesNotAllocate among ten thousand networks.
func TestLookupDoesNotAllocate(t *testing.T) {
	r, _, _ := large(t, new(wire))
	tab, n := r.table.Load(), ipx.Network(0x10000)
	if allocs := testing.AllocsPerRun(1000, func() {
		if _, ok := tab.find(n); !ok {
			t.Fatal("unknown")
		}
		n = 0x10000 + (n+1)%many
	}); allocs != 0 && !race.Enabled {
		t.Errorf("%v allocations", allocs)
	}
}

// TestFullSAPAnswerIsPaced: ten thousand services leave at exactly one packet a
// tick.
func TestFullSAPAnswerIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		r, a, _ := large(t, &w)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx); close(ended) }()
		synctest.Wait()
		w.take()
		began := time.Now()
		ask(a, sapAsk(hostA, sap.OpRequest, sap.AnyType))
		packets, services := 0, 0
		for {
			synctest.Wait()
			out := w.answers()
			if len(out) != 1 {
				t.Fatalf("after %v, %d packets: %d at once", time.Since(began), packets, len(out))
			}
			_, payload, _ := ipx.Parse(out[0].pkt)
			m, _ := sap.Parse(payload)
			packets++
			if services += len(m.Services); services == many {
				break
			}
			time.Sleep(gap)
		}
		if want := (many + sap.MaxServices - 1) / sap.MaxServices; packets != want || time.Since(began) != time.Duration(want-1)*gap {
			t.Errorf("%d packets in %v, want %d", packets, time.Since(began), want)
		}
		stop()
		<-ended
	})
}

func BenchmarkLookup(b *testing.B) {
	r, _, _ := large(b, new(wire))
	tab, n := r.table.Load(), 0
	b.ReportAllocs()
	for b.Loop() {
		tab.find(ipx.Network(0x10000 + n))
		n = (n + 4099) % many
	}
}

// BenchmarkRefresh is one packet of routes that are known already.
func BenchmarkRefresh(b *testing.B) {
	r, _, _ := large(b, new(wire))
	var some []rip.Entry
	for i := range rip.MaxEntries {
		some = append(some, rip.Entry{Network: ipx.Network(0x10000 + i*97), Hops: 2, Ticks: 3})
	}
	h, now, l := &ipx.Header{Src: addr(routerL)}, time.Now(), r.attached[1]
	b.ReportAllocs()
	for b.Loop() {
		r.learnRoutes(l, h, some, now)
	}
}

// BenchmarkChange is one packet of fifty routes that all changed.
func BenchmarkChange(b *testing.B) {
	r, _, _ := large(b, new(wire))
	h, now, l := &ipx.Header{Src: addr(routerL)}, time.Now(), r.attached[1]
	some := make([]rip.Entry, rip.MaxEntries)
	b.ReportAllocs()
	for k := 0; b.Loop(); k++ {
		for i := range some {
			some[i] = rip.Entry{Network: ipx.Network(0x10000 + i*97), Hops: 2, Ticks: uint16(3 + k%2)}
		}
		r.learnRoutes(l, h, some, now)
		r.mu.Lock()
		r.trim()
		r.mu.Unlock()
	}
}
