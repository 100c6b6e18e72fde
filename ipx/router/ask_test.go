package router

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/rip"
)

// TestAsk: what the peer of a static link has is returned, and not used.
func TestAsk(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Node: nodeL, Send: &lab.wireL, Limits: policy.Limits{AcceptNetworks: policy.Networks{{First: 1, Last: 0xFF}}}})
		quiet(lab)
		type result struct {
			routes   []Route
			services []Service
			err      error
		}
		done := make(chan result)
		asked := time.Now()
		go func() {
			routes, services, err := lab.l.Ask(t.Context())
			done <- result{routes, services, err}
		}()
		wantEqual(t, "said", timeline(&lab.wireL, 0), "0 R?; 0 S?")
		if _, _, err := lab.l.Ask(t.Context()); err == nil {
			t.Error("asked twice at once")
		}
		for i := range ipx.Network(3) {
			time.Sleep(1500 * time.Millisecond)
			ask(lab.l, ripTell(routerL, rip.Entry{Network: 0x51 + i, Hops: 1, Ticks: 2}, rip.Entry{Network: netA, Hops: 1, Ticks: 1},
				rip.Entry{Network: 0x66, Hops: 16}, rip.Entry{Network: 0x777, Hops: 1}, rip.Entry{Network: 0}))
			ask(lab.l, sapTell(serverL, server(fmt.Sprint("FS", int(i)), 0x51, 1), server("GONE", 0x51, 16), server("NO", 0x777, 1)))
		}
		got := <-done
		if took := time.Since(asked); took != 6500*time.Millisecond || got.err != nil {
			t.Errorf("after %v: %v", took, got.err)
		}
		wantEqual(t, "routes", got.routes, []Route{{Network: 0x51, Hops: 1, Ticks: 2}, {Network: 0x52, Hops: 1, Ticks: 2}, {Network: 0x53, Hops: 1, Ticks: 2}})
		wantEqual(t, "services", got.services, []Service{server("FS0", 0x51, 1), server("FS1", 0x51, 1), server("FS2", 0x51, 1)})
		wantEqual(t, "used", via(lab.Router, 0x51), "")

		if _, _, err := lab.l.Ask(t.Context()); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("a silent peer: %v", err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, _, err := lab.l.Ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no time: %v", err)
		}
		lab.l.Detach()
		if _, _, err := lab.l.Ask(t.Context()); err == nil {
			t.Error("asked a link that is down")
		}
		synctest.Wait()
	})
}
