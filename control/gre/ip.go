package gre

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipHeaderLen  = 20 // without options
	udpHeaderLen = 8
)

// parseIP reads the IPv4 header (RFC 791, section 3.1) that a raw socket leaves
// in front of GRE. It may have options: its length is in the packet.
func parseIP(b []byte) (path Path, headerLen int, ok bool) {
	if len(b) < ipHeaderLen || b[0]>>4 != 4 {
		return path, 0, false
	}
	headerLen = int(b[0]&0x0f) * 4
	if headerLen < ipHeaderLen || headerLen > len(b) || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return path, 0, false
	}
	path.Remote = netip.AddrFrom4([4]byte(b[12:16]))
	path.Local = netip.AddrFrom4([4]byte(b[16:20]))
	return path, headerLen, true
}
