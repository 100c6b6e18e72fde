package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// tcpPair returns the two ends of a TCP connection with small buffers, smaller
// from us to the peer.
func tcpPair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	nl := listenTCP(t)
	defer nl.Close()
	dialled, err := net.Dial("tcp", nl.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	taken, err := nl.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = taken.(*net.TCPConn), dialled.(*net.TCPConn)
	ours.SetWriteBuffer(4 << 10)
	theirs.SetReadBuffer(4 << 10)
	ours.SetReadBuffer(64 << 10)
	theirs.SetWriteBuffer(64 << 10)
	return ours, theirs
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return nl
}

// until waits for a condition that other goroutines or the kernel bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for give := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(give) {
			t.Fatalf("not in 10 s: %s", what)
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

// A peer asks and asks and reads nothing until every buffer on the way is full;
// then it reads, and nothing is missing.
func TestAttackC4PeerReadsLate(t *testing.T) {
	ours, theirs := tcpPair(t)
	result := make(chan error, 1)
	go func() { result <- Serve(t.Context(), ours, Config{}) }()
	peer := newTestPeer(t, theirs)
	peer.send(okRequest)
	next[StartReply](peer)

	// Write until nothing moves any more; the rest of what stuck follows when it
	// does.
	asked, rest := uint32(0), []byte(nil)
	for len(rest) == 0 {
		var b []byte
		for range 100 {
			b = Append(b, EchoRequest{Identifier: asked})
			asked++
		}
		theirs.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := theirs.Write(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		rest = b[n:]
	}
	t.Logf("stuck after %d questions", asked)
	theirs.SetWriteDeadline(time.Time{})
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		theirs.Write(rest)
	}()
	for i := range asked {
		peer.expect(EchoReply{Identifier: i, Result: EchoOK})
	}
	<-wrote
	theirs.Close()
	if err := <-result; err != ErrPeerClosed {
		t.Errorf("Serve = %v", err)
	}
}

// A peer that never reads costs us the connection, not more.
func TestAttackC4PeerNeverReads(t *testing.T) {
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	result := make(chan error, 1)
	go func() { result <- Serve(t.Context(), ours, Config{WriteTimeout: 50 * time.Millisecond}) }()
	theirs.Write(Append(nil, okRequest))
	questions := bytes.Repeat(Append(nil, EchoRequest{Identifier: 1}), 100)
	for {
		if _, err := theirs.Write(questions); err != nil {
			break
		}
	}
	if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Serve = %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// A harbour is a running Listener that accepts every call.
type harbour struct {
	*Listener
	addr string
	stop func() // and wait
}

func newHarbour(t *testing.T, limits Limits) *harbour {
	t.Helper()
	nl := listenTCP(t)
	cfg := Config{StopTimeout: time.Second, Answer: func(o *Offer) { o.Accept(1, 64) }}
	h := &harbour{Listener: Listen(nl, cfg, limits), addr: nl.Addr().String()}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(h.stop)
	return h
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// wantBaseline waits until the process has no more descriptors and goroutines
// than when baseline was called.
func baseline(t *testing.T) (want func()) {
	fds, goroutines := descriptors(t), runtime.NumGoroutine()
	return func() {
		t.Helper()
		until(t, "descriptors return to where they were", func() bool { return descriptors(t) <= fds })
		until(t, "goroutines return to where they were", func() bool { return runtime.NumGoroutine() <= goroutines })
	}
}

// cutting runs cut for every length that a conversation may have, three times
// over, all at once.
func cutting(conversation []byte, cut func(n int, reset bool)) int {
	var all sync.WaitGroup
	total := 0
	for round := range 3 {
		for n := range len(conversation) + 1 {
			total++
			all.Go(func() { cut(n, round == 1) })
		}
	}
	all.Wait()
	return total
}

// hangUp closes nc, with a reset if so wanted.
func hangUp(nc net.Conn, reset bool) {
	if reset {
		nc.(*net.TCPConn).SetLinger(0)
	}
	nc.Close()
}

// The peer dials, has a call, and is cut off after each octet.
func TestAttackC7CutWhileServing(t *testing.T) {
	wantBaseline := baseline(t)
	h := newHarbour(t, Limits{VacantPerSource: 2000, Vacant: 2000})
	var script []byte
	for _, m := range []Message{
		okRequest, OutgoingCallRequest{CallID: 9}, SetLinkInfo{PeerCallID: 1}, EchoRequest{},
		CallClearRequest{CallID: 9}, StopRequest{Reason: StopNone},
	} {
		script = Append(script, m)
	}
	total := cutting(script, func(n int, reset bool) {
		nc, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Error(err)
			return
		}
		defer hangUp(nc, reset)
		nc.Write(script[:n])
		if n == len(script) && !reset { // the one that says goodbye is answered to the end
			nc.(*net.TCPConn).CloseWrite()
			if got, err := io.Copy(io.Discard, nc); err != nil || got != 156+32+20+148+16 {
				t.Errorf("%d octets came back, %v", got, err)
			}
		}
	})
	t.Logf("%d connections", total)
	until(t, "the listener has no connections", func() bool { return h.Stats().Connections == 0 })
	h.stop()
	wantBaseline()
}

// We dial and have a call, and are cut off after each octet of the answers.
func TestAttackC7CutWhileDialling(t *testing.T) {
	wantBaseline := baseline(t)
	nl := listenTCP(t)
	var script []byte
	for _, m := range []Message{
		okReply, OutgoingCallReply{CallID: 2, PeerCallID: 1, Result: Connected}, EchoRequest{},
		CallDisconnectNotify{CallID: 2, Result: LostCarrier}, StopRequest{Reason: StopNone},
	} {
		script = Append(script, m)
	}
	var cuts = make(chan func(net.Conn), 3*(len(script)+1))
	cutting(script, func(n int, reset bool) {
		cuts <- func(nc net.Conn) {
			defer hangUp(nc, reset)
			io.ReadFull(nc, make([]byte, 156))
			nc.Write(script[:min(n, 156)])
			if n > 156 {
				io.ReadFull(nc, make([]byte, 168))
				nc.Write(script[156:n])
			}
		}
	})
	var all sync.WaitGroup
	for range cap(cuts) {
		all.Go(func() {
			nc, err := nl.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			(<-cuts)(nc)
		})
		all.Go(func() {
			nc, err := net.Dial("tcp", nl.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			conn, err := Open(t.Context(), nc, Config{})
			if err != nil {
				return
			}
			if call, err := conn.Call(t.Context(), CallRequest{ID: 1}); err == nil {
				<-call.Done()
			}
			conn.Close()
		})
	}
	all.Wait()
	nl.Close()
	wantBaseline()
}

// flood opens connections from one loopback address, says word on each, and
// keeps them open until the test ends.
func flood(t *testing.T, to string, from netip.Addr, n int, word []byte) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	for range n {
		nc, err := d.Dial("tcp", to)
		if err != nil {
			t.Errorf("flood from %v: %v", from, err)
			return
		}
		t.Cleanup(func() { hangUp(nc, true) })
		nc.Write(word)
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
			var attack sync.WaitGroup
			attack.Go(func() { flood(t, h.addr, attacker, connections*9/10, word) })
			attack.Go(func() { // and many sources with few each
				for i := range connections / 100 {
					flood(t, h.addr, netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}), 10, word)
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
					result <- serve(t.Context(), ours, Config{EchoInterval: time.Hour}, opt)
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
