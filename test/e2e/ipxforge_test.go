package e2e

import (
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
)

// forge puts one IPX packet in 802.2 on a wire, from one Ethernet address to
// another.
func forge(t *testing.T, p port.Port, from, to ipx.Node, pkt []byte) {
	t.Helper()
	b := packet.Get()
	defer packet.Put(b)
	b.Set(pkt)
	if err := p.Send(nwFrame, to, from, []*packet.Buffer{b}); err != nil {
		t.Fatal(err)
	}
}
