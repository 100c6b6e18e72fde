package router

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// run runs the router beside test, in a bubble of virtual time, and ends it.
// What LANs are asked when they come into use is out of the way first.
func run(t *testing.T, test func(t *testing.T, lab *lab)) {
	synctest.Test(t, func(t *testing.T) {
		lab := newLab(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- lab.Run(ctx) }()
		synctest.Wait()
		for _, w := range []*wire{&lab.wireA, &lab.wireB, &lab.wireL} {
			w.take()
		}
		test(t, lab)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// ask hands a packet to a, and waits until the router has nothing more to do.
func ask(a *Attached, p pk) {
	input(a, p.bytes(), ToAll)
	synctest.Wait()
}

// told returns the RIP entries and SAP services in what was sent.
func told(all []sent) string {
	var lines []string
	for _, s := range all {
		h, payload, err := ipx.Parse(s.pkt)
		if err != nil {
			return err.Error()
		}
		if h.Src.Socket == ipx.SocketRIP {
			m, _ := rip.Parse(payload)
			for _, e := range m.Entries {
				lines = append(lines, fmt.Sprintf("%v %d/%d", e.Network, e.Hops, e.Ticks))
			}
			continue
		}
		m, _ := sap.Parse(payload)
		for _, e := range m.Services {
			lines = append(lines, fmt.Sprintf("%v %s %d", e.Type, e.Name, e.Hops))
		}
	}
	return strings.Join(lines, ", ")
}

func ripAsk(from string, networks ...ipx.Network) pk {
	return pk{from: from, to: "00000000:FFFFFFFFFFFF:0453", typ: 1, data: string(rip.Ask(networks...).Append(nil))}
}

func ripTell(from string, entries ...rip.Entry) pk {
	m := rip.Message{Operation: rip.OpResponse, Entries: entries}
	return pk{from: from, to: from[:9] + "FFFFFFFFFFFF:0453", typ: 1, data: string(m.Append(nil))}
}

func sapAsk(from string, op sap.Operation, typ sap.ServiceType) pk {
	m := sap.Message{Operation: op, Type: typ}
	return pk{from: from, to: "00000000:FFFFFFFFFFFF:0452", typ: 17, data: string(m.Append(nil))}
}

func sapTell(from string, services ...Service) pk {
	m := sap.Message{Operation: sap.OpResponse, Services: services}
	return pk{from: from, to: from[:9] + "FFFFFFFFFFFF:0452", typ: 4, data: string(m.Append(nil))}
}

func server(name string, network ipx.Network, hops uint16) Service {
	return Service{Type: sap.FileServer, Name: name, Hops: hops,
		Addr: ipx.Addr{Network: network, Node: ipx.ServerNode, Socket: ipx.SocketNCP}}
}

func TestRIPRequests(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   func(lab *lab) *Attached
		ask  pk
		want string
	}{
		{"all, split horizon", inA, ripAsk(hostA, ipx.AllNetworks), "0000000B 1/2, 0000000F 1/7, 00000020 2/8, 0000BEEF 1/2"},
		{"all over the link", inL, ripAsk("0000000F:020000000F01:0453", ipx.AllNetworks), "0000000A 1/7, 0000000B 1/7, 0000BEEF 1/7"},
		{"a network behind the link", inA, ripAsk(hostA, netFar), "00000020 2/8"},
		{"several, one unknown", inA, ripAsk(hostA, netB, 0x99, netFar), "0000000B 1/2, 00000020 2/8"},
		{"the wire itself", inA, ripAsk(hostA, netA), "0000000A 1/2"},
		{"an unknown one", inA, ripAsk(hostA, 0x99), ""},
		{"one behind the same wire", inL, ripAsk("0000000F:020000000F01:0453", netFar), ""},
		{"from a stranger", inA, ripAsk("00000077:020000000A01:0453", ipx.AllNetworks), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				ask(tt.at(lab), tt.ask)
				out := append(lab.wireA.answers(), lab.wireL.answers()...)
				if got := told(out); got != tt.want {
					t.Errorf("told %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func inA(lab *lab) *Attached { return lab.a }
func inL(lab *lab) *Attached { return lab.l }

// TestClientWithoutNetwork: a client that does not know its network asks from
// network 0, and learns the number from the header of the answer, which comes
// to its node and its socket.
func TestClientWithoutNetwork(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		lab.addServices(lab.l, server("FS1", netFar, 1))
		for _, p := range []pk{ripAsk("00000000:020000000A01:4003", netFar), sapAsk("00000000:020000000A01:4003", sap.OpNearestRequest, sap.FileServer)} {
			ask(lab.a, p)
			socket, typ := p.to[len(p.to)-4:], map[string]int{"0453": 1, "0452": 4}[p.to[len(p.to)-4:]]
			want := fmt.Sprintf("to 020000000A01: 0000000A:020000000A99:%s > 0000000A:020000000A01:4003 hops 0 type %d", socket, typ)
			if got := show(lab.wireA.answers()); got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
		}
	})
}

// TestLonelyWire: with nothing else to tell, a host is told of its own wire.
func TestLonelyWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		r := New(Config{})
		a, err := r.Attach(Attachment{Name: "a", Network: netA, Node: nodeA, Send: &w})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go r.Run(ctx)
		synctest.Wait()
		w.take()
		ask(a, ripAsk("00000000:020000000A01:4003", ipx.AllNetworks))
		if got, want := told(w.answers()), "0000000A 1/2"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestUnnumberedLink: RIP and SAP are known by the peer that the link leads to.
func TestUnnumberedLink(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		if err := lab.l.SetNetwork(ipx.ThisNetwork); err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{"00000000:020000000F01:0453", "000000C7:020000000F01:0453"} {
			ask(lab.l, ripAsk(from, netB))
			want := "to 020000000F01: 00000000:020000000F99:0453 > " + from + " hops 0 type 1"
			if out := lab.wireL.answers(); show(out) != want || told(out) != "0000000B 1/7" {
				t.Errorf("answer %q %s, want %q", show(out), told(out), want)
			}
		}
		input(lab.l, pk{from: "00000000:020000000F01:4001", to: hostB}.bytes(), ToUs)
		if got := dropped(lab.l); got != "network_unknown=1" {
			t.Errorf("dropped %q: no answer could find back", got)
		}
	})
}

func TestLongAnswersArePaced(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		var routes []Route
		for n := range ipx.Network(120) {
			routes = append(routes, Route{Network: 0x1000 + n, Hops: 1, Ticks: 7})
		}
		lab.addRoutes(lab.l, routes...)
		ask(lab.a, ripAsk(hostA, ipx.AllNetworks))
		ask(lab.a, ripAsk(hostA, ipx.AllNetworks)) // too eager
		for i, want := range []int{50, 50, 24, 0} {
			if i > 0 {
				time.Sleep(gap)
				synctest.Wait()
			}
			got, count := lab.wireA.answers(), 0
			if s := told(got); s != "" {
				count = strings.Count(s, ",") + 1
			}
			if count != want || len(got) > 1 {
				t.Errorf("after %d ticks: %d packets with %d routes, want %d", i, len(got), count, want)
			}
		}
	})
}

// TestAnswersTakeTurns: who asks from many sockets gets no more of the wire than
// another, and nothing of another wire; all together are paced.
func TestAnswersTakeTurns(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		var routes []Route
		for i := range 500 {
			routes = append(routes, Route{Network: ipx.Network(0x1000 + i), Hops: 1, Ticks: 7})
		}
		lab.addRoutes(lab.l, routes...)
		quiet(lab)
		for i := range 64 {
			ask(lab.a, ripAsk(fmt.Sprintf("0000000A:020000000A01:%04X", 0x4000+i), ipx.AllNetworks))
		}
		wantEqual(t, "first packets", len(lab.wireA.answers()), 64)
		wantEqual(t, "dropped", dropped(lab.a), fmt.Sprint("queue_full=", 64-maxAnswersEach))
		ask(lab.a, ripAsk("0000000A:020000000A02:4001", ipx.AllNetworks))
		ask(lab.b, ripAsk(hostB, ipx.AllNetworks))
		began, to := time.Now(), map[ipx.Node]int{}
		time.Sleep(20*gap + gap/2)
		synctest.Wait()
		for _, s := range lab.wireA.answers() {
			to[s.to]++
		}
		if one, other := to[node("020000000A01")], to[node("020000000A02")]; one+other > 24 || one < 9 || other < 9 {
			t.Errorf("in %v the eager one got %d packets, the other %d", time.Since(began), one, other)
		}
		wantEqual(t, "on the other wire", len(lab.wireB.answers()), 11)
		time.Sleep(100 * gap)
		all := len(lab.wireA.answers()) + to[node("020000000A01")] + to[node("020000000A02")]
		wantEqual(t, "for both, in all", all, maxAnswersEach*10+11)
		ask(lab.a, ripAsk(hostA, netB))
		wantEqual(t, "afterwards", told(lab.wireA.answers()), "0000000B 1/2")
	})
}

func TestSAPRequests(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   func(lab *lab) *Attached
		ask  pk
		want string
	}{
		{"nearest: fewest ticks, then hops, then name", inA, sapAsk(hostA, sap.OpNearestRequest, sap.FileServer), "0004 NEAR1 3"},
		{"all of a type", inA, sapAsk(hostA, sap.OpRequest, sap.FileServer), "0004 FAR 2, 0004 NEAR1 3, 0004 NEAR2 3"},
		{"all", inA, sapAsk(hostA, sap.OpRequest, sap.AnyType), "0004 FAR 2, 0004 NEAR1 3, 0004 NEAR2 3, 0278 TREE 2"},
		{"none of a type: silence", inA, sapAsk(hostA, sap.OpNearestRequest, 7), ""},
		{"split horizon", inL, sapAsk("0000000F:020000000F01:4001", sap.OpNearestRequest, sap.FileServer), ""},
		{"an operation of others", inA, sapAsk(hostA, 0x0E, sap.FileServer), ""},
		{"from a stranger", inA, sapAsk("00000077:020000000A01:4001", sap.OpRequest, sap.AnyType), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				lab.addRoutes(lab.l, Route{Network: 0x21, Hops: 1, Ticks: 90})
				lab.addServices(lab.l,
					server("FAR", 0x21, 1), server("NEAR2", netFar, 2), server("NEAR1", netFar, 2),
					server("LOST", 0x99, 1), // no route: nobody is told
					server("DEAD", netFar, 15),
					Service{Type: sap.Directory, Name: "TREE", Hops: 1, Addr: ipx.Addr{Network: netFar, Node: ipx.ServerNode}},
				)
				ask(tt.at(lab), tt.ask)
				out := append(lab.wireA.answers(), lab.wireL.answers()...)
				if got := told(out); got != tt.want {
					t.Errorf("told %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestNearestServerOnTheSameWire: it answers for itself.
func TestNearestServerOnTheSameWire(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		lab.addServices(lab.l, server("FAR", netFar, 1))
		ask(lab.a, ripTell("0000000A:020000000A01:0453", rip.Entry{Network: 0x5EA1, Hops: 1, Ticks: 2}))
		ask(lab.a, sapTell("0000000A:020000000A01:0452", server("HERE", 0x5EA1, 1)))
		ask(lab.a, sapAsk("0000000A:020000000A02:4001", sap.OpNearestRequest, sap.FileServer))
		if got := told(lab.wireA.answers()); got != "" {
			t.Errorf("told %q on the server's own wire", got)
		}
		ask(lab.b, sapAsk(hostB, sap.OpNearestRequest, sap.FileServer))
		if got, want := told(lab.wireB.answers()), "0004 HERE 2"; got != want {
			t.Errorf("told %q elsewhere, want %q", got, want)
		}
		ask(lab.a, sapAsk("0000000A:020000000A02:4001", sap.OpRequest, sap.FileServer))
		if got, want := told(lab.wireA.answers()), "0004 FAR 2"; got != want {
			t.Errorf("general answer %q, want %q", got, want)
		}
	})
}
