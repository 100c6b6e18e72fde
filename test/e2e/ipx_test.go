package e2e

import (
	"testing"

	"sitebridge/ipx"
	"sitebridge/ipx/station"
	"sitebridge/test/lab"
)

// An IPX packet with a Novell ping has this much around its data: the IPX
// header, and the ping's own.
const pingOverhead = ipx.HeaderLen + 10

// pingIPX pings across routers: from finds the way to the network of to, and to
// finds its own number, as hosts do. Each packet is size octets.
func pingIPX(t *testing.T, w *lab.World, from, to *station.Station, network ipx.Network, size int) {
	t.Helper()
	ctx := w.Patiently()
	route, err := from.FindRoute(ctx, network)
	if err != nil {
		t.Fatal(err)
	}
	if to.Addr().Network == 0 { // learns it from whatever answer of its router
		if _, err := to.FindRoute(ctx, from.Addr().Network); err != nil {
			t.Fatal(err)
		}
	}
	if to.Addr().Network != network {
		t.Fatalf("%v has found network %v, want %v", to.Addr().Node, to.Addr().Network, network)
	}
	if _, err := from.Ping(ctx, to.Addr(), route.Router, size-pingOverhead); err != nil {
		t.Fatalf("%d octets: %v", size, err)
	}
}
