package bridge

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
)

// The longest packet of IPX that an Ethernet has crosses between two of ours,
// whatever MPPE adds to it: IPX cannot be cut.
func TestLongestIPXFitsBesideMPPE(t *testing.T) {
	for _, c := range []struct {
		name       string
		encryption config.Encryption
		method     string
	}{
		{"in clear", config.Encryption{Policy: config.PolicyDisabled}, "none"},
		{"MPPE", config.Encryption{Policy: config.PolicyRequired, Methods: []config.Cipher{config.MPPE128}}, "mppe-128"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				ofAlpha, ofBeta := peerSite("alpha", "beta", false, true), peerSite("beta", "alpha", true, false)
				ofAlpha.Encryption, ofBeta.Encryption = c.encryption, c.encryption
				a, b := w.start("alpha", ofAlpha), w.start("beta", ofBeta)
				reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
				if got := a.tunnel().link.Status().Encryption.Method; got != c.method {
					t.Errorf("encryption is %s, want %s", got, c.method)
				}
				wantLongIPX(t, a.tunnel(), b.tunnel())
				wantLongIPX(t, b.tunnel(), a.tunnel())
			})
		})
	}
}

// wantLongIPX sends the longest packet from one end of a link to the other.
func wantLongIPX(t *testing.T, from, to *session) {
	t.Helper()
	const longest = 1500
	if n := from.link.MaxPacket(); n < longest {
		t.Errorf("the peer takes packets of %d octets, want %d", n, longest)
	}
	b := packet.Get()
	defer packet.Put(b)
	ipx := make([]byte, longest)
	ipx[0], ipx[1] = 0xff, 0xff // no checksum
	binary.BigEndian.PutUint16(ipx[2:], longest)
	b.Set(ipx)
	before := to.link.Status().Stats
	from.link.Send(0x002b, []*packet.Buffer{b}, false)
	time.Sleep(time.Second)
	after, sent := to.link.Status().Stats, from.link.Status().Stats
	if n := after.OctetsIn - before.OctetsIn; n < longest || sent.Drops.OverPeerMRU != 0 || after.Drops != before.Drops {
		t.Errorf("%d octets came; dropped on the way out: %+v, in: %+v", n, sent.Drops, after.Drops)
	}
}
