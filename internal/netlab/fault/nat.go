package fault

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// A NAT hides one host behind a public address, as the router of a home does: it
// gives the host's ports, and its call IDs of PPTP, other numbers (RFC 3022; for
// PPTP what Linux's nf_nat_pptp does). What comes in and belongs to nothing that
// went out is dropped. It knows IPv4 only, and of ICMP just errors.
//
// It stands on a wire and not between two networks, so ARP is translated too.
type NAT struct {
	inside, public [4]byte
	chance         *rand.Rand
	numbers        map[space]*mapping
	dropped        uint64
}

// A space is where numbers mean something: a protocol. GRE's are call IDs.
type space byte

// A mapping has the numbers both ways.
type mapping struct{ out, in map[uint16]uint16 }

// NewNAT returns a NAT before the host with the address inside, which the world
// knows as public.
func NewNAT(inside, public netip.Addr, seed uint64) *NAT {
	n := &NAT{inside: inside.As4(), chance: rand.New(rand.NewPCG(seed, 'N'))}
	n.Move(public)
	return n
}

// Move gives the NAT another public address. It forgets all that went out.
func (n *NAT) Move(public netip.Addr) {
	n.public = public.As4()
	n.Forget()
}

// Forget loses what the NAT knows, as one that was switched off and on.
func (n *NAT) Forget() { n.numbers = map[space]*mapping{} }

// Forward lets a port of TCP in, under its own number.
func (n *NAT) Forward(port uint16) {
	m := n.of(protoTCP)
	m.out[port], m.in[port] = port, port
}

// Dropped is how many packets belonged to nothing.
func (n *NAT) Dropped() uint64 { return n.dropped }

func (n *NAT) of(s space) *mapping {
	m := n.numbers[s]
	if m == nil {
		m = &mapping{map[uint16]uint16{}, map[uint16]uint16{}}
		n.numbers[s] = m
	}
	return m
}

// outer is the public number of an inside one, a new one if need be: never the same.
func (n *NAT) outer(s space, inner uint16) uint16 {
	m := n.of(s)
	if got, ok := m.out[inner]; ok {
		return got
	}
	for {
		got := uint16(0x8000 | n.chance.Uint32N(0x8000))
		if _, taken := m.in[got]; !taken && got != inner {
			m.out[inner], m.in[got] = got, inner
			return got
		}
	}
}

func (n *NAT) inner(s space, outer uint16) (uint16, bool) {
	got, ok := n.of(s).in[outer]
	return got, ok
}

// Offsets in an IPv4 header.
const (
	sourceAt = 12
	destAt   = 16
	sumAt    = 10
)

// Out changes a frame that comes from the host. false: it is dropped.
func (n *NAT) Out(frame []byte) bool {
	if arp(frame) {
		swap(frame[etherLen+14:], n.inside, n.public) // the sender's
		return true
	}
	p := ipv4(frame)
	if p == nil || [4]byte(p[sourceAt:]) != n.inside {
		return true // nobody's whom it hides
	}
	if number, sums, ok := portAt(p, 0); ok {
		set16(p, number, n.outer(space(p[9]), binary.BigEndian.Uint16(p[number:])), sums)
	}
	eachMessage(p, func(m []byte, tcpSum int, at int) {
		if ownCallID(m) {
			set16(p, at+12, n.outer(protoGRE, binary.BigEndian.Uint16(m[12:])), tcpSum)
		}
	})
	n.address(p, sourceAt, n.public)
	return true
}

// In changes a frame for the host. false: it belongs to nothing, and is dropped.
func (n *NAT) In(frame []byte) bool {
	if arp(frame) {
		swap(frame[etherLen+24:], n.public, n.inside) // the target's
		return true
	}
	p := ipv4(frame)
	if p == nil || [4]byte(p[destAt:]) != n.public {
		return true
	}
	if !n.in(p) {
		n.dropped++
		return false
	}
	n.address(p, destAt, n.inside)
	return true
}

func (n *NAT) in(p []byte) bool {
	if number, sums, ok := portAt(p, 2); ok {
		port, known := n.inner(space(p[9]), binary.BigEndian.Uint16(p[number:]))
		if !known {
			return false
		}
		set16(p, number, port, sums)
	}
	eachMessage(p, func(m []byte, tcpSum int, at int) {
		if field, ok := peersCallID(m); ok {
			if id, known := n.inner(protoGRE, binary.BigEndian.Uint16(m[field:])); known {
				set16(p, at+field, id, tcpSum)
			}
		}
	})
	data, first := payload(p)
	switch {
	case p[9] == protoGRE && first && len(data) >= 8:
		id, known := n.inner(protoGRE, binary.BigEndian.Uint16(data[6:]))
		if known {
			binary.BigEndian.PutUint16(data[6:], id)
		}
		return known
	case p[9] == protoICMP && first && len(data) >= 8+minIPv4:
		n.quoted(data)
	}
	return true
}

// quoted puts the inside's address and port into what an ICMP error quotes.
func (n *NAT) quoted(icmp []byte) {
	q := icmp[8:]
	if kind := icmp[0]; kind != 3 && kind != 11 || q[0]>>4 != 4 || headLen(q) < minIPv4 || len(q) < headLen(q)+8 || [4]byte(q[sourceAt:]) != n.public {
		return
	}
	if at := headLen(q); q[9] == protoTCP || q[9] == protoUDP {
		if port, known := n.inner(space(q[9]), binary.BigEndian.Uint16(q[at:])); known {
			binary.BigEndian.PutUint16(q[at:], port)
		}
	}
	copy(q[sourceAt:], n.inside[:])
	sumHeader(q)
	icmp[2], icmp[3] = 0, 0
	binary.BigEndian.PutUint16(icmp[2:], ^sum(icmp))
}

// address changes an address, and with it the checksums that cover it.
func (n *NAT) address(p []byte, at int, to [4]byte) {
	sums := 0
	if _, first := payload(p); first {
		sums = sumOf(p)
	}
	for i := 0; i < 4; i += 2 {
		v := binary.BigEndian.Uint16(to[i:])
		old := binary.BigEndian.Uint16(p[at+i:])
		set16(p, at+i, v, sumAt)
		if sums != 0 {
			adjust(p[sums:], old, v)
		}
	}
}

func arp(frame []byte) bool {
	return len(frame) >= etherLen+28 && binary.BigEndian.Uint16(frame[12:]) == etherARP
}

func swap(b []byte, from, to [4]byte) {
	if [4]byte(b) == from {
		copy(b, to[:])
	}
}

// payload is what an IPv4 packet carries, and whether that is its beginning.
func payload(p []byte) (data []byte, first bool) {
	return p[headLen(p):], binary.BigEndian.Uint16(p[6:])&fragmentAt == 0
}

// sumOf is where the checksum of TCP or UDP stands in a packet; 0: there is none.
func sumOf(p []byte) int {
	data, _ := payload(p)
	switch {
	case p[9] == protoTCP && len(data) >= 20:
		return headLen(p) + 16
	case p[9] == protoUDP && len(data) >= 8 && (data[6] != 0 || data[7] != 0):
		return headLen(p) + 6
	}
	return 0
}

// portAt is where a port stands: which is 0 for the source's and 2 for the other.
func portAt(p []byte, which int) (at, sums int, ok bool) {
	data, first := payload(p)
	if !first || p[9] != protoTCP && p[9] != protoUDP || len(data) < 8 {
		return 0, 0, false
	}
	return headLen(p) + which, sumOf(p), true
}

// set16 sets a number and, unless sum is 0, the checksum there.
func set16(p []byte, at int, v uint16, sum int) {
	old := binary.BigEndian.Uint16(p[at:])
	binary.BigEndian.PutUint16(p[at:], v)
	if sum != 0 {
		adjust(p[sum:], old, v)
	}
}

// adjust changes a checksum for one number that has changed (RFC 1624, equation 3).
func adjust(sum []byte, old, v uint16) {
	s := uint32(^binary.BigEndian.Uint16(sum)) + uint32(^old) + uint32(v)
	s = s&0xFFFF + s>>16
	binary.BigEndian.PutUint16(sum, ^uint16(s&0xFFFF+s>>16))
}

// Messages of PPTP (RFC 2637, section 2) with a call ID in them.
const (
	pptpPort                                 = 1723
	pptpMagic                                = 0x1A2B3C4D
	outgoingRequest, outgoingReply           = 7, 8
	incomingRequest, incomingReply           = 9, 10
	clearRequest, disconnectNotify, wanError = 12, 13, 14
	setLinkInfo                              = 15
	minPPTP                                  = 16
)

// eachMessage calls fn with every PPTP message that is whole in a segment, with where
// it begins and where the segment's checksum is.
func eachMessage(p []byte, fn func(m []byte, tcpSum, at int)) {
	data, first := payload(p)
	if p[9] != protoTCP || !first || len(data) < 20 || int(data[12]>>4)*4 > len(data) {
		return
	}
	if binary.BigEndian.Uint16(data) != pptpPort && binary.BigEndian.Uint16(data[2:]) != pptpPort {
		return
	}
	for at := headLen(p) + int(data[12]>>4)*4; len(p)-at >= minPPTP; {
		m := p[at:]
		n := int(binary.BigEndian.Uint16(m))
		if n < minPPTP || n > len(m) || binary.BigEndian.Uint32(m[4:]) != pptpMagic {
			return
		}
		fn(m[:n], sumOf(p), at)
		at += n
	}
}

// ownCallID reports whether a message begins with the call ID that its sender gave.
func ownCallID(m []byte) bool {
	switch binary.BigEndian.Uint16(m[8:]) {
	case outgoingRequest, outgoingReply, incomingRequest, incomingReply, clearRequest, disconnectNotify:
		return true
	}
	return false
}

// peersCallID is where a message has the call ID that its receiver gave.
func peersCallID(m []byte) (at int, ok bool) {
	switch binary.BigEndian.Uint16(m[8:]) {
	case outgoingReply, incomingReply:
		return 14, true
	case wanError, setLinkInfo:
		return 12, true
	}
	return 0, false
}
