package ipx

import (
	"encoding/binary"

	"sitebridge/internal/packet"
)

// minFrame is the shortest Ethernet frame without its check sequence.
const minFrame = 60

// EncapsulateInPlace makes the packet in b, with at least 22 octets of Room, an
// Ethernet frame, in place. What follows the packet in b is cut off. The error
// is a DropReason: TooLong, and b untouched, when a frame of the standard size
// cannot carry the packet, or what Check found.
//
// Novell's drivers send no odd number of octets, and some receivers drop such
// frames: an odd packet is followed by one zero octet, which the length field
// of the three 802.3 forms counts and the IPX header does not. Only the odd
// packet that fills an 802.2 frame to the last octet goes without. Then the
// frame is padded with zeros to Ethernet's minimum, which no length counts.
//
// A raw 802.3 frame is recognised by an unused checksum, so a checksum in use
// is taken out there. DOSBox's 0000 is none and stays.
func EncapsulateInPlace(b *packet.Buffer, enc Encapsulation, dst, src Node) error {
	if err := Check(b.Bytes()); err != nil {
		return err
	}
	if Length(b.Bytes()) > enc.MaxPacket() {
		return TooLong
	}
	b.Truncate(Length(b.Bytes()))
	if enc == Ethernet8023 && ChecksumInUse(b.Bytes()) {
		binary.BigEndian.PutUint16(b.Bytes()[offChecksum:], NoChecksum)
	}
	llc := encapsulations[enc].llc
	length := b.Len() + len(llc)
	if b.Len()%2 == 1 && length < maxLength8023 {
		extend(b, 1)
		length++
	}
	frame := b.Prepend(enc.HeaderLen())
	copy(frame, dst[:])
	copy(frame[6:], src[:])
	if enc == EthernetII {
		length = typeIPX
	}
	binary.BigEndian.PutUint16(frame[12:], uint16(length))
	copy(frame[ethernetLen:], llc)
	if len(frame) < minFrame {
		extend(b, minFrame-len(frame))
	}
	return nil
}

// extend makes the packet n zero octets longer at its end.
func extend(b *packet.Buffer, n int) {
	end := b.Len()
	b.SetLen(end + n)
	clear(b.Bytes()[end:])
}
