package control

// The control connection's automaton (RFC 2637, section 3.1). The RFC draws one
// for the originator of the TCP connection and one for its receiver; they differ
// in how they come to be established and share the rest, so here they are one
// table that begins with either dialled or accepted.
//
//	      dialled                      accepted
//	idle ---------> wait-ctl-reply      idle
//	 SCCRQ                |              | SCCRQ / SCCRP
//	                SCCRP |              |
//	                      v              v
//	                       established <-' ---------> closed
//	                           | stop /    Stop-Request / Stop-Reply
//	                           v Stop-Request
//	                     wait-stop-reply -----------> closed
//	                                      Stop-Reply

// A connState is a state of the control connection.
type connState uint8

const (
	connIdle connState = iota
	connWaitCtlReply
	connEstablished
	connWaitStopReply
	// connClosed is the RFC's idle once TCP is gone. An automaton serves one
	// TCP connection, so nothing leads out of it.
	connClosed
)

func (s connState) String() string {
	return [...]string{"idle", "wait-ctl-reply", "established", "wait-stop-reply", "closed"}[s]
}

// A connEvent is something that happens to the control connection.
type connEvent uint8

const (
	evDialled             connEvent = iota // TCP is open, and we opened it
	evAccepted                             // TCP is open, and the peer opened it
	evStartRequest                         // SCCRQ that we like
	evStartRequestVersion                  // SCCRQ, version not supported
	evStartRequestRefused                  // SCCRQ that Config.Admit refuses
	evStartRequestHeld                     // SCCRQ on the losing connection of a collision
	evStartReply                           // SCCRP, result 1
	evStartReplyVersion                    // SCCRP, result 1, version not supported
	evStartReplyRefused                    // SCCRP, any other result
	evStopRequest
	evStopReply
	evEchoRequest
	evEchoReply   // to an Echo-Request of ours
	evCallMessage // types 7 to 15
	evStop        // we want to end the connection
	evSilence     // nothing received for Config.EchoInterval
	evTimeout     // what was waited for did not come in time
	evMalformed
	evTCPClosed
	connEventEnd
)

func (e connEvent) String() string {
	return [...]string{"dialled", "accepted", "SCCRQ", "SCCRQ version", "SCCRQ refused", "SCCRQ held",
		"SCCRP", "SCCRP version", "SCCRP refused", "Stop-Request", "Stop-Reply", "Echo-Request", "Echo-Reply",
		"call message", "stop", "silence", "timeout", "malformed", "TCP closed"}[e]
}

// A connAction is something that the session must do.
type connAction uint8

const (
	actSendStartRequest connAction = iota
	actSendStartReply              // result 1
	actSendStartVersion            // SCCRP, result 5
	actSendStartRefusal            // SCCRP, with the result that Config.Admit gave
	actSendStartExists             // SCCRP, result 3
	actSendStopRequest             // reason 3, local shutdown
	actSendStopVersion             // Stop-Request, reason 2
	actSendStopReply               // result 1
	actSendEchoRequest             // with a new identifier
	actSendEchoReply               // with the identifier of the request
	actStartTimer                  // Config.ReplyTimeout
	actStartStopTimer              // Config.StopTimeout
	actStopTimer                   //
	actUp                          // calls may be made from now on
	actHandleCall                  // the message belongs to a call
	actEndCalls                    // all of them, without a message
	actFlush                       // close TCP once everything has been sent
	actClose                       // close TCP now
)

func (a connAction) String() string {
	return [...]string{"send SCCRQ", "send SCCRP 1", "send SCCRP 5", "send SCCRP refusal", "send SCCRP 3",
		"send Stop-Request 3", "send Stop-Request 2", "send Stop-Reply", "send Echo-Request", "send Echo-Reply",
		"start timer", "start stop timer", "stop timer", "up", "handle call", "end calls", "flush", "close"}[a]
}

type (
	connTransition = transition[connState, connAction]
	connAutomaton  = automaton[connState, connEvent, connAction]
)

// do makes a list of actions read like one.
func do[A any](actions ...A) []A { return actions }

var connTable = map[connState]map[connEvent]connTransition{
	connIdle: {
		evDialled:             {connWaitCtlReply, do(actSendStartRequest, actStartTimer)},
		evAccepted:            {connIdle, do(actStartTimer)},
		evStartRequest:        {connEstablished, do(actStopTimer, actSendStartReply, actUp)},
		evStartRequestVersion: {connClosed, do(actSendStartVersion, actFlush)},
		evStartRequestRefused: {connClosed, do(actSendStartRefusal, actFlush)},
		// The winner of a collision says nothing on the loser's connection and
		// waits for it to close (section 3.1.3); the timer is running.
		evStartRequestHeld: {connIdle, nil},
		// A stranger who begins with anything else is not worth an answer.
		evStartReply:        {connClosed, do(actClose)},
		evStartReplyVersion: {connClosed, do(actClose)},
		evStartReplyRefused: {connClosed, do(actClose)},
		evStopRequest:       {connClosed, do(actClose)},
		evStopReply:         {connClosed, do(actClose)},
		evEchoRequest:       {connClosed, do(actClose)},
		evEchoReply:         {connClosed, do(actClose)},
		evCallMessage:       {connClosed, do(actClose)},
		evStop:              {connClosed, do(actClose)},
		evTimeout:           {connClosed, do(actClose)},
		evMalformed:         {connClosed, do(actClose)},
		evTCPClosed:         {connClosed, do(actClose)},
	},
	connWaitCtlReply: {
		// A peer that calls itself the originator of our TCP connection.
		evStartRequest:        {connClosed, do(actClose)},
		evStartRequestVersion: {connClosed, do(actClose)},
		evStartRequestRefused: {connClosed, do(actClose)},
		evStartRequestHeld:    {connClosed, do(actClose)},
		evStartReply:          {connEstablished, do(actStopTimer, actUp)},
		evStartReplyVersion:   {connWaitStopReply, do(actSendStopVersion, actStartStopTimer)},
		evStartReplyRefused:   {connClosed, do(actClose)},
		evStopRequest:         {connClosed, do(actSendStopReply, actFlush)},
		evEchoRequest:         {connWaitCtlReply, do(actSendEchoReply)},
		// Also the loser of a collision, which sends nothing more here.
		evStop:      {connClosed, do(actClose)},
		evTimeout:   {connClosed, do(actClose)},
		evMalformed: {connClosed, do(actClose)},
		evTCPClosed: {connClosed, do(actClose)},
	},
	connEstablished: {
		evStartRequest:        {connEstablished, do(actSendStartExists)},
		evStartRequestVersion: {connEstablished, do(actSendStartExists)},
		evStartRequestRefused: {connEstablished, do(actSendStartExists)},
		evStartRequestHeld:    {connEstablished, do(actSendStartExists)},
		evStopRequest:         {connClosed, do(actEndCalls, actSendStopReply, actFlush)},
		evEchoRequest:         {connEstablished, do(actSendEchoReply)},
		evEchoReply:           {connEstablished, nil},
		evCallMessage:         {connEstablished, do(actHandleCall)},
		evStop:                {connWaitStopReply, do(actEndCalls, actSendStopRequest, actStartStopTimer)},
		evSilence:             {connEstablished, do(actSendEchoRequest)},
		evTimeout:             {connClosed, do(actEndCalls, actClose)},
		evMalformed:           {connClosed, do(actEndCalls, actClose)},
		evTCPClosed:           {connClosed, do(actEndCalls, actClose)},
	},
	connWaitStopReply: {
		// Both ends wanted to stop at once: each answers the other.
		evStopRequest: {connWaitStopReply, do(actSendStopReply)},
		evStopReply:   {connClosed, do(actClose)},
		evEchoRequest: {connWaitStopReply, do(actSendEchoReply)},
		evStop:        {connWaitStopReply, nil},
		evTimeout:     {connClosed, do(actClose)},
		evMalformed:   {connClosed, do(actClose)},
		evTCPClosed:   {connClosed, do(actClose)},
	},
}
