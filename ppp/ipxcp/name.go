package ipxcp

import (
	"bytes"
	"strconv"
	"strings"
)

// A Router-Name has 1 to 47 octets on the wire, and 48 with the zeros that pad
// it elsewhere (RFC 1552, section 3.5).
const (
	maxName     = 47
	maxPeerName = 48
)

// routerName turns a name into one that may be sent: letters, digits and three
// signs.
func routerName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '@':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return '_'
	}, s)
	return s[:min(len(s), maxName)]
}

// peerName makes a peer's name safe to keep and to show. Some peers send the
// zero that ends it, and some more than it may have.
func peerName(b []byte) string {
	b = bytes.TrimRight(b[:min(len(b), maxPeerName)], "\x00")
	quoted := strconv.QuoteToASCII(string(b))
	return quoted[1 : len(quoted)-1]
}
