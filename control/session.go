package control

import (
	"time"
)

// A session is the state of one control connection: its automaton, its timers,
// its calls. Messages and passing time go in, messages to send come out. It does
// no input or output and belongs to one goroutine, its Conn's.
type session struct {
	conn *Conn // what Calls and Offers refer to
	cfg  Config
	opt  options

	auto     connAutomaton
	received Message   // the one being handled, which actions answer
	admitted Admission // what Config.Admit said
	out      [][]byte  // messages to send, in order
	flush    bool      // once closed: send out first
	err      error     // why the connection has ended or is ending: the first reason stands

	vendor string // what we call ourselves
	peer   Peer
	heard  time.Time // when the peer last sent a whole message; never moved by what we send
	due    time.Time // when what the state waits for is late; zero: nothing
	idle   time.Time // since when an established connection has had no call

	echoes   []echo // Echo-Requests without a reply yet, oldest first
	nextEcho uint32

	calls  []*Call // oldest first
	serial uint16  // Call Serial Number of the last call we began
}

// options is what a Listener wants of its connections beyond Config.
type options struct {
	startTimeout time.Duration   // how long the first message may take
	callTimeout  time.Duration   // how long a connection may be without a call; zero: for ever
	callCount    func(calls int) // called when the connection is up, and when the number changes
	ending       func()          // called when nothing is left but to hang up
	parent       *counters
}

// An echo is an Echo-Request of ours.
type echo struct {
	id      uint32
	due     time.Time
	replied chan struct{} // closed by the reply; nil when nobody waits
}

func newSession(conn *Conn, cfg Config, opt options) *session {
	return &session{conn: conn, cfg: cfg, opt: opt, vendor: cfg.Vendor, auto: connAutomaton{table: connTable}}
}

func (s *session) established() bool { return s.auto.state == connEstablished }
func (s *session) closed() bool      { return s.auto.state == connClosed }

// step moves the connection by one event. why is the reason for the end, if the
// event leads to one.
func (s *session) step(ev connEvent, why error) {
	actions, ok := s.auto.step(ev)
	if !ok {
		s.drop(dropUnexpectedType)
		return
	}
	if s.err == nil && (s.closed() || s.auto.state == connWaitStopReply) {
		s.err = why
	}
	for _, act := range actions {
		s.perform(act)
	}
}

func (s *session) perform(act connAction) {
	switch act {
	case actSendStartRequest:
		s.send(s.startRequest())
	case actSendStartReply:
		s.send(s.startReply(Started))
	case actSendStartVersion:
		s.send(s.startReply(VersionNotSupported))
	case actSendStartRefusal:
		s.send(s.startReply(s.admitted.result()))
	case actSendStartExists:
		s.send(s.startReply(ChannelExists))
	case actSendStopRequest:
		s.send(StopRequest{Reason: StopLocalShutdown})
	case actSendStopVersion:
		s.send(StopRequest{Reason: StopProtocol})
	case actSendStopReply:
		s.send(StopReply{Result: Stopped})
	case actSendEchoRequest:
		s.sendEcho(nil)
	case actSendEchoReply:
		s.send(EchoReply{Identifier: s.received.(EchoRequest).Identifier, Result: EchoOK})
	case actStartTimer:
		s.due = time.Now().Add(s.startTimeout())
	case actStartStopTimer:
		s.due = time.Now().Add(s.cfg.StopTimeout)
	case actStopTimer:
		s.due = time.Time{}
	case actUp:
		s.up()
	case actHandleCall:
		s.receiveCall(s.received)
	case actEndCalls:
		s.endCalls()
	case actFlush:
		s.flush = true
	case actClose:
		s.flush = false
	}
}

// receive takes the peer's next message.
func (s *session) receive(m Message) {
	s.heard = time.Now()
	s.received = m
	if !m.Type().known() {
		s.drop(dropUnknownType)
		return
	}
	s.conn.count.countIn(m.Type())
	switch m := m.(type) {
	case StartRequest:
		s.step(s.judgeStartRequest(m))
	case StartReply:
		s.step(s.judgeStartReply(m))
	case StopRequest:
		s.step(evStopRequest, s.unlessFirst(m, &StoppedError{m.Reason}))
	case StopReply:
		s.step(evStopReply, s.unlessFirst(m, nil))
	case EchoRequest:
		s.step(evEchoRequest, s.unlessFirst(m, nil))
	case EchoReply:
		s.receiveEchoReply(m)
	default:
		s.step(evCallMessage, s.unlessFirst(m, nil))
	}
}

// unlessFirst returns why, or what is wrong with m as the first message of all.
func (s *session) unlessFirst(m Message, why error) error {
	if s.auto.state == connIdle {
		return &UnexpectedError{m.Type()}
	}
	return why
}

func (s *session) up() {
	switch m := s.received.(type) {
	case StartRequest:
		s.peer = peerOfRequest(s.conn.nc, m)
	case StartReply:
		s.peer = peerOfReply(s.conn.nc, m)
	}
	s.callsChanged()
	close(s.conn.up)
}

// deadline returns when expire wants to be called, or zero for never.
func (s *session) deadline() (first time.Time) {
	earliest := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	earliest(s.due)
	for _, c := range s.calls {
		earliest(c.due)
	}
	if s.established() {
		earliest(s.echoDue())
		earliest(s.callDue())
	}
	return first
}

// expire does what has become due by now.
func (s *session) expire(now time.Time) {
	past := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if past(s.due) {
		s.expireState()
	}
	s.expireCalls(past)
	if s.established() && past(s.callDue()) {
		s.step(evStop, &TimeoutError{"call", s.opt.callTimeout})
	}
	if s.established() && past(s.echoDue()) {
		s.expireEcho()
	}
}

// expireState ends a state in which something was awaited.
func (s *session) expireState() {
	switch s.auto.state {
	case connIdle:
		s.step(evTimeout, &TimeoutError{TypeStartRequest.String(), s.startTimeout()})
	case connWaitCtlReply:
		s.step(evTimeout, &TimeoutError{TypeStartReply.String(), s.startTimeout()})
	default: // the stop had a reason already, which stands
		s.err = unanswered(s.err, &TimeoutError{TypeStopReply.String(), s.cfg.StopTimeout})
		s.step(evTimeout, nil)
	}
}

// callDue is when a connection without a call has waited long enough.
func (s *session) callDue() time.Time {
	if s.opt.callTimeout == 0 || len(s.calls) > 0 {
		return time.Time{}
	}
	return s.idle.Add(s.opt.callTimeout)
}

func (s *session) send(m Message) {
	s.conn.count.countOut(m.Type())
	s.out = append(s.out, Append(nil, m))
}

func (s *session) drop(r dropReason) { s.conn.count.drop(r) }
