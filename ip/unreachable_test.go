package ip

import (
	"bytes"
	"net/netip"
	"testing"

	"sitebridge/internal/packet"
)

func TestUnreachable(t *testing.T) {
	for _, tt := range []struct {
		name       string
		src, dst   string
		from       netip.Addr
		kind, code byte
		sent       bool
	}{
		{"IPv4", "10.1.0.2", "10.2.0.2", from4, 3, 1, true},
		{"IPv6", "2001:db8:1::2", "2001:db8:2::2", from6, 1, 3, true},
		{"a group", "10.1.0.2", "224.0.0.1", from4, 0, 0, false},
		{"a group of IPv6", "2001:db8:1::2", "ff02::1", from6, 0, 0, false},
		{"nobody to say it", "2001:db8:1::2", "2001:db8:2::2", from4, 0, 0, false},
	} {
		pkt := ipPacket(tt.src, tt.dst, 17, make([]byte, 100))
		v, _ := parse(pkt)
		got := appendHostUnreachable(nil, pkt, v, tt.from)
		if (len(got) > 0) != tt.sent {
			t.Errorf("%s: sent %v, want %v", tt.name, len(got) > 0, tt.sent)
			continue
		}
		if !tt.sent {
			continue
		}
		w, ok := parse(got)
		if b := got[w.transport:]; !ok || b[0] != tt.kind || b[1] != tt.code || !bytes.Equal(b[8:], pkt) || w.source(got) != tt.from || w.destination(got) != netip.MustParseAddr(tt.src) {
			t.Errorf("%s: % x", tt.name, got)
		}
	}
}

// Senders are told on the interface, and not in a flood.
func TestUnreachableIsTold(t *testing.T) {
	s := newTwoSites(t, 1400, 1400)
	var pkts []*packet.Buffer
	for range 3 * icmpBurst {
		pkts = append(pkts, batch(ipPacket("10.1.0.2", "10.2.0.2", 17, make([]byte, 100)))...)
	}
	s.west.dev.Unreachable(pkts)
	if n := s.west.dev.Stats().UnreachableSent; n < icmpBurst || n >= 2*icmpBurst {
		t.Errorf("%d told of %d packets", n, len(pkts))
	}
	s.west.dev.Down()
	s.west.dev.Unreachable(pkts) // nobody bears a name for it
}
