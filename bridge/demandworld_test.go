package bridge

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/router"
)

// Whole daemons whose sites are dialled on demand, in virtual time.

// demandSite is the configuration of a site on demand, with what is behind it.
func onDemand(us, them string, dial bool, idle time.Duration, behind ...ipx.Network) *config.Site {
	x := config.IPX{Exchange: config.ExchangeStatic, Hold: time.Minute, Watchdogs: true, Network: 0xF1}
	for _, n := range behind {
		x.Routes = append(x.Routes, config.IPXRoute{Network: n, Hops: 1, Ticks: 2})
	}
	s := ipxSite(us, them, dial, x)
	s.Demand = &config.Demand{Idle: idle}
	return s
}

// A desk is the one station on a wire of a daemon: it records what it is sent.
type desk struct {
	at   *router.Attached
	addr ipx.Addr

	mu  sync.Mutex
	got [][]byte
}

func (h *desk) Send(dst ipx.Node, pkts []*packet.Buffer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range pkts {
		if dst == h.addr.Node {
			h.got = append(h.got, bytes.Clone(p.Bytes()))
		}
	}
	return nil
}

// take returns the data of what came, and forgets it.
func (h *desk) take() (data []string) {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.got {
		_, d, _ := ipx.Parse(p)
		data = append(data, string(d))
	}
	h.got = nil
	return data
}

// desk gives a daemon a wire with a station.
func (d *testDaemon) desk(t *testing.T, n ipx.Network) *desk {
	t.Helper()
	h := &desk{addr: ipx.Addr{Network: n, Node: ipx.Node{2, 4: 1, 5: byte(n)}}}
	at, err := d.ipx.router.Attach(router.Attachment{Name: "lan", Kind: router.LAN, Network: n, Node: ipx.Node{2, 5: byte(n)}, Send: h})
	if err != nil {
		t.Fatal(err)
	}
	h.at = at
	return h
}

// say sends a packet through the station's router.
func (h *desk) say(typ ipx.PacketType, from ipx.Socket, to ipx.Addr, data string) {
	src := h.addr
	src.Socket = from
	p := packet.Get()
	defer packet.Put(p)
	p.Set(ipx.AppendPacket(nil, ipx.Header{Type: typ, Src: src, Dst: to}, []byte(data)))
	h.at.Input([]router.In{{Packet: p, Dst: router.ToUs}})
}

func (d *testDaemon) pings(t *testing.T, n ipx.Network) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, _, err := d.ipx.router.Ping(ctx, ping.Novell, n, ipx.ServerNode, 0); err != nil {
		t.Errorf("ping %v: %v", n, err)
	}
}

// demandWorld is a world whose beta dials alpha on demand.
func demandWorld(t *testing.T, idle time.Duration) (w *world, a, b *testDaemon) {
	w = newWorld(t)
	a = w.startInside("alpha", 0xA, onDemand("alpha", "beta", false, idle, betaWire, 0xB))
	b = w.startInside("beta", 0xB, onDemand("beta", "alpha", true, idle, alphaWire, 0xA))
	synctest.Wait()
	return w, a, b
}

// One ping dials, and is answered; then the line is quiet, and what is behind it
// known at both ends.
func TestPingDialsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := demandWorld(t, time.Minute)
		time.Sleep(time.Hour)
		if !both(a, b, StateIdle)() || b.allSites()[0].status().Dials != 0 {
			t.Fatalf("dialled, and nobody wanted it: %+v", b.allSites()[0].status())
		}
		for round := range uint64(3) {
			b.pings(t, 0xA)
			s := b.allSites()[0].status()
			if s.State != StateUp || s.Dials != round+1 || s.Demand.Drops.DialFailed+s.Demand.Drops.Expired > 0 || s.Demand.Kept != round+1 {
				t.Errorf("%s, dialled %d times, %+v", s.State, s.Dials, s.Demand)
			}
			if r := b.route(0xA); r == nil || r.Via != "alpha" {
				t.Errorf("the way is %+v", r)
			}
			time.Sleep(50 * time.Second)
			if !both(a, b, StateUp)() {
				t.Error("hung up too early")
			}
			reaches(t, 15*time.Second, "both idle", both(a, b, StateIdle))
			for _, d := range []struct {
				*testDaemon
				n ipx.Network
			}{{a, 0xB}, {b, 0xA}, {b, alphaWire}} {
				if r := d.route(d.n); r == nil || !r.Held.IsZero() {
					t.Errorf("while idle the way to %v is %+v", d.n, r)
				}
			}
		}
	})
}

// Either end may call, and a stopped site is not known any more.
func TestBothEndsDialOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		cfg := onDemand("alpha", "beta", true, time.Minute, betaWire, 0xB)
		cfg.Answer = true
		a := w.startInside("alpha", 0xA, cfg)
		cfg = onDemand("beta", "alpha", true, time.Minute, alphaWire, 0xA)
		cfg.Answer = true
		b := w.startInside("beta", 0xB, cfg)
		synctest.Wait()
		a.pings(t, 0xB)
		reaches(t, 2*time.Minute, "both idle", both(a, b, StateIdle))
		time.Sleep(time.Minute)
		b.pings(t, 0xA)
		if da, db := a.allSites()[0].status().Dials, b.allSites()[0].status().Dials; da != 1 || db != 1 {
			t.Errorf("dialled %d and %d times", da, db)
		}
		reaches(t, 2*time.Minute, "both idle again", both(a, b, StateIdle))
		st := b.allSites()[0]
		if err := st.supervisor.command(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		b.ipx.forget(st.cfg)
		if b.route(0xA) != nil {
			t.Error("known, though its operator stopped it")
		}
		if err := st.supervisor.command(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		reaches(t, 5*time.Second, "up, since its operator says so", both(a, b, StateUp))
		b.pings(t, 0xA)
	})
}

// Both ends find at once that they need each other: one call stays.
func TestBothDialAtOnceOnDemand(t *testing.T) {
	for seed := range 5 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			var ends []*testDaemon
			for us, them := range map[string]string{"alpha": "beta", "beta": "alpha"} {
				inside := map[string]ipx.Network{"alpha": 0xA, "beta": 0xB}
				cfg := onDemand(us, them, true, time.Minute, inside[them])
				cfg.Answer = true
				ends = append(ends, w.startInside(us, inside[us], cfg))
			}
			synctest.Wait()
			var pings sync.WaitGroup
			for _, d := range ends {
				pings.Go(func() { // what crosses the call that does not stay may be lost
					to := map[string]ipx.Network{"alpha": 0xB, "beta": 0xA}[d.config().Daemon.Name]
					time.Sleep(time.Duration(seed) * time.Duration(to-0xA) * 7 * time.Millisecond)
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					d.ipx.router.Ping(ctx, ping.Novell, to, ipx.ServerNode, 0)
				})
			}
			pings.Wait()
			reaches(t, 5*time.Second, "both up", both(ends[0], ends[1], StateUp))
			for _, d := range ends {
				d.pings(t, map[string]ipx.Network{"alpha": 0xB, "beta": 0xA}[d.config().Daemon.Name])
			}
		})
	}
}

// A NetWare login lives for days on a line that is idle: the client is spoken for,
// and nothing is dialled for that. When the client itself speaks, it is.
func TestLoginLivesWhileIdle(t *testing.T) {
	const create, reply, request = "\x11\x11\x01\xFF\x01\xFF\x00", "\x33\x33\x01\x05\x01\x00\x00\x00", "\x22\x22\x02\x05\x01\x00\x14"
	synctest.Test(t, func(t *testing.T) {
		w, a, b := demandWorld(t, 15*time.Minute)
		server, client := a.desk(t, alphaWire), b.desk(t, betaWire)
		at := func(h *desk, s ipx.Socket) ipx.Addr { c := h.addr; c.Socket = s; return c }
		client.say(ipx.TypeNCP, 0x4003, at(server, ipx.SocketNCP), create)
		reaches(t, 10*time.Second, "the request arrives", func() bool { return len(server.take()) == 1 })
		server.say(ipx.TypeNCP, ipx.SocketNCP, at(client, 0x4003), reply)
		reaches(t, time.Second, "the answer arrives", func() bool { return len(client.take()) == 1 })
		asks := func() { server.say(ipx.TypeNCP, 0x4010, at(client, 0x4004), "\x05?") }

		for range 2 { // while the call is up the client answers
			time.Sleep(5 * time.Minute)
			asks()
			reaches(t, time.Second, "asked", func() bool { return len(client.take()) == 1 })
			client.say(ipx.TypeNCP, 0x4004, at(server, 0x4010), "\x05Y")
			reaches(t, time.Second, "answered", func() bool { return len(server.take()) == 1 })
		}
		reaches(t, 10*time.Minute, "both idle, whatever the server asks", both(a, b, StateIdle))
		for range 3 * 24 * 12 {
			time.Sleep(5 * time.Minute)
			asks()
			if got := server.take(); len(got) != 1 || got[0] != "\x05Y" {
				t.Fatalf("the server is told %q", got)
			}
		}
		if n := b.allSites()[0].status().Dials; n != 1 || !both(a, b, StateIdle)() {
			t.Errorf("dialled %d times", n)
		}
		client.say(ipx.TypeNCP, 0x4003, at(server, ipx.SocketNCP), request)
		reaches(t, 10*time.Second, "the next request arrives", func() bool { return len(server.take()) == 1 })

		// A line that cannot be had is not idle by choice: the limit is that of hold.
		reaches(t, time.Hour, "both idle", both(a, b, StateIdle))
		a.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		client.say(ipx.TypeNCP, 0x4003, at(server, ipx.SocketNCP), request)
		reaches(t, 2*time.Minute, "the dial fails", b.is(StateWaiting))
		_ = w
	})
}
