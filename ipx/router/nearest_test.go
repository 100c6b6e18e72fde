package router

import (
	"testing"
	"time"

	"sitebridge/ipx/policy"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

func TestNearestPolicy(t *testing.T) {
	gns := func(from string) pk { return sapAsk(from, sap.OpNearestRequest, sap.FileServer) }
	for _, tt := range []struct {
		name  string
		cfg   Attachment // of LAN c
		local bool       // a server on c itself
		want  string
	}{
		{"auto", Attachment{}, false, "0004 FAR 2"},
		{"auto, one on the wire", Attachment{}, true, ""},
		{"always", Attachment{Nearest: policy.NearestAlways}, true, "0004 FAR 2"},
		{"never", Attachment{Nearest: policy.NearestNever}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				var w wire
				tt.cfg.Name, tt.cfg.Network, tt.cfg.Node, tt.cfg.Send = "c", 0xC, nodeB, &w
				c := lab.attach(t, tt.cfg)
				lab.addServices(lab.l, server("FAR", netFar, 1))
				if tt.local {
					ask(c, ripTell("0000000C:020000000C01:0453", rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
					ask(c, sapTell("0000000C:020000000C01:0452", server("HERE", 0x51, 1)))
				}
				ask(c, gns("0000000C:020000000C02:4001"))
				wantEqual(t, "told", told(w.answers()), tt.want)
			})
		})
	}
	t.Run("equals take turns", func(t *testing.T) {
		run(t, func(t *testing.T, lab *lab) {
			lab.addServices(lab.l, server("ONE", netFar, 1), server("TWO", netFar, 1), server("FARTHER", netFar, 2))
			for _, want := range []string{"ONE", "TWO", "ONE", "TWO"} {
				ask(lab.a, gns(hostA))
				wantEqual(t, "told", told(lab.wireA.answers()), "0004 "+want+" 2")
			}
		})
	})
	t.Run("not behind this one", func(t *testing.T) {
		run(t, func(t *testing.T, lab *lab) {
			lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL, NotNearest: true})
			lab.configure(lab.l, func(s *statics) { s.services = []Service{server("FAR", netFar, 1)} })
			ask(lab.a, gns(hostA))
			wantEqual(t, "told", told(lab.wireA.answers()), "")
			ask(lab.a, sapAsk(hostA, sap.OpRequest, sap.FileServer))
			wantEqual(t, "all", told(lab.wireA.answers()), "0004 FAR 2")
		})
	})
	t.Run("delay", func(t *testing.T) {
		run(t, func(t *testing.T, lab *lab) {
			var w wire
			c := lab.attach(t, Attachment{Name: "c", Network: 0xC, Node: nodeB, Send: &w, NearestDelay: 500 * time.Millisecond})
			lab.addServices(lab.l, server("FAR", netFar, 1))
			ask(c, gns("0000000C:020000000C02:4001"))
			time.Sleep(499 * time.Millisecond)
			wantEqual(t, "told early", told(w.answers()), "")
			time.Sleep(2 * time.Millisecond)
			wantEqual(t, "told", told(w.answers()), "0004 FAR 2")
		})
	})
}
