package fsm

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is the length of code, identifier and length (RFC 1661, section 5).
const HeaderLen = 4

// What makes a control packet malformed. RFC 1661, section 5 has it discarded
// silently; the Machine counts it.
var (
	ErrShortPacket  = errors.New("control packet shorter than its header")
	ErrPacketLength = errors.New("control packet's length field does not fit it")
)

// A Packet is one control packet (RFC 1661, section 5). Data is what follows
// the length field.
type Packet struct {
	Code Code
	ID   byte
	Data []byte
}

// ParsePacket reads a control packet from its code octet on. What follows the
// length is padding and ignored. Data aliases b.
func ParsePacket(b []byte) (Packet, error) {
	if len(b) < HeaderLen {
		return Packet{}, ErrShortPacket
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < HeaderLen || n > len(b) {
		return Packet{}, ErrPacketLength
	}
	return Packet{Code: Code(b[0]), ID: b[1], Data: b[HeaderLen:n]}, nil
}

// AppendPacket appends p to b. Its data must fit the length field.
func AppendPacket(b []byte, p Packet) []byte {
	if HeaderLen+len(p.Data) > 0xffff {
		panic("fsm: control packet too long for its length field")
	}
	b = append(b, byte(p.Code), p.ID)
	b = binary.BigEndian.AppendUint16(b, uint16(HeaderLen+len(p.Data)))
	return append(b, p.Data...)
}
