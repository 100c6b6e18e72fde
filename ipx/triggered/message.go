// Package triggered speaks the triggered extensions of IPX RIP and SAP, which
// tell a neighbour once what there is and then only what changes, each packet
// until it is acknowledged: a link that carries nothing else stays silent, and a
// slow one is not filled every minute.
//
// The messages are those of RFC 2091 (Triggered RIP), sections 4 and 5: Update
// Request, Update Response and Update Acknowledge. RFC 1582 (Demand RIP), by the
// same author, came before it and is not spoken: its operations 6 to 8 send the
// whole table after every change, in at most 255 fragments, which are 1785
// services. A peer that knows only that, or neither, does not answer; State says
// so, and the caller goes back to periodic RIP and SAP.
//
// A Machine is one end of one protocol on one link. It is pure: it is told of
// packets and of the time, and reads no clock. What is learned and what is told
// is the caller's.
package triggered

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An Operation is the first field of a message, where RIP and SAP have theirs.
type Operation uint16

// The operations (RFC 2091, sections 4.1 to 4.3), the same for RIP and SAP.
const (
	OpRequest     Operation = 9  // Update Request: tell me all
	OpResponse    Operation = 10 // Update Response: zero or more entries
	OpAcknowledge Operation = 11 // Update Acknowledge: that response has come
)

// String returns the operation in words.
func (o Operation) String() string {
	switch o {
	case OpRequest:
		return "update request"
	case OpResponse:
		return "update response"
	case OpAcknowledge:
		return "update acknowledge"
	}
	return fmt.Sprintf("operation(%d)", uint16(o))
}

const (
	operationLen = 2
	headerLen    = 4 // the update header (RFC 2091, section 5.1)
	version      = 1
)

// A Message is an operation with its update header. All integers are
// big-endian.
type Message struct {
	Operation Operation
	// Flush says that what was told before is void, and that all is told anew
	// from here. It comes back in the acknowledgement.
	Flush bool
	// Sequence numbers responses. It wraps, and says nothing in a request.
	Sequence uint16
	// Entries are those of a response as they came: 8 octets for a route, 64 for
	// a service. They alias what was parsed.
	Entries []byte
}

var (
	// ErrPlain is a message of RIP or SAP itself, which is not this package's
	// business.
	ErrPlain = errors.New("triggered: a message of plain RIP or SAP")
	// ErrOperation is a message of an operation that we do not know.
	ErrOperation = errors.New("triggered: unknown operation")
	// ErrShort is a message that ends before its header does.
	ErrShort = errors.New("triggered: message ends early")
	// ErrVersion is an update header of a version that we do not know.
	ErrVersion = errors.New("triggered: unknown version of the update header")
	// ErrFlush is a flush field that is neither 0 nor 1.
	ErrFlush = errors.New("triggered: flush field is neither 0 nor 1")
)

// Parse reads the payload of an IPX packet, cut to the length in the IPX header.
// A request may come without its update header: nothing in it matters.
func Parse(b []byte) (Message, error) {
	if len(b) < operationLen {
		return Message{}, ErrShort
	}
	m := Message{Operation: Operation(binary.BigEndian.Uint16(b))}
	switch {
	case m.Operation >= 1 && m.Operation <= 4:
		return Message{}, ErrPlain
	case m.Operation < OpRequest || m.Operation > OpAcknowledge:
		return Message{}, ErrOperation
	case m.Operation == OpRequest && len(b) == operationLen:
		return m, nil
	case len(b) < operationLen+headerLen:
		return Message{}, ErrShort
	}
	header := b[operationLen:]
	switch {
	case header[0] != version:
		return Message{}, ErrVersion
	case header[1] > 1:
		return Message{}, ErrFlush
	}
	m.Flush, m.Sequence = header[1] == 1, binary.BigEndian.Uint16(header[2:])
	if m.Operation == OpResponse {
		m.Entries = header[headerLen:]
	}
	return m, nil
}

// Append appends the message to b.
func (m Message) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(m.Operation))
	flush := byte(0)
	if m.Flush {
		flush = 1
	}
	b = append(b, version, flush)
	b = binary.BigEndian.AppendUint16(b, m.Sequence)
	return append(b, m.Entries...)
}
