package port

import (
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/ipx"
)

func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub()
		p := hub.Port("p", macA, false)
		run(t, p, here)
		start := time.Now()
		say := func(encap ipx.Encapsulation, dst, src ipx.Network, node ipx.Node) {
			h := ipx.Header{Dst: ipx.Addr{Network: dst, Node: ipx.Broadcast}, Src: ipx.Addr{Network: src, Node: node}}
			hub.Inject(frameOf(t, encap, ipx.Broadcast, macB, ipx.AppendPacket(nil, h, nil)))
			synctest.Wait()
			time.Sleep(time.Second) // of virtual time
		}
		say(ipx.Ethernet8022, 0x10, 0x10, macB)
		say(ipx.Ethernet8022, 0x10, 0x10, macB)
		say(ipx.EthernetII, 0x11, 0x11, macB)
		say(ipx.EthernetII, 0x10, 0x10, macB)
		say(ipx.EthernetII, 0, 0, macB)                             // says nothing
		say(ipx.EthernetII, 0x11, 0x99, macB)                       // came from elsewhere
		say(ipx.EthernetII, 0x98, 0x98, macC)                       // another's frame
		say(ipx.EthernetII, ipx.AllNetworks, ipx.AllNetworks, macB) // no number
		want := []Claim{
			{ipx.EthernetII, 0x10, macB, start.Add(3 * time.Second), start.Add(3 * time.Second), 1},
			{ipx.EthernetII, 0x11, macB, start.Add(2 * time.Second), start.Add(2 * time.Second), 1},
			{ipx.Ethernet8022, 0x10, macB, start, start.Add(time.Second), 2},
		}
		got := p.Heard()
		if len(got.Claims) != len(want) {
			t.Fatalf("claims %+v, want %+v", got.Claims, want)
		}
		for i := range want {
			if got.Claims[i] != want[i] {
				t.Errorf("claim %d is %+v, want %+v", i, got.Claims[i], want[i])
			}
		}
		if !got.LastUnicast.IsZero() || got.LastBroadcast != start.Add(7*time.Second) {
			t.Errorf("last broadcast %v, unicast %v", got.LastBroadcast.Sub(start), got.LastUnicast)
		}
	})
}

func TestClaimsAreBounded(t *testing.T) {
	var h heard
	start := time.Now()
	for i := range 10 * MaxClaims {
		h.claim(ipx.EthernetII, ipx.Network(i+1), macB, start.Add(time.Duration(i)))
		h.claim(ipx.Ethernet8022, 0x10, macC, start.Add(time.Duration(i))) // the wire's own
	}
	claims := h.heard().Claims
	if len(claims) != MaxClaims {
		t.Errorf("%d claims are kept", len(claims))
	}
	last := claims[len(claims)-1]
	if last.Network != 0x10 || last.Packets != 10*MaxClaims {
		t.Errorf("the true number was pushed out: %+v", last)
	}
}
