package control

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A flood is connections that say a word and stay, until the test ends.
type flood struct {
	to   *harbour
	word []byte
	sent atomic.Uint64
}

// pour opens n connections from one loopback address. It keeps within what the
// kernel queues for the listener: past that the kernel drops real peers too, and
// no listener knows of them.
func (f *flood) pour(t *testing.T, from netip.Addr, n int) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	for range n {
		until(t, "the listener accepts", func() bool {
			s := f.to.Stats()
			return f.sent.Load() < s.Evicted+s.Connections+2000
		})
		nc, err := d.Dial("tcp", f.to.addr)
		if err != nil {
			t.Errorf("flood from %v: %v", from, err)
			return
		}
		f.sent.Add(1)
		t.Cleanup(func() { hangUp(nc, true) })
		nc.Write(f.word)
	}
}

// wantCall has a real peer connect from an address and have a call within 2 s.
func wantCall(t *testing.T, to string, from netip.Addr) (hangUp func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	nc, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		t.Fatalf("real peer from %v: %v", from, err)
	}
	conn, err := Open(ctx, nc, Config{})
	if err != nil {
		t.Fatalf("real peer from %v: %v", from, err)
	}
	call, err := conn.Call(ctx, CallRequest{ID: 1, Window: 64})
	if err != nil {
		t.Fatalf("real peer from %v: %v", from, err)
	}
	return func() {
		if err := call.Err(); err != nil {
			t.Errorf("real peer from %v lost its call: %v", from, err)
		}
		conn.Close()
	}
}

func TestAttackC11HalfOpenFlood(t *testing.T) {
	const connections = 10_000
	limits := Limits{Vacant: 256, VacantPerSource: 64}
	attacker, other, victim := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")
	for name, word := range map[string][]byte{
		"nothing":   nil,
		"one octet": {0},
		"start":     Append(nil, okRequest),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarbour(t, limits)
			early := wantCall(t, h.addr, victim)
			f := &flood{to: h, word: word}
			var attack sync.WaitGroup
			attack.Go(func() { f.pour(t, attacker, connections*9/10) })
			attack.Go(func() { // and many sources with few each
				for i := range connections / 100 {
					f.pour(t, netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}), 10)
				}
			})
			flooded := make(chan struct{})
			go func() { attack.Wait(); close(flooded) }()
			slowest := time.Duration(0)
			for done := false; !done; {
				dialled := time.Now()
				hangUp := wantCall(t, h.addr, other) // while it goes on
				slowest = max(slowest, time.Since(dialled))
				hangUp()
				if s := h.Stats(); s.Vacant > 256 || s.Connections > 256+3 {
					t.Errorf("%d vacant of %d connections", s.Vacant, s.Connections)
				}
				select {
				case <-flooded:
					done = true
				default:
				}
			}
			wantCall(t, h.addr, attacker)() // a branch behind the same NAT as the attacker
			early()                         // and who had a call keeps it
			if s := h.Stats(); s.Evicted < connections-256 {
				t.Errorf("%d evicted", s.Evicted)
			}
			t.Logf("the slowest call took %v", slowest)
		})
	}
}

// Vacant connections go by themselves, in time.
func TestAttackC11Timers(t *testing.T) {
	for name, test := range map[string]struct {
		word  Message
		after time.Duration
		want  string
	}{
		"nothing": {nil, 10 * time.Second, "no Start-Control-Connection-Request in 10 s"},
		"start":   {okRequest, 60 * time.Second, "no call in 60 s"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				peer := newTestPeer(t, theirs)
				limits := Limits{}.withDefaults()
				result := make(chan error, 1)
				start := time.Now()
				go func() {
					opt := options{startTimeout: limits.StartTimeout, callTimeout: limits.CallTimeout}
					result <- newConn(ours, Config{EchoInterval: time.Hour}, opt).serve(t.Context())
				}()
				if test.word != nil {
					peer.send(test.word)
					next[StartReply](peer)
					peer.expect(StopRequest{Reason: StopLocalShutdown})
					peer.send(StopReply{Result: Stopped})
				}
				peer.expectEnd()
				if err := <-result; err == nil || err.Error() != test.want {
					t.Errorf("Serve = %v, want %s", err, test.want)
				}
				if got := since(start); got != test.after {
					t.Errorf("ended after %v, want %v", got, test.after)
				}
			})
		})
	}
}

// One line in the log, however many connections were evicted.
func TestAttackC11Log(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log lines
		l := Listen(nil, Config{Log: log.logger()}, Limits{})
		for i := range 1000 {
			l.warning("control connection ended", "peer", fmt.Sprint(i))
		}
		time.Sleep(10 * time.Second)
		l.warning("control connection ended", "peer", "last")
		if len(log) != 2 {
			t.Errorf("%d lines: %q", len(log), log)
		}
	})
}
