package router

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/triggered"
)

// TestLookupAtScale: less than 100 ns for one of ten thousand networks, in no order.
func TestLookupAtScale(t *testing.T) {
	if race.Enabled {
		return // its time is the race detector's: test/run looks at it without
	}
	r, _, _ := large(t, new(wire))
	tab := r.table.Load()
	const lookups = 100 * many
	best := time.Hour
	for range 5 { // the least counts: others use the machine too
		began, n := cpu(), 0
		for range lookups {
			if _, ok := tab.find(ipx.Network(0x10000 + n)); !ok {
				t.Fatal("unknown")
			}
			n = (n + 4099) % many
		}
		best = min(best, cpu()-began)
	}
	one := best / lookups
	t.Logf("%v", one)
	if one > 100*time.Nanosecond {
		t.Errorf("%v for one lookup, want at most 100 ns", one)
	}
}

// TestTellingAtScale: it stays under 20 MiB in all while a LAN and a link are told of
// all, and while all is lost and they are told of that.
func TestTellingAtScale(t *testing.T) {
	if race.Enabled {
		return // the race detector takes memory of its own: test/run looks at it without
	}
	for _, exchange := range []Exchange{ExchangeRIPSAP, ExchangeTriggered} {
		t.Run([]string{ExchangeRIPSAP: "rip-sap", ExchangeTriggered: "triggered"}[exchange], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var quiet, out wire
				before := heap()
				r, _, _ := large(t, &quiet)
				for _, cfg := range []Attachment{
					{Name: "b", Network: netB, Node: nodeB, Send: &out},
					{Name: "m", Kind: Link, Network: 0xE, Node: nodeL, Send: &out, Exchange: exchange},
				} {
					if _, err := r.Attach(cfg); err != nil {
						t.Fatal(err)
					}
				}
				if exchange == ExchangeTriggered { // the peer asks for all, and acknowledges nothing
					for _, socket := range []ipx.Socket{ipx.SocketRIP, ipx.SocketSAP} {
						h := ipx.Header{Src: ipx.Addr{Network: 0xE, Node: peer, Socket: socket}, Dst: ipx.Addr{Network: 0xE, Node: nodeL, Socket: socket}}
						if !r.receive(r.attached[3], &h, triggered.Message{Operation: triggered.OpRequest}.Append(nil)) {
							t.Fatal("request refused")
						}
					}
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- r.Run(ctx) }()
				l, worst := r.attached[1], uint64(0) // the link that all was learned by
				watch := func(when string, d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); {
						time.Sleep(d / 8)
						synctest.Wait()
						out.take()
						l.cfg.Send.(*wire).take()
						used := heap() - before
						worst = max(worst, used)
						if used > 20<<20 {
							t.Errorf("%s: %.1f MiB", when, float64(used)/(1<<20))
						}
					}
				}
				watch("told", 100*time.Second)
				l.Detach()
				watch("lost", 100*time.Second)
				t.Logf("at most %.1f MiB", float64(worst)/(1<<20))
				stop()
				<-ended
				runtime.KeepAlive(r)
			})
		})
	}
}

// heap is what is in use once all else was given back.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one only queued
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
