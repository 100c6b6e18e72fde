package ip

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// virtioHeaderLen is the length of struct virtio_net_hdr, which stands in front
// of every frame of a TUN interface with IFF_VNET_HDR.
const virtioHeaderLen = 10

// A virtioHeader says what the kernel left undone on a frame that we read, and
// what it shall do on one that we write (virtio 1.2, section 5.1.6). Its fields
// are in the machine's byte order.
type virtioHeader struct {
	flags   uint8
	gso     uint8
	header  uint16 // octets in front of the payload
	size    uint16 // of the payload of each segment
	start   uint16 // where the checksum begins
	sumFrom uint16 // where it is stored, counted from start
}

func parseVirtio(b []byte) (h virtioHeader, ok bool) {
	if len(b) < virtioHeaderLen {
		return virtioHeader{}, false
	}
	return virtioHeader{
		flags:   b[0],
		gso:     b[1],
		header:  binary.NativeEndian.Uint16(b[2:]),
		size:    binary.NativeEndian.Uint16(b[4:]),
		start:   binary.NativeEndian.Uint16(b[6:]),
		sumFrom: binary.NativeEndian.Uint16(b[8:]),
	}, true
}

func (h virtioHeader) put(b []byte) {
	b[0], b[1] = h.flags, h.gso
	binary.NativeEndian.PutUint16(b[2:], h.header)
	binary.NativeEndian.PutUint16(b[4:], h.size)
	binary.NativeEndian.PutUint16(b[6:], h.start)
	binary.NativeEndian.PutUint16(b[8:], h.sumFrom)
}

// gsoType is the kind of a TCP frame that is cut into segments.
func gsoType(version uint8) uint8 {
	if version == 4 {
		return unix.VIRTIO_NET_HDR_GSO_TCPV4
	}
	return unix.VIRTIO_NET_HDR_GSO_TCPV6
}
