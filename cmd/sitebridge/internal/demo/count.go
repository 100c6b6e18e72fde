package demo

import (
	"encoding/binary"
	"fmt"
	"os"

	"sitebridge/control/gre"
)

// countIPX counts the Ethernet frames of a capture, and those among them that
// carry an IPX packet in PPP in GRE. It reads them with its own eyes and asks
// only the GRE parser.
func countIPX(path string) (frames, ipx int, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	const head, record, ethernet = 24, 16, 14
	for off := head; off+record <= len(b); {
		n := int(binary.LittleEndian.Uint32(b[off+8:]))
		off += record
		if n > len(b)-off {
			return 0, 0, fmt.Errorf("%s is cut off in frame %d", path, frames+1)
		}
		frames++
		if n > ethernet && isIPX(b[off+ethernet:off+n]) {
			ipx++
		}
		off += n
	}
	return frames, ipx, nil
}

// isIPX reports whether an IPv4 packet carries IPX.
func isIPX(pkt []byte) bool {
	const protocolGRE = 47
	if len(pkt) < 20 || pkt[0]>>4 != 4 || pkt[9] != protocolGRE || len(pkt) < int(pkt[0]&15)*4 {
		return false
	}
	_, frame, err := gre.Parse(pkt[int(pkt[0]&15)*4:])
	if err != nil {
		return false
	}
	if len(frame) >= 2 && frame[0] == 0xff && frame[1] == 0x03 {
		frame = frame[2:]
	}
	return len(frame) > 1 && frame[0] == 0x2b || len(frame) > 2 && frame[0] == 0 && frame[1] == 0x2b
}
