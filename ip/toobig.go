package ip

import (
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	icmpHeaderLen = 8

	icmpUnreachable = 3 // RFC 792
	icmpFragNeeded  = 4 // code of icmpUnreachable
	icmpNoHost      = 1 // likewise
	icmpEcho        = 8
	icmpEchoReply   = 0

	icmpv6Unreachable   = 1   // RFC 4443, section 3.1
	icmpv6NoHost        = 3   // code of icmpv6Unreachable
	icmpv6PacketTooBig  = 2   // RFC 4443, section 3.2
	icmpv6Informational = 128 // types below are errors (RFC 4443, section 2.1)

	// An ICMPv4 error quotes as much as fits into 576 octets (RFC 1812, section
	// 4.3.2.3), an ICMPv6 one as much as fits into the least MTU (RFC 4443,
	// section 2.4(c)).
	longestICMP   = 576
	longestICMPv6 = minIPv6MTU
)

// dummyAddress stands for a router without an address of its own in ICMP
// messages (RFC 7600; "IPv4 dummy address" in IANA's registry of special ones).
var dummyAddress = netip.AddrFrom4([4]byte{192, 0, 0, 8})

// appendTooBig appends to b the ICMP message that tells the source of pkt that
// packets of more than mtu octets do not get through: fragmentation needed
// (RFC 1191, section 4) or packet too big (RFC 4443, section 3.2). It appends
// nothing where no ICMP error may be sent.
func appendTooBig(b, pkt []byte, v view, mtu int, from netip.Addr) []byte {
	if !mayComplain(pkt, v) || from.Is4() != (v.version == 4) {
		return b
	}
	if v.version == 4 {
		return appendUnreachable(b, pkt[:v.length], icmpFragNeeded, mtu, from)
	}
	return appendICMPv6(b, pkt[:v.length], icmpv6PacketTooBig, 0, mtu, from)
}

// appendHostUnreachable appends to b the ICMP message that tells the source of a packet
// that its destination is not there (RFC 1812, section 5.2.7.1; RFC 4443, section 3.1),
// if it may be sent.
func appendHostUnreachable(b, pkt []byte, v view, from netip.Addr) []byte {
	switch {
	case !mayComplain(pkt, v), from.Is4() != (v.version == 4), v.version == 6 && v.destination(pkt).IsMulticast():
		return b
	case v.version == 4:
		return appendUnreachable(b, pkt[:v.length], icmpNoHost, 0, from)
	}
	return appendICMPv6(b, pkt[:v.length], icmpv6Unreachable, icmpv6NoHost, 0, from)
}

// mayComplain applies the rules of RFC 1122, section 3.2.2, and RFC 4443,
// section 2.4(e): no error about an ICMP error, about any piece but the first,
// or to and about groups; a source must be one host. Packet too big may answer a
// group's packet, so that multicast can find its path MTU.
func mayComplain(pkt []byte, v view) bool {
	src := v.source(pkt)
	if src.IsUnspecified() || src.IsMulticast() || src.IsLoopback() || src == broadcast {
		return false
	}
	if v.version == 4 {
		if dst := v.destination(pkt); dst.IsMulticast() || dst == broadcast {
			return false
		}
	}
	payload := pkt[v.transport:v.length]
	switch v.protocol {
	case protoNone:
		return v.version == 6 && !v.fragment
	case protoICMP:
		// Only what is known to ask or answer is not an error.
		return len(payload) > 0 && (payload[0] == icmpEcho || payload[0] == icmpEchoReply)
	case protoICMPv6:
		return len(payload) > 0 && payload[0] >= icmpv6Informational
	}
	return true
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// appendUnreachable appends destination unreachable (RFC 792). mtu is for the code that
// has one.
func appendUnreachable(b, pkt []byte, code byte, mtu int, from netip.Addr) []byte {
	quote := pkt[:min(len(pkt), longestICMP-ipv4HeaderLen-icmpHeaderLen)]
	start := len(b)
	src := from.As4()
	b = append(b, 0x45, 0xc0) // precedence: internetwork control (RFC 1812, section 4.3.2.5)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4HeaderLen+icmpHeaderLen+len(quote)))
	b = append(b, 0, 0, 0, 0, 64, protoICMP, 0, 0)
	b = append(b, src[:]...)
	b = append(b, pkt[12:16]...)
	putHeaderChecksum(b[start:])

	icmp := len(b)
	b = append(b, icmpUnreachable, code, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(mtu))
	b = append(b, quote...)
	putSum(b[icmp+2:], ^fold(add(0, b[icmp:])))
	return b
}

// appendICMPv6 appends an error about pkt. The MTU is zero where the type has none.
func appendICMPv6(b, pkt []byte, kind, code byte, mtu int, from netip.Addr) []byte {
	quote := pkt[:min(len(pkt), longestICMPv6-ipv6HeaderLen-icmpHeaderLen)]
	start, length := len(b), icmpHeaderLen+len(quote)
	src := from.As16()
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, protoICMPv6, 64)
	b = append(b, src[:]...)
	b = append(b, pkt[8:24]...)

	icmp := len(b)
	b = append(b, kind, code, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(mtu))
	b = append(b, quote...)
	s := pseudo(b[start:], view{version: 6}, protoICMPv6, length)
	putSum(b[icmp+2:], ^fold(add(s, b[icmp:])))
	return b
}

// A limiter is a token bucket, the way RFC 4443, section 2.4(f), wants ICMP
// errors to be limited: bursts pass, so that many connections learn the path
// MTU at once, and a flood does not become a second one.
type limiter struct {
	tokens float64
	at     time.Time
}

const (
	icmpBurst     = 50
	icmpPerSecond = 50
)

// allow takes a token if there is one at the time now.
func (l *limiter) allow(now time.Time) bool {
	if l.at.IsZero() {
		l.tokens = icmpBurst
	} else if d := now.Sub(l.at); d > 0 {
		l.tokens = min(icmpBurst, l.tokens+d.Seconds()*icmpPerSecond)
	}
	l.at = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}
