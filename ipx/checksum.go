package ipx

import "encoding/binary"

// Checksum computes the checksum of the whole packet at the start of pkt: the
// one's complement sum of its 16-bit words from the length field on, with the
// hop count taken as zero since routers change it, complemented. An odd packet
// is summed as if a zero octet followed, whatever pads it on the wire.
//
// A result of FFFF would mean "no checksum" and would be sent as 0000; it
// cannot occur, because the length field is never zero.
func Checksum(pkt []byte) uint16 {
	b := pkt[offLength:Length(pkt)]
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	sum -= uint32(pkt[offHops]) << 8
	return ^fold(sum)
}

// ChecksumInUse reports whether the sender of the packet protected it. DOSBox
// sends 0000 and means none, so 0000 counts only when it is right.
func ChecksumInUse(pkt []byte) bool {
	switch binary.BigEndian.Uint16(pkt[offChecksum:]) {
	case NoChecksum:
		return false
	case 0:
		return Checksum(pkt) == 0
	}
	return true
}

// replace writes the words of value over pkt[off:] and follows them with the
// checksum, by difference (RFC 1624, section 3): a right checksum stays right,
// and one that a fault on the way made wrong stays wrong. off is even.
func replace(pkt []byte, off int, value []byte) {
	old := pkt[off : off+len(value)]
	if !ChecksumInUse(pkt) {
		copy(old, value)
		return
	}
	sum := uint32(^binary.BigEndian.Uint16(pkt[offChecksum:]))
	for i := 0; i < len(value); i += 2 {
		sum += uint32(^binary.BigEndian.Uint16(old[i:])) + uint32(binary.BigEndian.Uint16(value[i:]))
	}
	copy(old, value)
	binary.BigEndian.PutUint16(pkt[offChecksum:], ^fold(sum))
}

// fold adds the carries of a one's complement sum back in.
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xFFFF
	return uint16(sum>>16 + sum)
}
