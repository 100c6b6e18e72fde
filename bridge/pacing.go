package bridge

import (
	"strings"

	"sitebridge/control"
)

// mayPace reports whether a peer may wait for our acknowledgements before it sends on
// (RFC 2637, section 4.2). No daemon of ours does. One that calls itself so and waits all
// the same gets them later.
func mayPace(p control.Peer) bool { return !strings.HasPrefix(string(p.Vendor), vendor) }
