package gre

import (
	"encoding/binary"
	"errors"
)

// MaxHeaderLen is the length of a header with both numbers in it: the room that
// a frame given to Channel.Send must have in front.
const MaxHeaderLen = 16

const (
	minHeaderLen = 8      // without either number
	protocolPPP  = 0x880b // the Protocol Type of every enhanced GRE packet
)

// The flag word, RFC 2637, section 4.1. Checksum, routing and strict source
// route are always clear, the key is always present, the version is 1.
const (
	flagKey     = 0x2000
	flagSeq     = 0x1000 // a sequence number, and so a payload, is present
	flagAck     = 0x0080 // an acknowledgement number is present
	versionPPTP = 0x0001

	fixedFlags = ^uint16(flagSeq | flagAck) // all bits that leave no choice
)

// What makes octets no enhanced GRE packet.
var (
	ErrShort        = errors.New("gre: shorter than its header")
	ErrNotEnhanced  = errors.New("gre: not enhanced GRE: wrong flags, version or protocol")
	ErrPayloadShort = errors.New("gre: payload length goes beyond the packet")
	ErrPayloadLong  = errors.New("gre: octets after the payload")
)

// A Header is the enhanced GRE header (RFC 2637, section 4.1).
type Header struct {
	PayloadLen uint16 // octets behind the header: the key's high half
	CallID     uint16 // assigned by the receiver of the packet: the key's low half
	Seq        uint32 // meant only if HasSeq
	Ack        uint32 // highest sequence number received; meant only if HasAck
	HasSeq     bool
	HasAck     bool
}

// Len returns the header's length in octets.
func (h *Header) Len() int {
	n := minHeaderLen
	if h.HasSeq {
		n += 4
	}
	if h.HasAck {
		n += 4
	}
	return n
}

// Put writes the header to the front of b, which has room for Len octets.
func (h *Header) Put(b []byte) {
	word := uint16(flagKey | versionPPTP)
	off := minHeaderLen
	if h.HasSeq {
		word |= flagSeq
		binary.BigEndian.PutUint32(b[off:], h.Seq)
		off += 4
	}
	if h.HasAck { // right behind the key when there is no sequence number
		word |= flagAck
		binary.BigEndian.PutUint32(b[off:], h.Ack)
	}
	binary.BigEndian.PutUint16(b, word)
	binary.BigEndian.PutUint16(b[2:], protocolPPP)
	binary.BigEndian.PutUint16(b[4:], h.PayloadLen)
	binary.BigEndian.PutUint16(b[6:], h.CallID)
}

// Parse reads the packet b, from its GRE header to its end. The payload aliases
// b. Its length must be what the header says: IP has its own total length, so
// padding of the link never gets here and any difference is damage or malice.
func Parse(b []byte) (h Header, payload []byte, err error) {
	if len(b) < minHeaderLen {
		return h, nil, ErrShort
	}
	word := binary.BigEndian.Uint16(b)
	if word&fixedFlags != flagKey|versionPPTP || binary.BigEndian.Uint16(b[2:]) != protocolPPP {
		return h, nil, ErrNotEnhanced
	}
	h.PayloadLen = binary.BigEndian.Uint16(b[4:])
	h.CallID = binary.BigEndian.Uint16(b[6:])
	h.HasSeq, h.HasAck = word&flagSeq != 0, word&flagAck != 0
	n := h.Len()
	if len(b) < n {
		return h, nil, ErrShort
	}
	if h.HasSeq {
		h.Seq = binary.BigEndian.Uint32(b[minHeaderLen:])
	}
	if h.HasAck {
		h.Ack = binary.BigEndian.Uint32(b[n-4:])
	}
	switch payload = b[n:]; {
	case len(payload) < int(h.PayloadLen):
		return h, nil, ErrPayloadShort
	case len(payload) > int(h.PayloadLen):
		return h, nil, ErrPayloadLong
	}
	return h, payload, nil
}
