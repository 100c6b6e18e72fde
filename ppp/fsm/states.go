package fsm

import "fmt"

// A State of the automaton, numbered as RFC 1661, section 4.2 does.
type State uint8

const (
	Initial     State = iota // lower layer down, not wanted
	Starting                 // lower layer down, wanted
	Closed                   // lower layer up, not wanted
	Stopped                  // wanted, but negotiation ended; waits for the peer
	Closing                  // Terminate-Request sent, not wanted any more
	Stopping                 // terminating, still wanted
	ReqSent                  // Configure-Request sent
	AckReceived              // the peer agreed to ours
	AckSent                  // we agreed to the peer's
	Opened                   // both agreed
)

var stateNames = [...]string{"Initial", "Starting", "Closed", "Stopped", "Closing",
	"Stopping", "Req-Sent", "Ack-Rcvd", "Ack-Sent", "Opened"}

func (s State) String() string { return name(stateNames[:], "state", uint8(s)) }

// timed reports whether the restart timer runs in s (RFC 1661, section 4.1).
func (s State) timed() bool { return s >= Closing && s <= AckSent }

// negotiating reports whether a Configure-Request of ours is on its way.
func (s State) negotiating() bool { return s >= ReqSent && s <= AckSent }

// An Event moves the automaton (RFC 1661, section 4.3).
type Event uint8

const (
	Up               Event = iota // the lower layer is up
	Down                          // the lower layer is down
	Open                          // the administrator wants the layer
	Close                         // the administrator does not want it any more
	TimeoutRetry                  // TO+: the restart timer passed, counter > 0
	TimeoutGiveUp                 // TO-: the restart timer passed, counter 0
	RecvGoodRequest               // RCR+
	RecvBadRequest                // RCR-
	RecvAck                       // RCA
	RecvNak                       // RCN: a Configure-Nak or Configure-Reject
	RecvTerminate                 // RTR
	RecvTerminateAck              // RTA
	RecvUnknownCode               // RUC
	RecvRejectOK                  // RXJ+: something we can do without was rejected
	RecvRejectFatal               // RXJ-: something we need was rejected
	RecvEcho                      // RXR: Echo-Request, Echo-Reply, Discard-Request
)

var eventNames = [...]string{"Up", "Down", "Open", "Close", "TO+", "TO-", "RCR+", "RCR-",
	"RCA", "RCN", "RTR", "RTA", "RUC", "RXJ+", "RXJ-", "RXR"}

func (e Event) String() string { return name(eventNames[:], "event", uint8(e)) }

// An Action is what a step asks for (RFC 1661, section 4.4).
type Action uint8

const (
	ThisLayerUp Action = iota
	ThisLayerDown
	ThisLayerStarted
	ThisLayerFinished
	InitRestartCount
	ZeroRestartCount
	SendConfigureRequest
	SendConfigureAck
	SendConfigureNak // or Configure-Reject
	SendTerminateRequest
	SendTerminateAck
	SendCodeReject
	SendEchoReply
)

var actionNames = [...]string{"tlu", "tld", "tls", "tlf", "irc", "zrc", "scr", "sca", "scn",
	"str", "sta", "scj", "ser"}

// String is the RFC's abbreviation: "scr".
func (a Action) String() string { return name(actionNames[:], "action", uint8(a)) }

// A Code says what a control packet is (RFC 1661, section 5).
type Code uint8

// The codes that LCP and every network control protocol share.
const (
	ConfigureRequest Code = iota + 1
	ConfigureAck
	ConfigureNak
	ConfigureReject
	TerminateRequest
	TerminateAck
	CodeReject
)

var codeNames = [...]string{"code 0", "Configure-Request", "Configure-Ack", "Configure-Nak",
	"Configure-Reject", "Terminate-Request", "Terminate-Ack", "Code-Reject"}

func (c Code) String() string { return name(codeNames[:], "code", uint8(c)) }

func name(names []string, kind string, n uint8) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("%s %d", kind, n)
}
