package demo

import (
	"encoding/binary"
	"fmt"
	"os"

	"sitebridge/control/gre"
)

// A census is what a capture holds: Ethernet frames, those among them that carry an
// encrypted PPP packet in GRE, and those that carry IP or IPX in clear there.
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
			switch protocol(b[off+ethernet : off+n]) {
			case 0x53:
				c.sealed++
			case 0x21, 0x2b, 0x57:
				c.clear++
			}
		}
		off += n
	}
	return c, nil
}

// protocol returns the PPP protocol of the frame that an IPv4 packet carries in
// GRE, if it is a data protocol; else 0.
func protocol(pkt []byte) byte {
	const protocolGRE = 47
	if len(pkt) < 20 || pkt[0]>>4 != 4 || pkt[9] != protocolGRE || len(pkt) < int(pkt[0]&15)*4 {
		return 0
	}
	_, frame, err := gre.Parse(pkt[int(pkt[0]&15)*4:])
	if err != nil {
		return 0
	}
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
