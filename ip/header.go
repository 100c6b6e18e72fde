package ip

import (
	"encoding/binary"
	"net/netip"
)

// The protocol numbers we look at, of IPv4 and of IPv6 next headers alike.
const (
	protoHopByHop    = 0
	protoICMP        = 1
	protoTCP         = 6
	protoRouting     = 43
	protoFragment    = 44
	protoAH          = 51
	protoICMPv6      = 58
	protoNone        = 59
	protoDestOptions = 60
)

const (
	ipv4HeaderLen = 20 // without options
	ipv6HeaderLen = 40
	tcpHeaderLen  = 20 // without options
)

// A view is what we need to know of an IP packet, found by parse.
type view struct {
	version      uint8
	protocol     uint8 // of the header at transport; protoNone where there is none to read
	dontFragment bool  // always set for IPv6, which only its source may cut
	fragment     bool  // a piece of a packet
	transport    int   // offset of the transport header
	length       int   // of the packet, by its own header
}

// parse reads the header of the IPv4 or IPv6 packet at the front of b. It is
// not ok when the packet is not whole.
func parse(b []byte) (v view, ok bool) {
	if len(b) == 0 {
		return view{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return parse4(b)
	case 6:
		return parse6(b)
	}
	return view{}, false
}

// parse4 reads an IPv4 header (RFC 791, section 3.1).
func parse4(b []byte) (v view, ok bool) {
	if len(b) < ipv4HeaderLen {
		return view{}, false
	}
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4HeaderLen || header > total || total > len(b) {
		return view{}, false
	}
	fragment := binary.BigEndian.Uint16(b[6:])
	v = view{
		version:      4,
		protocol:     b[9],
		dontFragment: fragment&0x4000 != 0,
		fragment:     fragment&0x3fff != 0,
		transport:    header,
		length:       total,
	}
	if fragment&0x1fff != 0 {
		v.protocol = protoNone // not the first piece: no transport header
	}
	return v, true
}

// parse6 reads an IPv6 header and walks its extension headers (RFC 8200,
// sections 3 and 4).
func parse6(b []byte) (v view, ok bool) {
	if len(b) < ipv6HeaderLen {
		return view{}, false
	}
	total := ipv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return view{}, false
	}
	v = view{version: 6, protocol: b[6], dontFragment: true, transport: ipv6HeaderLen, length: total}
	for {
		rest := b[v.transport:total]
		var n int
		switch {
		case v.protocol != protoHopByHop && v.protocol != protoRouting && v.protocol != protoFragment &&
			v.protocol != protoAH && v.protocol != protoDestOptions:
			return v, true
		case len(rest) < 8:
			v.protocol = protoNone // cut short: passed on, but nobody looks into it
			return v, true
		case v.protocol == protoFragment:
			v.fragment = true
			if binary.BigEndian.Uint16(rest[2:])&0xfff8 != 0 {
				v.protocol = protoNone // not the first piece
				return v, true
			}
			n = 8
		case v.protocol == protoAH:
			n = 4 * (int(rest[1]) + 2) // RFC 4302, section 2.2
		default:
			n = 8 * (int(rest[1]) + 1)
		}
		if n > len(rest) {
			v.protocol = protoNone
			return v, true
		}
		v.protocol, v.transport = rest[0], v.transport+n
	}
}

// source returns the packet's source address.
func (v view) source(b []byte) netip.Addr {
	if v.version == 4 {
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return netip.AddrFrom16([16]byte(b[8:24]))
}

// destination returns the packet's destination address.
func (v view) destination(b []byte) netip.Addr {
	if v.version == 4 {
		return netip.AddrFrom4([4]byte(b[16:20]))
	}
	return netip.AddrFrom16([16]byte(b[24:40]))
}
