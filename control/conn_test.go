package control

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestOpenAndClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		peer := newTestPeer(t, theirs)
		go func() {
			m := next[StartRequest](peer)
			if m.Version != 0x0100 || m.Host.Name() != "hq" || m.Vendor.Name() != "sitebridge" || m.MaxChannels != 0 {
				t.Errorf("Start-Control-Connection-Request = %+v", m)
			}
			peer.send(okReply)
			peer.expect(StopRequest{Reason: StopLocalShutdown})
			peer.send(StopReply{Result: Stopped})
			peer.expectEnd()
		}()
		conn, err := Open(t.Context(), ours, Config{Host: "hq", Vendor: "sitebridge"})
		if err != nil {
			t.Fatalf("Open = %v", err)
		}
		if got := conn.Peer(); got.Host != "pac" || got.Framing != 3 || got.Version != 0x0100 {
			t.Errorf("Peer = %+v", got)
		}
		if err := conn.Err(); err != nil {
			t.Errorf("Err = %v while open", err)
		}
		start := time.Now()
		conn.Close()
		if err := conn.Err(); err != ErrClosed {
			t.Errorf("Err = %v, want ErrClosed", err)
		}
		if took := since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
		conn.Close() // twice is fine
	})
}

func TestCloseIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		call := called(t, conn, peer)
		conn.CloseIdle()
		if conn.Err() != nil {
			t.Errorf("a connection with a call ended: %v", conn.Err())
		}
		go func() {
			peer.expect(CallClearRequest{CallID: 0x1234})
			peer.send(CallDisconnectNotify{CallID: 0xABCD, Result: ClearRequested})
			peer.expect(StopRequest{Reason: StopLocalShutdown})
			peer.send(StopReply{Result: Stopped})
			peer.expectEnd()
		}()
		call.Clear(t.Context())
		conn.CloseIdle()
		<-conn.Done()
		if conn.Err() != ErrClosed {
			t.Errorf("Err = %v, want ErrClosed", conn.Err())
		}
		conn.CloseIdle() // twice is fine
	})
}

func TestOpenFails(t *testing.T) {
	reply := func(change func(*StartReply)) Message {
		m := okReply
		change(&m)
		return m
	}
	for name, test := range map[string]struct {
		answer []Message // nil: none
		hangUp bool
		after  time.Duration
		want   string
	}{
		"refused": {
			answer: []Message{reply(func(m *StartReply) { m.Result = NotAuthorised })},
			want:   "peer refused the control connection: not authorised (result 4)",
		},
		"general error": {
			answer: []Message{reply(func(m *StartReply) { m.Result, m.Error = StartGeneralError, NoResource })},
			want:   "peer refused the control connection: general error: no resource (result 2, error 4)",
		},
		"version": {
			answer: []Message{reply(func(m *StartReply) { m.Version = 0x0001 }), StopReply{Result: Stopped}},
			want:   "peer speaks PPTP version 0.1, not 1.0",
		},
		"version, and no Stop-Reply": {
			answer: []Message{reply(func(m *StartReply) { m.Version = 0x0200 })},
			after:  3 * time.Second,
			want:   "peer speaks PPTP version 2.0, not 1.0, with no Stop-Control-Connection-Reply in 3 s",
		},
		"silent":  {after: 60 * time.Second, want: "no Start-Control-Connection-Reply in 60 s"},
		"hang up": {hangUp: true, want: "peer closed the TCP connection without stopping it"},
		"stop": {
			answer: []Message{StopRequest{Reason: StopLocalShutdown}},
			want:   "peer stopped the connection: it is shutting down",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				peer := newTestPeer(t, theirs)
				go func() {
					next[StartRequest](peer)
					if test.answer != nil {
						peer.send(test.answer[0])
					}
					if test.hangUp {
						theirs.Close()
					}
					if len(test.answer) > 1 {
						next[StopRequest](peer)
						peer.send(test.answer[1])
					}
					peer.drain()
				}()
				start := time.Now()
				conn, err := Open(t.Context(), ours, Config{})
				if conn != nil || err == nil || err.Error() != test.want {
					t.Errorf("Open = %v, %v, want %s", conn, err, test.want)
				}
				if got := since(start); got != test.after {
					t.Errorf("after %v, want %v", got, test.after)
				}
			})
		})
	}
}

func TestOpenIsCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		peer := newTestPeer(t, theirs)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			next[StartRequest](peer)
			cancel()
			peer.expectEnd() // the loser of a collision says nothing more
		}()
		if _, err := Open(ctx, ours, Config{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Open = %v, want %v", err, context.Canceled)
		}
	})
}

func TestServe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, peer := acceptedIdle(t, Config{Host: "hq", Vendor: "sitebridge", Firmware: 7})
		peer.send(okRequest)
		m := next[StartReply](peer)
		want := StartReply{
			Version: 0x0100, Result: 1, Framing: 3, Bearer: 3, Firmware: 7,
			Host: MakeText("hq"), Vendor: MakeText("sitebridge"),
		}
		if m != want {
			t.Errorf("Start-Control-Connection-Reply = %+v, want %+v", m, want)
		}
		peer.send(okRequest) // again on the same connection
		if m := next[StartReply](peer); m.Result != ChannelExists {
			t.Errorf("second reply = %+v", m)
		}
		peer.send(EchoRequest{Identifier: 0x11223344})
		peer.expect(EchoReply{Identifier: 0x11223344, Result: EchoOK})
		peer.send(StopRequest{Reason: StopNone})
		peer.expect(StopReply{Result: Stopped})
		peer.expectEnd()
		if e := wantEnd[*StoppedError](t, s); e.Reason != StopNone {
			t.Errorf("Serve = %v", e)
		}
	})
}

func TestServeStopsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, peer := accepted(t, Config{})
		s.stop()
		peer.expect(StopRequest{Reason: StopLocalShutdown})
		peer.send(StopRequest{Reason: StopLocalShutdown}) // both at once
		peer.expect(StopReply{Result: Stopped})
		peer.send(StopReply{Result: Stopped})
		peer.expectEnd()
		if err := <-s.result; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
}

func TestStopIsNotAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		peer.drain()
		start := time.Now()
		conn.Close()
		if took := since(start); took != 3*time.Second {
			t.Errorf("Close took %v, want 3 s", took)
		}
		if err := conn.Err(); !errors.Is(err, ErrClosed) ||
			err.Error() != "closed by this end, with no Stop-Control-Connection-Reply in 3 s" {
			t.Errorf("Err = %v", err)
		}
	})
}

func TestServeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		version uint16
		admit   Admission
		result  StartResult
		want    string
	}{
		"version":      {version: 0x00ff, result: VersionNotSupported, want: "peer speaks PPTP version 0.255, not 1.0"},
		"unauthorised": {version: 0x0100, admit: RefuseUnauthorised, result: NotAuthorised, want: "refused the peer: not authorised"},
		"exists": {
			version: 0x0100, admit: RefuseExists, result: ChannelExists,
			want: "refused the peer: a control connection exists already",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, peer := acceptedIdle(t, Config{Admit: func(Peer) Admission { return test.admit }})
				m := okRequest
				m.Version = test.version
				peer.send(m)
				if m := next[StartReply](peer); m.Result != test.result || m.Version != 0x0100 {
					t.Errorf("reply = %+v", m)
				}
				peer.expectEnd()
				if err := <-s.result; err.Error() != test.want {
					t.Errorf("Serve = %v, want %s", err, test.want)
				}
			})
		})
	}
}

func TestHoldSaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, peer := acceptedIdle(t, Config{Admit: func(Peer) Admission { return Hold }})
		start := time.Now()
		peer.send(okRequest)
		peer.expectEnd()
		if got := since(start); got != 60*time.Second {
			t.Errorf("ended after %v, want 60 s", got)
		}
		wantEnd[*TimeoutError](t, s)
	})
}

func TestServeWaitsForTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, peer := acceptedIdle(t, Config{})
		start := time.Now()
		peer.write([]byte{0}) // which is no sign of life
		peer.expectEnd()
		if e := wantEnd[*TimeoutError](t, s); e.Error() != "no Start-Control-Connection-Request in 60 s" {
			t.Errorf("Serve = %v", e)
		}
		if got := since(start); got != 60*time.Second {
			t.Errorf("ended after %v, want 60 s", got)
		}
	})
}

func TestPeerHangsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		peer.nc.Close()
		<-conn.Done()
		if err := conn.Err(); err != ErrPeerClosed {
			t.Errorf("Err = %v, want ErrPeerClosed", err)
		}
		if err := conn.Echo(t.Context()); err != ErrPeerClosed {
			t.Errorf("Echo = %v, want ErrPeerClosed", err)
		}
		conn.Close()
	})
}

func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		peer.send(EchoRequest{}, EchoRequest{}, Unknown{MessageType: 99}, CallClearRequest{}, okReply)
		next[EchoReply](peer)
		next[EchoReply](peer)
		peer.nc.Close()
		<-conn.Done()
		want := Stats{
			In:    Messages{StartReply: 2, EchoRequest: 2, CallClearRequest: 1},
			Out:   Messages{StartRequest: 1, EchoReply: 2},
			Drops: Drops{UnknownType: 1, UnknownCall: 1, UnexpectedType: 1},
		}
		if got := conn.Stats(); got != want {
			t.Errorf("Stats = %+v\nwant %+v", got, want)
		}
	})
}
