package fault

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// A Kind is what a frame carries.
type Kind uint8

// The kinds. A fragment is of the kind of its packet.
const (
	NotIP Kind = iota
	TCP
	UDP
	GRE
	ICMP // of IPv6 too
	OtherIP
	kinds
)

func (k Kind) String() string {
	return [...]string{"not IP", "TCP", "UDP", "GRE", "ICMP", "other IP"}[k]
}

// Kinds is a set of kinds.
type Kinds uint8

// Some returns the set of these.
func Some(of ...Kind) (s Kinds) {
	for _, k := range of {
		s |= 1 << k
	}
	return s
}

// All is all that is IP: a blackhole.
const All = Kinds(1<<TCP | 1<<UDP | 1<<GRE | 1<<ICMP | 1<<OtherIP)

// Has reports whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s>>k&1 == 1 }

const (
	etherLen  = 14
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86DD

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoGRE    = 47
	protoICMPv6 = 58

	minIPv4 = 20
	ipv6Len = 40

	dontFragment  = 0x4000
	moreFragments = 0x2000
	fragmentAt    = 0x1FFF // in units of 8 octets
)

// KindOf returns what an Ethernet frame carries.
func KindOf(frame []byte) Kind {
	protocol := byte(0)
	switch {
	case ipv4(frame) != nil:
		protocol = frame[etherLen+9]
	case len(frame) >= etherLen+ipv6Len && binary.BigEndian.Uint16(frame[12:]) == etherIPv6:
		protocol = frame[etherLen+6]
	default:
		return NotIP
	}
	switch protocol {
	case protoTCP:
		return TCP
	case protoUDP:
		return UDP
	case protoGRE:
		return GRE
	case protoICMP, protoICMPv6:
		return ICMP
	}
	return OtherIP
}

// ipv4 returns the IPv4 packet in a frame without what pads the frame, or nil if
// there is none that is whole.
func ipv4(frame []byte) []byte {
	if len(frame) < etherLen || binary.BigEndian.Uint16(frame[12:]) != etherIPv4 {
		return nil
	}
	return wholeIPv4(frame[etherLen:])
}

func wholeIPv4(p []byte) []byte {
	if len(p) < minIPv4 || p[0]>>4 != 4 || headLen(p) < minIPv4 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(p[2:]))
	if n < headLen(p) || n > len(p) {
		return nil
	}
	return p[:n]
}

// headLen is the length of an IPv4 header (RFC 791, section 3.1).
func headLen(p []byte) int { return int(p[0]&15) * 4 }

// ipLen is the length of the IP packet in a frame.
func ipLen(frame []byte) int {
	if p := ipv4(frame); p != nil {
		return len(p)
	}
	return len(frame) - etherLen
}

// mayCut reports whether a router may fragment the packet. It may not with IPv6.
func mayCut(frame []byte) bool {
	p := ipv4(frame)
	return p != nil && binary.BigEndian.Uint16(p[6:])&dontFragment == 0
}

// cut fragments a packet (RFC 791, section 2.3). Options stay in the first fragment.
func cut(frame []byte, mtu int) (pieces [][]byte) {
	p := ipv4(frame)
	head, data := headLen(p), p[headLen(p):]
	flags := binary.BigEndian.Uint16(p[6:])
	at, more := int(flags&fragmentAt), flags&moreFragments
	for len(data) > 0 {
		n := min(len(data), (mtu-head)&^7)
		if n <= 0 {
			return nil // not even 8 octets fit
		}
		piece := slices.Concat(frame[:etherLen+head], data[:n])
		data = data[n:]
		word := uint16(at) | more
		if len(data) > 0 {
			word |= moreFragments
		}
		q := piece[etherLen:]
		q[0] = 0x40 | byte(head/4)
		binary.BigEndian.PutUint16(q[2:], uint16(len(q)))
		binary.BigEndian.PutUint16(q[6:], word)
		sumHeader(q)
		pieces = append(pieces, piece)
		at += n / 8
		if head > minIPv4 { // no options from now on
			frame, head = slices.Concat(frame[:etherLen+minIPv4]), minIPv4
		}
	}
	return pieces
}

// needsCut is what a router tells the sender of a packet that is too long: ICMP
// "fragmentation needed" (RFC 792; RFC 1191, section 4). It comes from the
// destination's address, because no router is there and the sender's reverse path
// filter has to know a way back. nil: nothing may be told (RFC 1122, section 3.2.2).
func needsCut(frame []byte, mtu int) []byte {
	p := ipv4(frame)
	if p == nil || p[9] == protoICMP || binary.BigEndian.Uint16(p[6:])&fragmentAt != 0 {
		return nil
	}
	quoted := p[:min(len(p), headLen(p)+8)]
	out := slices.Concat(frame[6:12], frame[:6], frame[12:14], make([]byte, minIPv4+8), quoted)
	q := out[etherLen:]
	q[0], q[8], q[9] = 0x45, 64, protoICMP
	binary.BigEndian.PutUint16(q[2:], uint16(len(q)))
	copy(q[12:], p[16:20])
	copy(q[16:], p[12:16])
	sumHeader(q)
	q[minIPv4], q[minIPv4+1] = 3, 4
	binary.BigEndian.PutUint16(q[minIPv4+6:], uint16(mtu))
	binary.BigEndian.PutUint16(q[minIPv4+2:], ^sum(q[minIPv4:]))
	return out
}

// turnBit returns a copy of a frame with one bit turned behind the IP header.
func turnBit(frame []byte, chance *rand.Rand) []byte {
	head := etherLen + ipv6Len
	if p := ipv4(frame); p != nil {
		head = etherLen + headLen(p)
	}
	frame = slices.Clone(frame)
	if len(frame) > head {
		frame[head+chance.IntN(len(frame)-head)] ^= 1 << chance.IntN(8)
	}
	return frame
}

// sumHeader sets the checksum of an IPv4 header.
func sumHeader(p []byte) {
	p[10], p[11] = 0, 0
	binary.BigEndian.PutUint16(p[10:], ^sum(p[:headLen(p)]))
}

// sum is the ones' complement sum of RFC 1071.
func sum(b []byte) uint16 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xFFFF {
		s = s&0xFFFF + s>>16
	}
	return uint16(s)
}
