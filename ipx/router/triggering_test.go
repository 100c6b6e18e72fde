package router

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/triggered"
)

var changesOnly = Attachment{Kind: Link, Exchange: ExchangeTriggered, Hold: time.Minute}

// pair is two routers with a LAN each and a link between them; on the second one's
// LAN are a hundred networks and services.
func pair(net *internet, first, second Attachment) (a, b *Router) {
	a, b = net.router(0xA0), net.router(0xB0)
	net.join("xa", Attachment{Kind: LAN, Network: 0x1A}, a)
	net.join("xb", Attachment{Kind: LAN, Network: 0x1B}, b)
	var routes []Route
	var services []Service
	for i := range 100 {
		routes = append(routes, Route{Network: ipx.Network(0x1000 + i), Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}})
		services = append(services, server(fmt.Sprint("FS", i), ipx.Network(0x1000+i), 1))
	}
	net.at("xb/0").SetStatic(routes, services)
	net.join("l", first, a)
	net.joinAs("l", 1, second, b)
	return a, b
}

func exchanges(r *Router) string {
	w := r.Wires()
	return w[len(w)-1].Exchange
}

// TestTriggeredLink: everything comes over once, changes come at once, and else
// the line is silent; nothing ages.
func TestTriggeredLink(t *testing.T) {
	inInternet(t, func(net *internet) {
		a, b := pair(net, changesOnly, changesOnly)
		time.Sleep(5 * time.Second)
		if n := len(a.Routes()); n != 104 || len(a.Services()) != 100 || exchanges(a) != "triggered" {
			t.Fatalf("%d routes, %d services, %q", n, len(a.Services()), exchanges(a))
		}
		wantEqual(t, "the other way", known(b)[:11], "1A/1 1B/0 A")
		before := net.count("l")
		time.Sleep(time.Hour)
		if n := net.count("l") - before; n != 0 {
			t.Errorf("%d packets in an hour without a change", n)
		}
		if len(a.Routes()) != 104 || len(a.Services()) != 100 {
			t.Error("aged")
		}
		ask(net.at("xb/0"), ripTell("0000001B:020000000B01:0453", rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
		ask(net.at("xb/0"), sapTell("0000001B:020000000B01:0452", server("NEW", 0x51, 1)))
		time.Sleep(100 * time.Millisecond)
		if got := via(a, 0x51); got != "l/0 000000000000 2/8" || len(a.Services()) != 101 {
			t.Errorf("new: %q, %d services", got, len(a.Services()))
		}
		net.at("xb/0").Detach()
		time.Sleep(3 * time.Second)
		wantEqual(t, "what was lost", known(a), "1A/0 A0/0 B0/1")
		if n := net.count("l") - before; n > 40 {
			t.Errorf("%d packets for these changes", n)
		}
	})
}

// TestTriggeredFallsBack: a peer that speaks only RIP and SAP gets them, and
// status says so; one that comes later as ours is met as such.
func TestTriggeredFallsBack(t *testing.T) {
	inInternet(t, func(net *internet) {
		a, b := pair(net, changesOnly, Attachment{Kind: Link, Exchange: ExchangeRIPSAP})
		time.Sleep(40 * time.Second)
		wantEqual(t, "exchange", exchanges(a)+", "+exchanges(b), "triggered, fallen back to rip-sap, rip-sap")
		if len(a.Routes()) != 104 || len(a.Services()) != 100 || !strings.Contains(known(b), "1A/1") {
			t.Errorf("%d routes, %d services; %s", len(a.Routes()), len(a.Services()), known(b)[:20])
		}
		net.detach("l/1")
		net.joinAs("l", 1, changesOnly, b)
		time.Sleep(20 * time.Second)
		wantEqual(t, "exchange", exchanges(a)+", "+exchanges(b), "triggered, triggered")
		if len(a.Routes()) != 104 || len(a.Services()) != 100 || !strings.Contains(known(b), "1A/1") {
			t.Errorf("%d routes, %d services; %s", len(a.Routes()), len(a.Services()), known(b)[:20])
		}
	})
}

// TestStaticPeerIsAskedAgain: a peer that answers and announces nothing is asked before
// what it told has aged, by whoever exchanges changes alone or periodically.
func TestStaticPeerIsAskedAgain(t *testing.T) {
	for _, cfg := range []Attachment{changesOnly, {Kind: Link, Exchange: ExchangeRIPSAP}} {
		inInternet(t, func(net *internet) {
			a, _ := pair(net, cfg, Attachment{Kind: Link, Exchange: ExchangeStatic})
			for range 6 {
				time.Sleep(3 * time.Minute)
				if len(a.Routes()) != 104 || len(a.Services()) != 100 {
					t.Errorf("%d routes, %d services", len(a.Routes()), len(a.Services()))
				}
			}
		})
	}
}

// TestTriggeredFarewell: whoever ends says so to the peer, which has the last word.
func TestTriggeredFarewell(t *testing.T) {
	for _, cfg := range []Attachment{changesOnly, links[1]} {
		inInternet(t, func(net *internet) {
			a, b := pair(net, cfg, cfg)
			time.Sleep(10 * time.Second)
			net.stop[b]()
			wantEqual(t, "known of the other", known(a), "1A/0 A0/0")
			if n := len(a.Services()); n != 0 {
				t.Errorf("%d services", n)
			}
		})
	}
}

// TestTriggeredTakeOver: what was held for a site and is not in the first full
// update of its next link goes when that is whole.
func TestTriggeredTakeOver(t *testing.T) {
	inInternet(t, func(net *internet) {
		a, b := pair(net, changesOnly, changesOnly)
		time.Sleep(5 * time.Second)
		net.detach("l/0")
		net.detach("l/1")
		if len(a.Services()) != 100 {
			t.Error("not held")
		}
		s := []Service{server("FS1", 0x1001, 1)}
		net.at("xb/0").SetStatic([]Route{{Network: 0x1001, Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}}}, s)
		time.Sleep(10 * time.Second)
		net.joinAs("l", 0, changesOnly, a)
		net.joinAs("l", 1, changesOnly, b)
		if len(a.Services()) != 100 {
			t.Error("not taken over")
		}
		time.Sleep(5 * time.Second)
		wantEqual(t, "known", known(a), "1A/0 1B/1 A0/0 B0/1 1001/2")
		if len(a.Services()) != 1 {
			t.Errorf("%d services", len(a.Services()))
		}
	})
}

// TestTriggeredMessagesElsewhere: where it is not spoken they are no RIP or SAP.
func TestTriggeredMessagesElsewhere(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		for _, m := range []triggered.Message{{Operation: triggered.OpRequest}, {Operation: triggered.OpResponse, Flush: true}} {
			ask(lab.l, pk{from: routerL, to: "0000000F:FFFFFFFFFFFF:0453", data: string(m.Append(nil))})
			ask(lab.l, pk{from: serverL, to: "0000000F:FFFFFFFFFFFF:0452", data: string(m.Append(nil))})
		}
		wantEqual(t, "answers", told(lab.wireL.answers()), "")
		wantEqual(t, "dropped", dropped(lab.l), "ignored=4")
	})
}

// TestTriggeredHearsAgain: what found no room, or was our own number, is learned
// once there is room, or the number is ours no longer, though the peer says
// nothing twice. What it took back takes no room.
func TestTriggeredHearsAgain(t *testing.T) {
	behind := func(base int) (r []Route, s []Service) {
		for i := range 50 {
			r = append(r, Route{Network: ipx.Network(base + i), Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}})
			s = append(s, server(fmt.Sprint("FS", base+i), ipx.Network(base+i), 1))
		}
		return r, s
	}
	alive := func(r *Router) (n int) {
		for _, i := range r.Routes() {
			if !i.Down {
				n++
			}
		}
		return n
	}
	inInternet(t, func(net *internet) {
		first := changesOnly
		first.Limits = policy.Limits{MaxNetworks: 60, MaxServices: 60}
		a, b := net.router(0xA0), net.router(0xB0)
		net.join("xb", Attachment{Kind: LAN, Network: 0x1B}, b)
		net.at("xb/0").SetStatic(behind(0x1000))
		net.joinAs("l", 0, first, a)
		net.joinAs("l", 1, changesOnly, b)
		time.Sleep(5 * time.Second)
		wantEqual(t, "first", fmt.Sprint(alive(a), len(a.Services())), "53 50")
		net.at("xb/0").SetStatic(behind(0x2000))
		time.Sleep(10 * time.Second)
		wantEqual(t, "all others instead", fmt.Sprint(alive(a), len(a.Services())), "53 50")
		more, services := behind(0x2000)
		others, _ := behind(0x3000)
		net.at("xb/0").SetStatic(append(more, others...), services)
		time.Sleep(10 * time.Minute)
		wantEqual(t, "too many", alive(a), 1+60)
		if before := net.count("l"); true {
			time.Sleep(time.Hour)
			wantEqual(t, "packets while there is no room", net.count("l")-before, 0)
		}
		net.at("xb/0").SetStatic(behind(0x3000))
		time.Sleep(2 * time.Minute)
		wantEqual(t, "room again", fmt.Sprint(alive(a), len(a.Services())), "53 50")
	})
	inInternet(t, func(net *internet) {
		a, b := net.router(0xA0), net.router(0xB0)
		net.join("xa", Attachment{Kind: LAN, Network: 0x77}, a)
		net.join("xb", Attachment{Kind: LAN, Network: 0x1B}, b)
		net.at("xb/0").SetStatic([]Route{{Network: 0x77, Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}}}, nil)
		net.join("l", changesOnly, a, b)
		time.Sleep(5 * time.Second)
		wantEqual(t, "ours", via(a, 0x77), "xa/0 000000000000 0/1")
		net.detach("xa/0")
		time.Sleep(againSoon + doubtful + 2*sweep)
		wantEqual(t, "ours no longer", via(a, 0x77), "l/0 000000000000 2/8")
		net.joinAs("xa", 0, Attachment{Kind: LAN, Network: 0x77}, a)
		time.Sleep(time.Minute)
		net.detach("xa/0")
		time.Sleep(time.Minute)
		wantEqual(t, "a second time", via(a, 0x77), "l/0 000000000000 2/8")
	})
}
