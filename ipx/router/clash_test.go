package router

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
)

// clashes shows them as "kind network: claimant / claimant".
func clashes(r *Router) string {
	var lines []string
	for _, c := range r.Clashes() {
		lines = append(lines, fmt.Sprintf("%s %v: %v / %v", c.Kind, c.Network, c.Claimants[0], c.Claimants[1]))
	}
	return strings.Join(lines, "\n")
}

func TestClashes(t *testing.T) {
	second := func(lab *lab, t *testing.T, routes ...Route) *Attached {
		return lab.attach(t, Attachment{Name: "m", Kind: Link, Site: "other", Node: nodeB, Send: new(wire), Exchange: ExchangeRIPSAP, Routes: routes})
	}
	entry := func(n ipx.Network, hops uint16) rip.Entry { return rip.Entry{Network: n, Hops: hops, Ticks: 2} }
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, lab *lab)
		want string
	}{
		{"a peer has one of our numbers", func(_ *testing.T, lab *lab) { ask(lab.l, ripTell(routerL, entry(netA, 1))) },
			"network_elsewhere 0000000A: node 020000000A99 on a / node 020000000F01 on l"},
		{"a peer knows the way to one of our numbers", func(_ *testing.T, lab *lab) { ask(lab.l, ripTell(routerL, entry(netA, 2))) }, ""},
		{"a router on a LAN has another LAN of ours too", func(_ *testing.T, lab *lab) { ask(lab.a, ripTell(server1, entry(netB, 1))) }, ""},
		{"two sites have one number", func(t *testing.T, lab *lab) {
			m := second(lab, t)
			ask(lab.l, ripTell(routerL, entry(0x51, 1)))
			ask(m, ripTell("00000000:020000000E01:0453", entry(0x51, 1)))
		}, "network_elsewhere 00000051: node 020000000F01 on l / node 020000000E01 on m"},
		{"one of two sites is farther", func(t *testing.T, lab *lab) {
			m := second(lab, t)
			ask(lab.l, ripTell(routerL, entry(0x51, 1)))
			ask(m, ripTell("00000000:020000000E01:0453", entry(0x51, 2)))
		}, ""},
		{"a LAN and a site have one number", func(_ *testing.T, lab *lab) {
			ask(lab.a, ripTell(server1, entry(0x51, 1)))
			ask(lab.l, ripTell(routerL, entry(0x51, 1)))
		}, "network_elsewhere 00000051: node 020000000A01 on a / node 020000000F01 on l"},
		{"the site was first, and the server has a clone", func(_ *testing.T, lab *lab) {
			ask(lab.l, ripTell(routerL, entry(0x51, 1)))
			ask(lab.l, sapTell(serverL, server("FS", 0x51, 1)))
			ask(lab.a, ripTell(server1, entry(0x51, 1)))
		}, "internal_twice 00000051: node 020000000A01 on a / node 020000000F01 on l"},
		{"a LAN and a site, by configuration", func(_ *testing.T, lab *lab) {
			ask(lab.a, ripTell(server1, entry(netFar, 1)))
		}, "network_elsewhere 00000020: node 020000000A01 on a / node 000000000000 on l"},
		{"a router on a LAN is farther than a site", func(_ *testing.T, lab *lab) {
			ask(lab.a, ripTell(server1, entry(0x51, 2)))
			ask(lab.l, ripTell(routerL, entry(0x51, 1)))
		}, ""},
		{"a router on a LAN and a site are the ends of a link", func(_ *testing.T, lab *lab) {
			ask(lab.a, ripTell(server1, entry(0x50, 1), entryOf(0x51, 1, 7)))
			ask(lab.l, ripTell(routerL, entryOf(0x51, 1, 12), entryOf(0x52, 1, 7)))
		}, ""},
		{"two sites, later seen to be the ends of a link", func(t *testing.T, lab *lab) {
			m := second(lab, t)
			ask(lab.l, ripTell(routerL, entryOf(0x51, 1, 12)))
			ask(lab.l, ripTell(routerL, entryOf(0x52, 1, 7)))
			ask(m, ripTell("00000000:020000000E01:0453", entryOf(0x51, 1, 12)))
		}, ""},
		{"the configuration says it of one", func(t *testing.T, lab *lab) {
			m := second(lab, t)
			ask(m, ripTell("00000000:020000000E01:0453", entry(netFar, 1)))
		}, "network_elsewhere 00000020: node 000000000000 on l / node 020000000E01 on m"},
		{"the configuration says it of both", func(t *testing.T, lab *lab) {
			m := second(lab, t, Route{Network: netFar, Hops: 1, Ticks: 7})
			ask(m, ripTell("00000000:020000000E01:0453", entry(netFar, 1)))
		}, ""},
		{"the peer of a static link has one of our numbers", func(t *testing.T, lab *lab) {
			s := lab.attach(t, Attachment{Name: "s", Kind: Link, Site: "static", Node: nodeB, Send: new(wire)})
			ask(s, ripTell("00000000:020000000E01:0453", entry(netA, 1), entry(0x51, 1)))
			if via(lab.Router, 0x51) != "" {
				t.Error("learned")
			}
		}, "network_elsewhere 0000000A: node 020000000A99 on a / node 020000000E01 on s"},
		{"a LAN with another number", func(_ *testing.T, lab *lab) {
			ask(lab.a, ripTell("0000A0A0:020000000A01:0453", entry(0x51, 1)))
		}, "other_number 0000A0A0: node 020000000A99 on a / node 020000000A01 on a"},
		{"our internal network", func(_ *testing.T, lab *lab) { ask(lab.a, ripTell(server1, entry(netHome, 1))) },
			"internal_twice 0000BEEF: node 000000000001 / node 020000000A01 on a"},
		{"two file servers of one internal network", func(_ *testing.T, lab *lab) {
			ask(lab.a, ripTell(server1, entry(0x51, 1)))
			ask(lab.a, sapTell(sapA, server("ONE", 0x51, 1)))
			ask(lab.l, sapTell(serverL, server("T\xffWO", 0x51, 2)))
		}, `internal_twice 00000051: "ONE", node 020000000A01 on a / "T\xffWO", node 020000000F01 on l`},
		{"two services of one file server", func(_ *testing.T, lab *lab) {
			tree := server("TREE", 0x51, 1)
			tree.Type = 0x278
			ask(lab.a, sapTell(sapA, server("ONE", 0x51, 1), tree))
			ask(lab.b, sapTell("0000000B:020000000B01:0452", server("ONE", 0x51, 2)))
		}, ""},
		{"our own address", func(_ *testing.T, lab *lab) {
			ask(lab.a, ripTell("0000000A:020000000A99:0453", entry(0x51, 1)))
		}, "own_node 0000000A: node 020000000A99 on a / node 020000000A99 on a"},
		{"our own packets that are no RIP", func(_ *testing.T, lab *lab) {
			ask(lab.a, pk{from: "0000000A:020000000A99:4001", to: hostB})
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			talking(t, func(t *testing.T, lab *lab) {
				lab.addRoutes(lab.l, Route{Network: netFar, Hops: 1, Ticks: 7})
				tt.do(t, lab)
				time.Sleep(toldAll)
				wantEqual(t, "clashes", clashes(lab.Router), tt.want)
				text, err := json.Marshal(lab.Clashes())
				if err != nil || tt.want != "" && !bytes.Contains(text, []byte(`"kind"`)) {
					t.Errorf("JSON %s, %v", text, err)
				}
				if time.Sleep(clashOver + minLifetime + 2*sweep); clashes(lab.Router) != "" {
					t.Errorf("still there: %s", clashes(lab.Router))
				}
			})
		})
	}
}

// TestClashesAreLogged: when they appear, once an hour, and when they are over.
func TestClashesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		lab := &lab{Router: New(Config{Log: slog.New(slog.NewTextHandler(&out, nil))})}
		lab.a = lab.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: new(wire)})
		l := lab.attach(t, Attachment{Name: "l", Kind: Link, Network: netL, Node: nodeL, Send: new(wire), Exchange: ExchangeRIPSAP})
		for range 150 {
			lab.learnRoutes(l, &ipx.Header{Src: addr(routerL)}, []rip.Entry{{Network: netA, Hops: 1, Ticks: 2}}, time.Now())
			time.Sleep(time.Minute)
			lab.expire(time.Now())
		}
		if n := strings.Count(out.String(), "level=WARN"); n != 3 {
			t.Errorf("%d warnings in two and a half hours:\n%s", n, out.String())
		}
		if c := lab.Clashes(); len(c) != 1 || c[0].Count != 150 || c[0].Last.Sub(c[0].First) != 149*time.Minute {
			t.Errorf("%+v", c)
		}
		time.Sleep(clashOver)
		lab.expire(time.Now())
		if n := strings.Count(out.String(), "level=INFO"); n != 1 {
			t.Errorf("%d lines about the end:\n%s", n, out.String())
		}
	})
}

// TestClashesAreBounded: who forges one can forge many.
func TestClashesAreBounded(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		m := lab.attach(t, Attachment{Name: "m", Kind: Link, Site: "other", Node: nodeB, Send: new(wire), Exchange: ExchangeRIPSAP})
		for n := range ipx.Network(2 * maxClashes) {
			ask(lab.l, ripTell(routerL, rip.Entry{Network: 0x1000 + n, Hops: 1, Ticks: 1}))
			ask(m, ripTell("00000000:020000000E01:0453", rip.Entry{Network: 0x1000 + n, Hops: 1, Ticks: 1}))
			time.Sleep(20 * time.Millisecond)
		}
		wantEqual(t, "clashes", len(lab.Clashes()), maxClashes)
	})
}

// TestNoClashInAMesh: each of three sites hears from the two others that they are
// next to the link between them, which is true, however quick the links are. Two
// LANs of one number are found there.
func TestNoClashInAMesh(t *testing.T) {
	for _, ticks := range []uint16{1, 2, 6} {
		for _, exchange := range []Exchange{ExchangeRIPSAP, ExchangeTriggered} {
			t.Run(fmt.Sprint(ticks, " ", exchange), func(t *testing.T) {
				inInternet(t, func(net *internet) {
					a, b, c := net.router(0xA0), net.router(0xB0), net.router(0xC0)
					x := Attachment{Kind: Link, Exchange: exchange, Ticks: ticks}
					for i, ends := range [][]*Router{{a, b}, {b, c}, {a, c}} {
						x.Network = ipx.Network(1 + i)
						net.join([]string{"ab", "bc", "ac"}[i], x, ends...)
					}
					for range 1000 { // from the first packet on
						wantEqual(t, "clashes at first", clashes(a)+clashes(b)+clashes(c), "")
						time.Sleep(3 * time.Millisecond)
					}
					time.Sleep(3 * time.Minute)
					wantEqual(t, "clashes", clashes(a)+clashes(b)+clashes(c), "")
					net.join("xb", Attachment{Kind: LAN, Network: 0x77}, b)
					net.join("xc", Attachment{Kind: LAN, Network: 0x77}, c)
					time.Sleep(2 * time.Minute)
					if got := clashes(a); !strings.HasPrefix(got, "network_elsewhere 00000077: ") || strings.Count(got, "77: ") != strings.Count(got, ": ") {
						t.Errorf("two LANs alike: %q", got)
					}
				})
			})
		}
	}
}
