package router

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// An internet is several routers in one bubble, joined by wires that take 5 ms.
type internet struct {
	t      *testing.T
	mu     sync.Mutex
	sent   map[string]int  // packets by wire
	cut    map[string]bool // wires that carry nothing
	ends   map[*Attached]*sync.Mutex
	byName map[string]*Attached
	stop   map[*Router]func() // each ends, and waits for the end
}

// inInternet runs test in a bubble, and ends the routers that it made.
func inInternet(t *testing.T, test func(net *internet)) {
	synctest.Test(t, func(t *testing.T) {
		net := &internet{t: t, sent: map[string]int{}, cut: map[string]bool{}, ends: map[*Attached]*sync.Mutex{}, byName: map[string]*Attached{}, stop: map[*Router]func(){}}
		test(net)
	})
}

func (net *internet) router(internal ipx.Network) *Router {
	r := New(Config{InternalNetwork: internal})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	net.stop[r] = sync.OnceFunc(func() { stop(); <-ended; time.Sleep(time.Second) })
	net.t.Cleanup(net.stop[r])
	return r
}

// join attaches routers to one wire; each attachment is found under
// "wire/position".
func (net *internet) join(wire string, cfg Attachment, routers ...*Router) {
	for i, r := range routers {
		net.joinAs(wire, i, cfg, r)
	}
}

func (net *internet) joinAs(wire string, i int, cfg Attachment, r *Router) {
	cfg.Name = fmt.Sprintf("%s/%d", wire, i)
	cfg.Site = cfg.Name
	cfg.Node = ipx.Node{2, wire[0], wire[len(wire)-1], 0, 9, byte(i)}
	name := cfg.Name
	cfg.Send = sendFunc(func(dst ipx.Node, pkts []*packet.Buffer) error {
		for _, p := range pkts {
			net.carry(wire, name, dst, bytes.Clone(p.Bytes()))
		}
		return nil
	})
	a, err := r.Attach(cfg)
	if err != nil {
		net.t.Fatal(err)
	}
	net.mu.Lock()
	defer net.mu.Unlock()
	net.byName[name], net.ends[a] = a, new(sync.Mutex)
}

func (net *internet) detach(name string) {
	net.at(name).Detach()
	net.mu.Lock()
	defer net.mu.Unlock()
	delete(net.byName, name)
}

// count returns how many packets a wire was given.
func (net *internet) count(wire string) int {
	net.mu.Lock()
	defer net.mu.Unlock()
	return net.sent[wire]
}

func (net *internet) carry(wire, from string, dst ipx.Node, pkt []byte) {
	net.mu.Lock()
	defer net.mu.Unlock()
	net.sent[wire]++
	if net.cut[wire] {
		return
	}
	for name, a := range net.byName {
		if name == from || !strings.HasPrefix(name, wire+"/") {
			continue
		}
		lock := net.ends[a]
		time.AfterFunc(5*time.Millisecond, func() {
			lock.Lock()
			defer lock.Unlock()
			to := ToUs
			if a.cfg.Kind == LAN {
				to = Addressee(dst, a.cfg.Node)
			}
			a.Input([]In{{buffer(pkt), to}})
		})
	}
}

func (net *internet) at(name string) *Attached {
	net.mu.Lock()
	defer net.mu.Unlock()
	return net.byName[name]
}

// known lists the networks that r can reach, with their hops.
func known(r *Router) string {
	var list []string
	for _, i := range r.Routes() {
		if !i.Down {
			list = append(list, fmt.Sprintf("%X/%d", uint32(i.Network), i.Hops))
		}
	}
	return strings.Join(list, " ")
}

func worst(r *Router, n ipx.Network) (hops uint8) {
	for _, i := range r.Routes() {
		if i.Network == n && !i.Down {
			hops = i.Hops
		}
	}
	return hops
}

var links = []Attachment{
	{Kind: LAN}, {Kind: Link, Exchange: ExchangeRIPSAP},
}

// TestConvergence: routers in a row, by LANs and by links without numbers, know
// everything within a second or two.
func TestConvergence(t *testing.T) {
	for _, cfg := range links {
		t.Run(cfg.Kind.String(), func(t *testing.T) {
			inInternet(t, func(net *internet) {
				a, b, c := net.router(0xA0), net.router(0xB0), net.router(0xC0)
				net.join("x", Attachment{Kind: LAN, Network: 0x77}, a)
				net.at("x/0").SetStatic(nil, []Service{server("FS", 0x77, 1)})
				for i, pair := range [][2]*Router{{a, b}, {b, c}} {
					if cfg.Kind == LAN {
						cfg.Network = ipx.Network(1 + i)
					}
					net.join(fmt.Sprint("l", i), cfg, pair[0], pair[1])
				}
				time.Sleep(3 * time.Second)
				want := map[Kind][]string{
					LAN:  {"1/0 2/1 77/0 A0/0 B0/1 C0/2", "1/0 2/0 77/1 A0/1 B0/0 C0/1", "1/1 2/0 77/2 A0/2 B0/1 C0/0"},
					Link: {"77/0 A0/0 B0/1 C0/2", "77/1 A0/1 B0/0 C0/1", "77/2 A0/2 B0/1 C0/0"},
				}[cfg.Kind]
				for i, r := range []*Router{a, b, c} {
					wantEqual(t, fmt.Sprint("router ", i), known(r), want[i])
				}
				if s := c.Services(); len(s) != 1 || s[0].Hops != 3 {
					t.Errorf("services at the far end: %+v", s)
				}
				net.at("x/0").Detach()
				time.Sleep(2500 * time.Millisecond)
				if known := known(c); strings.Contains(known, "77/") || len(c.Services()) != 0 {
					t.Errorf("after it went: %s, %+v", known, c.Services())
				}
			})
		})
	}
}

// TestNoCountingToInfinity: in rings of three and more routers, a network that
// goes is gone everywhere within seconds; no router takes an echo of it for a way.
func TestNoCountingToInfinity(t *testing.T) {
	for _, n := range []int{3, 4, 5} {
		for _, lost := range []string{"the network itself", "the link to it", "its only router, silently"} {
			t.Run(fmt.Sprintf("%d routers, %s", n, lost), func(t *testing.T) {
				inInternet(t, func(net *internet) {
					var ring []*Router
					for i := range n {
						ring = append(ring, net.router(ipx.Network(0xA0+i)))
					}
					for i := range n {
						net.join(fmt.Sprint("l", i), links[1], ring[i], ring[(i+1)%n])
					}
					net.join("x", Attachment{Kind: LAN, Network: 0x77}, ring[0])
					far := net.router(0xFA) // behind a link of its own
					net.join("y", links[1], ring[0], far)
					time.Sleep(10 * time.Second)
					switch lost {
					case "the network itself":
						net.at("x/0").Detach()
					case "the link to it":
						net.at("y/0").Detach()
					default:
						net.mu.Lock()
						net.cut["y"] = true
						net.mu.Unlock()
						time.Sleep(minLifetime)
					}
					gone := ipx.Network(0xFA)
					if lost == "the network itself" {
						gone = 0x77
					}
					longest, last := uint8(0), time.Duration(0)
					for began := time.Now(); time.Since(began) < 3*time.Minute; time.Sleep(100 * time.Millisecond) {
						for _, r := range ring {
							if hops := worst(r, gone); hops > 0 {
								longest, last = max(longest, hops), time.Since(began)
							}
						}
					}
					if longest > uint8(2*n) || last > 15*time.Second && lost != "its only router, silently" || last > 75*time.Second {
						t.Errorf("counted to %d, gone after %v", longest, last)
					}
				})
			})
		}
	}
}

// TestRingHeals: when one link of a ring breaks, the other way is taken.
func TestRingHeals(t *testing.T) {
	inInternet(t, func(net *internet) {
		a, b, c := net.router(0xA0), net.router(0xB0), net.router(0xC0)
		net.join("ab", links[1], a, b)
		net.join("bc", links[1], b, c)
		net.join("ca", links[1], c, a)
		time.Sleep(5 * time.Second)
		wantEqual(t, "ring", known(a)+", "+known(b), "A0/0 B0/1 C0/1, A0/1 B0/0 C0/1")
		net.at("ab/0").Detach()
		net.at("ab/1").Detach()
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		wantEqual(t, "broken", known(a)+", "+known(b), "A0/0 B0/2 C0/1, A0/2 B0/0 C0/1")
		net.join("ba", links[1], b, a)
		time.Sleep(3 * time.Second)
		wantEqual(t, "whole again", known(a)+", "+known(b), "A0/0 B0/1 C0/1, A0/1 B0/0 C0/1")
	})
}

// TestHubAndSpokes: two thousand networks and services behind four branches, one
// of which flaps; in the end the hub has exactly what was announced.
func TestHubAndSpokes(t *testing.T) {
	inInternet(t, func(net *internet) {
		const each = 500
		hub := net.router(0xA0)
		for i := range 4 {
			branch := net.router(ipx.Network(0xB0 + i))
			net.join(fmt.Sprint("l", i), links[1], hub, branch)
			net.join(fmt.Sprint("x", i), Attachment{Kind: LAN, Network: ipx.Network(0x77 + i)}, branch)
			var routes []Route
			var services []Service
			for k := range each {
				n := ipx.Network(0x10000*(i+1) + k)
				routes = append(routes, Route{Network: n, Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}})
				services = append(services, server(fmt.Sprintf("FS%d-%d", i, k), n, 1))
			}
			net.at(fmt.Sprint("x", i, "/0")).SetStatic(routes, services)
		}
		complete := func() bool { return len(hub.Routes()) == 1+4*(2+each) && len(hub.Services()) == 4*each }
		began := time.Now()
		for !complete() && time.Since(began) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("complete after %v", time.Since(began))
		for range 3 {
			net.detach("l3/0")
			time.Sleep(700 * time.Millisecond)
			net.joinAs("l3", 0, links[1], hub)
			time.Sleep(3 * time.Second)
		}
		time.Sleep(30 * time.Second)
		if !complete() {
			t.Errorf("%d routes, %d services", len(hub.Routes()), len(hub.Services()))
		}
		for _, i := range hub.Routes() {
			if i.Down || len(i.Alternatives) > 0 {
				t.Fatalf("stale: %+v", i)
			}
		}
		names := map[string]bool{}
		for _, s := range hub.Services() {
			names[s.Name] = s.Hops == 2
		}
		if len(names) != 4*each || slices.Contains([]bool{names["FS0-0"], names["FS3-499"]}, false) {
			t.Errorf("%d names", len(names))
		}
	})
}

// TestNumberOfALinkAfterAFlap: the number of a link that went at one end only is
// told by others; the link may have it again. Another wire's is refused.
func TestNumberOfALinkAfterAFlap(t *testing.T) {
	for _, exchange := range []Exchange{ExchangeRIPSAP, ExchangeTriggered} {
		inInternet(t, func(net *internet) {
			a, b, c := net.router(0xA0), net.router(0xB0), net.router(0xC0)
			x := Attachment{Kind: Link, Exchange: exchange, Hold: time.Minute}
			for i, ends := range [][]*Router{{a, b}, {b, c}, {a, c}} {
				x.Network = ipx.Network(1 + i)
				net.join([]string{"ab", "bc", "ac"}[i], x, ends...)
			}
			net.join("xb", Attachment{Kind: LAN, Network: 0x77}, b)
			time.Sleep(2 * time.Minute)
			inUse := func(r *Router) string { return fmt.Sprint(r.InUse(1), r.InUse(2), r.InUse(3), r.InUse(0x77)) }
			wantEqual(t, "all up", inUse(a), "true true true true")
			net.detach("ab/0")
			time.Sleep(time.Minute)
			wantEqual(t, "way", via(a, 1), "ac/0 000000000000 2/18")
			wantEqual(t, "one end is gone", inUse(a), "false true true true")
			x.Network = 1
			net.joinAs("ab", 0, x, a)
			time.Sleep(20 * time.Second)
			wantEqual(t, "again", via(a, 1)+" "+inUse(a), "ab/0 000000000000 0/6 true true true true")

			net.detach("ab/0")
			net.detach("ab/1")
			time.Sleep(time.Minute)
			wantEqual(t, "both ends are gone", inUse(a), "false true true true")
			net.join("xc", Attachment{Kind: LAN, Network: 1}, c)
			time.Sleep(2 * time.Minute)
			wantEqual(t, "a LAN has taken the number", inUse(a), "true true true true")
			net.detach("xc/0")
			time.Sleep(time.Minute)
			net.at("xb/0").SetStatic([]Route{{Network: 1, Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}}}, []Service{server("FS", 1, 1)})
			time.Sleep(2 * time.Minute)
			wantEqual(t, "a server has it", inUse(a), "true true true true")
			net.at("xb/0").SetStatic([]Route{{Network: 1, Hops: 1, Ticks: 2, Next: ipx.Node{2, 1}}}, nil)
			time.Sleep(formerly)
			wantEqual(t, "long ago", inUse(a), "true true true true")
		})
	}
}
