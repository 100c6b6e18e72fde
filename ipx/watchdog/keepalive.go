package watchdog

import "sitebridge/ipx"

// IsKeepalive reports whether a packet with header h says only that somebody is
// there, or asks it: an NCP watchdog, or a system packet of SPX, which
// acknowledges. Nobody waits for it as for data.
func IsKeepalive(h *ipx.Header, data []byte) bool {
	switch {
	case h.Type == ipx.TypeSPX:
		p, ok := parseSPX(data)
		return ok && p.control&spxSystem != 0 && len(data) == spxHeadLen
	case isWatchdog(h, data):
		return data[1] == signAsk || data[1] == signHere
	}
	return false
}
