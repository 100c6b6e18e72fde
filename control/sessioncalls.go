package control

import (
	"fmt"
	"slices"
	"time"
)

// The calls of a session. Each message names its call by one of two IDs, and
// which one depends on the message (RFC 2637, sections 2.7 to 2.15); the table
// in receiveCall is the only place that knows.

// What a call says of its imaginary telephone line: the words of Windows.
const (
	minimumBPS = 300
	maximumBPS = 100_000_000
	anyBearer  = BearerAnalog | BearerDigital
	anyFraming = FramingAsync | FramingSync
)

// receiveCall finds the call that a message is about and steps it.
func (s *session) receiveCall(m Message) {
	switch m := m.(type) {
	case OutgoingCallRequest:
		s.offer(m)
	case IncomingCallRequest:
		s.refuseIncoming(m)
	case OutgoingCallReply:
		ev, why := judgeReply(m)
		s.stepFound(s.ours(m.PeerCallID, pnsOutgoing), ev, why)
	case IncomingCallReply:
		s.stepFound(s.ours(m.PeerCallID, pacIncoming), cevReply, nil)
	case IncomingCallConnected:
		s.stepFound(s.ours(m.PeerCallID, pnsIncoming), cevConnected, nil)
	case CallClearRequest:
		s.stepFound(s.theirs(m.CallID, false), cevClearRequest, ErrPeerCleared)
	case CallDisconnectNotify:
		why := &DisconnectError{m.Result, m.Error, m.CauseCode}
		s.stepFound(s.theirs(m.CallID, true), cevDisconnect, why)
	case WANErrorNotify:
		s.stepFound(s.ours(m.PeerCallID, pnsOutgoing), cevWANError, nil)
	case SetLinkInfo:
		s.stepFound(s.ours(m.PeerCallID, pacOutgoing), cevLinkInfo, nil)
	}
}

func judgeReply(m OutgoingCallReply) (callEvent, error) {
	if m.Result == Connected {
		return cevReply, nil
	}
	return cevReplyRefused, &CallError{m.Result, m.Error, m.CauseCode}
}

// ours finds a call by the ID that we assigned.
func (s *session) ours(id uint16, role callRole) *Call {
	return s.find(func(c *Call) bool { return c.id == id && c.role == role })
}

// theirs finds a call by the ID that the peer assigned, among those in which we
// are the PNS, or among the others.
func (s *session) theirs(id uint16, pns bool) *Call {
	return s.find(func(c *Call) bool { return c.learned && c.peerID == id && c.role.pns() == pns })
}

func (s *session) find(is func(*Call) bool) *Call {
	if i := slices.IndexFunc(s.calls, is); i >= 0 {
		return s.calls[i]
	}
	return nil
}

// stepFound steps the call that was looked for. A message about a call that does
// not exist gets no answer, and touches no other call.
func (s *session) stepFound(c *Call, ev callEvent, why error) {
	if c == nil {
		s.drop(dropUnknownCall)
		return
	}
	s.stepCall(c, ev, why)
}

// stepCall moves a call by one event. why is the reason for its end, if the
// event leads to one.
func (s *session) stepCall(c *Call, ev callEvent, why error) {
	actions, ok := c.auto.step(ev)
	if !ok {
		s.drop(dropUnexpectedType)
		return
	}
	if c.err == nil {
		c.err = why
	}
	for _, act := range actions {
		s.performCall(c, act)
	}
}

func (s *session) performCall(c *Call, act callAction) {
	switch act {
	case cactSendRequest:
		s.send(s.callRequest(c))
	case cactSendReply:
		s.send(OutgoingCallReply{
			CallID: c.id, PeerCallID: c.peerID, Result: Connected,
			ConnectSpeed: maximumBPS, WindowSize: c.ourWindow,
		})
	case cactSendRefusal:
		s.send(c.refusal)
	case cactSendClear:
		s.send(CallClearRequest{CallID: c.id})
	case cactSendCleared:
		s.send(CallDisconnectNotify{CallID: c.id, Result: ClearRequested})
	case cactSendShutdown:
		s.send(CallDisconnectNotify{CallID: c.id, Result: AdminShutdown})
	case cactLearnPeer:
		c.learn(s.received)
	case cactStartTimer:
		c.due = time.Now().Add(s.cfg.ReplyTimeout)
	case cactStartStopTimer:
		c.due = time.Now().Add(s.cfg.StopTimeout)
	case cactStopTimer:
		c.due = time.Time{}
	case cactUp:
		close(c.up)
	case cactNote:
		s.cfg.Log.Debug("link information", "call_id", c.id, "message", s.received.Type())
	case cactRelease:
		s.release(c)
	case cactFailConnection:
		s.step(evTimeout, c.err)
	case cactSendConnected:
		panic("control: an incoming call was begun") // refuseIncoming lets none in
	}
}

// begin starts a call of ours.
func (s *session) begin(c *Call) error {
	switch {
	case !s.established():
		return s.err
	case s.idInUse(c.id):
		return ErrCallIDInUse
	}
	s.serial++
	s.add(c)
	s.stepCall(c, cevOpen, nil)
	return nil
}

func (s *session) callRequest(c *Call) OutgoingCallRequest {
	return OutgoingCallRequest{
		CallID: c.id, SerialNumber: s.serial,
		MinimumBPS: minimumBPS, MaximumBPS: maximumBPS,
		BearerType: anyBearer, FramingType: anyFraming,
		WindowSize: c.ourWindow, Subaddress: c.subaddress,
	}
}

// offer has the peer's request for a call decided.
func (s *session) offer(m OutgoingCallRequest) {
	o := &Offer{Request: m, Conn: s.conn}
	switch {
	case s.theirs(m.CallID, false) != nil:
		o.Refuse(OutgoingGeneralError, BadCallID)
	case len(s.calls) >= s.cfg.MaxCalls:
		o.Refuse(OutgoingGeneralError, NoResource)
	case s.cfg.Answer != nil:
		s.cfg.Answer(o)
	}
	if !o.decided {
		o.Refuse(DoNotAccept, NoError)
	}
}

// refuseIncoming answers a request for an incoming call, which no PAC that we
// have any use for sends.
func (s *session) refuseIncoming(m IncomingCallRequest) {
	c := newCall(s.conn, pnsIncoming, 0)
	c.refusal = IncomingCallReply{PeerCallID: m.CallID, Result: IncomingDoNotAccept}
	s.stepCall(c, cevRequestRefused, nil)
}

// expireCalls steps the calls for which something is late.
func (s *session) expireCalls(past func(time.Time) bool) {
	for _, c := range slices.Clone(s.calls) {
		switch {
		case !past(c.due):
		case c.auto.state == callWaitDisconnect:
			c.err = unanswered(c.err, &TimeoutError{TypeCallDisconnectNotify.String(), s.cfg.StopTimeout})
			s.stepCall(c, cevTimeout, nil)
		default:
			s.stepCall(c, cevTimeout, &TimeoutError{TypeOutgoingCallReply.String(), s.cfg.ReplyTimeout})
		}
	}
}

// endCalls ends all calls with the connection.
func (s *session) endCalls() {
	for _, c := range slices.Clone(s.calls) {
		s.stepCall(c, cevGone, fmt.Errorf("control connection: %w", s.err))
	}
}

func (s *session) idInUse(id uint16) bool {
	return s.find(func(c *Call) bool { return c.id == id }) != nil
}

func (s *session) add(c *Call) {
	s.calls = append(s.calls, c)
	s.callsChanged()
}

// release forgets a call, which may be one that was refused and never added.
func (s *session) release(c *Call) {
	c.due = time.Time{}
	if i := slices.Index(s.calls, c); i >= 0 {
		s.calls = slices.Delete(s.calls, i, i+1)
		s.callsChanged()
	}
	c.end()
}

func (s *session) callsChanged() {
	if len(s.calls) == 0 {
		s.idle = time.Now()
	}
	if s.opt.callCount != nil {
		s.opt.callCount(len(s.calls))
	}
}

// unanswered adds to the reason for an end that the peer did not confirm it.
func unanswered(why error, timeout *TimeoutError) error {
	return fmt.Errorf("%w, with %w", why, timeout)
}
