package control

// The four automata of a call (RFC 2637, sections 3.2.3 and 3.2.4). Which one a
// call has depends on our role in it and on who began it. Between two sites only
// the two outgoing ones matter: the site that dials is the PNS. Incoming calls
// are refused in this package's sessions; their tables are here because a
// request for one must be answered, and because the four are one picture.

// A callRole says which of the four automata a call has.
type callRole uint8

const (
	pnsOutgoing callRole = iota // we dialled
	pacOutgoing                 // the peer dialled
	pnsIncoming                 // the peer's line rang
	pacIncoming                 // our line rang
	callRoleEnd
)

func (r callRole) String() string {
	return [...]string{"PNS outgoing", "PAC outgoing", "PNS incoming", "PAC incoming"}[r]
}

// pns reports whether we are the PNS of the call.
func (r callRole) pns() bool { return r == pnsOutgoing || r == pnsIncoming }

// A callState is a state of a call.
type callState uint8

const (
	callIdle callState = iota
	callWaitReply
	callWaitConnect
	callEstablished
	callWaitDisconnect
	callStateEnd
)

func (s callState) String() string {
	return [...]string{"idle", "wait-reply", "wait-connect", "established", "wait-disconnect"}[s]
}

// A callEvent is something that happens to a call.
type callEvent uint8

const (
	cevOpen           callEvent = iota // we want a call: dial, or ring
	cevRequest                         // OCRQ or ICRQ that we accept
	cevRequestRefused                  // OCRQ or ICRQ that we do not
	cevReply                           // OCRP or ICRP, result 1
	cevReplyRefused                    // OCRP or ICRP, any other result
	cevConnected                       // ICCN
	cevClearRequest                    // Call-Clear-Request
	cevDisconnect                      // Call-Disconnect-Notify, any result
	cevLinkInfo                        // Set-Link-Info
	cevWANError                        // WAN-Error-Notify
	cevClose                           // we want to end it
	cevTimeout                         // what was waited for did not come in time
	cevGone                            // the control connection has ended
	callEventEnd
)

func (e callEvent) String() string {
	return [...]string{"open", "request", "request refused", "reply", "reply refused", "ICCN",
		"Call-Clear-Request", "Call-Disconnect-Notify", "Set-Link-Info", "WAN-Error-Notify", "close", "timeout",
		"gone"}[e]
}

// A callAction is something that the session must do for a call.
type callAction uint8

const (
	cactSendRequest    callAction = iota // OCRQ, ICRQ
	cactSendReply                        // OCRP, ICRP, result 1
	cactSendRefusal                      // OCRP, ICRP, the result why
	cactSendConnected                    // ICCN
	cactSendClear                        // Call-Clear-Request
	cactSendCleared                      // Call-Disconnect-Notify, result 4
	cactSendShutdown                     // Call-Disconnect-Notify, result 3
	cactLearnPeer                        // keep the peer's call ID, if it is not known yet
	cactStartTimer                       // Config.ReplyTimeout
	cactStartStopTimer                   // Config.StopTimeout
	cactStopTimer                        //
	cactUp                               // the call may carry data
	cactNote                             // nothing but a line in the log
	cactRelease                          // the call is over and its ID free
	cactFailConnection                   // end the whole control connection
)

func (a callAction) String() string {
	return [...]string{"send request", "send reply", "send refusal", "send ICCN", "send Call-Clear-Request",
		"send Call-Disconnect-Notify 4", "send Call-Disconnect-Notify 3", "learn peer", "start timer",
		"start stop timer", "stop timer", "up", "note", "release", "fail connection"}[a]
}

type (
	callTransition = transition[callState, callAction]
	callAutomaton  = automaton[callState, callEvent, callAction]
	callTable      = map[callState]map[callEvent]callTransition
)

var callTables = [callRoleEnd]callTable{
	// Section 3.2.4.2.
	pnsOutgoing: {
		callIdle: {
			cevOpen: {callWaitReply, do(cactSendRequest, cactStartTimer)},
		},
		callWaitReply: {
			cevReply:        {callEstablished, do(cactStopTimer, cactLearnPeer, cactUp)},
			cevReplyRefused: {callIdle, do(cactRelease)},
			cevClose:        {callWaitDisconnect, do(cactSendClear, cactStartStopTimer)},
			cevTimeout:      {callIdle, do(cactRelease, cactFailConnection)},
			cevGone:         {callIdle, do(cactRelease)},
		},
		callEstablished: {
			cevDisconnect: {callIdle, do(cactRelease)},
			cevWANError:   {callEstablished, do(cactNote)},
			cevClose:      {callWaitDisconnect, do(cactSendClear, cactStartStopTimer)},
			cevGone:       {callIdle, do(cactRelease)},
		},
		callWaitDisconnect: {
			// The reply was under way when we gave up: the notify that follows
			// names the call by the ID in it.
			cevReply:        {callWaitDisconnect, do(cactLearnPeer)},
			cevReplyRefused: {callIdle, do(cactRelease)},
			cevDisconnect:   {callIdle, do(cactRelease)},
			cevWANError:     {callWaitDisconnect, nil},
			cevClose:        {callWaitDisconnect, nil},
			cevTimeout:      {callIdle, do(cactRelease)},
			cevGone:         {callIdle, do(cactRelease)},
		},
	},
	// Section 3.2.4.1. The RFC's wait_cs_ans, for the time that a telephone rings, has no
	// counterpart here: an Offer is decided before the next message is read.
	pacOutgoing: {
		callIdle: {
			cevRequest:        {callEstablished, do(cactLearnPeer, cactSendReply, cactUp)},
			cevRequestRefused: {callIdle, do(cactSendRefusal, cactRelease)},
		},
		callEstablished: {
			cevClearRequest: {callIdle, do(cactSendCleared, cactRelease)},
			cevLinkInfo:     {callEstablished, do(cactNote)},
			cevClose:        {callIdle, do(cactSendShutdown, cactRelease)},
			cevGone:         {callIdle, do(cactRelease)},
		},
	},
	// Section 3.2.3.2.
	pnsIncoming: {
		callIdle: {
			cevRequest:        {callWaitConnect, do(cactLearnPeer, cactSendReply, cactStartTimer)},
			cevRequestRefused: {callIdle, do(cactSendRefusal, cactRelease)},
		},
		callWaitConnect: {
			cevConnected:  {callEstablished, do(cactStopTimer, cactUp)},
			cevDisconnect: {callIdle, do(cactRelease)},
			cevClose:      {callWaitDisconnect, do(cactSendClear, cactStartStopTimer)},
			cevTimeout:    {callIdle, do(cactRelease, cactFailConnection)},
			cevGone:       {callIdle, do(cactRelease)},
		},
		callEstablished: {
			cevDisconnect: {callIdle, do(cactRelease)},
			cevWANError:   {callEstablished, do(cactNote)},
			cevClose:      {callWaitDisconnect, do(cactSendClear, cactStartStopTimer)},
			cevGone:       {callIdle, do(cactRelease)},
		},
		callWaitDisconnect: {
			cevDisconnect: {callIdle, do(cactRelease)},
			cevWANError:   {callWaitDisconnect, nil},
			cevClose:      {callWaitDisconnect, nil},
			cevTimeout:    {callIdle, do(cactRelease)},
			cevGone:       {callIdle, do(cactRelease)},
		},
	},
	// Section 3.2.3.1.
	pacIncoming: {
		callIdle: {
			cevOpen: {callWaitReply, do(cactSendRequest, cactStartTimer)},
		},
		callWaitReply: {
			cevReply:        {callEstablished, do(cactStopTimer, cactLearnPeer, cactSendConnected, cactUp)},
			cevReplyRefused: {callIdle, do(cactRelease)},
			cevClearRequest: {callIdle, do(cactSendCleared, cactRelease)},
			cevClose:        {callIdle, do(cactSendShutdown, cactRelease)},
			cevTimeout:      {callIdle, do(cactRelease, cactFailConnection)},
			cevGone:         {callIdle, do(cactRelease)},
		},
		callEstablished: {
			cevClearRequest: {callIdle, do(cactSendCleared, cactRelease)},
			cevLinkInfo:     {callEstablished, do(cactNote)},
			cevClose:        {callIdle, do(cactSendShutdown, cactRelease)},
			cevGone:         {callIdle, do(cactRelease)},
		},
	},
}
