package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/ipfilter"
	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ip"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// A demandSite is the supervisor of a demand site, with what dials it and what waits.
type demandSite struct {
	*supervisor
	d     *demand
	log   strings.Builder
	start time.Time

	mu    sync.Mutex // guards what follows
	dials []time.Duration
	fail  error // of the next dials
	last  *fakeTunnel
	told  []EventKind // by the loop: read it when all wait
}

// dialed says when there were dials so far.
func (x *demandSite) dialed() []time.Duration {
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.dials)
}

// failing has the next dials fail; nil: they do not.
func (x *demandSite) failing(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fail = err
}

// startDemand runs the supervisor of a demand site until the test ends.
func startDemand(t *testing.T, cfg config.Demand, dials bool) *demandSite {
	x := &demandSite{start: time.Now()}
	var dial func(context.Context) (tunnel, error)
	if dials {
		dial = func(context.Context) (tunnel, error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.dials = append(x.dials, time.Since(x.start))
			if x.fail != nil {
				return nil, x.fail
			}
			x.last = newFake(true, true)
			return x.last, nil
		}
	}
	x.supervisor = newSupervisor(slog.New(slog.NewTextHandler(&x.log, nil)), "a", "b", dial)
	x.backoff.jitter = exactly
	x.d = newDemand(&cfg)
	x.demand = x.d
	x.teller = teller{emit: func(e Event) { x.told = append(x.told, e.Kind) }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { x.run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return x
}

func ipxPacket(typ ipx.PacketType, socket ipx.Socket, data string) []byte {
	return ipx.AppendPacket(nil, ipx.Header{
		Type: typ, Src: ipx.Addr{Network: 0x10, Node: ipx.Node{2, 5: 1}, Socket: 0x4001}, Dst: ipx.Addr{Network: 0x20, Node: ipx.ServerNode, Socket: socket},
	}, []byte(data))
}

func buffers(pkts ...[]byte) (all []*packet.Buffer) {
	for _, p := range pkts {
		b := packet.Get()
		b.Set(p)
		all = append(all, b)
	}
	return all
}

// traffic has packets of IPX for the site.
func (x *demandSite) traffic(data ...string) {
	for _, s := range data {
		x.d.ipx.Send(protocolIPX, buffers(ipxPacket(ipx.TypeNCP, ipx.SocketNCP, s)), false)
	}
	synctest.Wait()
}

func (x *demandSite) wantState(t *testing.T, want State, reason string) {
	t.Helper()
	synctest.Wait()
	if v := x.snapshot(); v.State != want || !strings.Contains(v.Reason, reason) {
		t.Errorf("state %s, reason %q; want %s, %q", v.State, v.Reason, want, reason)
	}
}

// crossed collects the data of what is sent through a call.
func crossed(got *[]string) carry {
	return func(_ uint16, pkts []*packet.Buffer, _ bool) error {
		for _, p := range pkts {
			_, data, _ := ipx.Parse(p.Bytes())
			*got = append(*got, string(data))
			copy(p.Prepend(14), "frame in place") // as a link does
		}
		return nil
	}
}

// ignoreSocket is a filter of an operator.
func ignoreSocket(s ipx.Socket) policy.Filter {
	return policy.Filter{{Terms: []policy.Term{{Field: policy.Socket, First: s, Last: s}}}}
}

func TestTrafficDialsAndSilenceHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startDemand(t, config.Demand{Idle: 15 * time.Minute}, true)
		time.Sleep(24 * time.Hour)
		x.wantState(t, StateIdle, "")
		if len(x.dialed()) != 0 {
			t.Fatalf("dialled at %v, and nobody wanted it", x.dialed())
		}
		x.traffic("1", "2")
		x.wantState(t, StateUp, "")
		x.traffic("3") // IPX is not up yet
		var got []string
		x.d.ipx.connect(crossed(&got))
		x.traffic("4")
		time.Sleep(peerReady)
		synctest.Wait()
		x.traffic("5")
		if want := []string{"1", "2", "3", "4", "5"}; !slices.Equal(got, want) {
			t.Errorf("crossed: %v, want %v", got, want)
		}
		time.Sleep(14 * time.Minute)
		x.traffic("6")
		time.Sleep(14 * time.Minute)
		x.wantState(t, StateUp, "")
		time.Sleep(time.Minute)
		x.wantState(t, StateIdle, "nobody has used it for 15m0s")
		if want := []EventKind{EventUp, EventIdle}; !slices.Equal(x.told, want) {
			t.Errorf("told %v, want %v", x.told, want)
		}
		if x.last.why == nil || !strings.Contains(x.last.why.Error(), "nobody") {
			t.Errorf("the call ended by %v", x.last.why)
		}
		x.d.ipx.disconnect()
		x.traffic("7")
		x.wantState(t, StateIdle, "")
		time.Sleep(minWait)
		x.wantState(t, StateUp, "")
		if s := x.d.status(); s.Kept != 5 || s.Drops != (DemandDrops{}) || s.Woken.Destination != "00000020:000000000001:0451" || s.Woken.Protocol != "IPX type 17" {
			t.Errorf("status %+v, woken %+v", s, s.Woken)
		}
		if n := strings.Count(x.log.String(), "dials on demand"); n != 2 {
			t.Errorf("%d times in the log, dialled twice:\n%s", n, &x.log)
		}
	})
}

// RIP, SAP, watchdogs and the like neither dial nor keep the site up, and what comes
// from the peer does.
func TestChatterDoesNotCount(t *testing.T) {
	chatter := buffers(ipxPacket(1, ipx.SocketRIP, "rip"), ipxPacket(4, ipx.SocketSAP, "sap"), ipxPacket(4, ipx.SocketSerial, "serial"),
		ipxPacket(ipx.TypePEP, 0x4002, "\x01?"), ipxPacket(ipx.TypeSPX, 0x4003, "\xC0\x00345678901\x00"), ipxPacket(20, 0x455, "name"), ipxPacket(4, 0x4444, "ignored"))
	synctest.Test(t, func(t *testing.T) {
		x := startDemand(t, config.Demand{Idle: time.Minute, IPX: ignoreSocket(0x4444)}, true)
		for i, p := range chatter {
			if x.d.ipx.Send(protocolIPX, []*packet.Buffer{p}, false); x.d.status().Waiting > 0 {
				t.Fatalf("packet %d counts", i)
			}
		}
		x.wantState(t, StateIdle, "")
		if s := x.d.status(); s.Drops.Ignored != uint64(len(chatter)) {
			t.Errorf("%d ignored of %d", s.Drops.Ignored, len(chatter))
		}
		x.traffic("wake")
		var got []string
		x.d.ipx.connect(crossed(&got))
		for range 50 {
			time.Sleep(time.Second)
			x.d.ipx.note(chatter)
		}
		data := buffers(ipxPacket(ipx.TypeNCP, 0x4001, "answer"))
		x.d.ipx.note(data) // from the peer
		time.Sleep(50 * time.Second)
		x.wantState(t, StateUp, "")
		time.Sleep(10 * time.Second)
		x.wantState(t, StateIdle, "nobody")
	})
}

// The rules of an operator decide for IP too, in both directions.
func TestIgnoredIPDoesNotCount(t *testing.T) {
	rule, err := ipfilter.ParseRule("ignore udp port 123")
	if err != nil {
		t.Fatal(err)
	}
	udp := func(port byte) []byte {
		return append(slices.Concat([]byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0}, []byte{10, 2, 0, 2}, []byte{10, 1, 0, 1}), 0, port, 0, port, 0, 8, 0, 0)
	}
	synctest.Test(t, func(t *testing.T) {
		x := startDemand(t, config.Demand{Idle: time.Minute, IP: ipfilter.Filter{rule}}, true)
		x.d.Send(0x0021, buffers(udp(123)), false)
		x.wantState(t, StateIdle, "")
		if s := x.d.status(); s.Drops.Ignored != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		x.d.Send(0x0021, buffers(udp(53)), false)
		x.wantState(t, StateUp, "")
		x.d.v4.connect(func(uint16, []*packet.Buffer, bool) error { return nil })
		for range 59 {
			time.Sleep(time.Second)
			x.d.v4.note(buffers(udp(123)))
			x.d.Send(0x0021, buffers(udp(123)), false)
		}
		x.wantState(t, StateUp, "")
		time.Sleep(2 * time.Second)
		x.wantState(t, StateIdle, "nobody")
	})
}

func TestFailedDialBacksOffWhileWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startDemand(t, config.Demand{Idle: time.Minute}, true)
		lost := 0
		x.d.lost = func() { lost++ }
		x.failing(errors.New("no route to host"))
		x.traffic("1", "2")
		x.wantState(t, StateWaiting, "no route to host")
		if s := x.d.status(); s.Drops.DialFailed != 2 || s.Waiting != 0 || lost != 1 {
			t.Errorf("after the dial: %+v, %d times lost", s, lost)
		}
		for range 6 { // somebody tries again and again
			x.traffic("again")
			time.Sleep(time.Second)
		}
		if got, want := x.dialed(), []time.Duration{0, 1e9, 3e9}; !slices.Equal(got, want) {
			t.Errorf("dialled at %v, want %v", got, want)
		}
		time.Sleep(time.Minute) // and gives up
		x.wantState(t, StateIdle, "no route to host")
		dials := len(x.dialed())
		time.Sleep(time.Hour)
		if got := x.dialed(); len(got) != dials {
			t.Errorf("dialled at %v, and nobody wanted it", got)
		}
		x.failing(nil)
		x.traffic("anew")
		x.wantState(t, StateUp, "")
	})
}

// A way to the peer that appears neither wakes a demand site that nobody needs, nor has
// it try again what was refused.
func TestAnotherWayToADemandSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startDemand(t, config.Demand{Idle: time.Minute}, true)
		var now atomic.Pointer[outlook]
		x.outlook = func() outlook {
			if o := now.Load(); o != nil {
				return *o
			}
			return nil
		}
		flap := func() {
			for _, way := range []ip.Uplink{{}, wan1, wan2} {
				o := theOne(way)
				now.Store(&o)
				x.uplinkChanged()
				synctest.Wait()
			}
		}
		x.traffic("1")
		time.Sleep(2 * time.Minute)
		x.wantState(t, StateIdle, "")
		since := x.snapshot().Since
		time.Sleep(time.Minute)
		flap()
		time.Sleep(time.Minute)
		if v := x.snapshot(); v.State != StateIdle || v.Since != since {
			t.Errorf("%s for %v", v.State, time.Since(v.Since))
		}
		x.failing(&refusal{errors.New("bad password")})
		x.traffic("2")
		for range 5 {
			flap()
			x.traffic("again")
			time.Sleep(2 * time.Second)
		}
		if got := x.dialed(); len(got) != 2 {
			t.Errorf("dialled at %v", got)
		}
	})
}

// Traffic that comes between a dial that was given up for another uplink, and the next
// one, begins no second dial: nobody would own the call of the first.
func TestOneDialForAnotherUplink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most atomic.Int32
		s := newSupervisor(discard, "a", "b", func(ctx context.Context) (tunnel, error) {
			if n := under.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer under.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		s.demand = newDemand(&config.Demand{Idle: time.Minute})
		var way atomic.Bool
		s.outlook = func() outlook {
			if way.Load() {
				return theOne(wan2)
			}
			return theOne(wan1)
		}
		runSite(t, s)
		synctest.Wait()
		x := &demandSite{supervisor: s, d: s.demand}
		x.traffic("1")
		time.Sleep(300 * time.Millisecond)
		way.Store(true)
		s.uplinkChanged()
		time.Sleep(300 * time.Millisecond)
		x.traffic("2")
		time.Sleep(time.Minute / 2)
		x.wantState(t, StateDialing, "")
		if n := most.Load(); n != 1 || s.snapshot().Dials != 2 {
			t.Errorf("%d dials at once, %d in all", n, s.snapshot().Dials)
		}
	})
}

func TestOutsideHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		weekdays := config.Span{Days: [7]bool{false, true, true, true, true, true, false}, From: 8 * time.Hour, To: 18 * time.Hour}
		x := startDemand(t, config.Demand{Idle: time.Hour, Hours: config.Hours{weekdays}}, true)
		// Virtual time begins on Saturday, 1 January 2000.
		x.traffic("1")
		x.traffic("2")
		x.wantState(t, StateIdle, "outside its hours: traffic may dial again from Mon 3 Jan 08:00 on")
		if s := x.d.status(); s.Drops.OutsideHours != 2 || len(x.dialed()) != 0 {
			t.Errorf("%+v, dialled at %v", s.Drops, x.dialed())
		}
		if n := strings.Count(x.log.String(), "not dialled"); n != 1 {
			t.Errorf("%d times in the log", n)
		}
		if err := x.command(t.Context(), true); err != nil { // its operator knows better
			t.Fatal(err)
		}
		x.wantState(t, StateUp, "")
		time.Sleep(time.Hour)
		x.wantState(t, StateIdle, "nobody")
		monday := time.Date(2000, 1, 3, 17, 59, 0, 0, time.Local)
		time.Sleep(time.Until(monday))
		x.traffic("3")
		x.wantState(t, StateUp, "")
		time.Sleep(30 * time.Minute)
		x.wantState(t, StateUp, "") // it may stay
	})
}

// An idle site takes its peer's call, and hangs that up too.
func TestPeersCallOfADemandSite(t *testing.T) {
	for _, dials := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			x := startDemand(t, config.Demand{Idle: time.Minute}, dials)
			if !dials {
				x.traffic("1")
				if n := x.d.status().Drops.NoDial; n != 1 {
					t.Errorf("%d dropped: only the peer can call", n)
				}
			}
			f := newFake(false, true)
			if err := x.admit(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			x.wantState(t, StateUp, "")
			time.Sleep(time.Minute)
			x.wantState(t, StateIdle, "nobody")
			again := newFake(false, true)
			if err := x.admit(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			x.wantState(t, StateUp, "")
			time.Sleep(time.Second)
			again.close(errors.New("peer: idle"))
			x.wantState(t, StateIdle, "peer: idle")
			time.Sleep(time.Hour)
			if x.wantState(t, StateIdle, "peer: idle"); len(x.dialed()) != 0 {
				t.Errorf("dialled at %v", x.dialed())
			}
		})
	}
}

func TestStoppedDemandSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := startDemand(t, config.Demand{Idle: time.Minute}, true)
		var told []bool
		x.d.enabled = func(yes bool) { told = append(told, yes) }
		if err := x.command(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		x.traffic("1")
		x.wantState(t, StateStopped, "")
		if n := x.d.status().Drops.Stopped; n != 1 || len(x.dialed()) != 0 {
			t.Errorf("%d dropped, dialled at %v", n, x.dialed())
		}
		if err := x.command(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		x.wantState(t, StateUp, "")
		if !slices.Equal(told, []bool{false, true}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestWhatWaitsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDemand(&config.Demand{Idle: time.Minute})
		send := func(data string) {
			d.ipx.Send(protocolIPX, buffers(ipxPacket(ipx.TypeNCP, ipx.SocketNCP, data)), false)
		}
		for range maxHeldPackets + 3 {
			send("x")
		}
		if s := d.status(); s.Waiting != maxHeldPackets || s.Drops.Overflow != 3 {
			t.Errorf("%+v", s)
		}
		long := strings.Repeat("x", 1400)
		for range maxHeldPackets {
			send(long)
		}
		if s := d.status(); s.Waiting != maxHeldOctets/(1400+ipx.HeaderLen) {
			t.Errorf("%d wait", s.Waiting)
		}
		time.Sleep(maxHeldTime)
		send("last")
		var got []string
		d.ipx.connect(crossed(&got))
		time.Sleep(peerReady)
		synctest.Wait()
		if s := d.status(); !slices.Equal(got, []string{"last"}) || s.Drops.Expired == 0 || s.Waiting != 0 {
			t.Errorf("crossed %v, %+v", got, s)
		}
		d.ipx.disconnect()
		send("more")
		d.ipx.connect(func(uint16, []*packet.Buffer, bool) error { return errors.New("not open") })
		time.Sleep(peerReady)
		synctest.Wait()
		if s := d.status(); s.Drops.LinkRefused != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCallDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		return
	}
	d := newDemand(&config.Demand{Idle: time.Minute})
	d.ipx.connect(func(uint16, []*packet.Buffer, bool) error { return nil })
	pkts := buffers(ipxPacket(ipx.TypeNCP, ipx.SocketNCP, "data"))
	if n := testing.AllocsPerRun(100, func() {
		d.traffic.Store(0) // have it look
		d.ipx.Send(protocolIPX, pkts, false)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
