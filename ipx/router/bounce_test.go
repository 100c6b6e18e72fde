package router

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx/rip"
)

// TestLostAndBackByAnotherWire: a server moves from wire A to B within the second
// in which changes are collected. Who is on B was told of it as behind us, and
// must not go on to take us for a way to it: also when it is lost there at once.
func TestLostAndBackByAnotherWire(t *testing.T) {
	const serverA, serverB = "0000000A:020000000C01:0453", "0000000B:020000000C01:0453"
	for _, tt := range []struct {
		name string
		lost bool // on B as well
		want string
	}{
		{"back", false, "0 R 00000051 16/3; 1000 R 00000051 16/3; 3000 R 00000051 16/3"},
		{"back and lost", true, "0 R 00000051 16/3; 1000 R 00000051 16/3; 3000 R 00000051 16/3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				ask(lab.a, ripTell(serverA, rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
				quiet(lab)
				ask(lab.a, ripTell(serverA, rip.Entry{Network: 0x52, Hops: 1, Ticks: 2}))
				synctest.Wait()
				lab.wireB.take() // the next announcement is in a second
				ask(lab.a, ripTell(serverA, rip.Entry{Network: 0x51, Hops: 16, Ticks: 2}))
				ask(lab.b, ripTell(serverB, rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
				if tt.lost {
					ask(lab.b, ripTell(serverB, rip.Entry{Network: 0x51, Hops: 16, Ticks: 2}))
				}
				time.Sleep(triggerGap)
				wantEqual(t, "on B", timeline(&lab.wireB, 10*time.Second), tt.want)
			})
		})
	}
}

// TestFarewellTellsWhatJustWent: what was lost in the last moment, of which nobody
// has heard yet, is told too; what never was is not.
func TestFarewellTellsWhatJustWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &lab{Router: New(Config{})}
		var w wire
		r.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: &w})
		l := r.attach(t, Attachment{Name: "l", Kind: Link, Network: netL, Send: new(wire)})
		b := r.attach(t, Attachment{Name: "b", Network: netB, Send: new(wire)})
		b.SetStatic(nil, []Service{server("NOWHERE", 0x99, 1)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		quiet(r)
		w.take()
		stop()
		l.Detach()
		<-ended
		wantEqual(t, "told", told(w.take()), "0000000B 16/2, 0000000F 16/7")
	})
}
