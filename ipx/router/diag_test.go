package router

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/diag"
)

func diagAsk(from, to string, exclude ...ipx.Node) pk {
	return pk{from: from, to: to, typ: ipx.TypePEP, hops: 2, data: string(diag.Request{Exclude: exclude}.Append(nil))}
}

// we are what the lab's router says of itself.
var we = diag.Response{Major: 1, Components: []diag.Component{
	{ID: diag.IPXSPX},
	{ID: diag.Router, Networks: []diag.Network{
		{Type: diag.LAN, Number: netA, Node: nodeA},
		{Type: diag.LAN, Number: netB, Node: nodeB},
		{Type: diag.Redirected, Number: netL, Node: nodeL},
		{Type: diag.NonDedicated, Number: netHome, Node: ipx.ServerNode},
	}},
}}

func TestDiagnostics(t *testing.T) {
	const asker = "0000000A:020000000A01:4001"
	for _, tt := range []struct {
		name string
		in   string // a or l
		pk   pk
		as   string // whom the answer comes from; empty: none
	}{
		{"to us", "a", diagAsk(asker, "0000000A:020000000A99:0456"), "0000000A:020000000A99:0456"},
		{"to everybody", "a", diagAsk(asker, "0000000A:FFFFFFFFFFFF:0456"), "0000000A:020000000A99:0456"},
		{"from a host that does not know its network", "a", diagAsk("00000000:020000000A01:4001", "00000000:FFFFFFFFFFFF:0456"), "0000000A:020000000A99:0456"},
		{"to our node on another wire", "a", diagAsk(asker, "0000000B:020000000B99:0456"), "0000000B:020000000B99:0456"},
		{"to the inside", "a", diagAsk(asker, "0000BEEF:000000000001:0456"), "0000BEEF:000000000001:0456"},
		{"to everybody inside", "a", diagAsk(asker, "0000BEEF:FFFFFFFFFFFF:0456"), "0000BEEF:000000000001:0456"},
		{"to everybody on another wire", "a", diagAsk(asker, "0000000B:FFFFFFFFFFFF:0456"), "0000000B:020000000B99:0456"},
		{"from a link", "l", diagAsk(hostFar, "0000000F:FFFFFFFFFFFF:0456"), "0000000F:020000000F99:0456"},
		{"others are excluded", "a", diagAsk(asker, "0000000A:FFFFFFFFFFFF:0456", nodeB, nodeL), "0000000A:020000000A99:0456"},
		{"we are excluded", "a", diagAsk(asker, "0000000A:FFFFFFFFFFFF:0456", nodeB, nodeA), ""},
		{"no request", "a", pk{from: asker, to: "0000000A:FFFFFFFFFFFF:0456"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				at, out := lab.a, &lab.wireA
				if tt.in == "l" {
					at, out = lab.l, &lab.wireL
				}
				input(at, tt.pk.bytes(), ToUs)
				synctest.Wait()
				time.Sleep(diagnosisWithin)
				synctest.Wait()
				answers := out.answers()
				if tt.as == "" {
					if len(answers) != 0 || dropped(at) != "ignored=1" {
						t.Errorf("answered: %s; dropped %q", show(answers), dropped(at))
					}
					return
				}
				if len(answers) != 1 {
					t.Fatalf("%d answers, dropped %q", len(answers), dropped(at))
				}
				h, payload, err := ipx.Parse(answers[0].pkt)
				if err != nil || h.Src != addr(tt.as) || h.Dst.Socket != addr(tt.pk.from).Socket || h.Dst.Network == 0 || h.Hops != 0 {
					t.Errorf("answer %+v, %v", h, err)
				}
				if got, err := diag.ParseResponse(payload); err != nil || !reflect.DeepEqual(got, we) {
					t.Errorf("answered %+v, %v, want %+v", got, err, we)
				}
			})
		})
	}
}

// TestDiagnosticsOfOthers: a question for another node, or for another network,
// goes on.
func TestDiagnosticsOfOthers(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		for to, out := range map[string]*wire{
			"0000000B:020000000B02:0456": &lab.wireB,
			"0000000B:FFFFFFFFFFFF:0456": &lab.wireB,
			"00000020:FFFFFFFFFFFF:0456": &lab.wireL,
		} {
			input(lab.a, diagAsk(hostA, to).bytes(), ToUs)
			if n := len(out.take()); n != 1 {
				t.Errorf("to %s: %d packets went on", to, n)
			}
		}
	})
}

// TestDiagnosticsOnAnUnnumberedLink: the peer is answered where it asked.
func TestDiagnosticsOnAnUnnumberedLink(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		lab.relink(t, Attachment{Name: "l", Kind: Link, Node: nodeL, Send: &lab.wireL})
		ask(lab.l, diagAsk("00000000:020000000F01:4001", "00000000:FFFFFFFFFFFF:0456"))
		time.Sleep(diagnosisWithin)
		synctest.Wait()
		if got, want := show(lab.wireL.answers()), "to 020000000F01: 00000000:020000000F99:0456 > 00000000:020000000F01:4001 hops 0 type 4"; got != want {
			t.Errorf("answered %q, want %q, dropped %q", got, want, dropped(lab.l))
		}
	})
}

// TestDiagnosticsAreSpreadAndBounded: answers come within half a second, not at
// once, and not for every question of a flood.
func TestDiagnosticsAreSpreadAndBounded(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		began, before := time.Now(), lab.a.Stats().PacketsOut
		for range 1000 {
			ask(lab.a, diagAsk(hostA, "0000000A:FFFFFFFFFFFF:0456"))
		}
		if n := len(lab.wireA.answers()); n > pingsPerSecond/4 {
			t.Errorf("%d answers at once", n)
		}
		time.Sleep(diagnosisWithin - time.Since(began))
		synctest.Wait()
		lab.wireA.answers()
		time.Sleep(diagnosisWithin)
		synctest.Wait()
		if n := len(lab.wireA.answers()); n != 0 {
			t.Errorf("%d answers after half a second", n)
		}
		if s := lab.a.Stats(); s.PacketsOut-before > pingsPerSecond+2 || s.Drops.RateLimit == 0 {
			t.Errorf("%d answers to a flood, %d dropped", s.PacketsOut, s.Drops.QueueFull)
		}
	})
}

// TestDiagnosticsSocketIsOurs: nobody can open it.
func TestDiagnosticsSocketIsOurs(t *testing.T) {
	if _, err := New(Config{}).OpenSocket(ipx.SocketDiagnostics); err == nil {
		t.Error("opened")
	}
}
