package auth

import (
	"encoding/binary"
	"strconv"
)

const headerLen = 4

// A packet is what PAP and CHAP frame alike: code, identifier and length, then
// the data (RFC 1334, section 2.2; RFC 1994, section 4).
type packet struct {
	code byte
	id   byte
	data []byte // aliases what it was parsed from
}

// parsePacket cuts b by its Length field. Octets after it are padding.
func parsePacket(b []byte) (p packet, ok bool) {
	if len(b) < headerLen {
		return packet{}, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < headerLen || n > len(b) {
		return packet{}, false
	}
	return packet{code: b[0], id: b[1], data: b[headerLen:n]}, true
}

// encode returns the packet as it goes on the wire.
func (p packet) encode() []byte {
	n := headerLen + len(p.data)
	b := append(make([]byte, 0, n), p.code, p.id)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	return append(b, p.data...)
}

const (
	maxName  = 256 // octets; RFC 2759, section 4, has the largest bound
	maxShown = 64  // octets of a foreign text that stand in our words
)

// quote makes a name or text from the wire fit for a log: quoted, control
// characters escaped, cut when long.
func quote(text []byte) string {
	if len(text) > maxShown {
		return strconv.Quote(string(text[:maxShown])) + "..."
	}
	return strconv.Quote(string(text))
}

// saying words the text of a Nak or Failure, which may be empty.
func saying(text []byte) string {
	if len(text) == 0 {
		return "it gave no reason"
	}
	return "it said " + quote(text)
}
