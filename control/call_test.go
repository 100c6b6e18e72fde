package control

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// called returns an established call that we began as PNS, with our ID 0x1234
// and the peer's 0xABCD.
func called(t *testing.T, conn *Conn, peer *testPeer) *Call {
	t.Helper()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		m := next[OutgoingCallRequest](peer)
		peer.send(OutgoingCallReply{CallID: 0xABCD, PeerCallID: m.CallID, Result: Connected, WindowSize: 16})
	}()
	call, err := conn.Call(t.Context(), CallRequest{ID: 0x1234, Window: 64})
	if err != nil {
		t.Fatalf("Call = %v", err)
	}
	<-answered
	return call
}

// answering returns a Config that accepts every call, with IDs from first on,
// and a channel with the calls.
func answering(first uint16) (Config, chan *Call) {
	calls := make(chan *Call, 100)
	return Config{Answer: func(o *Offer) {
		calls <- o.Accept(first, 64)
		first++
	}}, calls
}

func TestCallAsPNS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		go func() {
			peer.expect(OutgoingCallRequest{
				CallID: 0x1234, SerialNumber: 1, MinimumBPS: 300, MaximumBPS: 100_000_000,
				BearerType: 3, FramingType: 3, WindowSize: 64, Subaddress: MakeText("branch1"),
			})
			peer.send(OutgoingCallReply{CallID: 0, PeerCallID: 0x1234, Result: Connected, WindowSize: 0})
		}()
		call, err := conn.Call(t.Context(), CallRequest{ID: 0x1234, Window: 64, Subaddress: "branch1"})
		if err != nil {
			t.Fatalf("Call = %v", err)
		}
		if call.ID() != 0x1234 || call.PeerID() != 0 || call.Window() != 0 || !call.Outgoing() || call.Conn() != conn {
			t.Errorf("Call = %+v", call)
		}
		go func() {
			peer.expect(CallClearRequest{CallID: 0x1234})
			peer.send(CallDisconnectNotify{CallID: 0, Result: ClearRequested})
		}()
		if err := call.Clear(t.Context()); err != nil || call.Err() != ErrCleared {
			t.Errorf("Clear = %v, Err = %v", err, call.Err())
		}
		peer.drain()
		conn.Close()
	})
}

func TestCallIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		for _, test := range []struct {
			reply OutgoingCallReply
			want  string
		}{
			{OutgoingCallReply{Result: Busy}, "peer refused the call: busy (result 4)"},
			{OutgoingCallReply{Result: NoCarrier, CauseCode: 34}, "peer refused the call: no carrier (result 3, cause 34)"},
			{
				OutgoingCallReply{Result: OutgoingGeneralError, Error: PACError},
				"peer refused the call: general error: PAC error (result 2, error 6)",
			},
			{OutgoingCallReply{Result: 200}, "peer refused the call: code 200 (result 200)"},
		} {
			go func() {
				test.reply.PeerCallID = next[OutgoingCallRequest](peer).CallID
				peer.send(test.reply)
			}()
			_, err := conn.Call(t.Context(), CallRequest{ID: 7})
			var refused *CallError
			if !errors.As(err, &refused) || err.Error() != test.want {
				t.Errorf("Call = %v, want %s", err, test.want)
			}
		}
		peer.drain()
		conn.Close()
	})
}

func TestCallIsAborted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		cleared := make(chan struct{})
		go func() {
			defer close(cleared)
			next[OutgoingCallRequest](peer)
			cancel()
			peer.expect(CallClearRequest{CallID: 0x1234})
		}()
		if _, err := conn.Call(ctx, CallRequest{ID: 0x1234}); err != context.Canceled {
			t.Errorf("Call = %v, want context.Canceled", err)
		}
		<-cleared
		// The ID is taken until the peer has confirmed, which it does by the ID
		// in its belated reply.
		if _, err := conn.Call(t.Context(), CallRequest{ID: 0x1234}); err != ErrCallIDInUse {
			t.Errorf("Call = %v, want ErrCallIDInUse", err)
		}
		peer.send(
			OutgoingCallReply{CallID: 0xABCD, PeerCallID: 0x1234, Result: Connected},
			CallDisconnectNotify{CallID: 0xABCD, Result: ClearRequested},
		)
		synctest.Wait() // until both are handled
		if call := called(t, conn, peer); call.PeerID() != 0xABCD {
			t.Errorf("PeerID = %#x", call.PeerID())
		}
		peer.drain()
		conn.Close()
	})
}

func TestCallGetsNoReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{EchoInterval: time.Hour})
		peer.drain()
		start := time.Now()
		_, err := conn.Call(t.Context(), CallRequest{ID: 1})
		if err == nil || err.Error() != "no Outgoing-Call-Reply in 60 s" || since(start) != 60*time.Second {
			t.Errorf("Call = %v after %v", err, since(start))
		}
		<-conn.Done() // RFC 2637, section 3.1.4: the whole control connection goes
		if err := conn.Err(); err == nil || err.Error() != "no Outgoing-Call-Reply in 60 s" {
			t.Errorf("Err = %v", err)
		}
		conn.Close()
	})
}

func TestClearIsNotAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		call := called(t, conn, peer)
		peer.drain()
		start := time.Now()
		if err := call.Clear(t.Context()); err != nil || since(start) != 3*time.Second {
			t.Errorf("Clear = %v after %v", err, since(start))
		}
		err := call.Err()
		if !errors.Is(err, ErrCleared) || err.Error() != "cleared by this end, with no Call-Disconnect-Notify in 3 s" {
			t.Errorf("Err = %v", err)
		}
		if conn.Err() != nil {
			t.Errorf("connection ended: %v", conn.Err())
		}
		conn.Close()
	})
}

// A peer that replies twice does not change what the first reply said.
func TestSecondReplyIsIgnored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		call := called(t, conn, peer)
		second := OutgoingCallReply{CallID: 0x7777, PeerCallID: 0x1234, Result: Connected}
		peer.send(second)
		go call.Clear(t.Context())
		peer.expect(CallClearRequest{CallID: 0x1234})
		peer.send(second, CallDisconnectNotify{CallID: 0x7777}, EchoRequest{})
		peer.expect(EchoReply{Result: EchoOK})
		if call.PeerID() != 0xABCD || call.Err() != nil {
			t.Errorf("PeerID = %#x, Err = %v", call.PeerID(), call.Err())
		}
		peer.send(CallDisconnectNotify{CallID: 0xABCD})
		<-call.Done()
		peer.drain()
		conn.Close()
	})
}

func TestClearGivesUpWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		call := called(t, conn, peer)
		peer.drain()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := call.Clear(ctx); err != context.DeadlineExceeded {
			t.Errorf("Clear = %v", err)
		}
		<-call.Done() // the rest happens without it
		conn.Close()
	})
}

func TestPACDisconnects(t *testing.T) {
	for name, test := range map[string]struct {
		notify CallDisconnectNotify
		want   string
	}{
		"lost carrier": {CallDisconnectNotify{Result: LostCarrier}, "peer disconnected the call: lost carrier (result 1)"},
		"Windows":      {CallDisconnectNotify{Result: 0}, "peer disconnected the call: no reason given (result 0)"},
		"error": {
			CallDisconnectNotify{Result: DisconnectGeneralError, Error: NoResource, CauseCode: 16},
			"peer disconnected the call: general error: no resource (result 2, error 4, cause 16)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				conn, peer := dialled(t, Config{})
				call := called(t, conn, peer)
				test.notify.CallID = 0xABCD
				peer.send(test.notify)
				<-call.Done()
				if err := call.Err(); err == nil || err.Error() != test.want {
					t.Errorf("Err = %v, want %s", err, test.want)
				}
				peer.drain()
				conn.Close()
			})
		})
	}
}

func TestCallAsPAC(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg, calls := answering(0x1234)
		s, peer := accepted(t, cfg)
		peer.send(OutgoingCallRequest{CallID: 0, WindowSize: 16, Subaddress: MakeText("hq")}) // Windows sends 0
		peer.expect(OutgoingCallReply{
			CallID: 0x1234, PeerCallID: 0, Result: Connected, ConnectSpeed: 100_000_000, WindowSize: 64,
		})
		call := <-calls
		if call.ID() != 0x1234 || call.PeerID() != 0 || call.Window() != 16 || call.Outgoing() || call.Subaddress() != "hq" {
			t.Errorf("call = %+v", call)
		}
		if got := call.Conn().Peer().Vendor; got != "Microsoft Windows NT" {
			t.Errorf("vendor = %q", got)
		}
		peer.send(SetLinkInfo{PeerCallID: 0x1234, SendACCM: 0xffffffff, ReceiveACCM: 0xffffffff})
		peer.send(CallClearRequest{CallID: 0})
		peer.expect(CallDisconnectNotify{CallID: 0x1234, Result: ClearRequested})
		<-call.Done()
		if call.Err() != ErrPeerCleared {
			t.Errorf("Err = %v", call.Err())
		}
		if drops := call.Conn().Stats().Drops; drops != (Drops{}) {
			t.Errorf("drops %+v", drops)
		}
		peer.nc.Close()
		if err := <-s.result; err != ErrPeerClosed {
			t.Errorf("Serve = %v", err)
		}
	})
}

func TestPACClears(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg, calls := answering(0x1234)
		s, peer := accepted(t, cfg)
		peer.send(OutgoingCallRequest{CallID: 0xABCD})
		next[OutgoingCallReply](peer)
		call := <-calls
		if err := call.Clear(t.Context()); err != nil || call.Err() != ErrCleared {
			t.Errorf("Clear = %v, Err = %v", err, call.Err())
		}
		peer.expect(CallDisconnectNotify{CallID: 0x1234, Result: AdminShutdown})
		if err := call.Clear(t.Context()); err != nil {
			t.Errorf("second Clear = %v", err)
		}
		peer.nc.Close()
		<-s.result
	})
}

func TestOfferIsRefused(t *testing.T) {
	accept, _ := answering(1)
	for name, test := range map[string]struct {
		cfg    Config
		want   OutgoingCallReply
		before int // calls that the peer has
	}{
		"nobody answers": {want: OutgoingCallReply{Result: DoNotAccept}},
		"undecided":      {cfg: Config{Answer: func(*Offer) {}}, want: OutgoingCallReply{Result: DoNotAccept}},
		"busy": {
			cfg:  Config{Answer: func(o *Offer) { o.Refuse(Busy, NoError) }},
			want: OutgoingCallReply{Result: Busy},
		},
		"too many": {
			cfg:    Config{Answer: accept.Answer, MaxCalls: 2},
			want:   OutgoingCallReply{Result: OutgoingGeneralError, Error: NoResource},
			before: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, peer := accepted(t, test.cfg)
				for i := range test.before {
					peer.send(OutgoingCallRequest{CallID: uint16(i)})
					next[OutgoingCallReply](peer)
				}
				peer.send(OutgoingCallRequest{CallID: 99})
				test.want.PeerCallID = 99
				peer.expect(test.want)
				peer.nc.Close()
				<-s.result
			})
		})
	}
}

func TestOfferWithAnIDInUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg, calls := answering(1)
		s, peer := accepted(t, cfg)
		peer.send(OutgoingCallRequest{CallID: 99})
		next[OutgoingCallReply](peer)
		peer.send(OutgoingCallRequest{CallID: 99})
		peer.expect(OutgoingCallReply{PeerCallID: 99, Result: OutgoingGeneralError, Error: BadCallID})
		if call := <-calls; call.Err() != nil {
			t.Errorf("the first call ended: %v", call.Err())
		}
		peer.nc.Close()
		<-s.result
	})
}

func TestSeveralCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg, calls := answering(100)
		conn, peer := dialled(t, cfg)
		ours := called(t, conn, peer)                  // 0x1234, 0xABCD
		peer.send(OutgoingCallRequest{CallID: 0xABCD}) // the peer's ID in its other role
		if m := next[OutgoingCallReply](peer); m.CallID != 100 {
			t.Errorf("reply = %+v", m)
		}
		peer.send(OutgoingCallRequest{CallID: 0x1234}) // the same number as ours
		if m := next[OutgoingCallReply](peer); m.CallID != 101 {
			t.Errorf("reply = %+v", m)
		}
		first, second := <-calls, <-calls

		peer.send(CallClearRequest{CallID: 0x1234})
		peer.expect(CallDisconnectNotify{CallID: 101, Result: ClearRequested})
		<-second.Done()
		if ours.Err() != nil || first.Err() != nil {
			t.Errorf("others ended: %v, %v", ours.Err(), first.Err())
		}

		peer.send(CallDisconnectNotify{CallID: 0xABCD, Result: LostCarrier})
		<-ours.Done()
		if first.Err() != nil {
			t.Errorf("the other ended: %v", first.Err())
		}

		peer.send(StopRequest{Reason: StopLocalShutdown}) // takes what is left
		peer.expect(StopReply{Result: Stopped})
		<-first.Done()
		if err := first.Err(); err.Error() != "control connection: peer stopped the connection: it is shutting down" {
			t.Errorf("Err = %v", err)
		}
		<-conn.Done()
		conn.Close()
	})
}

func TestUnknownCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conn, peer := dialled(t, Config{})
		call := called(t, conn, peer)
		peer.send(
			CallDisconnectNotify{CallID: 0x1234}, // our ID where the peer's belongs
			CallDisconnectNotify{CallID: 0xCDAB}, // octets swapped
			CallClearRequest{CallID: 0xABCD},
			CallClearRequest{CallID: 0x1234},
			OutgoingCallReply{PeerCallID: 0xABCD, Result: Busy},
			SetLinkInfo{PeerCallID: 0x1234},
			WANErrorNotify{PeerCallID: 0xABCD},
			EchoRequest{Identifier: 1},
		)
		peer.expect(EchoReply{Identifier: 1, Result: EchoOK}) // and nothing before it
		if call.Err() != nil {
			t.Errorf("the call ended: %v", call.Err())
		}
		if got := conn.Stats().Drops; got != (Drops{UnknownCall: 7}) {
			t.Errorf("drops %+v", got)
		}
		peer.drain()
		conn.Close()
	})
}
