// Package ipfilter judges IP packets by rules in words, such as "ignore udp port
// 123", for links that are up only while somebody needs them. It reads addresses,
// protocol and ports, and changes nothing; what becomes of a packet is left to
// others.
package ipfilter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// Protocol numbers (IANA), of IPv4 and of IPv6 next headers alike.
const (
	hopByHop    = 0
	icmp        = 1
	igmp        = 2
	tcp         = 6
	udp         = 17
	routing     = 43
	fragment    = 44
	icmp6       = 58
	destOptions = 60
	pim         = 103
)

// maxExtensions is how many extension headers are read over: nobody needs more.
const maxExtensions = 8

// A Packet is what rules see of an IP packet.
type Packet struct {
	Src, Dst         netip.Addr
	Protocol         uint8  // of what is in it
	SrcPort, DstPort uint16 // of TCP and UDP; zero: there are none to read
	ports            bool
	detail           uint8 // flags of TCP, type of ICMP
	read             bool  // detail was there
}

// Parse reads an IPv4 or IPv6 packet. It is not ok when that is not whole.
func Parse(b []byte) (p Packet, ok bool) {
	if len(b) == 0 {
		return p, false
	}
	switch b[0] >> 4 {
	case 4:
		return parse4(b)
	case 6:
		return parse6(b)
	}
	return p, false
}

// parse4 reads an IPv4 header (RFC 791, section 3.1).
func parse4(b []byte) (p Packet, ok bool) {
	const fixed = 20
	if len(b) < fixed {
		return p, false
	}
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < fixed || header > total || total > len(b) {
		return p, false
	}
	p.Src, p.Dst, p.Protocol = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[9]
	if first := binary.BigEndian.Uint16(b[6:])&0x1fff == 0; first {
		p.look(b[header:total])
	}
	return p, true
}

// parse6 reads an IPv6 header and the extension headers that others than IPsec
// have (RFC 8200, sections 3 and 4).
func parse6(b []byte) (p Packet, ok bool) {
	const fixed = 40
	if len(b) < fixed {
		return p, false
	}
	total := fixed + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return p, false
	}
	p.Src, p.Dst, p.Protocol = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[6]
	rest := b[fixed:total]
	for range maxExtensions {
		switch p.Protocol {
		case hopByHop, routing, fragment, destOptions:
		default:
			p.look(rest)
			return p, true
		}
		if len(rest) < 8 {
			return p, true
		}
		n := 8 * (int(rest[1]) + 1)
		if p.Protocol == fragment {
			n = 8
			if binary.BigEndian.Uint16(rest[2:])&0xfff8 != 0 { // not the first piece
				p.Protocol = rest[0]
				return p, true
			}
		}
		if n > len(rest) {
			return p, true
		}
		p.Protocol, rest = rest[0], rest[n:]
	}
	return p, true
}

// look reads what rules need of the header in an IP packet.
func (p *Packet) look(b []byte) {
	switch {
	case (p.Protocol == tcp || p.Protocol == udp) && len(b) >= 4:
		p.SrcPort, p.DstPort, p.ports = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), true
		if p.Protocol == tcp && len(b) >= 14 {
			p.detail, p.read = b[13], true
		}
	case (p.Protocol == icmp || p.Protocol == icmp6) && len(b) >= 1:
		p.detail, p.read = b[0], true
	}
}

// names are the protocols that have a word.
var names = map[uint8]string{icmp: "icmp", igmp: "igmp", tcp: "tcp", udp: "udp", icmp6: "icmpv6", 47: "gre", 50: "esp", 51: "ah"}

// ProtocolName is the word of the packet's protocol, or its number.
func (p *Packet) ProtocolName() string {
	if name, ok := names[p.Protocol]; ok {
		return name
	}
	return fmt.Sprintf("IP protocol %d", p.Protocol)
}

// Source and Destination are addresses, with a port where there is one.

func (p *Packet) Source() string      { return p.end(p.Src, p.SrcPort) }
func (p *Packet) Destination() string { return p.end(p.Dst, p.DstPort) }

func (p *Packet) end(a netip.Addr, port uint16) string {
	switch {
	case !p.ports:
		return a.String()
	case a.Is6():
		return "[" + a.String() + "]:" + strconv.Itoa(int(port))
	}
	return a.String() + ":" + strconv.Itoa(int(port))
}
