package control

import (
	"encoding/binary"
	"fmt"
)

// The header that begins every message (RFC 2637, section 1.4):
//
//	offset  0  length of the whole message
//	        2  PPTP message type, 1 = control (2, management, was never defined)
//	        4  magic cookie
//	        8  control message type
//	       10  reserved
//
// Offsets in this package count from the header's first octet, as in the RFC.
const (
	headerLen      = 12
	controlMessage = 1
	magicCookie    = 0x1A2B3C4D
)

// maxUnknownLen is the longest message of an unknown type that is skipped. No
// message of PPTP is longer than 220 octets; one that claims much more is taken
// for a stream out of step.
const maxUnknownLen = 1024

var be = binary.BigEndian

// A Message is one control message, without its header.
type Message interface {
	Type() MessageType
	// append appends what follows the header, in the type's fixed length.
	append(b []byte) []byte
}

// A MessageType is a Control Message Type (RFC 2637, section 2).
type MessageType uint16

// The control message types.
const (
	TypeStartRequest          MessageType = 1
	TypeStartReply            MessageType = 2
	TypeStopRequest           MessageType = 3
	TypeStopReply             MessageType = 4
	TypeEchoRequest           MessageType = 5
	TypeEchoReply             MessageType = 6
	TypeOutgoingCallRequest   MessageType = 7
	TypeOutgoingCallReply     MessageType = 8
	TypeIncomingCallRequest   MessageType = 9
	TypeIncomingCallReply     MessageType = 10
	TypeIncomingCallConnected MessageType = 11
	TypeCallClearRequest      MessageType = 12
	TypeCallDisconnectNotify  MessageType = 13
	TypeWANErrorNotify        MessageType = 14
	TypeSetLinkInfo           MessageType = 15

	typeEnd MessageType = 16
)

// formats gives each type its name, its fixed length with the header, and the
// function that reads a message of exactly that length.
var formats = [typeEnd]struct {
	name  string
	len   int
	parse func(b []byte) Message
}{
	TypeStartRequest:          {"Start-Control-Connection-Request", 156, parseStartRequest},
	TypeStartReply:            {"Start-Control-Connection-Reply", 156, parseStartReply},
	TypeStopRequest:           {"Stop-Control-Connection-Request", 16, parseStopRequest},
	TypeStopReply:             {"Stop-Control-Connection-Reply", 16, parseStopReply},
	TypeEchoRequest:           {"Echo-Request", 16, parseEchoRequest},
	TypeEchoReply:             {"Echo-Reply", 20, parseEchoReply},
	TypeOutgoingCallRequest:   {"Outgoing-Call-Request", 168, parseOutgoingCallRequest},
	TypeOutgoingCallReply:     {"Outgoing-Call-Reply", 32, parseOutgoingCallReply},
	TypeIncomingCallRequest:   {"Incoming-Call-Request", 220, parseIncomingCallRequest},
	TypeIncomingCallReply:     {"Incoming-Call-Reply", 24, parseIncomingCallReply},
	TypeIncomingCallConnected: {"Incoming-Call-Connected", 28, parseIncomingCallConnected},
	TypeCallClearRequest:      {"Call-Clear-Request", 16, parseCallClearRequest},
	TypeCallDisconnectNotify:  {"Call-Disconnect-Notify", 148, parseCallDisconnectNotify},
	TypeWANErrorNotify:        {"WAN-Error-Notify", 40, parseWANErrorNotify},
	TypeSetLinkInfo:           {"Set-Link-Info", 24, parseSetLinkInfo},
}

func (t MessageType) known() bool { return t > 0 && t < typeEnd }

// String returns the RFC's name of the message.
func (t MessageType) String() string {
	if t.known() {
		return formats[t].name
	}
	return fmt.Sprintf("message type %d", uint16(t))
}

// Parse reads b, which must be exactly one whole message. Reserved fields are
// ignored, as peers in the field put all sorts of things there. The error is a
// *MalformedError. Nothing in the result aliases b.
func Parse(b []byte) (Message, error) {
	n, err := messageLen(b)
	if err != nil {
		return nil, err
	}
	if n == 0 || n != len(b) {
		return nil, &MalformedError{Reason: WrongSize, Value: uint32(len(b))}
	}
	return parseWhole(b), nil
}

// Append appends m, header and all.
func Append(b []byte, m Message) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, controlMessage)
	b = be.AppendUint32(b, magicCookie)
	b = be.AppendUint16(b, uint16(m.Type()))
	b = append(b, 0, 0)
	b = m.append(b)
	be.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

// messageLen checks the header of the message that begins b and returns the
// whole message's length, or 0 while b is too short to say. What it lets pass is
// a message of known type and right length, or a short one of unknown type, so
// that the length is never more than maxUnknownLen.
func messageLen(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	n := int(be.Uint16(b))
	if n < headerLen {
		return 0, &MalformedError{Reason: ControlLength, Value: uint32(n)}
	}
	if len(b) < headerLen {
		return 0, nil
	}
	if v := be.Uint16(b[2:]); v != controlMessage {
		return 0, &MalformedError{Reason: PPTPMessageType, Value: uint32(v)}
	}
	if v := be.Uint32(b[4:]); v != magicCookie {
		return 0, &MalformedError{Reason: MagicCookie, Value: v}
	}
	t := MessageType(be.Uint16(b[8:]))
	if t.known() && n != formats[t].len || n > maxUnknownLen {
		return 0, &MalformedError{Reason: ControlLength, Value: uint32(n), Type: t}
	}
	return n, nil
}

// parseWhole reads a message that messageLen has measured.
func parseWhole(b []byte) Message {
	if t := MessageType(be.Uint16(b[8:])); t.known() {
		return formats[t].parse(b)
	}
	return parseUnknown(b)
}

// Unknown is a message of a type that RFC 2637 does not define. It is counted
// and skipped: its length says where the next one begins.
type Unknown struct {
	MessageType MessageType
	Body        []byte // what follows the header
}

// Type returns the type the peer gave, which is none of ours.
func (m Unknown) Type() MessageType { return m.MessageType }

func (m Unknown) append(b []byte) []byte { return append(b, m.Body...) }

func parseUnknown(b []byte) Message {
	return Unknown{
		MessageType: MessageType(be.Uint16(b[8:])),
		Body:        append([]byte{}, b[headerLen:]...),
	}
}

// A MalformedError says why octets from the peer are not a message. The stream
// is then out of step, and the connection must be closed at once: the next magic
// cookie is never searched for (RFC 2637, section 1.4).
type MalformedError struct {
	Reason MalformedReason
	Value  uint32      // what stood there
	Type   MessageType // of a ControlLength that does not fit its type, else 0
}

func (e *MalformedError) Error() string {
	switch {
	case e.Reason == MagicCookie:
		return fmt.Sprintf("malformed message: magic cookie %#08x", e.Value)
	case e.Type != 0:
		return fmt.Sprintf("malformed message: %v %d for %v", e.Reason, e.Value, e.Type)
	}
	return fmt.Sprintf("malformed message: %v %d", e.Reason, e.Value)
}

// A MalformedReason names the header field that was wrong.
type MalformedReason uint8

// The reasons.
const (
	ControlLength   MalformedReason = iota // below 12, or not the length of its type
	PPTPMessageType                        // not 1, a control message
	MagicCookie                            // not 0x1A2B3C4D
	WrongSize                              // Parse was given more or less than one message
)

// String returns the reason in words: "control length".
func (r MalformedReason) String() string {
	return [...]string{"control length", "message type", "magic cookie", "size"}[r]
}
