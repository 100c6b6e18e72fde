package ip

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"sitebridge/internal/packet"
)

const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpCWR = 0x80
)

// segments cuts a frame read from the TUN into packets, one at a time, so that
// it need not know how many fit a batch. The kernel hands over TCP of up to 64
// KiB with one header, and leaves the checksums to us.
type segments struct {
	packet []byte // without the virtio header
	header int    // octets of IP and TCP header that every segment repeats
	size   int    // payload of a segment
	off    int    // payload that was cut off already
	view   view
	done   bool
}

// start begins a frame. It is not ok when the frame is not what the kernel may
// hand over.
func (s *segments) start(frame []byte) (ok bool) {
	h, ok := parseVirtio(frame)
	if !ok {
		return false
	}
	*s = segments{packet: frame[virtioHeaderLen:]}
	if h.gso == unix.VIRTIO_NET_HDR_GSO_NONE {
		s.header = len(s.packet)
		return h.flags&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM == 0 || fillChecksum(s.packet, h)
	}
	v, ok := parse(s.packet)
	if !ok || h.gso != gsoType(v.version) || v.protocol != protoTCP || h.size == 0 {
		return false
	}
	tcp := s.packet[v.transport:]
	if len(tcp) < tcpHeaderLen {
		return false
	}
	// Not h.header: of a forwarded frame it may be more (virtio 1.2, section
	// 5.1.6.2, calls it a hint).
	s.header = v.transport + int(tcp[12]>>4)*4
	s.size, s.view = int(h.size), v
	return s.header >= v.transport+tcpHeaderLen && s.header < v.length
}

// fillChecksum completes a checksum of which the kernel stored the
// pseudo-header's part.
func fillChecksum(b []byte, h virtioHeader) bool {
	start, at := int(h.start), int(h.start)+int(h.sumFrom)
	if at+2 > len(b) {
		return false
	}
	sum := ^fold(add(0, b[start:]))
	if sum == 0 {
		sum = 0xffff // in UDP, zero says that there is none (RFC 768); elsewhere both are zero
	}
	putSum(b[at:], sum)
	return true
}

// next makes b the next packet. It reports false when there is none, or none
// that fits b.
func (s *segments) next(b *packet.Buffer) bool {
	if s.done {
		return false
	}
	if s.size == 0 {
		s.done = true
		return b.Set(s.packet)
	}
	payload := s.packet[s.header+s.off : s.view.length]
	s.done = len(payload) <= s.size
	payload = payload[:min(len(payload), s.size)]
	if s.header+len(payload) > packet.MaxLen {
		s.done = true
		return false
	}
	b.Reset()
	b.SetLen(s.header + len(payload))
	copy(b.Bytes(), s.packet[:s.header])
	copy(b.Bytes()[s.header:], payload)
	s.fixHeaders(b.Bytes())
	s.off += len(payload)
	return true
}

// fixHeaders makes the copied headers those of the segment at s.off.
func (s *segments) fixHeaders(b []byte) {
	if s.view.version == 4 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		id := binary.BigEndian.Uint16(b[4:])
		binary.BigEndian.PutUint16(b[4:], id+uint16(s.off/s.size))
		putHeaderChecksum(b[:ipv4HeaderLenOf(b)])
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-ipv6HeaderLen))
	}
	tcp := b[s.view.transport:]
	seq := binary.BigEndian.Uint32(tcp[4:])
	binary.BigEndian.PutUint32(tcp[4:], seq+uint32(s.off))
	if !s.done {
		tcp[13] &^= tcpFIN | tcpPSH // said by the last one
	}
	if s.off > 0 {
		tcp[13] &^= tcpCWR // said by the first one
	}
	tcp[16], tcp[17] = 0, 0
	putSum(tcp[16:], ^fold(add(pseudo(b, s.view, protoTCP, len(tcp)), tcp)))
}

// ipv4HeaderLenOf returns the header's length as the packet, parsed before, has
// it.
func ipv4HeaderLenOf(b []byte) int { return int(b[0]&0x0f) * 4 }
