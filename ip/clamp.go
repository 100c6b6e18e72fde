package ip

import "encoding/binary"

const (
	tcpSYN = 0x02

	tcpOptionEnd = 0
	tcpOptionNop = 1
	tcpOptionMSS = 2
)

// clampMSS lowers the maximum segment size that a SYN or SYN-ACK announces to
// what fits a packet of mtu octets: both ends of the connection then never send
// a segment that the tunnel cannot carry, also where ICMP is filtered. It
// reports whether it changed the packet.
//
// A SYN without the option stays as it is; its default, 536 or 1220 octets
// (RFC 9293, section 3.7.1), fits every tunnel that we make.
func clampMSS(b []byte, v view, mtu int) bool {
	if v.protocol != protoTCP {
		return false
	}
	tcp := b[v.transport:v.length]
	if len(tcp) < tcpHeaderLen || tcp[13]&tcpSYN == 0 {
		return false
	}
	header := int(tcp[12]>>4) * 4
	if header < tcpHeaderLen || header > len(tcp) {
		return false
	}
	off := findMSS(tcp[:header])
	if off == 0 {
		return false
	}
	// The MSS counts neither IP nor TCP options (RFC 6691, section 2).
	most := mtu - tcpHeaderLen - ipv4HeaderLen
	if v.version == 6 {
		most = mtu - tcpHeaderLen - ipv6HeaderLen
	}
	had := binary.BigEndian.Uint16(tcp[off:])
	if most <= 0 || int(had) <= most {
		return false
	}
	binary.BigEndian.PutUint16(tcp[off:], uint16(most))
	adjust(tcp[16:18], had, uint16(most), off%2 != 0)
	return true
}

// findMSS returns the offset of the value of the maximum segment size option in
// a TCP header, or 0 (RFC 9293, section 3.2).
func findMSS(header []byte) int {
	for off := tcpHeaderLen; off < len(header); {
		switch header[off] {
		case tcpOptionEnd:
			return 0
		case tcpOptionNop:
			off++
			continue
		}
		rest := header[off:]
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return 0
		}
		if rest[0] == tcpOptionMSS {
			if rest[1] != 4 {
				return 0
			}
			return off + 2
		}
		off += int(rest[1])
	}
	return 0
}
