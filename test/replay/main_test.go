// Package replay plays what real NetWare servers, clients, routers and games were
// recorded to say to two whole daemons, and compares what comes out at the
// other end octet for octet.
//
//	host-a --lan-- site-a ==wan== site-b --lan-- host-b
//
// The hosts are raw sockets: one plays, the other listens. What must come out is
// foretold by oracles that are written from the rules of IPX and know nothing of
// the program's own code: frame_test.go has the four frame types, routed_test.go
// the rules of a router, bridged_test.go those of the bridge. They foretell
// whole frames, with MAC addresses, padding and length fields, and that nothing
// else is heard.
package replay

import (
	"testing"

	"sitebridge/test/lab"
)

func TestMain(m *testing.M) {
	lab.Quick("^TestFrameVectors$")
	lab.Main(m)
}
