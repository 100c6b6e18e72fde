package ip

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A tcpSegment makes test packets.
type tcpSegment struct {
	src, dst string
	flags    byte
	seq      uint32
	options  []byte // a multiple of 4
	payload  []byte
}

// packet returns the segment with right checksums.
func (s tcpSegment) packet() []byte {
	tcp := binary.BigEndian.AppendUint16(nil, 40000)
	tcp = binary.BigEndian.AppendUint16(tcp, 80)
	tcp = binary.BigEndian.AppendUint32(tcp, s.seq)
	tcp = binary.BigEndian.AppendUint32(tcp, 77)
	tcp = append(tcp, byte((20+len(s.options))/4<<4), s.flags, 0x10, 0x00, 0, 0, 0, 0)
	tcp = slices.Concat(tcp, s.options, s.payload)
	b := ipPacket(s.src, s.dst, protoTCP, tcp)
	v, _ := parse(b)
	tcp = b[v.transport:]
	putSum(tcp[16:], ^fold(add(pseudo(b, v, protoTCP, len(tcp)), tcp)))
	return b
}

// ipPacket puts an IP header in front of a payload, with "don't fragment" set.
func ipPacket(src, dst string, protocol byte, payload []byte) []byte {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	var b []byte
	if s.Is4() {
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
		b = append(b, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0)
		b = slices.Concat(b, s.AsSlice(), d.AsSlice())
		putHeaderChecksum(b)
	} else {
		b = append(b, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
		b = append(b, protocol, 64)
		b = slices.Concat(b, s.AsSlice(), d.AsSlice())
	}
	return append(b, payload...)
}

// mss is the option that announces a maximum segment size.
func mss(n uint16) []byte { return []byte{tcpOptionMSS, 4, byte(n >> 8), byte(n)} }
