package fsm

// An Option is one configuration option (RFC 1661, section 6). Data is what
// follows the type and length octets; it aliases the packet it was parsed from.
type Option struct {
	Type byte
	Data []byte
}

// A Verdict is the answer to a peer's Configure-Request: Code is ConfigureAck,
// ConfigureNak or ConfigureReject. For Ack the Machine copies the request's
// options octet for octet and Options is ignored. An Err closes the layer with
// its text as the reason: no answer to the request would mend it.
type Verdict struct {
	Code    Code
	Options []Option
	Err     error
}

// A Protocol is what differs between LCP and the network control protocols:
// the options. The Machine that runs the automaton calls it, always from the
// goroutine that owns the link.
type Protocol interface {
	// Name is for logs and status: "IPXCP".
	Name() string
	// Number is the PPP protocol number of the control packets: 0x802B.
	Number() uint16

	// Request returns the options of the next Configure-Request. The Machine
	// keeps what was sent, and compares an Ack with it whole.
	Request() []Option
	// Judge answers the options of the peer's Configure-Request. Options alias
	// the packet; Judge copies what it keeps. final is set once Max-Failure
	// Naks were sent: the Machine will then turn a Nak into a Reject of the
	// peer's own options, and nothing may be appended. The Machine has already
	// refused requests that repeat an option, unless Repeatable says it may.
	Judge(peer []Option, final bool) Verdict
	// Repeatable reports whether the option may stand in a request twice.
	Repeatable(option byte) bool

	// Naked and Rejected take the peer's answer to our request: the next
	// Request must take it into account. They only ever hold option types that
	// a Nak or Reject may name; Rejected ones were in our request octet for
	// octet. An error ends the layer, with the error's text as the reason.
	Naked(opts []Option) error
	Rejected(opts []Option) error

	// Up is called when both sides have agreed (this-layer-up). An error closes
	// the layer with its text as the reason: the agreed values cannot be used.
	Up() error
	// Down is called when an opened layer is no longer so (this-layer-down).
	Down()
	// Reset is called before a negotiation starts anew: what was learned from
	// Naks and Rejects of an earlier one is forgotten.
	Reset()
}

// ExtraCodes is implemented by a Protocol that has codes beyond 1 to 7 (LCP 8
// to 13, CCP and ECP 14 and 15). ReceiveExtra reports false for a code that it
// does not know, which is then answered by a Code-Reject. data aliases the
// packet.
type ExtraCodes interface {
	ReceiveExtra(code Code, id byte, data []byte) (known bool)
}
