package demo

import (
	"encoding/binary"
	"fmt"
	"os"

	"sitebridge/control/gre"
)

// A census is what a capture holds: Ethernet frames, and the packets of GRE in them, in
// UDP or not, that carry an encrypted PPP packet, or IP or IPX in clear.
type census struct{ frames, sealed, clear int }

// count reads a capture with its own eyes, and asks only the GRE parser.
func count(path string) (c census, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	const head, record, ethernet = 24, 16, 14
	for off := head; off+record <= len(b); {
		n := int(binary.LittleEndian.Uint32(b[off+8:]))
		off += record
		if n > len(b)-off {
			return c, fmt.Errorf("%s is cut off in frame %d", path, c.frames+1)
		}
		c.frames++
		if n > ethernet {
			c.tunnel(b[off+ethernet : off+n])
		}
		off += n
	}
	return c, nil
}

// tunnel counts what an IPv4 packet carries of the tunnel. Of UDP the capture may have
// many packets in one, as the kernel hands them on.
func (c *census) tunnel(pkt []byte) {
	const protocolGRE, protocolUDP, udpHeader = 47, 17, 8
	if len(pkt) < 20 || pkt[0]>>4 != 4 || len(pkt) < int(pkt[0]&15)*4+udpHeader {
		return
	}
	kind := pkt[9]
	pkt = pkt[int(pkt[0]&15)*4:]
	if kind == protocolUDP {
		pkt = pkt[udpHeader:]
	}
	for kind == protocolGRE || kind == protocolUDP {
		h, _, err := gre.Parse(pkt)
		if err != nil && err != gre.ErrPayloadLong {
			return
		}
		end := h.Len() + int(h.PayloadLen)
		switch protocol(pkt[h.Len():end]) {
		case 0x53:
			c.sealed++
		case 0x21, 0x2b, 0x57:
			c.clear++
		}
		pkt = pkt[end:]
	}
}

// protocol returns the PPP protocol of a frame, if it is a data protocol; else 0.
func protocol(frame []byte) byte {
	if len(frame) >= 2 && frame[0] == 0xff && frame[1] == 0x03 {
		frame = frame[2:]
	}
	switch {
	case len(frame) > 1 && frame[0]&1 == 1:
		return frame[0]
	case len(frame) > 2 && frame[0] == 0:
		return frame[1]
	}
	return 0
}
