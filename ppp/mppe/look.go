package mppe

import "encoding/binary"

// A look is what a decrypted packet looks like. Nothing else tells whether it
// was decrypted with the right key.
type look uint8

const (
	nonsense look = iota // no protocol that is encrypted
	nested               // 00FD: encrypted once more
	doubtful             // it may be, but noise has such a protocol four times in ten
	credible             // it reads as its protocol wants; noise does once in a million times
)

// headLen is as much of a packet, from its protocol field on, as lookAt wants.
const headLen = 8

// lookAt judges a packet of n octets by its head, which is shorter only when
// the packet is. The protocol field has one octet or two: many peers do not
// compress it inside.
func lookAt(head []byte, n int) look {
	protocol, size := uint16(head[0]), 1
	if protocol&1 == 0 {
		if len(head) < 2 {
			return nonsense
		}
		protocol, size = protocol<<8|uint16(head[1]), 2
	}
	switch {
	case protocol == 0x00fd:
		return nested
	case protocol < 0x0021 || protocol > 0x00fa || protocol&1 == 0:
		return nonsense
	case readable(protocol, head[size:], n-size):
		return credible
	}
	return doubtful
}

// readable reports whether the n octets that begin with head are a packet of
// the protocol as far as version and length tell. There may be padding behind.
func readable(protocol uint16, head []byte, n int) bool {
	if len(head) < 6 {
		return false
	}
	at2, at4 := int(binary.BigEndian.Uint16(head[2:])), int(binary.BigEndian.Uint16(head[4:]))
	switch protocol {
	case 0x0021: // IPv4
		return head[0]>>4 == 4 && at2 >= 20 && at2 <= n
	case 0x002b: // IPX
		return at2 >= 30 && at2 <= n
	case 0x0057: // IPv6
		return head[0]>>4 == 6 && 40+at4 <= n
	}
	return false
}
