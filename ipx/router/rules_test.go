package router

import (
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// TestServiceIsNotToldTowardsItsServer: split horizon for services counts where
// their network is, too, though somebody else told of them.
func TestServiceIsNotToldTowardsItsServer(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		ask(lab.a, ripTell(server1, entryOf(0x51, 1, 2)))
		ask(lab.b, sapTell("0000000B:020000000B01:0452", server("FS", 0x51, 3)))
		time.Sleep(2 * time.Second)
		wantEqual(t, "where the network is", told(lab.wireA.take()), "")
		ask(lab.a, sapAsk(hostA, sap.OpRequest, sap.FileServer))
		wantEqual(t, "asked there", told(lab.wireA.answers()), "")
		ask(lab.b, sapAsk(hostB, sap.OpRequest, sap.FileServer))
		wantEqual(t, "where it was told", told(lab.wireB.answers()), "")
		ask(lab.l, sapAsk("0000000F:020000000F01:4001", sap.OpRequest, sap.FileServer))
		wantEqual(t, "elsewhere", told(lab.wireL.answers()), "0004 FS 4")
		// When the network moves, those who were told hear that it is gone there.
		ask(lab.a, ripTell(server1, entryOf(0x51, 16, 2)))
		time.Sleep(5 * time.Second)
		lab.wireL.take()
		ask(lab.l, ripTell(routerL, entryOf(0x51, 1, 7)))
		time.Sleep(doubtful + 2*sweep)
		ask(lab.l, sapAsk("0000000F:020000000F01:4001", sap.OpRequest, sap.FileServer))
		wantEqual(t, "where it is now", told(lab.wireL.answers()), "")
	})
}

// TestLongerWaysWait: after a loss, news of a longer way may be an echo of our own
// and are not believed for a while; one as short as before is believed at once, and
// so is a way that was known before.
func TestLongerWaysWait(t *testing.T) {
	const net51 ipx.Network = 0x51
	for _, tt := range []struct {
		name        string
		before      []rip.Entry // from another router
		news        rip.Entry
		soon, later string
	}{
		{"longer", nil, entryOf(net51, 4, 9), "", "a 020000000A02 4/9"},
		{"as short", nil, entryOf(net51, 2, 9), "a 020000000A02 2/9", "a 020000000A02 2/9"},
		{"known before", []rip.Entry{entryOf(net51, 4, 9)}, entryOf(net51, 4, 9), "a 020000000A02 4/9", "a 020000000A02 4/9"},
		{"longer than before", []rip.Entry{entryOf(net51, 4, 9)}, entryOf(net51, 5, 9), "", "a 020000000A02 5/9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				ask(lab.a, ripTell(server1, entryOf(net51, 2, 3)))
				time.Sleep(20 * time.Second) // it lasts
				if tt.before != nil {
					ask(lab.a, ripTell(server2, tt.before...))
				}
				ask(lab.a, ripTell(server1, entryOf(net51, 16, 3)))
				ask(lab.a, ripTell(server2, tt.news))
				wantEqual(t, "at once", via(lab.Router, net51), tt.soon)
				if time.Sleep(doubtful - time.Second); tt.soon == "" {
					wantEqual(t, "before the time is over", via(lab.Router, net51), "")
				}
				time.Sleep(time.Second + 2*sweep)
				wantEqual(t, "later", via(lab.Router, net51), tt.later)
			})
		})
	}
}

// TestServicesOnReservedNetworks: there is no server on a number that no wire can
// have, even where a default route leads to everything.
func TestServicesOnReservedNetworks(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL,
			Exchange: ExchangeRIPSAP, Limits: policy.Limits{AcceptNetworks: policy.Networks{{First: 1, Last: ipx.DefaultRoute}}}})
		ask(lab.l, ripTell(routerL, entryOf(ipx.DefaultRoute, 1, 7)))
		for _, n := range []ipx.Network{ipx.ThisNetwork, ipx.DefaultRoute, ipx.AllNetworks} {
			ask(lab.l, sapTell(serverL, server("EVIL", n, 1)))
			ask(lab.a, sapTell(sapA, server("EVIL", n, 1)))
			wantEqual(t, n.String(), len(lab.Services()), 0)
		}
		ask(lab.l, sapTell(serverL, server("GOOD", 0x99, 1)))
		wantEqual(t, "one somewhere", len(lab.Services()), 1)
	})
}

// TestSetTicks: what was measured is in what we tell, and in the least that a way
// by the link can take.
func TestSetTicks(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		ask(lab.l, ripTell(routerL, entryOf(0x51, 2, 9)))
		lab.l.SetTicks(30)
		wantEqual(t, "our own number", via(lab.Router, netL), "l 000000000000 0/30")
		wantEqual(t, "status", lab.l.Info().Ticks, 30)
		wantEqual(t, "a way by it", via(lab.Router, 0x51), "l 000000000000 2/30")
		ask(lab.l, ripAsk(routerL[:21]+":4001", netB))
		wantEqual(t, "told by it", told(lab.wireL.answers()), "0000000B 1/31")
		ask(lab.a, ripAsk(hostA, netL, 0x51))
		wantEqual(t, "told of it", told(lab.wireA.answers()), "0000000F 1/31, 00000051 3/31")
		lab.l.SetTicks(0)
		wantEqual(t, "at least", lab.l.Info().Ticks, 1)
		wantEqual(t, "the way as it was told", via(lab.Router, 0x51), "l 000000000000 2/9")
	})
}

// TestSAPFromAnotherSocket: only what servers and routers send from their own socket
// is an announcement.
func TestSAPFromAnotherSocket(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		ask(lab.a, ripTell(server1, entryOf(0x51, 1, 2)))
		ask(lab.a, sapTell(sapA, server("FS", 0x51, 1)))
		for at, from := range map[*Attached]string{lab.a: "0000000A:020000000A01:", lab.l: "0000000F:020000000F01:"} {
			p := sapTell(from+"4001", server("EVIL", 0x51, 1), server("FS", 0x51, 16))
			p.to = p.to[:21] + ":0452"
			ask(at, p)
			wantEqual(t, "dropped", dropped(at), "ignored=1")
		}
		if s := lab.Services(); len(s) != 1 || s[0].Name != "FS" {
			t.Errorf("services %+v", s)
		}
	})
}
