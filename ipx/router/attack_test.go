package router

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// TestAttackX1: forged RIP draws no traffic.
func TestAttackX1(t *testing.T) {
	for _, tt := range []struct {
		name   string
		accept policy.Networks
		tell   rip.Entry
		want   string // via, of that network
	}{
		{"our own LAN", nil, rip.Entry{Network: netA, Hops: 1, Ticks: 1}, " 000000000000 0/1"},
		{"our own LAN, hops 0", nil, rip.Entry{Network: netA}, " 000000000000 0/1"},
		{"our internal network", nil, rip.Entry{Network: netHome, Hops: 1, Ticks: 1}, " 000000000000 0/1"},
		{"the link itself", nil, rip.Entry{Network: netL, Hops: 1, Ticks: 1}, " 000000000000 0/6"},
		{"our own LAN is down", nil, rip.Entry{Network: netA, Hops: 16, Ticks: 1}, " 000000000000 0/1"},
		{"network 0", nil, rip.Entry{Network: 0, Hops: 1, Ticks: 1}, ""},
		{"network FFFFFFFF", nil, rip.Entry{Network: ipx.AllNetworks, Hops: 1, Ticks: 1}, ""},
		{"the default route", nil, rip.Entry{Network: ipx.DefaultRoute, Hops: 1, Ticks: 1}, ""},
		{"the default route, not named", policy.Networks{{First: 1, Last: 0xFFFFFFFD}}, rip.Entry{Network: ipx.DefaultRoute, Hops: 1, Ticks: 1}, ""},
		{"the default route, by name", policy.Networks{{First: ipx.DefaultRoute, Last: ipx.DefaultRoute}}, rip.Entry{Network: ipx.DefaultRoute, Hops: 1, Ticks: 1}, "l 000000000000 1/6"},
		{"hops 0", nil, rip.Entry{Network: 0x51}, "l 000000000000 1/6"},
		{"hops 15", nil, rip.Entry{Network: 0x51, Hops: 15, Ticks: 1}, "l 000000000000 15/6"},
		{"hops 16", nil, rip.Entry{Network: 0x51, Hops: 16, Ticks: 1}, ""},
		{"hops 65535", nil, rip.Entry{Network: 0x51, Hops: 65535, Ticks: 65535}, ""},
		{"hops 257", nil, rip.Entry{Network: 0x51, Hops: 257, Ticks: 1}, ""},
		{"ticks 65535", nil, rip.Entry{Network: 0x51, Hops: 1, Ticks: 65535}, "l 000000000000 1/65535"},
		{"not allowed", policy.Networks{{First: 0x60, Last: 0x6F}}, rip.Entry{Network: 0x51, Hops: 1, Ticks: 1}, ""},
		{"none allowed", policy.Networks{}, rip.Entry{Network: 0x51, Hops: 1, Ticks: 1}, ""},
		{"allowed", policy.Networks{{First: 0x51, Last: 0x6F}}, rip.Entry{Network: 0x51, Hops: 1, Ticks: 1}, "l 000000000000 1/6"},
		{"what is behind it by configuration", nil, rip.Entry{Network: netFar, Hops: 16}, "l 000000000000 1/7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL,
					Exchange: ExchangeRIPSAP, Limits: policy.Limits{AcceptNetworks: tt.accept}})
				quiet(lab)
				ask(lab.l, ripTell(routerL, tt.tell))
				got := via(lab.Router, tt.tell.Network)
				if i := strings.IndexByte(tt.want, ' '); i == 0 && got != "" {
					got = got[strings.IndexByte(got, ' '):]
				}
				wantEqual(t, "way", got, tt.want)
				if tt.tell.Hops >= 15 {
					for _, line := range strings.Split(told(lab.wireA.take()), ", ") {
						if line != "" && !strings.Contains(line, " 16/") {
							t.Errorf("announced %s", line)
						}
					}
				}
				if tt.tell.Ticks == 65535 && tt.tell.Hops == 1 {
					wantEqual(t, "ticks do not wrap", told(lab.wireA.take()), "00000051 2/65535")
				}
			})
		})
	}
}

// TestAttackX1NextDoor: what a peer says of a network that is known better draws
// no traffic, and gives it no right to speak for that network.
func TestAttackX1NextDoor(t *testing.T) {
	const inside, far = "00005EA1:000000000001:0451", "00000070:020000000C03:4001"
	for _, tt := range []struct {
		name  string
		first pk // on LAN a; none without data
		tell  rip.Entry
		from  string // of a packet that then comes in by the link
		way   string
		clash string
	}{
		{"a server next door, fewer ticks", ripTell(server1, entryOf(0x5EA1, 1, 2)), entryOf(0x5EA1, 1, 1), inside, "a 020000000A01 1/2", "node 020000000A01 on a"},
		{"a slow server next door", ripTell(server1, entryOf(0x5EA1, 1, 50)), entryOf(0x5EA1, 1, 1), inside, "a 020000000A01 1/50", "node 020000000A01 on a"},
		{"a server next door, the long way", ripTell(server1, entryOf(0x5EA1, 1, 2)), entryOf(0x5EA1, 14, 900), inside, "a 020000000A01 1/2", "node 020000000A01 on a"},
		{"another site's by configuration", pk{}, entryOf(0x70, 5, 900), far, "y 000000000000 1/7", "node 000000000000 on y"},
		{"our own LAN", pk{}, entryOf(netA, 5, 900), "0000000A:020000000A07:4001", "a 000000000000 0/1", ""},
		{"our inside", pk{}, entryOf(netHome, 5, 900), "0000BEEF:000000000001:4001", " 000000000000 0/1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			talking(t, func(t *testing.T, lab *lab) {
				lab.attach(t, Attachment{Name: "y", Kind: Link, Site: "y", Network: 0xF2, Node: nodeL, Send: new(wire), Routes: []Route{{Network: 0x70, Hops: 1, Ticks: 7}}})
				if tt.first.data != "" {
					ask(lab.a, tt.first)
				}
				ask(lab.l, ripTell(routerL, tt.tell))
				wantEqual(t, "way", via(lab.Router, tt.tell.Network), tt.way)
				lab.wireB.take()
				input(lab.l, pk{from: tt.from, to: hostB}.bytes(), ToUs)
				synctest.Wait()
				wantEqual(t, "dropped", dropped(lab.l), "source_not_behind_peer=1")
				if len(lab.wireB.take()) != 0 {
					t.Error("forwarded")
				}
				if got := clashes(lab.Router); (tt.clash != "") != strings.Contains(got, tt.clash+" / node 0") {
					t.Errorf("clashes %q", got)
				}
			})
		})
	}
}

// TestAsymmetricWays: one network behind two sites, and behind two links of the
// site that the configuration names: its packets come by either.
func TestAsymmetricWays(t *testing.T) {
	for name, routes := range map[string][]Route{"learned from both": nil, "static behind one link of the site": {{Network: 0x51, Hops: 1, Ticks: 7}}} {
		t.Run(name, func(t *testing.T) {
			talking(t, func(t *testing.T, lab *lab) {
				lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL, Exchange: ExchangeRIPSAP})
				site := "other"
				if routes != nil {
					site = "far"
				}
				m := lab.attach(t, Attachment{Name: "m", Kind: Link, Site: site, Network: 0xF2, Node: nodeL, Send: new(wire), Exchange: ExchangeRIPSAP, Routes: routes})
				ask(lab.l, ripTell(routerL, entryOf(0x51, 3, 30)))
				ask(m, ripTell("000000F2:020000000F02:0453", entryOf(0x51, 2, 20)))
				// A router on the LAN has a way too, but is not next to it.
				ask(lab.a, ripTell(server1, entryOf(0x51, 2, 90)))
				lab.wireB.take()
				for _, at := range []*Attached{lab.l, m} {
					input(at, pk{from: "00000051:020000000C03:4001", to: hostB}.bytes(), ToUs)
				}
				wantEqual(t, "forwarded", len(lab.wireB.take()), 2)
				wantEqual(t, "clashes", clashes(lab.Router), "")
			})
		})
	}
}

// TestServiceNextDoor: a peer does not take the place of a server on the LAN, even
// if it was first.
func TestServiceNextDoor(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		ask(lab.l, ripTell(routerL, entryOf(0x66, 1, 1)))
		ask(lab.l, sapTell(serverL, server("FS", 0x66, 1)))
		ask(lab.a, sapTell(sapA, server("FS", 0x51, 1)))
		wantEqual(t, "while nothing leads to the real one", lab.Services()[0].Addr.Network, ipx.Network(0x66))
		ask(lab.a, ripTell(server1, entryOf(0x51, 1, 2)))
		wantEqual(t, "then", lab.Services()[0].Addr.Network, ipx.Network(0x51))
	})
}

// TestAttackX1OnALAN: the default route never comes from a LAN.
func TestAttackX1OnALAN(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		var w wire
		c := lab.attach(t, Attachment{Name: "c", Network: 0xC, Node: nodeB, Send: &w, Limits: policy.Limits{AcceptNetworks: policy.Networks{{First: 1, Last: ipx.DefaultRoute}}}})
		ask(c, ripTell("0000000C:020000000C01:0453", rip.Entry{Network: ipx.DefaultRoute, Hops: 1, Ticks: 1}, rip.Entry{Network: 0x51, Hops: 1, Ticks: 1}))
		wantEqual(t, "ways", via(lab.Router, ipx.DefaultRoute)+via(lab.Router, 0x51), "c 020000000C01 1/1")
	})
}

// TestAttackX2: forged SAP names no server, and pushes nobody out.
func TestAttackX2(t *testing.T) {
	allow := policy.Limits{AcceptServices: policy.Services{{Type: 4, Name: "FAR*"}}, MaxServices: 100}
	far := func(t *testing.T, limits policy.Limits, test func(t *testing.T, lab *lab)) {
		run(t, func(t *testing.T, lab *lab) {
			lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL, Exchange: ExchangeRIPSAP, Limits: limits})
			ask(lab.a, ripTell(server1, rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
			ask(lab.a, sapTell(sapA, server("OURS", 0x51, 1)))
			quiet(lab)
			test(t, lab)
		})
	}
	list := func(r *Router) (all []string) {
		for _, s := range r.Services() {
			all = append(all, fmt.Sprintf("%s %v %d", s.Name, s.Addr.Network, s.Hops))
		}
		return all
	}
	t.Run("our server's name", func(t *testing.T) {
		far(t, policy.Limits{}, func(t *testing.T, lab *lab) {
			for _, hops := range []uint16{1, 0, 16, 65535} {
				ask(lab.l, sapTell(serverL, server("OURS", netFar, hops)))
				wantEqual(t, fmt.Sprint("hops ", hops), list(lab.Router), []string{"OURS 00000051 1"})
			}
			ask(lab.b, sapAsk(hostB, sap.OpNearestRequest, sap.FileServer))
			wantEqual(t, "nearest", told(lab.wireB.answers()), "0004 OURS 2")
		})
	})
	t.Run("not on the list", func(t *testing.T) {
		far(t, allow, func(t *testing.T, lab *lab) {
			ask(lab.l, sapTell(serverL, server("EVIL", netFar, 1), server("FAR1", netFar, 1), Service{Type: 7, Name: "FAR2", Hops: 1, Addr: ipx.Addr{Network: netFar}}))
			wantEqual(t, "services", list(lab.Router), []string{"FAR1 00000020 1", "OURS 00000051 1"})
		})
	})
	t.Run("ten thousand", func(t *testing.T) {
		far(t, allow, func(t *testing.T, lab *lab) {
			ask(lab.l, sapTell(serverL, server("FAR-FIRST", netFar, 3)))
			for i := 0; i < 10000; i += 7 {
				var some []Service
				for k := range 7 {
					some = append(some, server(fmt.Sprintf("FAR%05d", i+k), netFar, 1))
				}
				input(lab.l, sapTell(serverL, some...).bytes(), ToAll)
				time.Sleep(gap)
			}
			synctest.Wait()
			all := strings.Join(list(lab.Router), " ")
			if n := len(lab.Services()); n != 101 || !strings.Contains(all, "FAR-FIRST") || !strings.Contains(all, "OURS") {
				t.Errorf("%d services", n)
			}
		})
	})
	t.Run("names without an end", func(t *testing.T) {
		far(t, policy.Limits{}, func(t *testing.T, lab *lab) {
			p := sapTell(serverL, server("X", netFar, 1))
			name := strings.Repeat("N\xff\x1b\"\\", 10)[:48]
			p.data = p.data[:4] + name + p.data[4+48:]
			ask(lab.l, p)
			s := lab.Services()
			if len(s) != 2 || s[0].Name != strings.Repeat(`N\xff\x1b"\\`, 10)[:len(`N\xff\x1b"\\`)*9]+`N\xff` {
				t.Errorf("services %+v", s)
			}
			wantEqual(t, "told on", len(lab.wireB.news()), 1)
		})
	})
	for name, s := range map[string]Service{
		"no name": server("", netFar, 1), "every type": {Type: sap.AnyType, Name: "X", Addr: ipx.Addr{Network: netFar}},
		"network 0": server("X", 0, 1), "network FFFFFFFF": server("X", ipx.AllNetworks, 1), "no route": server("X", 0x99, 1),
	} {
		t.Run(name, func(t *testing.T) {
			far(t, policy.Limits{}, func(t *testing.T, lab *lab) {
				ask(lab.l, sapTell(serverL, s))
				wantEqual(t, "services", list(lab.Router), []string{"OURS 00000051 1"})
			})
		})
	}
}

// TestAttackX3: a thousand updates a second do not harm the tables, and cost
// little.
func TestAttackX3(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		ask(lab.a, ripTell(server1, rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
		var spent time.Duration
		const seconds = 20
		for i := range seconds * 1000 {
			var entries []rip.Entry
			for k := range 50 {
				entries = append(entries, rip.Entry{Network: ipx.Network(0x10000 + (i*50+k)%100000), Hops: uint16(1 + i%20), Ticks: uint16(i)})
			}
			p := ripTell(routerL, entries...).bytes()
			if i%2 == 0 {
				p = sapTell(serverL, server(fmt.Sprint("FS", i%20000), netFar, uint16(i%18))).bytes()
			}
			began := cpu()
			input(lab.l, p, ToAll)
			synctest.Wait()
			spent += cpu() - began
			time.Sleep(time.Millisecond)
		}
		d := lab.l.Stats().Drops
		if want := uint64(seconds*(1000-talkRate) - talkBurst); d.RateLimit < want-10 {
			t.Errorf("%d dropped by the limit, want %d", d.RateLimit, want)
		}
		if n := len(lab.Routes()); n > 5+1+8192 || via(lab.Router, 0x51) != "a 020000000A01 1/2" || via(lab.Router, netFar) == "" {
			t.Errorf("%d routes, %q", n, via(lab.Router, 0x51))
		}
		t.Logf("%v of CPU for %d s", spent, seconds)
		if spent > seconds*time.Second/5 && !race.Enabled {
			t.Errorf("%v of CPU for %d s", spent, seconds)
		}
		// A neighbour on A is heard all the while.
		ask(lab.a, ripTell(server1, rip.Entry{Network: 0x52, Hops: 1, Ticks: 2}))
		wantEqual(t, "another wire", via(lab.Router, 0x52), "a 020000000A01 1/2")
	})
}

// TestAttackX3OnALAN: a storm of one station, or of many, does not cost a server of
// the same wire its updates, nor does one of pings.
func TestAttackX3OnALAN(t *testing.T) {
	for name, storm := range map[string]func(i int) pk{
		"one station": func(int) pk { return ripTell(server2, entryOf(0x99, 1, 2)) },
		"many stations": func(i int) pk {
			return ripTell(fmt.Sprintf("0000000A:02000001%04X:0453", i%10000), entryOf(0x99, 1, 2))
		},
		"pings":     func(int) pk { return pk{from: hostA, to: "0000000A:020000000A99:0002"} },
		"questions": func(int) pk { return diagAsk(hostA, "0000000A:FFFFFFFFFFFF:0456") },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				real := ripTell(server1, entryOf(0x51, 1, 2)).bytes()
				for round := range 6 {
					if round > 0 { // as much as at once can come in a minute
						for i := range 3000 {
							input(lab.a, storm(i).bytes(), ToAll)
							if i%50 == 0 {
								synctest.Wait()
							}
						}
					}
					input(lab.a, real, ToAll)
					time.Sleep(time.Minute)
					lab.wireA.take()
				}
				wantEqual(t, "the server", via(lab.Router, 0x51), "a 020000000A01 1/2")
				if got := lab.a.Stats().Drops; got.RateLimit < 5*2000 || got.QueueFull != 0 {
					t.Errorf("dropped %+v", got)
				}
				if n := len(lab.a.own.talk.nodes); n > maxTalkers {
					t.Errorf("%d nodes are remembered", n)
				}
				time.Sleep(silent + time.Second)
				ask(lab.a, ripTell("0000000A:020000000A77:0453", entryOf(0x52, 1, 2)))
				if n := len(lab.a.own.talk.nodes); n == maxTalkers {
					t.Error("those who are silent are still remembered")
				}
			})
		})
	}
}

// TestCaps: an attachment teaches no more than its cap, one neighbour on a LAN no
// more than half of it, and all together no more than the whole; what is known
// stays.
func TestCaps(t *testing.T) {
	flood := func(lab *lab, at *Attached, node string, first, n int) {
		for i := 0; i < n; i += 50 {
			var entries []rip.Entry
			for k := range min(50, n-i) {
				entries = append(entries, rip.Entry{Network: ipx.Network(first + i + k), Hops: 1, Ticks: 1})
			}
			ask(at, ripTell(at.Network().String()+":"+node+":0453", entries...))
		}
	}
	learned := func(lab *lab) (n int) {
		for _, i := range lab.Routes() {
			if i.Origin == "learned" && !i.Down {
				n++
			}
		}
		return n
	}
	run(t, func(t *testing.T, lab *lab) {
		var w wire
		c := lab.attach(t, Attachment{Name: "c", Network: 0xC, Node: nodeB, Send: &w, Limits: policy.Limits{MaxNetworks: 100}})
		flood(lab, c, "020000000C01", 0x1000, 80)
		wantEqual(t, "one neighbour", learned(lab), 50)
		flood(lab, c, "020000000C02", 0x2000, 80)
		wantEqual(t, "two", learned(lab), 100)
		flood(lab, c, "020000000C03", 0x3000, 80)
		wantEqual(t, "three", learned(lab), 100)
		wantEqual(t, "the first one stays", via(lab.Router, 0x1000), "c 020000000C01 1/1")
		flood(lab, lab.a, "020000000A01", 0x4000, 60)
		wantEqual(t, "another wire", learned(lab), 160)
		if n := c.router.Wires()[3].Neighbours; len(n) != 3 || n[0].Routes != 50 || n[2].Routes != 0 {
			t.Errorf("neighbours %+v", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		lab := &lab{Router: New(Config{MaxNetworks: 120})}
		a := lab.attach(t, Attachment{Name: "l", Kind: Link, Network: netA, Node: nodeA, Send: new(wire), Exchange: ExchangeRIPSAP})
		for i := range 200 {
			lab.learnRoutes(a, &ipx.Header{Src: addr(routerL)}, []rip.Entry{{Network: ipx.Network(0x1000 + i), Hops: 1, Ticks: 1}}, time.Now())
		}
		wantEqual(t, "all", len(lab.Routes()), 120)
	})
}

// TestPain36: the peer of a link is believed and answered whatever network number
// it uses, on numbered links and others.
func TestPain36(t *testing.T) {
	for _, number := range []ipx.Network{0, netL} {
		for _, theirs := range []string{"00000000", "000000C7", "0000000F", "0000000A"} {
			t.Run(fmt.Sprint(number, " ", theirs), func(t *testing.T) {
				run(t, func(t *testing.T, lab *lab) {
					lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: number, Node: nodeL, Send: &lab.wireL, Exchange: ExchangeRIPSAP})
					quiet(lab)
					from := theirs + ":020000000F01:"
					ask(lab.l, ripTell(from+"0453", rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
					ask(lab.l, sapTell(from+"0452", server("FS", 0x51, 1)))
					if got := via(lab.Router, 0x51); got != "l 000000000000 1/6" || len(lab.Services()) != 1 {
						t.Errorf("%q, %+v, dropped %s", got, lab.Services(), dropped(lab.l))
					}
					ask(lab.l, ripAsk(from+"0453", netB))
					wantEqual(t, "answer", told(lab.wireL.answers()), "0000000B 1/7")
				})
			})
		}
	}
}
