package router

import (
	"fmt"
	"testing"
	"time"

	"sitebridge/ipx"
)

// TestPoliteDetach: who is told goodbye gives everything up at once, whatever was
// exchanged, though it would hold it else.
func TestPoliteDetach(t *testing.T) {
	polite := func(e Exchange) Attachment { return Attachment{Kind: Link, Exchange: e, Hold: time.Hour} }
	for _, tt := range []struct {
		name          string
		first, second Attachment
		limit         time.Duration
	}{
		{"rip-sap", polite(ExchangeRIPSAP), polite(ExchangeRIPSAP), 2 * time.Second},
		{"triggered", polite(ExchangeTriggered), polite(ExchangeTriggered), 2 * time.Second},
		{"triggered, fallen back", polite(ExchangeRIPSAP), polite(ExchangeTriggered), 2 * time.Second},
		{"in a hurry", polite(ExchangeRIPSAP), polite(ExchangeRIPSAP), 50 * time.Millisecond},
		{"triggered, in a hurry", polite(ExchangeTriggered), polite(ExchangeTriggered), 50 * time.Millisecond},
		{"a LAN", Attachment{Kind: LAN, Network: 0x33}, Attachment{Kind: LAN, Network: 0x33}, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inInternet(t, func(net *internet) {
				a, _ := pair(net, tt.first, tt.second)
				c := net.router(0xC0)
				net.join("ac", polite(ExchangeRIPSAP), a, c)
				time.Sleep(2 * time.Minute)
				wantEqual(t, "before", fmt.Sprint(len(a.Services()), len(c.Services())), "100 100")
				began, end := time.Now(), net.at("l/1")
				end.Farewell(tt.limit)
				if took := time.Since(began); took > tt.limit {
					t.Errorf("took %v", took)
				}
				if end.face.Load() != nil {
					t.Error("still attached")
				}
				end.Farewell(tt.limit) // nothing is left to say
				time.Sleep(100 * time.Millisecond)
				if got := via(a, 0x1B) + via(a, 0x1000) + via(a, 0xB0); got != "" || len(a.Services()) != 0 {
					t.Errorf("still known: %q, %d services", got, len(a.Services()))
				}
				time.Sleep(2 * time.Second)
				wantEqual(t, "third parties", fmt.Sprint(via(c, 0x1000), len(c.Services())), "0")
				net.at("l/0").Detach()
				wantEqual(t, "held", via(a, 0x1000), "")
			})
		})
	}
}

// TestPoliteDetachIsTheEnd: nothing is said after it began, and a link that says nothing
// has nothing to take back.
func TestPoliteDetachIsTheEnd(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		var routes []Route
		for i := range 120 {
			routes = append(routes, Route{Network: ipx.Network(0x1000 + i), Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}})
		}
		lab.addRoutes(lab.a, routes...)
		quiet(lab)
		done := make(chan struct{})
		go func() { lab.l.Farewell(time.Minute); close(done) }()
		time.Sleep(gap / 2)
		lab.addRoutes(lab.b, Route{Network: 0x99, Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}})
		<-done
		time.Sleep(2 * time.Minute)
		packets := lab.wireL.news()
		wantEqual(t, "packets", len(packets), 3)
		for _, s := range packets {
			if n := len(told([]sent{s})); n == 0 {
				t.Error("no entries")
			}
		}
		wantEqual(t, "attached", len(lab.Wires()), 2)
		static := lab.attach(t, Attachment{Name: "s", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL})
		quiet(lab)
		static.Farewell(time.Minute)
		wantEqual(t, "packets of a static one", len(lab.wireL.news()), 0)
	})
}
