package segment

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/watchdog"
)

func TestPacketCrossesUnchanged(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(b []byte)
	}{
		{"plain", func(b []byte) {}},
		{"network 0", func(b []byte) { clear(b[6:10]); clear(b[18:22]) }},
		{"hops 127 and checksum 0, as from DOSBox", func(b []byte) { b[0], b[1], b[4] = 0, 0, 127 }},
		{"a checksum", func(b []byte) { b[0], b[1] = 0x12, 0x34 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{Network: netA})
			b := pkt(at(host1), at(ipx.Broadcast), "HELLO IPX!")
			tt.edit(b)
			padded := append(b[:len(b):len(b)], make([]byte, 20)...)
			l.lan1.hear(ipx.Ethernet8022, ipx.Broadcast, padded)
			wantPackets(t, "first link", &l.pipe1, b)
			wantPackets(t, "second link", &l.pipe2, b)
			if out := l.cable2.take(); len(out) != 1 || string(out[0].pkt) != string(b) {
				t.Errorf("on the other wire: %v, want %x", out, b)
			}
			if out := l.cable1.take(); len(out) != 0 {
				t.Errorf("%d packets echoed to the wire they came from", len(out))
			}
		})
	}
}

// TestFrames: Ethernet addresses and frame types of what leaves on a wire.
func TestFrames(t *testing.T) {
	const netZ ipx.Network = 0x5EA1
	router := node("020000000177")
	for _, tt := range []struct {
		name string
		know func(l *lab) // what was heard before
		pkt  []byte       // from link 1
		want string       // on LAN 1
	}{
		{name: "a broadcast, nobody heard: in the configured type",
			pkt: pkt(at(far1), at(ipx.Broadcast), ""), want: "ethernet_802_2 020000001101 > FFFFFFFFFFFF"},
		{name: "a broadcast in each type that is spoken",
			know: func(l *lab) {
				l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "1"))
				l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1b), at(ipx.Broadcast), "2"))
			},
			pkt:  pkt(at(far1), at(ipx.Broadcast), ""),
			want: "ethernet_ii 020000001101 > FFFFFFFFFFFF, ethernet_802_3 020000001101 > FFFFFFFFFFFF"},
		{name: "to a station, in its own type",
			know: func(l *lab) {
				l.lan1.hear(ipx.Ethernet8023, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "1"))
				l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1b), at(ipx.Broadcast), "2"))
			},
			pkt: pkt(at(far1), at(host1), ""), want: "ethernet_802_3 020000001101 > 020000000101"},
		{name: "to a station that uses network 0",
			know: func(l *lab) {
				l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(in(0, host1), in(0, ipx.Broadcast), "1"))
			},
			pkt: pkt(at(far1), at(host1), ""), want: "ethernet_ii 020000001101 > 020000000101"},
		{name: "to nobody known",
			pkt: pkt(at(far1), at(host1), ""), want: "ethernet_802_2 020000001101 > 020000000101"},
		{name: "to a station that changed its frame type",
			know: func(l *lab) {
				l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "1"))
				l.lan1.hear(ipx.Ethernet8022, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "2"))
			},
			pkt: pkt(at(far1), at(host1), ""), want: "ethernet_802_2 020000001101 > 020000000101"},
		{name: "to the inside of a server that spoke",
			know: func(l *lab) {
				l.lan1.hearFrom(ipx.EthernetII, ipx.Broadcast, router, pkt(in(netZ, ipx.ServerNode), at(ipx.Broadcast), "1"))
			},
			pkt: pkt(at(far1), in(netZ, ipx.ServerNode), ""), want: "ethernet_ii 020000001101 > 020000000177"},
		{name: "to a network whose router passed a packet",
			know: func(l *lab) {
				l.lan1.hearFrom(ipx.EthernetII, ipx.Broadcast, router, pkt(in(netZ, host2), at(ipx.Broadcast), "1"))
			},
			pkt: pkt(at(far1), in(netZ, far2), ""), want: "ethernet_ii 020000001101 > 020000000177"},
		{name: "to a network that a router announced",
			know: func(l *lab) { l.lan1.hear(ipx.Ethernet8022, ipx.Broadcast, ripResponse(router, netZ, 1)) },
			pkt:  pkt(at(far1), in(netZ, ipx.ServerNode), ""), want: "ethernet_802_2 020000001101 > 020000000177"},
		{name: "to all of a network that a router announced",
			know: func(l *lab) { l.lan1.hear(ipx.Ethernet8022, ipx.Broadcast, ripResponse(router, netZ, 1)) },
			pkt:  pkt(at(far1), in(netZ, ipx.Broadcast), ""), want: "ethernet_802_2 020000001101 > 020000000177"},
		{name: "to a network that went down",
			know: func(l *lab) {
				l.lan1.hear(ipx.Ethernet8022, ipx.Broadcast, ripResponse(router, netZ, 1))
				l.lan1.hear(ipx.Ethernet8022, ipx.Broadcast, ripResponse(router, netZ, rip.Infinity))
			},
			pkt: pkt(at(far1), in(netZ, ipx.ServerNode), ""), want: "ethernet_802_2 020000001101 > FFFFFFFFFFFF"},
		{name: "from the inside of a server: we are its router",
			know: func(l *lab) {
				l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "1"))
				l.link1.receive(ripResponse(far1, netZ, 1))
				l.cable1.take()
			},
			pkt: pkt(in(netZ, ipx.ServerNode), at(host1), ""), want: "ethernet_ii 0200000001FF > 020000000101"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{Network: netA})
			if tt.know != nil {
				tt.know(l)
				l.cable1.take()
			}
			l.link1.receive(tt.pkt)
			wantFrames(t, "LAN 1", &l.cable1, tt.want)
		})
	}
}

// ripResponse is a router's broadcast about one network.
func ripResponse(router ipx.Node, n ipx.Network, hops uint16) []byte {
	m := rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: n, Hops: hops, Ticks: 2}}}
	src, dst := at(router), at(ipx.Broadcast)
	src.Socket, dst.Socket = ipx.SocketRIP, ipx.SocketRIP
	return pkt(src, dst, string(m.Append(nil)))
}

// TestTakenFromTheWire: which frames a promiscuous port takes up.
func TestTakenFromTheWire(t *testing.T) {
	for _, tt := range []struct {
		name string
		enc  ipx.Encapsulation
		dst  ipx.Node // of the frame
		to   ipx.Addr // of the packet
		drop string
	}{
		{"broadcast", ipx.EthernetII, ipx.Broadcast, at(ipx.Broadcast), ""},
		{"group", ipx.EthernetII, node("030000000001"), at(node("030000000001")), ""},
		{"for nobody known", ipx.EthernetII, far1, at(far1), ""},
		{"for a station of this wire", ipx.EthernetII, host1b, at(host1b), "on_same_wire=1"},
		{"for a router of this wire", ipx.EthernetII, host1b, in(0x77, far1), "on_same_wire=1"},
		{"for us as a router", ipx.EthernetII, mac1, in(0x77, far1), ""},
		{"for us ourselves", ipx.EthernetII, mac1, at(mac1), "for_us=1"},
		{"in a frame type that is not bridged", ipx.EthernetSNAP, ipx.Broadcast, at(ipx.Broadcast), "other_encapsulation=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{Network: netA})
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1b), at(ipx.Broadcast), "here I am"))
			l.pipe1.take()
			l.lan1.hear(tt.enc, tt.dst, pkt(at(host1), tt.to, "x"))
			taken := len(l.pipe1.take()) == 1
			if got := dropped(l.lan1); got != tt.drop || taken != (tt.drop == "") {
				t.Errorf("taken %v, dropped %q, want %q", taken, got, tt.drop)
			}
		})
	}
}

func TestKnownStationGetsItAlone(t *testing.T) {
	l := newLab(Config{Network: netA})
	l.link1.receive(pkt(at(far1), at(ipx.Broadcast), "here I am"))
	l.lan2.hear(ipx.EthernetSNAP, ipx.Broadcast, pkt(at(host2), at(ipx.Broadcast), "me too"))
	l.pipe1.take()
	l.pipe2.take()
	l.cable1.take()
	l.cable2.take()
	b := pkt(at(host1), at(far1), "x")
	l.lan1.hear(ipx.EthernetII, far1, b)
	wantPackets(t, "its link", &l.pipe1, b)
	wantPackets(t, "another link", &l.pipe2)
	wantFrames(t, "another wire", &l.cable2, "")
	l.link2.receive(pkt(at(far2), at(host2), "y"))
	wantFrames(t, "its wire", &l.cable2, "ethernet_snap 020000001201 > 020000000201")
	wantPackets(t, "a link", &l.pipe1)
	l.link1.receive(pkt(at(far2), at(far1), "z")) // behind one link, both
	if got := dropped(l.link1); got == "" {
		t.Error("a packet went back by the link it came from")
	}
}

// TestServersShareANode: every server is node 1 of its own network.
func TestServersShareANode(t *testing.T) {
	l := newLab(Config{Network: netA})
	l.lan1.hear(ipx.Ethernet8022, ipx.Broadcast, ripResponse(host1, 0x5EA1, 1))
	l.link1.receive(ripResponse(far1, 0x5EA2, 1))
	l.lan1.hearFrom(ipx.Ethernet8022, far2, host1, pkt(in(0x5EA1, ipx.ServerNode), at(far2), "1"))
	l.link1.receive(pkt(in(0x5EA2, ipx.ServerNode), at(far2), "2"))
	l.pipe1.take()
	l.cable1.take()
	to1, to2 := pkt(at(host2), in(0x5EA1, ipx.ServerNode), "to 1"), pkt(at(host2), in(0x5EA2, ipx.ServerNode), "to 2")
	l.lan2.hear(ipx.EthernetII, mac2, to1)
	l.lan2.hear(ipx.EthernetII, mac2, to2)
	wantFrames(t, "first server", &l.cable1, "ethernet_802_2 020000000201 > 020000000101")
	wantPackets(t, "second server", &l.pipe1, to2)
}

func TestStationsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{Network: netA})
		b := pkt(at(far1), at(host1), "x")
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "here I am"))
		l.cable2.take()
		time.Sleep(DefaultAgeing)
		l.link1.receive(b)
		wantFrames(t, "still known", &l.cable1, "ethernet_ii 020000001101 > 020000000101")
		wantFrames(t, "known elsewhere", &l.cable2, "")
		time.Sleep(2 * time.Second)
		if s := l.Stations(); len(s) != 1 || s[0].Node != far1 {
			t.Errorf("stations %v, want the far one alone", s)
		}
		l.link1.receive(b)
		wantFrames(t, "forgotten", &l.cable1, "ethernet_802_2 020000001101 > 020000000101")
		wantFrames(t, "flooded", &l.cable2, "ethernet_ii 020000001101 > 020000000101")
	})
}

func TestStationLimitIsPerPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{Network: netA, StationLimit: 4})
		for i := range 100 {
			l.link1.receive(pkt(at(ipx.Node{2, 5: byte(i)}), at(ipx.Broadcast), "made up"))
		}
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "here I am"))
		if n := len(l.Stations()); n != 5 {
			t.Errorf("%d stations, want 4 of the link and 1 of the LAN", n)
		}
		if n := l.link1.Stats().Unlearned; n != 96 {
			t.Errorf("%d packets of stations not learned, want 96", n)
		}
		time.Sleep(DefaultAgeing + 2*time.Second)
		l.link1.receive(pkt(at(far1), at(ipx.Broadcast), "after the others fell silent"))
		if s := l.Stations(); len(s) != 1 || s[0].Node != far1 {
			t.Errorf("stations %v, want the new one", s)
		}
	})
}

func TestStationMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{Network: netA})
		port := func() string { return l.Stations()[0].Port }
		from := func(n int) []byte { return pkt(at(host1), at(ipx.Broadcast), string(rune('a'+n))) }
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, from(1))
		l.link1.receive(from(2)) // too soon: somebody plays it
		if port() != "lan1" || dropped(l.link1) != "loop=1" {
			t.Errorf("after a packet by the link: on %s, dropped %s", port(), dropped(l.link1))
		}
		time.Sleep(2 * time.Second)
		l.link1.receive(from(3))
		if port() != "link1" || l.link1.Stats().Moves != 1 {
			t.Errorf("carried away: on %s, %d moves", port(), l.link1.Stats().Moves)
		}
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, from(4)) // a wire is believed at once
		if port() != "lan1" || l.lan1.Stats().Moves != 1 {
			t.Errorf("brought back: on %s, %d moves", port(), l.lan1.Stats().Moves)
		}
	})
}

func TestLoopIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{Network: netA})
		b := pkt(at(host1), at(ipx.Broadcast), "x")
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, b)
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, b) // the host repeats itself
		l.link1.receive(b)                            // the other end of the link has a second way to LAN 1
		l.lan2.hear(ipx.EthernetII, ipx.Broadcast, b) // somebody else bridges LAN 1 and LAN 2
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, b) // and what he bridged comes to where it began
		if got := dropped(l.link1) + " " + dropped(l.lan2) + " " + dropped(l.lan1); got != "loop=1 loop=1 loop=1" {
			t.Errorf("dropped %q", got)
		}
		if n := len(l.pipe1.take()); n != 2 {
			t.Errorf("%d packets on the link, want 2", n)
		}
		time.Sleep(1500 * time.Millisecond)
		l.link1.receive(b)
		if got := dropped(l.link1); got != "loop=1" {
			t.Errorf("a second later: dropped %q, want loop=1", got)
		}
	})
}

// TestMeshDeliversOnce: three sites, each with a link to both others.
func TestMeshDeliversOnce(t *testing.T) {
	var segments [3]*Segment
	var cables [3]cable
	var lans [3]*Port
	var links [3][3]*Port
	for i := range segments {
		segments[i] = New(Config{Network: netA})
		lans[i] = segments[i].lanPort("lan", &cables[i])
	}
	for i := range links {
		for j := range links {
			if i != j {
				links[i][j] = segments[i].linkPort("link", senderFunc(func(pkts []*packet.Buffer) error {
					links[j][i].InputPackets(pkts)
					return nil
				}), 0)
			}
		}
	}
	lans[0].hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host1), at(ipx.Broadcast), "once"))
	for i, want := range []int{0, 1, 1} {
		if got := len(cables[i].take()); got != want {
			t.Errorf("site %d got %d copies, want %d", i, got, want)
		}
	}
}

type senderFunc func(pkts []*packet.Buffer) error

func (f senderFunc) Send(pkts []*packet.Buffer) error { return f(pkts) }

// TestAttackG8SourceBehindPeer: attack row G8, the part of bridge mode.
func TestAttackG8SourceBehindPeer(t *testing.T) {
	sapResponse := func(n ipx.Network) []byte {
		m := sap.Message{Operation: sap.OpNearestResponse, Services: []sap.Service{
			{Type: sap.FileServer, Name: "FS", Addr: in(n, ipx.ServerNode), Hops: 1}}}
		src, dst := at(far1), at(host1)
		src.Socket = ipx.SocketSAP
		return pkt(src, dst, string(m.Append(nil)))
	}
	for _, tt := range []struct {
		name string
		know func(l *lab)
		from ipx.Addr
		ok   bool
	}{
		{"the segment's network", nil, at(far1), true},
		{"network 0", nil, in(0, far1), true},
		{"another network", nil, in(0x5EA1, ipx.ServerNode), false},
		{"a network announced behind the peer", func(l *lab) { l.link1.receive(ripResponse(far1, 0x5EA1, 1)) }, in(0x5EA1, ipx.ServerNode), true},
		{"a network of a service behind the peer", func(l *lab) { l.link1.receive(sapResponse(0x5EA1)) }, in(0x5EA1, ipx.ServerNode), true},
		{"a network announced behind another peer", func(l *lab) { l.link2.receive(ripResponse(far2, 0x5EA1, 1)) }, in(0x5EA1, ipx.ServerNode), false},
		{"a network of ours, announced by the peer too", func(l *lab) {
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, ripResponse(host1, 0x5EA1, 1))
			l.link1.receive(ripResponse(far1, 0x5EA1, 1))
		}, in(0x5EA1, ipx.ServerNode), false},
		{"a network that went down", func(l *lab) {
			l.link1.receive(ripResponse(far1, 0x5EA1, 1))
			l.link1.receive(ripResponse(far1, 0x5EA1, rip.Infinity))
		}, in(0x5EA1, ipx.ServerNode), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(Config{Network: netA})
			if tt.know != nil {
				tt.know(l)
			}
			l.cable2.take()
			l.link1.receive(pkt(tt.from, at(ipx.Broadcast), "x"))
			passed := len(l.cable2.take()) == 1
			if n := l.link1.Stats().Drops.NotBehindPeer; passed != tt.ok || (n == 1) == tt.ok {
				t.Errorf("passed %v, counted %d, want passed %v", passed, n, tt.ok)
			}
		})
	}
}

// TestAttackX8IPXHeader: attack row X8, the part of bridge mode.
func TestAttackX8IPXHeader(t *testing.T) {
	good := func(change func(b []byte) []byte) []byte {
		return change(pkt(at(far1), at(ipx.Broadcast), "HELLO IPX!"))
	}
	for _, tt := range []struct {
		name string
		pkt  []byte
		drop string
	}{
		{"header cut", good(func(b []byte) []byte { return b[:29] }), "truncated=1"},
		{"length 29", good(func(b []byte) []byte { b[3] = 29; return b }), "short=1"},
		{"length longer than the frame", good(func(b []byte) []byte { b[3]++; return b }), "overlong=1"},
		{"hops 16", good(func(b []byte) []byte { b[4] = 16; return b }), ""},
		{"hops 127", good(func(b []byte) []byte { b[4] = 127; return b }), ""},
		{"hops 255", good(func(b []byte) []byte { b[4] = 255; return b }), ""},
		{"padded, as short frames are", good(func(b []byte) []byte { return append(b, make([]byte, 16)...) }), ""},
		{"length 0", good(func(b []byte) []byte { b[2], b[3] = 0, 0; return b }), "short=1"},
		{"length 65535", good(func(b []byte) []byte { b[2], b[3] = 0xFF, 0xFF; return b }), "overlong=1"},
		{"checksum 0", good(func(b []byte) []byte { b[0], b[1] = 0, 0; return b }), ""},
		{"a checksum", good(func(b []byte) []byte { b[0], b[1] = 1, 2; return b }), ""},
		{"source is a group", good(func(b []byte) []byte { b[22] = 1; return b }), "bad_source=1"},
		{"destination is node 0", good(func(b []byte) []byte { clear(b[10:16]); return b }), "bad_destination=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			whole := pkt(at(far1), at(ipx.Broadcast), "HELLO IPX!")
			for _, wire := range []bool{false, true} {
				l := newLab(Config{Network: netA})
				from := l.link1
				if wire {
					from = l.lan1
					from.hearFrom(ipx.EthernetII, ipx.Broadcast, far1, tt.pkt)
				} else {
					from.receive(tt.pkt)
				}
				got := l.pipe2.take()
				passed := len(got) == 1 && len(got[0]) == len(whole) && bytes.HasPrefix(tt.pkt, got[0])
				if passed != (tt.drop == "") || dropped(from) != tt.drop {
					t.Errorf("by %s: passed %v, dropped %q, want %q", from.name, passed, dropped(from), tt.drop)
				}
			}
		})
	}
}

func TestNumbersAreFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{})
		hello := func(n ipx.Network) []byte { return pkt(in(n, far1), in(n, ipx.Broadcast), time.Now().String()) }
		l.link1.receive(pkt(in(0xB0B0, far1), in(0x77, far2), "not of the segment, as far as we know"))
		if got := dropped(l.link1); got != "source_not_behind_peer=1" || l.Network() != 0 {
			t.Errorf("dropped %q, network %v", got, l.Network())
		}
		l.lan1.hearFrom(ipx.EthernetII, ipx.Broadcast, far1, hello(0xB0B0))
		if n := l.Network(); n != 0xB0B0 {
			t.Errorf("network %v, want B0B0", n)
		}
		l.link2.receive(pkt(in(0xB0B0, far2), in(0x77, far1), "of the segment"))
		l.link2.receive(pkt(in(0, far2), in(0, ipx.Broadcast), "of the segment in any case"))
		l.link2.receive(pkt(in(0x77, far2), in(0, ipx.Broadcast), "of elsewhere"))
		if got := dropped(l.link2); got != "source_not_behind_peer=1" {
			t.Errorf("dropped %q", got)
		}
		l.lan1.hearFrom(ipx.EthernetII, ipx.Broadcast, far1, hello(0xA0A0))
		if got := l.Numbers(); !slices.Equal(got, []ipx.Network{0xA0A0, 0xB0B0}) || l.Network() != 0 {
			t.Errorf("numbers %v, network %v", got, l.Network())
		}
		for n := range ipx.Network(2 * maxNumbers) {
			l.link2.receive(pkt(in(0x100+n, far2), in(0x100+n, ipx.Broadcast), "made up"))
		}
		if n := len(l.Numbers()); n != maxNumbers {
			t.Errorf("%d numbers, want at most %d", n, maxNumbers)
		}
		l.link1.receive(pkt(in(0xBAD, far1), in(0xBAD, ipx.Broadcast), "another peer's"))
		if l.native(0xBAD) {
			t.Error("a peer's number pushed out another")
		}
		time.Sleep(DefaultAgeing + time.Second)
		l.lan1.hearFrom(ipx.EthernetII, ipx.Broadcast, far1, hello(0xC0C0))
		if n := l.Network(); n != 0xC0C0 {
			t.Errorf("network %v when all others fell silent", n)
		}
	})
}

// TestNumberOfALAN: a peer that uses all the numbers there can be does not keep a
// LAN's own from being the segment's.
func TestNumberOfALAN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(Config{})
		for n := range ipx.Network(maxNumbers) {
			time.Sleep(time.Second)
			l.link1.receive(pkt(in(0x9000+n, far1), in(0x9000+n, ipx.Broadcast), "mine"))
		}
		for n := range ipx.Network(maxNumbers) {
			l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(in(0xB0B0+n, host1), in(0xB0B0+n, ipx.Broadcast), "hello"))
			if !l.native(0xB0B0 + n) {
				t.Errorf("the LAN's number %v is not the segment's: %v", 0xB0B0+n, l.Numbers())
			}
			if l.native(0x9000+n) || n+1 < maxNumbers && !l.native(0x9000+n+1) {
				t.Errorf("another number made room than the one heard least lately: %v", l.Numbers())
			}
		}
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(in(0xC0C0, host1), in(0xC0C0, ipx.Broadcast), "one more"))
		l.link1.receive(pkt(in(0x9000, far1), in(0x9000, ipx.Broadcast), "mine"))
		if l.native(0xC0C0) || l.native(0x9000) || len(l.Numbers()) != maxNumbers {
			t.Errorf("numbers that LANs use made room: %v", l.Numbers())
		}
	})
}

func TestTooLong(t *testing.T) {
	l := newLab(Config{Network: netA})
	var small pipe
	tiny := l.linkPort("tiny", &small, 1000)
	long := pkt(at(far1), at(ipx.Broadcast), string(make([]byte, 1500-ipx.HeaderLen)))
	l.lan2.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(host2), at(ipx.Broadcast), "1"))
	l.lan2.hear(ipx.EthernetSNAP, ipx.Broadcast, pkt(at(host2), at(ipx.Broadcast), "2"))
	l.cable1.take()
	l.cable2.take()
	small.take()
	l.link1.receive(long)
	wantFrames(t, "one type carries it", &l.cable2, "ethernet_ii 020000001101 > FFFFFFFFFFFF")
	wantFrames(t, "the only type does not", &l.cable1, "")
	wantPackets(t, "small link", &small)
	if got := dropped(l.link1); got != "too_long=3" {
		t.Errorf("dropped %q", got)
	}
	tiny.Detach()
}

func TestDetachForgets(t *testing.T) {
	l := newLab(Config{Network: netA})
	l.link1.receive(pkt(at(far1), at(ipx.Broadcast), "x"))
	l.link1.Detach()
	l.link1.Detach()
	if s := l.Stations(); len(s) != 0 {
		t.Errorf("stations %v", s)
	}
	l.link1.receive(pkt(at(far1), at(ipx.Broadcast), "y"))
	if got := dropped(l.link1); got != "detached=1" || len(l.Ports()) != 3 {
		t.Errorf("dropped %q, %d ports", got, len(l.Ports()))
	}
	alone := New(Config{}).linkPort("alone", &l.pipe1, 0)
	alone.receive(pkt(at(far1), at(ipx.Broadcast), "z"))
	if got := dropped(alone); got != "no_other_port=1" {
		t.Errorf("dropped %q", got)
	}
}

func TestEveryDropHasAName(t *testing.T) {
	if n := reflect.TypeFor[Drops]().NumField(); n != int(drops)-1 {
		t.Fatalf("%d fields for %d reasons", n, drops-1)
	}
	l := newLab(Config{})
	l.link1.count.drop(dropTruncated)
	l.link2.count.drop(dropTruncated)
	l.link2.count.drop(dropDetached)
	if s := l.Segment.Stats(); s.Drops != (Drops{Truncated: 2, Detached: 1}) {
		t.Errorf("counted %+v", s.Drops)
	}
	if dropNotBehindPeer.String() != "source_not_behind_peer" || dropDetached.String() != "detached" {
		t.Errorf("names: %v, %v", dropNotBehindPeer, dropDetached)
	}
	if _, err := json.Marshal(l.Ports()); err != nil {
		t.Error(err)
	}
}

func TestFramingRoundTrip(t *testing.T) {
	for enc := range ipx.Encapsulation(ipx.Encapsulations) {
		if mac, got := unframing(framing(host1, enc)); mac != host1 || got != enc {
			t.Errorf("came back as %v %v", mac, got)
		}
	}
}

func TestCarryingDoesNotAllocate(t *testing.T) {
	l := newLab(Config{Network: netA})
	quiet := senderFunc(func([]*packet.Buffer) error { return nil })
	l.link1.Detach()
	l.link2.Detach()
	link := l.linkPort("link", quiet, 0)
	link.receive(pkt(at(far1), at(ipx.Broadcast), "here I am"))
	to := pkt(at(host1), at(far1), string(make([]byte, 1000)))
	frames := make([]port.Frame, packet.BatchLen)
	for i := range frames {
		frames[i] = port.Frame{Packet: new(packet.Buffer), Encap: ipx.EthernetII, Dst: far1, Src: host1}
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range frames {
			frames[i].Packet.Set(to)
		}
		l.lan1.InputFrames(frames)
	}); n != 0 && !race.Enabled {
		t.Errorf("%v allocations per batch", n)
	}
}

// FuzzInput: what leaves is what came, cut to the length in its header.
func FuzzInput(f *testing.F) {
	f.Add(pkt(at(far1), at(ipx.Broadcast), "x"))
	f.Add(ripResponse(far1, 0x5EA1, 1))
	f.Add(pkt(in(0, far1), in(0, host1), ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > ipx.MaxLen {
			return
		}
		l := newLab(Config{Network: netA})
		l.link1.receive(b)
		out := l.pipe2.take()
		if len(out) == 1 && string(out[0]) != string(b[:ipx.Length(b)]) || len(out) > 1 {
			t.Errorf("%x became %x", b, out)
		}
		if len(out) == 0 && dropped(l.link1) == "" {
			t.Errorf("%x vanished", b)
		}
	})
}

// TestChangesWhileCarrying is for the race detector: packets flow while ports
// come and go.
func TestChangesWhileCarrying(t *testing.T) {
	l := newLab(Config{})
	stop := make(chan struct{})
	var flows sync.WaitGroup
	flow := func(send func(i byte)) {
		flows.Go(func() {
			for i := byte(0); ; i++ {
				select {
				case <-stop:
					return
				default:
					send(i)
				}
			}
		})
	}
	flow(func(i byte) {
		l.lan1.hear(ipx.EthernetII, ipx.Broadcast, pkt(at(ipx.Node{2, 5: i}), at(ipx.Broadcast), "1"))
	})
	flow(func(i byte) { l.lan2.hear(ipx.EthernetSNAP, host1, pkt(at(ipx.Node{2, 5: i}), at(host1), "2")) })
	flow(func(i byte) { l.link1.receive(ripResponse(far1, ipx.Network(i)+0x100, 1)) })
	for i := range 50 {
		extra := l.AttachLink(LinkConfig{Name: "extra", Link: new(pipe), Hold: time.Duration(i%2) * time.Hour,
			Watchdog: watchdog.New(watchdog.Config{Limit: time.Hour})})
		extra.receive(pkt(at(far2), at(ipx.Broadcast), "3"))
		extra.receive(ripResponse(far2, 0x180, 1))
		l.Stations()
		l.Networks()
		l.Ports()
		l.Troubles()
		extra.Detach()
		if i%4 == 0 {
			l.Forget("extra")
		}
	}
	close(stop)
	flows.Wait()
}
