package control

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// An Echo-Request goes out only when nothing has been received for 60 s.
func TestEchoOnlyWhenSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, peer := accepted(t, Config{})
		for range 10 { // a peer that says something every 59 s is never asked
			time.Sleep(59 * time.Second)
			peer.send(EchoRequest{Identifier: 1})
			peer.expect(EchoReply{Identifier: 1, Result: EchoOK})
		}
		start := time.Now()
		m := next[EchoRequest](peer)
		if got := since(start); got != 60*time.Second {
			t.Errorf("asked after %v, want 60 s", got)
		}
		time.Sleep(59 * time.Second)
		peer.send(EchoReply{Identifier: m.Identifier, Result: EchoGeneralError}) // alive, whatever it says
		again := next[EchoRequest](peer)
		if got := since(start); got != 179*time.Second {
			t.Errorf("asked again after %v, want 179 s", got)
		}
		if again.Identifier == m.Identifier {
			t.Errorf("identifier %d used again", m.Identifier)
		}
		s.stop()
		peer.drain()
		<-s.result
	})
}

func TestEchoIsNotAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		call := called(t, conn, peer)
		start := time.Now()
		m := next[EchoRequest](peer)
		peer.send(EchoReply{Identifier: m.Identifier + 1, Result: EchoOK}) // to no question
		peer.expectEnd()
		if got := since(start); got != 120*time.Second {
			t.Errorf("ended after %v, want 120 s", got)
		}
		<-conn.Done()
		if err := conn.Err(); err.Error() != "no echo reply in 60 s" {
			t.Errorf("Err = %v", err)
		}
		if err := call.Err(); err.Error() != "control connection: no echo reply in 60 s" {
			t.Errorf("call's Err = %v", err)
		}
		conn.Close()
	})
}

func TestOurOwnSendingIsNoSignOfLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg, calls := answering(1)
		s, peer := accepted(t, cfg)
		peer.send(OutgoingCallRequest{CallID: 9})
		next[OutgoingCallReply](peer)
		start := time.Now()
		time.Sleep(30 * time.Second)
		(<-calls).Clear(t.Context())
		next[CallDisconnectNotify](peer)
		next[EchoRequest](peer)
		if got := since(start); got != 60*time.Second {
			t.Errorf("asked after %v, want 60 s", got)
		}
		peer.nc.Close()
		<-s.result
	})
}

func TestEchoOnDemand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		go func() {
			m := next[EchoRequest](peer)
			peer.send(EchoReply{Identifier: m.Identifier, Result: EchoOK})
			next[EchoRequest](peer) // which it leaves unanswered
		}()
		if err := conn.Echo(t.Context()); err != nil {
			t.Errorf("Echo = %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := conn.Echo(ctx); err != context.DeadlineExceeded {
			t.Errorf("Echo = %v, want %v", err, context.DeadlineExceeded)
		}
		peer.drain()
		conn.Close()
	})
}

// A peer that reads nothing is found out by the write deadline, although it
// keeps talking.
func TestPeerStopsReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, peer := accepted(t, Config{})
		start := time.Now()
		quiet := make(chan struct{})
		go func() {
			defer close(quiet)
			for {
				if _, err := peer.nc.Write(Append(nil, EchoRequest{Identifier: 5})); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		err := <-s.result
		var netErr net.Error
		if !errors.As(err, &netErr) || !netErr.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Serve = %v, want a timeout", err)
		}
		if got := since(start); got != 30*time.Second {
			t.Errorf("ended after %v, want 30 s", got)
		}
		<-quiet
	})
}

// dribble is a connection whose every Write takes one octet at a time, as a full
// socket does.
type dribble struct{ net.Conn }

func (d dribble) Write(b []byte) (n int, err error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestPartialWrites(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		peer := newTestPeer(t, theirs)
		result := make(chan error, 1)
		go func() { result <- Serve(t.Context(), dribble{ours}, Config{}) }()
		peer.send(okRequest, EchoRequest{Identifier: 1}, EchoRequest{Identifier: 2})
		next[StartReply](peer)
		peer.expect(EchoReply{Identifier: 1, Result: EchoOK})
		peer.expect(EchoReply{Identifier: 2, Result: EchoOK})
		peer.nc.Close()
		if err := <-result; !errors.Is(err, ErrPeerClosed) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Serve = %v", err)
		}
	})
}
