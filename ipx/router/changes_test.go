package router

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// TestLossOfManyIsToldInOneGo: a loss that takes longer to tell than until it is
// repeated is told to its end first. The repetition comes after it.
func TestLossOfManyIsToldInOneGo(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		const many, packets = 500, (500 + sap.MaxServices - 1) / sap.MaxServices
		var services []Service
		for i := range many {
			services = append(services, server(fmt.Sprintf("FS%03d", i), netFar, 1))
		}
		lab.addServices(lab.b, services...)
		quiet(lab)
		lab.configure(lab.b, func(s *statics) { s.services = nil })
		var names []string
		for range packets {
			synctest.Wait()
			for _, s := range lab.wireA.news() {
				_, payload, _ := ipx.Parse(s.pkt)
				m, _ := sap.Parse(payload)
				for _, one := range m.Services {
					names = append(names, one.Name)
				}
			}
			time.Sleep(gap)
		}
		slices.Sort(names)
		if n := len(slices.Compact(names)); n != many {
			t.Errorf("%d services told as lost in %d ticks, want all %d", n, packets, many)
		}
	})
}

// TestLossIsToldAfterAPause: a loss that nobody was told of until it is repeated, since
// the machine slept, is told to a peer that hears no repetitions.
func TestLossIsToldAfterAPause(t *testing.T) {
	inInternet(t, func(net *internet) {
		a, b := pair(net, changesOnly, changesOnly)
		time.Sleep(5 * time.Second)
		b.mu.Lock()
		now := time.Now()
		b.setStatic(net.at("xb/0"), nil, nil, now)
		b.settle(now)
		later := now.Add(poisonGap)
		b.routes.repeatPoison(later)
		b.services.repeatPoison(later)
		b.mu.Unlock()
		time.Sleep(5 * time.Second)
		if got := known(a); strings.Contains(got, "1000") || len(a.Services()) != 0 {
			t.Errorf("still known: %s, and %d services", got, len(a.Services()))
		}
	})
}

// TestNewAddressOfAService is told like a new one, by either exchange.
func TestNewAddressOfAService(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		ask(lab.a, ripTell(server1, rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}, rip.Entry{Network: 0x52, Hops: 1, Ticks: 2}))
		ask(lab.a, sapTell(sapA, server("FS", 0x51, 1)))
		quiet(lab)
		ask(lab.a, sapTell(sapA, server("FS", 0x52, 1)))
		wantEqual(t, "moved", timeline(&lab.wireB, time.Second), "0 S 0004 FS 2")
	})
	inInternet(t, func(net *internet) {
		a, _ := pair(net, changesOnly, changesOnly)
		time.Sleep(5 * time.Second)
		net.at("xb/0").SetStatic([]Route{{Network: 0x1000, Hops: 1, Ticks: 2}, {Network: 0x2000, Hops: 1, Ticks: 2}}, []Service{server("FS0", 0x2000, 1)})
		time.Sleep(5 * time.Second)
		if s := a.Services(); len(s) != 1 || s[0].Addr.Network != 0x2000 {
			t.Errorf("services %+v", s)
		}
	})
}

// TestNewTicksAreTriggered: a peer that gets no full updates is told when a way, or the
// link itself, takes more or less time.
func TestNewTicksAreTriggered(t *testing.T) {
	inInternet(t, func(net *internet) {
		a, _ := pair(net, changesOnly, changesOnly)
		tell := func(ticks uint16) {
			ask(net.at("xb/0"), ripTell("0000001B:020000000B01:0453", rip.Entry{Network: 0x51, Hops: 1, Ticks: ticks}))
			time.Sleep(2 * time.Second)
		}
		tell(2)
		time.Sleep(5 * time.Second)
		wantEqual(t, "at first", via(a, 0x51), "l/0 000000000000 2/8")
		tell(5)
		wantEqual(t, "a way that takes longer", via(a, 0x51), "l/0 000000000000 2/11")
		net.at("l/1").SetTicks(1)
		time.Sleep(2 * time.Second)
		wantEqual(t, "a faster link, says the peer", via(a, 0x51)+", "+via(a, 0x1B), "l/0 000000000000 2/6, l/0 000000000000 1/6")
		net.at("l/0").SetTicks(1)
		time.Sleep(2 * time.Second)
		wantEqual(t, "and it is", via(a, 0x51), "l/0 000000000000 2/6")
		wantEqual(t, "the LAN of the peer", via(a, 0x1B), "l/0 000000000000 1/2")
		before := net.count("l")
		time.Sleep(time.Minute)
		if n := net.count("l") - before; n != 0 {
			t.Errorf("%d packets in a minute without a change", n)
		}
	})
}
