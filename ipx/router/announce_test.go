package router

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

// timeline lists what w was sent to everybody, from now on for so long, with the
// milliseconds: "0 R 0000000A 1/2; 55 S 0004 FS1 2", questions as "R?" and "S?".
func timeline(w *wire, d time.Duration) string {
	var lines []string
	began := time.Now()
	for {
		synctest.Wait()
		for _, s := range w.news() {
			h, payload, _ := ipx.Parse(s.pkt)
			kind := map[ipx.Socket]string{ipx.SocketRIP: "R", ipx.SocketSAP: "S"}[h.Src.Socket]
			if payload[1] == 1 {
				lines = append(lines, fmt.Sprintf("%d %s?", time.Since(began).Milliseconds(), kind))
				continue
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d %s %s", time.Since(began).Milliseconds(), kind, told([]sent{s}))))
		}
		if time.Since(began) >= d {
			return strings.Join(lines, "; ")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// quiet lets the first announcements pass.
func quiet(lab *lab) {
	time.Sleep(5 * time.Second)
	synctest.Wait()
	lab.wireA.take()
	lab.wireB.take()
	lab.wireL.take()
}

// talking is the lab with a link on which RIP and SAP are exchanged.
func talking(t *testing.T, test func(t *testing.T, lab *lab)) {
	run(t, func(t *testing.T, lab *lab) {
		lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Network: netL, Node: nodeL, Send: &lab.wireL, Exchange: ExchangeRIPSAP})
		quiet(lab)
		test(t, lab)
	})
}

const (
	routerL = "0000000F:020000000F01:0453"
	serverL = "0000000F:020000000F01:0452"
	sapA    = "0000000A:020000000A01:0452"
)

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n%v, want\n%v", what, got, want)
	}
}

// TestAttachmentStarts: what comes into use hears of our networks, then of
// services, and is asked for all; the peer of a link again until it has spoken.
func TestAttachmentStarts(t *testing.T) {
	const own = "R 0000000B 1/2, 0000BEEF 1/2; 0 S 0004 FS1 2; 0 R?; 0 S?"
	for _, tt := range []struct {
		name string
		Attachment
		want string
	}{
		{"LAN", Attachment{Kind: LAN, Network: 0xC}, "0 " + own + "; 0 S?; 0 S?"}, // for all, for file servers, for trees
		{"LAN that knows not its number", Attachment{Kind: LAN, Learn: true}, "0 R?; 1000 R?; 3000 R?"},
		{"static LAN", Attachment{Kind: LAN, Network: 0xC, Exchange: ExchangeStatic}, ""},
		{"link", Attachment{Kind: Link}, "0 R?; 1000 R?"},
		{"link with RIP and SAP", Attachment{Kind: Link, Exchange: ExchangeRIPSAP},
			"0 " + strings.ReplaceAll(own, "1/2", "1/7") + "; 1000 R?; 1000 S?; 3000 R?; 3000 S?"},
		{"workstation", Attachment{Kind: Workstation, Network: 0xC, Exchange: ExchangeRIPSAP}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &lab{Router: New(Config{InternalNetwork: netHome})}
				b := r.attach(t, Attachment{Name: "b", Network: netB, Send: new(wire), Exchange: ExchangeStatic})
				b.SetStatic(nil, []Service{server("FS1", netB, 1)})
				ctx, stop := context.WithCancel(t.Context())
				go r.Run(ctx)
				time.Sleep(time.Hour)
				var w wire
				tt.Name, tt.Node, tt.Send = "it", nodeL, &w
				r.attach(t, tt.Attachment)
				got := timeline(&w, 5*time.Second)
				wantEqual(t, "said", got, tt.want)
				stop()
				time.Sleep(farewell)
			})
		})
	}
}

// TestFirstWordsAreLost: a link may be open at one end a moment before it is at the other,
// so that what is told and asked at first is lost. A change that comes later is no reason
// to wait for the next minute; an answer is one not to ask again.
func TestFirstWordsAreLost(t *testing.T) {
	route := rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}
	toUs := func(p pk, socket string) pk {
		p.to = fmt.Sprintf("00000000:%v:%s", nodeL, socket)
		return p
	}
	change := ripTell(routerL, route)
	for _, tt := range []struct {
		name  string
		hears []pk
		want  string
	}{
		{"a change", []pk{change}, "0 R?; 0 S?; 1000 R?; 1000 S?"},
		{"half of the answer", []pk{toUs(change, "0453")}, "0 R?; 0 S?; 1000 R?; 1000 S?"},
		{"the answer", []pk{toUs(change, "0453"), toUs(sapTell(serverL, server("FS", 0x51, 1)), "0452")}, "0 R?; 0 S?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, lab *lab) {
				lab.relink(t, Attachment{Name: "l", Kind: Link, Site: "far", Node: nodeL, Send: &lab.wireL, Exchange: ExchangeRIPSAP})
				synctest.Wait()
				for _, p := range tt.hears {
					ask(lab.l, p)
				}
				var asked []string
				for line := range strings.SplitSeq(timeline(&lab.wireL, 40*time.Second), "; ") {
					if strings.HasSuffix(line, "?") {
						asked = append(asked, line)
					}
				}
				wantEqual(t, "asked", strings.Join(asked, "; "), tt.want)
			})
		})
	}
}

// TestPeriodicUpdates: each minute, services half a minute after routes; another
// period where it is set.
func TestPeriodicUpdates(t *testing.T) {
	for _, period := range []time.Duration{0, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			r := &lab{Router: New(Config{})}
			var w wire
			b := r.attach(t, Attachment{Name: "b", Network: netB, Send: new(wire)})
			b.SetStatic(nil, []Service{server("FS1", netB, 1)})
			r.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: &w, Update: period})
			ctx, stop := context.WithCancel(t.Context())
			go r.Run(ctx)
			timeline(&w, 5*time.Second)
			want := []time.Duration{30, 60, 90, 120}
			if period != 0 {
				want = []time.Duration{150, 300, 450, 600}
			}
			var lines []string
			for i, s := range want {
				lines = append(lines, fmt.Sprint((s*time.Second-5*time.Second).Milliseconds(), []string{" S 0004 FS1 2", " R 0000000B 1/2"}[i%2]))
			}
			wantEqual(t, "said", timeline(&w, want[3]*time.Second), strings.Join(lines, "; "))
			stop()
			time.Sleep(farewell)
		})
	}
}

// TestTriggeredUpdates: the first change is told at once, the next are collected
// for a second; only what changed is told, and not where it was learned.
func TestTriggeredUpdates(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		one := func(n ipx.Network, hops, ticks uint16) {
			ask(lab.a, ripTell(server1, rip.Entry{Network: n, Hops: hops, Ticks: ticks}))
		}
		one(0x51, 1, 2)
		wantEqual(t, "new", timeline(&lab.wireB, 100*time.Millisecond), "0 R 00000051 2/3")
		one(0x52, 1, 2)
		one(0x53, 1, 2)
		one(0x53, 2, 2)
		wantEqual(t, "collected", timeline(&lab.wireB, time.Second), "900 R 00000052 2/3, 00000053 3/3")
		wantEqual(t, "on the link, all together", timeline(&lab.wireL, 0), "0 R 00000051 2/8; 0 R 00000052 2/8, 00000053 3/8")
		wantEqual(t, "where they were learned", timeline(&lab.wireA, 0), "")
		time.Sleep(2 * time.Second)
		one(0x51, 1, 9)
		wantEqual(t, "ticks alone wait", timeline(&lab.wireB, 10*time.Second), "")
		one(0x51, 16, 9)
		wantEqual(t, "down, three times", timeline(&lab.wireB, 10*time.Second), "0 R 00000051 16/10; 2000 R 00000051 16/10; 4000 R 00000051 16/10")
		wantEqual(t, "not where the loss came from", timeline(&lab.wireA, 0), "")
		ask(lab.b, ripAsk(hostB, 0x51))
		wantEqual(t, "asked", told(lab.wireB.answers()), "00000051 16/10")
		time.Sleep(mourning)
		lab.wireB.take()
		ask(lab.b, ripAsk(hostB, 0x51))
		wantEqual(t, "asked a minute later", told(lab.wireB.answers()), "")
		ask(lab.a, ripTell(server1, rip.Entry{Network: 0x51, Hops: 1, Ticks: 2}))
		ask(lab.a, sapTell(sapA, server("FS", 0x51, 1)))
		wantEqual(t, "service", timeline(&lab.wireB, 100*time.Millisecond), "0 R 00000051 2/3; 0 S 0004 FS 2")
		one(0x51, 16, 9)
		wantEqual(t, "services go with their route", timeline(&lab.wireB, 1500*time.Millisecond), "900 R 00000051 16/3; 900 S 0004 FS 16")
	})
}

// TestSplitHorizonTwins: of two ways that are equally good, neither hears of the
// network from us; a twin that comes later is told that our way is none.
func TestSplitHorizonTwins(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		entry := rip.Entry{Network: 0x51, Hops: 1, Ticks: 7}
		ask(lab.a, ripTell(server1, entry))
		wantEqual(t, "first, on the link", timeline(&lab.wireL, time.Second), "0 R 00000051 2/13")
		lab.wireB.take()
		ask(lab.l, ripTell(routerL, entry))
		wantEqual(t, "present one stays", via(lab.Router, 0x51), "a 020000000A01 1/7")
		wantEqual(t, "twin, on the link", timeline(&lab.wireL, time.Second), "0 R 00000051 16/13")
		for at, w := range map[*Attached]*wire{lab.a: &lab.wireA, lab.l: &lab.wireL} {
			w.take()
			ask(at, ripAsk(at.Network().String()+":020000000E01:0453", ipx.AllNetworks))
			if got := told(w.answers()); strings.Contains(got, "00000051") {
				t.Errorf("told on %s: %s", at.Name(), got)
			}
		}
		time.Sleep(10 * time.Second)
		lab.wireA.take()
		lab.wireL.take()
		ask(lab.a, ripTell(server1, rip.Entry{Network: 0x51, Hops: 16, Ticks: 7}))
		wantEqual(t, "the twin takes over", via(lab.Router, 0x51), "l 000000000000 1/7")
		wantEqual(t, "then it is told where the first was", timeline(&lab.wireA, time.Second), "0 R 00000051 2/8")
		wantEqual(t, "and not on the link", timeline(&lab.wireL, time.Second), "")
	})
}

// TestDownNewsOfALink: what is behind a link that goes is down at once.
func TestDownNewsOfALink(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		ask(lab.l, ripTell(routerL, rip.Entry{Network: 0x51, Hops: 2, Ticks: 9}))
		ask(lab.l, sapTell(serverL, server("FS", 0x51, 2)))
		quiet(lab)
		lab.l.Detach()
		wantEqual(t, "on A", timeline(&lab.wireA, time.Second), "0 R 0000000F 16/7, 00000020 16/8, 00000051 16/10; 0 S 0004 FS 16")
		wantEqual(t, "way", via(lab.Router, 0x51), "")
		for _, i := range lab.Routes() {
			if i.Network == 0x51 && (!i.Down || i.Hops != 16) {
				t.Errorf("status %+v", i)
			}
		}
	})
}

// TestFullUpdatesArePaced: fifty routes and seven services a packet, one tick
// apart, in each stream.
func TestFullUpdatesArePaced(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		for i := range ipx.Network(120) {
			lab.b.router.mu.Lock()
			lab.routes.tell(0x1000+i, candidate{at: lab.b, origin: originStatic, hops: 1, ticks: 2}, time.Now())
			lab.services.tell(serviceKey{4, fmt.Sprintf("FS%03d", i)}, candidate{at: lab.b, origin: originStatic, hops: 1, addr: ipx.Addr{Network: 0x1000 + i}}, time.Now())
			lab.settle(time.Now())
			lab.b.router.mu.Unlock()
		}
		time.Sleep(10 * time.Second)
		lab.wireL.take()
		last := map[ipx.Socket]time.Duration{}
		began := time.Now()
		count := map[ipx.Socket]int{}
		for time.Since(began) < 120*time.Second {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			for _, s := range lab.wireL.take() {
				h, payload, _ := ipx.Parse(s.pkt)
				if payload[1] == 1 {
					continue // we ask
				}
				if gone := time.Since(began) - last[h.Src.Socket]; gone < gap && count[h.Src.Socket] > 0 {
					t.Errorf("%v after %v", h.Src.Socket, gone)
				}
				if len(payload) > 2+50*8 && h.Src.Socket == ipx.SocketRIP || len(payload) > 2+7*64 {
					t.Errorf("%d octets", len(payload))
				}
				last[h.Src.Socket] = time.Since(began)
				count[h.Src.Socket]++
			}
		}
		if want := map[ipx.Socket]int{ipx.SocketRIP: 2 * 3, ipx.SocketSAP: 2 * 18}; fmt.Sprint(count) != fmt.Sprint(want) {
			t.Errorf("%v packets, want %v", count, want)
		}
	})
}

// TestFarewell: when Run ends, all that neighbours reach through us is announced
// as down, paced, for two seconds at most.
func TestFarewell(t *testing.T) {
	for _, n := range []int{1, 120, 5000} {
		synctest.Test(t, func(t *testing.T) {
			r := &lab{Router: New(Config{})}
			var w wire
			a := r.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: &w})
			b := r.attach(t, Attachment{Name: "b", Network: netB, Send: new(wire)})
			var routes []Route
			for i := range n {
				routes = append(routes, Route{Network: 0x1000 + ipx.Network(i), Hops: 1, Ticks: 2})
			}
			b.SetStatic(routes, []Service{server("FS1", netB, 1)})
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan time.Time)
			go func() { r.Run(ctx); ended <- time.Now() }()
			time.Sleep(5 * time.Second)
			w.take()
			began := time.Now()
			stop()
			took := (<-ended).Sub(began)
			got := strings.Split(told(w.take()), ", ")
			for _, line := range got {
				if !strings.Contains(line, " 16") {
					t.Errorf("%s", line)
				}
			}
			want := min(n+2, 50*37+1)
			if len(got) != want || took > farewell || n < 10 && took != 0 {
				t.Errorf("%d lines in %v, want %d", len(got), took, want)
			}
			_ = a
		})
	}
}

// TestLimitsOfAnnouncements: what a neighbour may be told.
func TestLimitsOfAnnouncements(t *testing.T) {
	run(t, func(t *testing.T, lab *lab) {
		lab.addServices(lab.l, server("FS1", netFar, 1), server("SECRET", netFar, 1))
		var w wire
		c := lab.attach(t, Attachment{Name: "c", Network: 0xC, Node: nodeB, Send: &w, Limits: policy.Limits{
			AnnounceNetworks: policy.Networks{{First: 0xA, Last: 0xA}, {First: netFar, Last: netFar}},
			AnnounceServices: policy.Services{{Type: sap.FileServer, Name: "FS*"}},
		}})
		wantEqual(t, "announced", timeline(&w, time.Second), "0 R 0000000A 1/2, 00000020 2/8; 0 S 0004 FS1 2; 0 R?; 0 S?; 0 S?; 0 S?")
		ask(c, ripAsk("0000000C:020000000C01:4001", netB, netA))
		ask(c, sapAsk("0000000C:020000000C01:4002", sap.OpNearestRequest, sap.FileServer))
		ask(c, sapAsk("0000000C:020000000C01:4002", sap.OpNearestRequest, sap.FileServer))
		wantEqual(t, "answered", told(w.answers()), "0000000A 1/2, 0004 FS1 2, 0004 FS1 2")
	})
}

// TestNewNodeIsAnnounced: neighbours know us by our node.
func TestNewNodeIsAnnounced(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		lab.a.SetNode(node("020000000A98"))
		synctest.Wait()
		for i, s := range lab.wireA.news() {
			if h, _, _ := ipx.Parse(s.pkt); h.Src.Node != node("020000000A98") || i == 0 && told([]sent{s}) != "0000000B 1/2, 0000000F 1/7, 00000020 2/8, 0000BEEF 1/2" {
				t.Errorf("from %v: %s", h.Src, told([]sent{s}))
			}
		}
	})
}

// TestLogOfChangesIsBounded: what comes and goes while nobody reads does not pile
// up.
func TestLogOfChangesIsBounded(t *testing.T) {
	talking(t, func(t *testing.T, lab *lab) {
		lab.mu.Lock()
		defer lab.mu.Unlock()
		for i := range 100000 {
			now := time.Now()
			lab.routes.tell(0x77, candidate{at: lab.b, origin: originStatic, hops: uint8(1 + i%3), ticks: 2}, now)
			lab.settle(now)
			lab.trim()
		}
		if n := len(lab.routes.log.list); n > 3000 {
			t.Errorf("%d changes kept of one route", n)
		}
	})
}
