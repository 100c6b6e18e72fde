package netlab

import (
	"encoding/binary"
	"io"
	"time"
)

// The link types of a capture file that a lab has
// (https://www.tcpdump.org/linktypes.html).
const (
	linkTypeEthernet = 1
	linkTypeRaw      = 101 // begins with an IPv4 or IPv6 header
)

// pcapHeader is the header of a capture file whose times are in nanoseconds
// (draft-ietf-opsawg-pcap, section 4).
func pcapHeader(linkType uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d)
	b = binary.LittleEndian.AppendUint16(b, 2) // version 2.4
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = binary.LittleEndian.AppendUint64(b, 0)     // reserved
	b = binary.LittleEndian.AppendUint32(b, 1<<18) // longest frame
	return binary.LittleEndian.AppendUint32(b, linkType)
}

// writeRecord writes one frame (section 5 there).
func writeRecord(w io.Writer, at time.Time, frame []byte) error {
	var head [16]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(at.Unix()))
	binary.LittleEndian.PutUint32(head[4:], uint32(at.Nanosecond()))
	binary.LittleEndian.PutUint32(head[8:], uint32(len(frame)))
	binary.LittleEndian.PutUint32(head[12:], uint32(len(frame)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(frame)
	return err
}
