package ip

import (
	"encoding/binary"
	"math/bits"
)

// Checksums are kept in the machine's byte order until they are stored: a one's
// complement sum does not care, as long as it is stored in the order it was
// loaded in (RFC 1071, section 2B).

// add adds the 16-bit words of b to the one's complement sum s. Only the last
// piece of what is summed may have an odd length.
func add(s uint64, b []byte) uint64 {
	var c uint64
	for len(b) >= 32 {
		s, c = bits.Add64(s, binary.NativeEndian.Uint64(b[0:8]), 0)
		s, c = bits.Add64(s, binary.NativeEndian.Uint64(b[8:16]), c)
		s, c = bits.Add64(s, binary.NativeEndian.Uint64(b[16:24]), c)
		s, c = bits.Add64(s, binary.NativeEndian.Uint64(b[24:32]), c)
		s += c
		b = b[32:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.NativeEndian.Uint64(b), 0)
		s += c
		b = b[8:]
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		s, c = bits.Add64(s, binary.NativeEndian.Uint64(tail[:]), 0)
		s += c
	}
	return s
}

// fold brings a sum down to 16 bits.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffff_ffff
	s = s>>32 + s&0xffff_ffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s&0xffff)
}

// putSum stores a 16-bit sum at the front of b.
func putSum(b []byte, s uint16) { binary.NativeEndian.PutUint16(b, s) }

// pseudo returns the sum of the pseudo-header of a transport packet of that
// many octets in the IP packet b (RFC 9293, section 3.1; RFC 8200, section 8.1).
func pseudo(b []byte, v view, protocol uint8, length int) uint64 {
	addresses := b[12:20]
	if v.version == 6 {
		addresses = b[8:40]
	}
	tail := [8]byte{2: byte(length >> 8), 3: byte(length), 7: protocol}
	return add(add(0, addresses), tail[:])
}

// putHeaderChecksum computes the checksum of the IPv4 header h.
func putHeaderChecksum(h []byte) {
	h[10], h[11] = 0, 0
	putSum(h[10:], ^fold(add(0, h)))
}

// adjust corrects the checksum at sum for a 16-bit field that changed from one
// value to another (RFC 1624, equation 3). A field at an odd offset from the
// start of what is summed counts with its octets swapped.
func adjust(sum []byte, from, to uint16, odd bool) {
	if odd {
		from, to = bits.ReverseBytes16(from), bits.ReverseBytes16(to)
	}
	s := uint32(^binary.BigEndian.Uint16(sum)) + uint32(^from) + uint32(to)
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	binary.BigEndian.PutUint16(sum, ^uint16(s))
}
