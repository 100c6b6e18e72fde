package ppp

import (
	"encoding/binary"

	"sitebridge/internal/packet"
)

// Protocol numbers that the link itself knows (RFC 1661, section 2). Those of
// the network protocols are known to the NCPs.
const (
	protocolLCP  = 0xc021
	protocolPAP  = 0xc023
	protocolCHAP = 0xc223
	protocolEAP  = 0xc227
)

// firstControl is the lowest protocol number of a control protocol: NCPs from
// 8000 on, LCP and its kind from C000 on. What is below is data.
const firstControl = 0x8000

// isAuthentication reports whether protocol is of the authentication phase.
func isAuthentication(protocol uint16) bool {
	switch protocol {
	case protocolPAP, protocolCHAP, protocolEAP:
		return true
	}
	return false
}

const (
	addressField = 0xff // all stations (RFC 1662, section 3.1)
	controlField = 0x03 // unnumbered information
)

// parseFrame takes the frame header off b and returns the protocol. It reports false
// for what is no PPP frame.
func parseFrame(b *packet.Buffer) (protocol uint16, ok bool) {
	protocol, rest, ok := splitFrame(b.Bytes())
	if ok {
		b.TrimFront(b.Len() - len(rest))
	}
	return protocol, ok
}

// splitFrame returns the protocol of a frame and what is behind its header. Both
// compressions of the header are understood at any time, agreed on or not: that
// costs nothing and forgives much (RFC 1661, sections 6.5 and 6.6). It reports
// false for what is no PPP frame: too short, or no valid protocol number.
func splitFrame(p []byte) (protocol uint16, rest []byte, ok bool) {
	if len(p) >= 2 && p[0] == addressField && p[1] == controlField {
		p = p[2:] // before the protocol is looked at: 03 alone would be one
	}
	if len(p) == 0 {
		return 0, nil, false
	}
	if p[0]&1 == 1 { // the least significant bit ends the field
		protocol, p = uint16(p[0]), p[1:]
	} else if len(p) >= 2 && p[1]&1 == 1 {
		protocol, p = binary.BigEndian.Uint16(p), p[2:]
	} else {
		return 0, nil, false
	}
	if protocol == 0x00ff {
		return 0, nil, false // kept free, so that FF 03 is never a protocol (RFC 1661, section 6.6)
	}
	return protocol, p, true
}

// A framing is how the peer allowed us to shorten the header of our frames.
type framing struct {
	acfc bool // leave out address and control (RFC 1661, section 6.6)
	pfc  bool // leave out the zero octet of a protocol (RFC 1661, section 6.5)
}

// maxHeader is the longest header that put writes.
const maxHeader = 4

// putProtocol writes the protocol field alone.
func (f framing) putProtocol(b *packet.Buffer, protocol uint16) {
	if f.pfc && protocol < 0x100 {
		b.Prepend(1)[0] = byte(protocol)
	} else {
		binary.BigEndian.PutUint16(b.Prepend(2), protocol)
	}
}

// protocolField is how long the field is for a packet that is data, in octets.
func (f framing) protocolField() int {
	if f.pfc {
		return 1
	}
	return 2
}

// header is how long the header of a frame with data is, in octets.
func (f framing) header() int {
	if f.acfc {
		return f.protocolField()
	}
	return 2 + f.protocolField()
}

// put writes the frame header in front of the packet in b. LCP packets are
// never shortened, so that a peer which has forgotten everything can read them.
func (f framing) put(b *packet.Buffer, protocol uint16) {
	if protocol == protocolLCP {
		f = framing{}
	}
	f.putProtocol(b, protocol)
	if !f.acfc {
		p := b.Prepend(2)
		p[0], p[1] = addressField, controlField
	}
}
