// Package topology tests a whole internetwork: a hub and four branches, each a real
// daemon in a namespace, each link exchanging in another way, and on the branches'
// LANs routers that announce two thousand networks and services.
//
//	announcer --lan-- b1 ==wan==+==rip-sap======+
//	announcer --lan-- b2 ==wan==+==triggered====+
//	announcer --lan-- b3 ==wan==+==auto-static==+==wan== hub --lan-- listener
//	announcer --lan-- b4 ==wan==+==triggered====+
//	                            +==bridged======+
//
// It is about what everybody knows in the end, and how long that takes. How packets
// cross is the business of e2e and replay.
package topology

import (
	"os"
	"testing"

	"sitebridge/test/lab"
)

// TestMain builds the daemons without the race detector, which takes several times
// the memory that is measured here. The same code runs under it in ipx/router, and
// in the daemons of e2e.
func TestMain(m *testing.M) {
	if lab.Quick("^$") {
		os.Exit(m.Run())
	}
	os.Setenv("LAB_NO_RACE", "1")
	lab.Main(m)
}
