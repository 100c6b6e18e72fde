package control

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"
)

// An oracle is a second opinion on a session: what it must answer and where it
// must then be, written from the descriptions of RFC 2637, section 3, without
// its tables. It knows of at most one call in either role.
type oracle struct {
	conn connState
	pns  string // our call's state; "" for none
	pac  string // the peer's call's
	// learned says that the reply to our call has come, so that the peer's ID
	// for it is known.
	learned bool
}

// The IDs in the oracle's world. 0 is an ID like any other, and the one that is
// easily taken for "not known yet".
const (
	ourPNSID   = 0x1234
	ourPACID   = 0x5678
	theirPACID = 0 // what the peer calls our PNS call
	theirPNSID = 0 // what the peer calls its own
)

// answer takes a message of the given type, with the IDs of this world, and
// returns what must be sent back. good is the result in replies.
func (o *oracle) answer(mt MessageType, good bool) []Message {
	switch o.conn {
	case connIdle:
		if mt != TypeStartRequest {
			o.conn = connClosed
			return nil
		}
		o.conn = connEstablished
		return []Message{startReplyTo(Started)}
	case connWaitCtlReply:
		return o.answerBeforeReply(mt, good)
	case connEstablished:
		return o.answerEstablished(mt, good)
	case connWaitStopReply:
		switch mt {
		case TypeStopRequest:
			return []Message{StopReply{Result: Stopped}}
		case TypeStopReply:
			o.conn = connClosed
		case TypeEchoRequest:
			return []Message{EchoReply{Identifier: 7, Result: EchoOK}}
		}
	}
	return nil
}

func (o *oracle) answerBeforeReply(mt MessageType, good bool) []Message {
	switch mt {
	case TypeStartReply:
		o.conn = connClosed
		if good {
			o.conn = connEstablished
		}
	case TypeStartRequest:
		o.conn = connClosed
	case TypeStopRequest:
		o.conn = connClosed
		return []Message{StopReply{Result: Stopped}}
	case TypeEchoRequest:
		return []Message{EchoReply{Identifier: 7, Result: EchoOK}}
	}
	return nil
}

func (o *oracle) answerEstablished(mt MessageType, good bool) []Message {
	switch mt {
	case TypeStartRequest:
		return []Message{startReplyTo(ChannelExists)}
	case TypeStopRequest:
		*o = oracle{conn: connClosed}
		return []Message{StopReply{Result: Stopped}}
	case TypeEchoRequest:
		return []Message{EchoReply{Identifier: 7, Result: EchoOK}}
	case TypeOutgoingCallRequest:
		if o.pac != "" {
			return []Message{OutgoingCallReply{PeerCallID: theirPNSID, Result: OutgoingGeneralError, Error: BadCallID}}
		}
		o.pac = "established"
		return []Message{OutgoingCallReply{
			CallID: ourPACID, PeerCallID: theirPNSID, Result: Connected, ConnectSpeed: 100_000_000, WindowSize: 64,
		}}
	case TypeOutgoingCallReply:
		switch {
		case o.pns == "wait-reply" && good:
			o.pns, o.learned = "established", true
		case o.pns == "wait-disconnect" && good:
			o.learned = true
		case o.pns == "wait-reply" || o.pns == "wait-disconnect":
			o.pns = ""
		}
	case TypeCallDisconnectNotify:
		if o.pns == "established" || o.pns == "wait-disconnect" && o.learned {
			o.pns = ""
		}
	case TypeCallClearRequest:
		if o.pac != "" {
			o.pac = ""
			return []Message{CallDisconnectNotify{CallID: ourPACID, Result: ClearRequested}}
		}
	case TypeIncomingCallRequest:
		return []Message{IncomingCallReply{PeerCallID: theirPACID, Result: IncomingDoNotAccept}}
	}
	return nil
}

// message is the message of a type in this world.
func message(mt MessageType, good bool) Message {
	switch mt {
	case TypeStartRequest:
		return okRequest
	case TypeStartReply:
		m := okReply
		if !good {
			m.Result = NotAuthorised
		}
		return m
	case TypeStopRequest:
		return StopRequest{Reason: StopNone}
	case TypeStopReply:
		return StopReply{Result: Stopped}
	case TypeEchoRequest:
		return EchoRequest{Identifier: 7}
	case TypeEchoReply:
		return EchoReply{Identifier: 7}
	case TypeOutgoingCallRequest:
		return OutgoingCallRequest{CallID: theirPNSID}
	case TypeOutgoingCallReply:
		m := OutgoingCallReply{CallID: theirPACID, PeerCallID: ourPNSID, Result: Connected}
		if !good {
			m.Result = Busy
		}
		return m
	case TypeIncomingCallRequest:
		return IncomingCallRequest{CallID: theirPACID}
	case TypeIncomingCallReply:
		return IncomingCallReply{CallID: theirPNSID, PeerCallID: ourPACID, Result: IncomingConnect}
	case TypeIncomingCallConnected:
		return IncomingCallConnected{PeerCallID: ourPNSID}
	case TypeCallClearRequest:
		return CallClearRequest{CallID: theirPNSID}
	case TypeCallDisconnectNotify:
		return CallDisconnectNotify{CallID: theirPACID, Result: LostCarrier}
	case TypeWANErrorNotify:
		return WANErrorNotify{PeerCallID: ourPNSID}
	}
	return SetLinkInfo{PeerCallID: ourPACID}
}

func startReplyTo(r StartResult) Message {
	return StartReply{Version: 0x0100, Result: r, Framing: 3, Bearer: 3}
}

// A trial is a session beside an oracle that was told the same.
type trial struct {
	t       *testing.T
	session *session
	oracle  oracle
	story   []string
}

// start returns a trial in the state that the oracle describes.
func start(t *testing.T, from oracle) *trial {
	t.Helper()
	nc, _ := net.Pipe()
	s := newConn(nc, Config{Answer: func(o *Offer) { o.Accept(ourPACID, 64) }}, options{}).session
	tr := &trial{t: t, session: s, oracle: from}
	if from.conn == connWaitCtlReply {
		s.step(evDialled, nil)
	} else {
		s.step(evAccepted, nil)
	}
	if from.conn == connEstablished || from.conn == connWaitStopReply {
		s.receive(okRequest)
	}
	if from.pns != "" {
		s.begin(newCall(s.conn, pnsOutgoing, ourPNSID))
	}
	if from.learned {
		s.receive(message(TypeOutgoingCallReply, true))
	}
	if from.pns == "wait-disconnect" {
		s.stepCall(s.calls[0], cevClose, ErrCleared)
	}
	if from.pac != "" {
		s.receive(message(TypeOutgoingCallRequest, true))
	}
	if from.conn == connWaitStopReply {
		s.step(evStop, ErrClosed)
	}
	s.out = nil
	tr.compare(nil)
	return tr
}

// hear tells both the same message.
func (tr *trial) hear(mt MessageType, good bool) {
	tr.t.Helper()
	tr.story = append(tr.story, fmt.Sprintf("%v %v", mt, good))
	want := tr.oracle.answer(mt, good)
	if !tr.session.closed() {
		tr.session.receive(message(mt, good))
	}
	tr.compare(want)
}

func (tr *trial) compare(want []Message) {
	tr.t.Helper()
	s := tr.session
	var got []Message
	for _, b := range s.out {
		m, err := Parse(b)
		if err != nil {
			tr.t.Fatalf("%q: sent % x: %v", tr.story, b, err)
		}
		got = append(got, m)
	}
	s.out = nil
	if !slices.Equal(got, want) {
		tr.t.Fatalf("%q: answered %+v, want %+v", tr.story, got, want)
	}
	calls := map[callRole]string{}
	for _, c := range s.calls {
		calls[c.role] = c.auto.state.String()
	}
	o := tr.oracle
	if s.auto.state != o.conn || calls[pnsOutgoing] != o.pns || calls[pacOutgoing] != o.pac {
		tr.t.Fatalf("%q: session is %v with calls %v, want %+v", tr.story, s.auto.state, calls, o)
	}
	if s.closed() != (s.err != nil) && o.conn != connWaitStopReply {
		tr.t.Fatalf("%q: session is %v for the reason %v", tr.story, s.auto.state, s.err)
	}
	if s.deadline().After(time.Now().Add(61 * time.Second)) {
		tr.t.Fatalf("%q: session waits until %v", tr.story, s.deadline())
	}
}

// allStates are all the states that a session with at most one call in either
// role can be in.
func allStates() []oracle {
	states := []oracle{{conn: connIdle}, {conn: connWaitCtlReply}, {conn: connWaitStopReply}}
	for _, pac := range []string{"", "established"} {
		states = append(states,
			oracle{conn: connEstablished, pac: pac},
			oracle{conn: connEstablished, pac: pac, pns: "wait-reply"},
			oracle{conn: connEstablished, pac: pac, pns: "established", learned: true},
			oracle{conn: connEstablished, pac: pac, pns: "wait-disconnect"},
			oracle{conn: connEstablished, pac: pac, pns: "wait-disconnect", learned: true},
		)
	}
	return states
}

func TestAttackC6PairsOfMessages(t *testing.T) {
	for _, from := range allStates() {
		for first := TypeStartRequest; first < typeEnd; first++ {
			for second := TypeStartRequest; second < typeEnd; second++ {
				for _, good := range []bool{true, false} {
					tr := start(t, from)
					tr.hear(first, good)
					tr.hear(second, good)
				}
			}
		}
	}
}

func TestAttackC6TriplesOfCallMessages(t *testing.T) {
	for _, from := range allStates() {
		for first := TypeOutgoingCallRequest; first < typeEnd; first++ {
			for second := TypeOutgoingCallRequest; second < typeEnd; second++ {
				for third := TypeOutgoingCallRequest; third < typeEnd; third++ {
					for good := range 8 {
						tr := start(t, from)
						tr.hear(first, good&1 != 0)
						tr.hear(second, good&2 != 0)
						tr.hear(third, good&4 != 0)
					}
				}
			}
		}
	}
}

// Whatever the peer says in whatever order, the session and the oracle agree.
func FuzzSession(f *testing.F) {
	f.Add(byte(3), []byte{7, 12, 7, 0x1c, 3})
	f.Add(byte(4), []byte{8, 13, 8, 15, 14})
	f.Fuzz(func(t *testing.T, from byte, story []byte) {
		states := allStates()
		tr := start(t, states[int(from)%len(states)])
		for _, b := range story {
			if mt := MessageType(b & 0x0f); mt.known() {
				tr.hear(mt, b&0x10 == 0)
			}
		}
	})
}
