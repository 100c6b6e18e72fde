package ipx

import "encoding/binary"

const (
	// ethernetLen is two addresses and the type or length.
	ethernetLen = 14
	// maxLength8023 is the longest length; what is higher, from minType on, is a
	// type (IEEE 802.3, section 3.2.6).
	maxLength8023 = 1500
	minType       = 0x0600

	typeIPX        = 0x8137
	typeVLAN       = 0x8100 // IEEE 802.1Q
	typeServiceTag = 0x88A8 // IEEE 802.1ad
)

// Decapsulate finds the IPX packet in an Ethernet frame. The packet is cut to
// the length that its header claims, and aliases the frame: padding, and the
// octet that makes odd packets even, are left out. It starts enc.HeaderLen()
// octets into the frame. Errors are DropReasons.
func Decapsulate(frame []byte) (enc Encapsulation, dst, src Node, pkt []byte, err error) {
	if len(frame) < ethernetLen {
		return 0, dst, src, nil, NotIPX
	}
	dst, src = Node(frame[0:6]), Node(frame[6:12])
	enc, room, err := detect(frame)
	if err != nil {
		return 0, dst, src, nil, err
	}
	if src.IsGroup() || src.IsZero() {
		return enc, dst, src, nil, BadSource
	}
	pkt = frame[enc.HeaderLen():]
	if err := Check(pkt); err != nil {
		return enc, dst, src, nil, err
	}
	if Length(pkt) > room {
		return enc, dst, src, nil, Overlong
	}
	return enc, dst, src, pkt[:Length(pkt)], nil
}

// detect tells the encapsulations apart, and how long a packet the frame's own
// length field leaves room for.
func detect(frame []byte) (enc Encapsulation, room int, err error) {
	body := frame[ethernetLen:]
	switch t := int(binary.BigEndian.Uint16(frame[12:])); {
	case t == typeIPX:
		return EthernetII, len(body), nil
	case t == typeVLAN || t == typeServiceTag:
		return 0, 0, Tagged
	case t > maxLength8023: // another type, or between the two ranges
		return 0, 0, NotIPX
	case hasPrefix(body, llcSNAP):
		return EthernetSNAP, t - len(llcSNAP), nil
	case hasPrefix(body, llcIPX):
		return Ethernet8022, t - len(llcIPX), nil
	case isRaw(body, t):
		return Ethernet8023, t, nil
	}
	return 0, 0, NotIPX
}

// isRaw recognises IPX with no LLC header. NetWare put nothing but FFFF in the
// checksum field of such frames, which no LLC header begins with, so that is
// the sign. DOSBox puts 0000 there. In LLC that would be the null SAP, with
// which a station tests a link and sends nothing of 30 octets; such a frame is
// taken for IPX when the length in the IPX header agrees with that of the
// frame, give or take the octet that makes it even.
func isRaw(body []byte, length int) bool {
	switch {
	case hasPrefix(body, "\xFF\xFF"):
		return true
	case hasPrefix(body, "\x00\x00") && len(body) >= offHops:
		n := Length(body)
		return n == length || n+1 == length
	}
	return false
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
