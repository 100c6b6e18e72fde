package fsm

// An Automaton is the state of one protocol's negotiation. The zero value is
// Initial. It reads no clock and sends nothing.
type Automaton struct{ state State }

// State returns the state that the last step led to.
func (a *Automaton) State() State { return a.state }

// Step moves the automaton by one event and returns what the caller must do, in
// order. It reports false, and stays, for a "-" cell of the table: a late Up or
// Down of a dead call does arrive, and the caller counts it.
func (a *Automaton) Step(ev Event) (do []Action, ok bool) {
	if int(ev) >= len(table) {
		return nil, false
	}
	c := table[ev][a.state]
	if !c.legal {
		return nil, false
	}
	a.state = c.next
	return c.do, true
}

// A cell of the table: what to do, and the state after it.
type cell struct {
	next  State
	do    []Action
	legal bool
}

func to(next State, do ...Action) cell { return cell{next, do, true} }

// The abbreviations of RFC 1661, section 4.4, for the table.
const (
	tlu = ThisLayerUp
	tld = ThisLayerDown
	tls = ThisLayerStarted
	tlf = ThisLayerFinished
	irc = InitRestartCount
	zrc = ZeroRestartCount
	scr = SendConfigureRequest
	sca = SendConfigureAck
	scn = SendConfigureNak
	str = SendTerminateRequest
	sta = SendTerminateAck
	scj = SendCodeReject
	ser = SendEchoReply
)

// none is a "-" cell.
var none cell

// table is RFC 1661, section 4.1, in its order: each event has the states 0 to
// 5 on its first line and 6 to 9 on its second. The cells marked "r" there (the
// restart option) and "p" (the passive option) are here without the option; see
// [Machine.Open].
var table = [...][Opened + 1]cell{
	Up: {to(Closed), to(ReqSent, irc, scr), none, none, none, none,
		none, none, none, none},
	Down: {none, none, to(Initial), to(Starting, tls), to(Initial), to(Starting),
		to(Starting), to(Starting), to(Starting), to(Starting, tld)},
	Open: {to(Starting, tls), to(Starting), to(ReqSent, irc, scr), to(Stopped), to(Stopping), to(Stopping),
		to(ReqSent), to(AckReceived), to(AckSent), to(Opened)},
	Close: {to(Initial), to(Initial, tlf), to(Closed), to(Closed), to(Closing), to(Closing),
		to(Closing, irc, str), to(Closing, irc, str), to(Closing, irc, str), to(Closing, tld, irc, str)},

	TimeoutRetry: {none, none, none, none, to(Closing, str), to(Stopping, str),
		to(ReqSent, scr), to(ReqSent, scr), to(AckSent, scr), none},
	TimeoutGiveUp: {none, none, none, none, to(Closed, tlf), to(Stopped, tlf),
		to(Stopped, tlf), to(Stopped, tlf), to(Stopped, tlf), none},

	RecvGoodRequest: {none, none, to(Closed, sta), to(AckSent, irc, scr, sca), to(Closing), to(Stopping),
		to(AckSent, sca), to(Opened, sca, tlu), to(AckSent, sca), to(AckSent, tld, scr, sca)},
	RecvBadRequest: {none, none, to(Closed, sta), to(ReqSent, irc, scr, scn), to(Closing), to(Stopping),
		to(ReqSent, scn), to(AckReceived, scn), to(ReqSent, scn), to(ReqSent, tld, scr, scn)},
	RecvAck: {none, none, to(Closed, sta), to(Stopped, sta), to(Closing), to(Stopping),
		to(AckReceived, irc), to(ReqSent, scr), to(Opened, irc, tlu), to(ReqSent, tld, scr)},
	RecvNak: {none, none, to(Closed, sta), to(Stopped, sta), to(Closing), to(Stopping),
		to(ReqSent, irc, scr), to(ReqSent, scr), to(AckSent, irc, scr), to(ReqSent, tld, scr)},

	RecvTerminate: {none, none, to(Closed, sta), to(Stopped, sta), to(Closing, sta), to(Stopping, sta),
		to(ReqSent, sta), to(ReqSent, sta), to(ReqSent, sta), to(Stopping, tld, zrc, sta)},
	RecvTerminateAck: {none, none, to(Closed), to(Stopped), to(Closed, tlf), to(Stopped, tlf),
		to(ReqSent), to(ReqSent), to(AckSent), to(ReqSent, tld, scr)},

	RecvUnknownCode: {none, none, to(Closed, scj), to(Stopped, scj), to(Closing, scj), to(Stopping, scj),
		to(ReqSent, scj), to(AckReceived, scj), to(AckSent, scj), to(Opened, scj)},
	RecvRejectOK: {none, none, to(Closed), to(Stopped), to(Closing), to(Stopping),
		to(ReqSent), to(ReqSent), to(AckSent), to(Opened)},
	RecvRejectFatal: {none, none, to(Closed, tlf), to(Stopped, tlf), to(Closed, tlf), to(Stopped, tlf),
		to(Stopped, tlf), to(Stopped, tlf), to(Stopped, tlf), to(Stopping, tld, irc, str)},

	RecvEcho: {none, none, to(Closed), to(Stopped), to(Closing), to(Stopping),
		to(ReqSent), to(AckReceived), to(AckSent), to(Opened, ser)},
}
