package control

import "sync/atomic"

// Stats is what one control connection, or all those of a Listener, have seen.
type Stats struct {
	In    Messages `json:"in"`
	Out   Messages `json:"out"`
	Drops Drops    `json:"drops"`
}

// Messages counts messages by type.
type Messages struct {
	StartRequest          uint64 `json:"start_request"`
	StartReply            uint64 `json:"start_reply"`
	StopRequest           uint64 `json:"stop_request"`
	StopReply             uint64 `json:"stop_reply"`
	EchoRequest           uint64 `json:"echo_request"`
	EchoReply             uint64 `json:"echo_reply"`
	OutgoingCallRequest   uint64 `json:"outgoing_call_request"`
	OutgoingCallReply     uint64 `json:"outgoing_call_reply"`
	IncomingCallRequest   uint64 `json:"incoming_call_request"`
	IncomingCallReply     uint64 `json:"incoming_call_reply"`
	IncomingCallConnected uint64 `json:"incoming_call_connected"`
	CallClearRequest      uint64 `json:"call_clear_request"`
	CallDisconnectNotify  uint64 `json:"call_disconnect_notify"`
	WANErrorNotify        uint64 `json:"wan_error_notify"`
	SetLinkInfo           uint64 `json:"set_link_info"`
}

// Total is how many there were of all types.
func (m Messages) Total() uint64 {
	return m.StartRequest + m.StartReply + m.StopRequest + m.StopReply + m.EchoRequest + m.EchoReply +
		m.OutgoingCallRequest + m.OutgoingCallReply + m.IncomingCallRequest + m.IncomingCallReply + m.IncomingCallConnected +
		m.CallClearRequest + m.CallDisconnectNotify + m.WANErrorNotify + m.SetLinkInfo
}

// Drops counts what was received and led to nothing, by reason. The first three
// end the connection.
type Drops struct {
	ControlLength   uint64 `json:"control_length"`
	PPTPMessageType uint64 `json:"pptp_message_type"`
	MagicCookie     uint64 `json:"magic_cookie"`
	UnknownType     uint64 `json:"unknown_type"`    // none of the 15
	UnknownCall     uint64 `json:"unknown_call"`    // names no call of this connection
	UnexpectedType  uint64 `json:"unexpected_type"` // means nothing in this state
}

// A dropReason is an index of counters.drops.
type dropReason uint8

const (
	dropUnknownType dropReason = dropReason(WrongSize) + iota // after the MalformedReasons
	dropUnknownCall
	dropUnexpectedType
	dropEnd
)

// counters counts for one connection, and for the Listener it belongs to, if
// any. All methods may be called at any time.
type counters struct {
	in, out [typeEnd]atomic.Uint64
	drops   [dropEnd]atomic.Uint64
	parent  *counters
}

func (c *counters) countIn(t MessageType) {
	for ; c != nil; c = c.parent {
		c.in[t].Add(1)
	}
}

func (c *counters) countOut(t MessageType) {
	for ; c != nil; c = c.parent {
		c.out[t].Add(1)
	}
}

func (c *counters) drop(r dropReason) {
	for ; c != nil; c = c.parent {
		c.drops[r].Add(1)
	}
}

func (c *counters) stats() Stats {
	return Stats{
		In:  messages(&c.in),
		Out: messages(&c.out),
		Drops: Drops{
			ControlLength:   c.drops[ControlLength].Load(),
			PPTPMessageType: c.drops[PPTPMessageType].Load(),
			MagicCookie:     c.drops[MagicCookie].Load(),
			UnknownType:     c.drops[dropUnknownType].Load(),
			UnknownCall:     c.drops[dropUnknownCall].Load(),
			UnexpectedType:  c.drops[dropUnexpectedType].Load(),
		},
	}
}

func messages(n *[typeEnd]atomic.Uint64) Messages {
	return Messages{
		StartRequest:          n[TypeStartRequest].Load(),
		StartReply:            n[TypeStartReply].Load(),
		StopRequest:           n[TypeStopRequest].Load(),
		StopReply:             n[TypeStopReply].Load(),
		EchoRequest:           n[TypeEchoRequest].Load(),
		EchoReply:             n[TypeEchoReply].Load(),
		OutgoingCallRequest:   n[TypeOutgoingCallRequest].Load(),
		OutgoingCallReply:     n[TypeOutgoingCallReply].Load(),
		IncomingCallRequest:   n[TypeIncomingCallRequest].Load(),
		IncomingCallReply:     n[TypeIncomingCallReply].Load(),
		IncomingCallConnected: n[TypeIncomingCallConnected].Load(),
		CallClearRequest:      n[TypeCallClearRequest].Load(),
		CallDisconnectNotify:  n[TypeCallDisconnectNotify].Load(),
		WANErrorNotify:        n[TypeWANErrorNotify].Load(),
		SetLinkInfo:           n[TypeSetLinkInfo].Load(),
	}
}
