package bridge

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
)

// What becomes of IPX when a peer negotiates anew on a link that stays, and of a
// number that it may not have.

// current is a daemon's one session.
func (d *testDaemon) current(t *testing.T) *session {
	t.Helper()
	s, ok := d.allSites()[0].supervisor.snapshot().Current.(*session)
	if !ok {
		t.Fatal("there is no session")
	}
	return s
}

// negotiateAnew has the daemon hear a Configure-Request without options that its peer
// has not sent before, as of a peer that begins anew.
func (d *testDaemon) negotiateAnew(t *testing.T, controlProtocol uint16) {
	t.Helper()
	p := packet.Get()
	defer packet.Put(p)
	p.Set([]byte{0xFF, 0x03, byte(controlProtocol >> 8), byte(controlProtocol), 1, 0xEE, 0, 4})
	d.current(t).link.Receive([]*packet.Buffer{p})
	synctest.Wait()
}

const (
	protocolLCP   = 0xC021
	protocolIPXCP = 0x802B
)

// TestNegotiatedAnew: a peer that begins IPXCP or LCP anew. What is behind it is held
// meanwhile, the slots of header compression are empty afterwards at both ends, and
// the call stays.
func TestNegotiatedAnew(t *testing.T) {
	for name, protocol := range map[string]uint16{"IPXCP": protocolIPXCP, "LCP": protocolLCP} {
		for _, exchange := range []config.IPXExchange{config.ExchangeRIPSAP, config.ExchangeTriggered} {
			t.Run(name+" "+string(exchange), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := config.IPX{Exchange: exchange, Hold: time.Minute, Compression: 16}
					a, b := joined(t, newWorld(t), x, x)
					ends := []*testDaemon{a, b}
					for _, d := range ends {
						d.carrier.SetLine(gre.Line{Delay: 100 * time.Millisecond})
					}
					reaches(t, 10*time.Second, "both servers known", func() bool { return a.serves("BETA")() && b.serves("ALPHA")() })
					talk(t, a, 10)
					talk(t, b, 10)
					call := a.current(t)
					before := []*ipxLink{a.current(t).nets.Load().ipx, b.current(t).nets.Load().ipx}
					codecs := []any{before[0].codec.Load(), before[1].codec.Load()}

					a.negotiateAnew(t, protocol)
					wantHeld(t, "alpha, at once", a, betaWire, "BETA")
					if before[0].codec.Load() != nil || before[0].routed.Load() != nil {
						t.Error("alpha goes on with the link that is down")
					}
					time.Sleep(110 * time.Millisecond) // alpha's request is there
					wantHeld(t, "beta, when it hears", b, alphaWire, "ALPHA")
					if before[1].codec.Load() != nil || before[1].routed.Load() != nil {
						t.Error("beta goes on with the link that is down")
					}

					reaches(t, 20*time.Second, "alpha has its routes back", back(a, betaWire))
					reaches(t, 20*time.Second, "beta has its routes back", back(b, alphaWire))
					if a.current(t) != call || a.allSites()[0].status().Ups > 2 {
						t.Error("the call was given up")
					}
					for i, d := range ends {
						l := d.current(t).nets.Load().ipx
						if c := l.codec.Load(); c == nil || any(c) == codecs[i] {
							t.Errorf("end %d: the slots are those of before", i)
						}
					}
					talk(t, a, 10)
					talk(t, b, 10)
					for i, d := range ends {
						c := d.allSites()[0].status().IPX.Compression
						if c == nil || c.Out.Initial == 0 || c.Out.Compressed == 0 || c.In.Dropped.EmptySlot+c.In.Dropped.UnknownType+c.In.Dropped.NotIPX != 0 {
							t.Errorf("end %d: compression %+v", i, c)
						}
					}
					time.Sleep(3 * time.Minute)
					if !back(a, betaWire)() || !back(b, alphaWire)() || !a.serves("BETA")() || !b.serves("ALPHA")() {
						t.Error("lost afterwards")
					}
				})
			})
		}
	}
}

// back reports whether a daemon is up and knows a network, and not as one that is held.
func back(d *testDaemon, n ipx.Network) func() bool {
	return func() bool {
		r := d.route(n)
		return r != nil && r.Held.IsZero() && d.is(StateUp)()
	}
}

func wantHeld(t *testing.T, when string, d *testDaemon, n ipx.Network, server string) {
	t.Helper()
	if r := d.route(n); r == nil || r.Held.IsZero() || !d.serves(server)() {
		t.Errorf("%s: %v is not held: %+v", when, n, r)
	}
}

// talk has a daemon ping the inside of the other one.
func talk(t *testing.T, d *testDaemon, times int) {
	t.Helper()
	inside := ipx.Network(0xA)
	if d.config().Daemon.InternalNetwork == inside {
		inside = 0xB
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range times {
		if _, _, err := d.ipx.router.Ping(ctx, ping.Novell, inside, ipx.ServerNode, 100); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLinkNumberInUse: a peer cannot have for the link a number that is a network of
// ours, on a LAN or behind one: packets for it would go to the peer.
func TestLinkNumberInUse(t *testing.T) {
	for name, number := range map[string]ipx.Network{"a LAN's": alphaWire, "one behind a LAN": 0xA1, "our inside": 0xA, "free": 0xF0F0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.startInside("alpha", 0xA, ipxSite("alpha", "beta", false, config.IPX{Network: 1}))
				a.wire(t, alphaWire, fileServer("ALPHA", 0xA1))
				b := w.startInside("beta", 0xB, ipxSite("beta", "alpha", true, config.IPX{Network: number}))
				if name == "free" {
					reaches(t, 10*time.Second, "up", both(a, b, StateUp))
					if got := a.allSites()[0].status().IPX.Network; got != number {
						t.Errorf("the link is %v", got)
					}
					return
				}
				want := "network " + number.String() + ", which the peer wants for the link, is in use here"
				reaches(t, time.Minute, "refused", func() bool { return strings.Contains(a.allSites()[0].status().Reason, want) })
				for range 60 {
					time.Sleep(time.Second)
					if a.is(StateUp)() {
						t.Fatal("the link is up")
					}
				}
				if r := a.route(alphaWire); r == nil || r.Via != "lan" {
					t.Errorf("the LAN is reached by %+v", r)
				}
			})
		})
	}
}

// TestIPXGivenUpAndBack: a side that closes IPXCP on a link that is for IPX, or hangs
// up, ends the call. What is behind it is held until the next one is up.
func TestIPXGivenUpAndBack(t *testing.T) {
	for name, end := range map[string]func(s *session){
		"IPXCP closed": func(s *session) { s.link.CloseLayer("IPXCP", "test") },
		"hung up":      func(s *session) { s.link.HangUp("test") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := config.IPX{Exchange: config.ExchangeTriggered, Hold: 5 * time.Minute, Compression: 16}
				a, b := joined(t, newWorld(t), x, x)
				reaches(t, 10*time.Second, "both servers known", func() bool { return a.serves("BETA")() && b.serves("ALPHA")() })
				talk(t, a, 10)
				call := a.current(t)
				ended := call.nets.Load().ipx
				end(call)
				reaches(t, 10*time.Second, "down", func() bool { return !a.is(StateUp)() && !b.is(StateUp)() })
				wantHeld(t, "alpha", a, betaWire, "BETA")
				wantHeld(t, "beta", b, alphaWire, "ALPHA")
				if ended.codec.Load() != nil || ended.routed.Load() != nil {
					t.Error("the link that ended is still in use")
				}
				for _, d := range []*testDaemon{a, b} {
					n := betaWire
					if d == b {
						n = alphaWire
					}
					reaches(t, 3*time.Minute, "back", func() bool {
						if !d.knows(n)() {
							t.Fatal("lost meanwhile")
						}
						return back(d, n)()
					})
				}
				talk(t, a, 10)
				talk(t, b, 10)
			})
		})
	}
}
