package control

import (
	"net/netip"
	"testing"
)

func TestWinsCollision(t *testing.T) {
	for _, test := range []struct {
		local, remote string
		want          bool
	}{
		{"192.0.2.2", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "192.0.2.1", false},
		{"200.0.0.1", "10.255.255.255", true}, // unsigned: the top bit is nothing special
		{"9.0.0.0", "10.0.0.0", false},        // numbers, not text
		{"::ffff:192.0.2.2", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.2", false},
	} {
		local, remote := netip.MustParseAddr(test.local), netip.MustParseAddr(test.remote)
		if got := WinsCollision(local, remote); got != test.want {
			t.Errorf("WinsCollision(%v, %v) = %v", local, remote, got)
		}
		if local.Unmap() != remote.Unmap() && WinsCollision(remote, local) == test.want {
			t.Errorf("%v and %v come to the same verdict", local, remote)
		}
	}
}
