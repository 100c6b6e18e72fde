package bridge

import (
	"strings"
	"testing"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
)

func TestTroubleOfALAN(t *testing.T) {
	now := time.Now()
	spoken := func(enc ipx.Encapsulation, packets uint64, ago time.Duration) LANStatus {
		return LANStatus{Name: "shop", Device: "eth1", Up: true, Stats: port.Stats{In: port.ByEncapsulation{Ethernet8023: packets, Ethernet8022: packets}},
			Heard: port.Heard{Claims: []port.Claim{{Encap: enc, Network: 0x21, Last: now.Add(-ago), Packets: packets}}}}
	}
	silent := port.Stats{In: port.ByEncapsulation{Ethernet8022: 190, EthernetSNAP: 125, EthernetII: 99}}
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
		{"a frame type that nobody asked for", spoken(ipx.Ethernet8023, 9, time.Minute),
			`ethernet_802_3 is spoken on eth1 with network 00000021 and is not in [lan.shop]: write ethernet_802_3 = "00000021"`},
		{"one that has gone silent", spoken(ipx.Ethernet8023, 99, time.Hour), ""},
		{"one that is a passer-by's", spoken(ipx.Ethernet8023, 2, time.Minute), ""},
		{"one that is routed", spoken(ipx.Ethernet8022, 9, time.Minute), ""},
		{"stations without a number, in a frame type that nobody asked for", LANStatus{Name: "shop", Device: "eth1", Up: true, Stats: silent},
			"125 frames of ethernet_snap came in on eth1, which is not in [lan.shop], from stations that tell no network number"},
		{"emulators have no frames", LANStatus{Up: true, DOSBox: &DOSBoxStatus{}, Stats: silent}, ""},
		{"nobody to learn from", LANStatus{Up: true, Device: "eth1", Wires: []router.WireInfo{{Name: "shop/ethernet_802_2"}}},
			"shop/ethernet_802_2: no number learned yet: nobody on eth1 tells one; write a number if there is no server there"},
		{"another number", LANStatus{Up: true, Wires: []router.WireInfo{{
			Name: "office/ethernet_802_2", Network: 0x10,
			Claims: []router.Claim{{Network: 0x99, Node: ipx.Node{2, 0, 0, 0, 0, 7}}},
		}}}, "020000000007 says that the network of office/ethernet_802_2 is 00000099, not 00000010"},
	} {
		got := strings.Join(trouble(c.lan, frameTypes{ipx.Ethernet8022: true}, now), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, got, c.want)
		}
	}
}

func TestHintsOfAPing(t *testing.T) {
	now := time.Now()
	services := []router.ServiceInfo{{Name: "FS1", Addr: ipx.Addr{Network: 0x5EA1, Node: ipx.ServerNode, Socket: ipx.SocketNCP}}}
	routes := []router.RouteInfo{{Network: 0x10}, {Network: 0x20, Way: router.Way{Held: now.Add(11 * time.Second)}}}
	for _, c := range []struct{ name, got, want string }{
		{"a LAN", nodeHint(services, 0x20, ipx.ServerNode), ": a LAN has no such node: ask NETWORK:MAC"},
		{"a server", nodeHint(services, 0x5EA1, ipx.ServerNode), ": FS1 is known there, but some servers answer no ping"},
		{"a station", nodeHint(services, 0x20, ipx.Node{2, 0, 0, 0, 0, 1}), ""},
		{"a lost link", heldHint(routes, 0x20, now), "network 00000020 is held for 11s more, its link is lost"},
		{"another link", heldHint(routes, 0x10, now), ""},
		{"no route", heldHint(routes, 0x30, now), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestExchangeWords(t *testing.T) {
	for _, c := range []struct {
		wanted   config.IPXExchange
		is, want string
	}{
		{config.ExchangeStatic, "static", "static"},
		{config.ExchangeAutoStatic, "static", "auto-static"},
		{config.ExchangeTriggered, "triggered, fallen back to rip-sap", "triggered, fallen back to rip-sap"},
		{config.ExchangeRIPSAP, "static", "rip-sap, agreed on static by IPXWAN"},
	} {
		if got := exchangeWords(c.wanted, c.is); got != c.want {
			t.Errorf("%s: %q, want %q", c.wanted, got, c.want)
		}
	}
}
