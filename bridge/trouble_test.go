package bridge

import (
	"strings"
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
)

func TestTroubleOfALAN(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name string
		lan  LANStatus
		want string // in the words; empty: no trouble
	}{
		{"quiet wire", LANStatus{Up: true}, ""},
		{"server that only announces, nobody asked", LANStatus{Up: true, Stats: port.Stats{BroadcastIn: 500}}, ""},
		{"healthy wire", LANStatus{Up: true, Stats: port.Stats{BroadcastIn: 500, UnicastOut: 90, UnicastIn: 1}}, ""},
		{"bridged healthy wire", LANStatus{Up: true, Stats: port.Stats{BroadcastIn: 500, UnicastOut: 90, OtherIn: 1}}, ""},
		{"answers go out, nothing addressed comes in", LANStatus{Up: true, Device: "wlan0", Stats: port.Stats{BroadcastIn: 50, UnicastOut: 9}}, "Wi-Fi"},
		{"unplugged", LANStatus{Device: "eth1"}, "interface eth1 is down or gone"},
		{"a second machine with our address", LANStatus{Up: true, Device: "eth1", Heard: port.Heard{LastOwn: now.Add(-time.Minute)}}, "a second machine has it"},
		{"one that has gone", LANStatus{Up: true, Heard: port.Heard{LastOwn: now.Add(-time.Hour)}}, ""},
		{"another number", LANStatus{Up: true, Wires: []router.WireInfo{{
			Name: "office/ethernet_802_2", Network: 0x10,
			Claims: []router.Claim{{Network: 0x99, Node: ipx.Node{2, 0, 0, 0, 0, 7}}},
		}}}, "020000000007 says that the network of office/ethernet_802_2 is 00000099, not 00000010"},
	} {
		got := strings.Join(trouble(c.lan, now), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, got, c.want)
		}
	}
}
