package router

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

const (
	server1 = "0000000A:020000000A01:0453"
	server2 = "0000000A:020000000A02:0453"
	inside  = "00005EA1:000000000001:0451"
)

// via returns the way to n as "a 020000000A01 1/2", or "".
func via(r *Router, n ipx.Network) string {
	for _, route := range r.Routes() {
		if route.Network == n && !route.Down {
			return fmt.Sprintf("%s %v %d/%d", route.Via, route.Next, route.Hops, route.Ticks)
		}
	}
	return ""
}

// TestLearnRoutes: what servers on a LAN announce is the way to their insides.
func TestLearnRoutes(t *testing.T) {
	const net5 ipx.Network = 0x5EA1
	run(t, func(t *testing.T, lab *lab) {
		for _, step := range []struct {
			name string
			tell pk
			want string
		}{
			{"new", ripTell(server1, rip.Entry{Network: net5, Hops: 1, Ticks: 3}), "a 020000000A01 1/3"},
			{"worse from another", ripTell(server2, rip.Entry{Network: net5, Hops: 1, Ticks: 4}), "a 020000000A01 1/3"},
			{"equal from another", ripTell(server2, rip.Entry{Network: net5, Hops: 1, Ticks: 3}), "a 020000000A01 1/3"},
			{"fewer ticks, more hops", ripTell(server2, rip.Entry{Network: net5, Hops: 3, Ticks: 2}), "a 020000000A02 3/2"},
			{"worse from the present one", ripTell(server2, rip.Entry{Network: net5, Hops: 3, Ticks: 9}), "a 020000000A01 1/3"},
			{"better again", ripTell(server2, rip.Entry{Network: net5, Hops: 1, Ticks: 2}), "a 020000000A02 1/2"},
			{"down from another", ripTell(server1, rip.Entry{Network: net5, Hops: 16, Ticks: 2}), "a 020000000A02 1/2"},
			{"known from both", ripTell(server1, rip.Entry{Network: net5, Hops: 1, Ticks: 3}), "a 020000000A02 1/2"},
			{"down from the present one: the other takes over", ripTell(server2, rip.Entry{Network: net5, Hops: 16, Ticks: 2}), "a 020000000A01 1/3"},
			{"and is down too", ripTell(server1, rip.Entry{Network: net5, Hops: 16, Ticks: 2}), ""},
			{"back", ripTell(server2, rip.Entry{Network: net5, Hops: 1, Ticks: 9}), "a 020000000A02 1/9"},
			{"down from the present one", ripTell(server2, rip.Entry{Network: net5, Hops: 16, Ticks: 2}), ""},
			{"an impossible entry before it", ripTell(server1, rip.Entry{}, rip.Entry{Network: ipx.AllNetworks}, rip.Entry{Network: net5, Hops: 1, Ticks: 2}), "a 020000000A01 1/2"},
			{"from a program that is no router", pk{from: "0000000A:020000000A01:4001", to: "0000000A:FFFFFFFFFFFF:0453", data: string(rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: net5, Hops: 16}}}.Append(nil))}, "a 020000000A01 1/2"},
			{"from another wire's router", ripTell("0000000B:020000000A01:0453", rip.Entry{Network: net5, Hops: 16}), "a 020000000A01 1/2"},
		} {
			ask(lab.a, step.tell)
			if got := via(lab.Router, net5); got != step.want {
				t.Errorf("%s: %q, want %q", step.name, got, step.want)
			}
		}
		input(lab.l, pk{from: hostFar, to: inside}.bytes(), ToUs)
		if got, want := show(lab.wireA.take()), "to 020000000A01: "+hostFar+" > "+inside+" hops 1 type 0"; got != want {
			t.Errorf("from afar to the inside of the server: %s, want %s", got, want)
		}
		for _, n := range []ipx.Network{netB, netHome, netFar} {
			before := via(lab.Router, n)
			ask(lab.a, ripTell(server1, rip.Entry{Network: n, Hops: 1, Ticks: 1}))
			if got := via(lab.Router, n); got != before {
				t.Errorf("%v, ours or a site's, is now by %q", n, got)
			}
		}
		ask(lab.l, ripTell("0000000F:020000000F01:0453", rip.Entry{Network: 0x88, Hops: 1, Ticks: 1}))
		if got := via(lab.Router, 0x88); got != "" {
			t.Errorf("learned by a link: %s", got)
		}
	})
}

// TestLearnedRoutesAge: after three of the neighbour's periods, but not before
// 185 s. mars_nwe announces every two minutes.
func TestLearnedRoutesAge(t *testing.T) {
	entry := rip.Entry{Network: 0x5EA1, Hops: 1, Ticks: 2}
	for _, tt := range []struct {
		period, want time.Duration
	}{
		{0, 185 * time.Second}, {30 * time.Second, 185 * time.Second}, {120 * time.Second, 360 * time.Second},
	} {
		t.Run(tt.period.String(), func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				for range 3 {
					ask(lab.a, ripTell(server1, entry))
					ask(lab.a, sapTell("0000000A:020000000A01:0452", server("FS", 0x5EA1, 1)))
					time.Sleep(tt.period)
				}
				known := func() bool { return via(lab.Router, 0x5EA1) != "" && len(lab.Services()) == 1 }
				if time.Sleep(tt.want - tt.period - time.Second); !known() {
					t.Error("forgotten too early")
				}
				if time.Sleep(2*time.Second + sweep); known() || via(lab.Router, 0x5EA1) != "" {
					t.Error("still known")
				}
			})
		})
	}
}

func TestLearnServices(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		ask(lab.a, ripTell(server1, rip.Entry{Network: 0x5EA1, Hops: 1, Ticks: 2}, rip.Entry{Network: 0x5EA2, Hops: 2, Ticks: 3}))
		for _, step := range []struct {
			name string
			tell pk
			want string
		}{
			{"new", sapTell("0000000A:020000000A01:0452", server("FS", 0x5EA1, 2)), "FS 00005EA1 2"},
			{"farther from another", sapTell("0000000A:020000000A02:0452", server("FS", 0x5EA2, 3)), "FS 00005EA1 2"},
			{"nearer from another", sapTell("0000000A:020000000A02:0452", server("FS", 0x5EA2, 1)), "FS 00005EA2 1"},
			{"down from the first", sapTell("0000000A:020000000A01:0452", server("FS", 0x5EA1, 16)), "FS 00005EA2 1"},
			{"down from the present one", sapTell("0000000A:020000000A02:0452", server("FS", 0x5EA2, 16)), ""},
			{"without a route", sapTell("0000000A:020000000A01:0452", server("LOST", 0x99, 1)), ""},
		} {
			ask(lab.a, step.tell)
			got := ""
			for _, s := range lab.Services() {
				got += fmt.Sprintf("%s %v %d", s.Name, s.Addr.Network, s.Hops)
			}
			if got != step.want {
				t.Errorf("%s: %q, want %q", step.name, got, step.want)
			}
		}
	})
}

func TestNumberIsLearned(t *testing.T) {
	hello := pk{from: "0000B0B0:020000000C01:4001", to: "0000B0B0:FFFFFFFFFFFF:5000"}
	for _, tt := range []struct {
		name string
		hear []pk
		want ipx.Network
	}{
		{"from agreeing packets", []pk{hello, hello, hello}, 0xB0B0},
		{"not from two", []pk{hello, hello}, 0},
		{"not from packets that crossed a router", []pk{
			{from: "0000B0B0:020000000C01:4001", to: "0000B0B0:FFFFFFFFFFFF:5000", hops: 1},
			{from: "0000B0B0:020000000C01:4001", to: "0000A0A0:FFFFFFFFFFFF:5000"},
			{from: "0000B0B0:020000000C01:4001", to: "00000000:FFFFFFFFFFFF:5000"}}, 0},
		{"from one router", []pk{ripTell("0000B0B0:020000000C01:0453", rip.Entry{Network: 0x5EA1, Hops: 1, Ticks: 2})}, 0xB0B0},
		{"not one of our own", []pk{ripTell("0000000B:020000000C01:0453", rip.Entry{Network: 0x5EA1, Hops: 1, Ticks: 2})}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				var w wire
				c := lab.attach(t, Attachment{Name: "c", Learn: true, Node: node("020000000C99"), Send: &w})
				synctest.Wait()
				if got, want := show(w.take()), "to FFFFFFFFFFFF: 00000000:020000000C99:0453 > 00000000:FFFFFFFFFFFF:0453 hops 0 type 1"; got != want {
					t.Errorf("asked %q, want %q", got, want)
				}
				for _, p := range tt.hear {
					ask(c, p)
				}
				if got := c.Network(); got != tt.want {
					t.Errorf("network %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestAnswerThatNamesTheWireIsNotLost: the first response teaches the number and
// its routes.
func TestAnswerThatNamesTheWireIsNotLost(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		var w wire
		c := lab.attach(t, Attachment{Name: "c", Learn: true, Node: node("020000000C99"), Send: &w})
		ask(c, ripTell("0000B0B0:020000000C01:0453", rip.Entry{Network: 0x5EA1, Hops: 1, Ticks: 2}))
		if got, want := via(lab.Router, 0x5EA1), "c 020000000C01 1/2"; got != want {
			t.Errorf("way %q, want %q", got, want)
		}
		if w := lab.Wires()[3]; !w.Learned || w.Network != 0xB0B0 {
			t.Errorf("status %+v", w)
		}
	})
}

func TestNodeChanges(t *testing.T) {
	lab := newLab(t)
	fresh := node("020000000A98")
	lab.a.SetNode(fresh)
	if got := lab.Wires()[0].Node; got != fresh {
		t.Errorf("node %v, want %v", got, fresh)
	}
	input(lab.a, pk{from: "0000000A:020000000A98:4001", to: hostB}.bytes(), ToUs)
	if got := dropped(lab.a); got != "own_frame=1" {
		t.Errorf("dropped %q", got)
	}
}

func TestClaims(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		ask(lab.a, ripTell("0000A0A0:020000000A01:0453", rip.Entry{Network: 0x5EA1, Hops: 1, Ticks: 2}))
		ask(lab.a, pk{from: "000000DD:020000000A02:4001", to: "000000DD:FFFFFFFFFFFF:5000"})
		ask(lab.a, pk{from: "000000EE:020000000A02:4001", to: hostB}) // routed: says nothing of the wire
		ask(lab.a, pk{from: hostA, to: "0000000A:FFFFFFFFFFFF:5000"})
		got := ""
		for _, c := range lab.Wires()[0].Claims {
			got += fmt.Sprintf("%v by %v, ", c.Network, c.Node)
		}
		if want := "000000DD by 020000000A02, 0000A0A0 by 020000000A01, "; got != want {
			t.Errorf("claims %q, want %q", got, want)
		}
		if via(lab.Router, 0x5EA1) != "" {
			t.Error("learned from a router that takes the wire for another")
		}
		for n := range ipx.Network(100) {
			from := fmt.Sprintf("%v:020000000A02:4001", 0x100+n)
			ask(lab.a, pk{from: from, to: from[:9] + "FFFFFFFFFFFF:5000"})
		}
		if n := len(lab.Wires()[0].Claims); n != maxClaims {
			t.Errorf("%d claims remembered, want %d", n, maxClaims)
		}
		if time.Sleep(silent + time.Second); len(lab.Wires()[0].Claims) != 0 {
			t.Error("claims outlive those who made them")
		}
	})
}

func TestNodes(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		ask(lab.a, pk{from: hostA, to: "0000000A:FFFFFFFFFFFF:5000"})
		input(lab.b, pk{from: "00000000:020000000B02:4001", to: "0000000B:020000000B03:5000"}.bytes(), ToSomebody)
		ask(lab.b, pk{from: hostFar, to: "0000000B:FFFFFFFFFFFF:5000"}) // not a station of that wire
		got := ""
		for _, n := range lab.Nodes() {
			got += fmt.Sprintf("%v:%v by %s, ", n.Network, n.Node, n.Via)
		}
		if want := "0000000A:020000000A01 by a, 0000000B:020000000B02 by b, "; got != want {
			t.Errorf("nodes %q, want %q", got, want)
		}
		if time.Sleep(silent + time.Second); len(lab.Nodes()) != 0 {
			t.Error("silent nodes are still shown")
		}
	})
}

func TestNodeTableIsBounded(t *testing.T) {
	lab := newLab(t)
	now := time.Now()
	for i := range maxNodes + 100 {
		lab.a.sight(ipx.Node{2, 0, 0, 0, byte(i >> 8), byte(i)}, now)
	}
	if n := len(lab.a.nodes.All()); n != maxNodes {
		t.Errorf("%d nodes, want %d", n, maxNodes)
	}
	lab.a.sight(node("02FFFFFFFFFF"), now.Add(silent+time.Second))
	if n := len(lab.a.nodes.All()); n != 1 {
		t.Errorf("%d nodes after the others fell silent, want 1", n)
	}
}

func TestDuplicateNumbersAreRefused(t *testing.T) {
	lab := newLab(t)
	var duplicate *DuplicateError
	_, err := lab.Attach(Attachment{Name: "twin", Network: netB})
	if !errors.As(err, &duplicate) || duplicate.Name != "b" {
		t.Errorf("Attach: %v", err)
	}
	if err := lab.l.SetNetwork(netHome); !errors.As(err, &duplicate) {
		t.Errorf("SetNetwork: %v", err)
	}
	if err := lab.l.SetNetwork(netL); err != nil {
		t.Errorf("SetNetwork to its own: %v", err)
	}
	for n, want := range map[ipx.Network]bool{netA: true, netFar: true, netHome: true, 0x99: false} {
		if got := lab.InUse(n); got != want {
			t.Errorf("InUse(%v) = %v", n, got)
		}
	}
	if _, err := lab.Attach(Attachment{Name: "all", Network: ipx.AllNetworks}); err == nil {
		t.Error("FFFFFFFF was taken for a wire")
	}
}

// TestAlternatives: the same network behind two sites; the better one is taken
// while it lasts.
func TestAlternatives(t *testing.T) {
	lab := newLab(t)
	var second wire
	m := lab.attach(t, Attachment{Name: "m", Kind: Link, Node: nodeL, Send: &second})
	lab.addRoutes(m, Route{Network: netFar, Hops: 2, Ticks: 3})
	if got, want := via(lab.Router, netFar), "m 000000000000 2/3"; got != want {
		t.Errorf("way %q, want %q", got, want)
	}
	input(lab.l, pk{from: hostFar, to: hostB}.bytes(), ToUs)
	if len(lab.wireB.take()) != 1 {
		t.Error("the network is behind the first site too")
	}
	m.Detach()
	if got, want := via(lab.Router, netFar), "l 000000000000 1/7"; got != want {
		t.Errorf("way %q, want %q", got, want)
	}
	input(m, pk{from: hostFar, to: hostB}.bytes(), ToUs)
	if got := dropped(m); got != "detached=1" {
		t.Errorf("dropped %q", got)
	}
}

// TestFloodOfRequestsIsBounded: when Run does not keep up, packets are dropped
// and counted, and forwarding goes on.
func TestFloodOfRequestsIsBounded(t *testing.T) {
	lab := newLab(t) // Run does not run
	for range 2 * queueLen {
		input(lab.a, sapAsk(hostA, sap.OpNearestRequest, sap.FileServer).bytes(), ToAll)
	}
	if d := lab.a.Stats().Drops; d.QueueFull+d.RateLimit < queueLen {
		t.Errorf("dropped %+v, want at least %d", d, queueLen)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := lab.Run(ctx); err != nil {
		t.Error(err)
	}
}
