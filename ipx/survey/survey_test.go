package survey

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

var now = time.Unix(1_000_000_000, 0)

func frameOf(t testing.TB, enc ipx.Encapsulation, dst, src ipx.Node, h ipx.Header, payload []byte) []byte {
	t.Helper()
	b := packet.Get()
	defer packet.Put(b)
	b.Set(ipx.AppendPacket(nil, h, payload))
	if err := ipx.EncapsulateInPlace(b, enc, dst, src); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(b.Bytes())
}

func node(n byte) ipx.Node { return ipx.Node{2, 0, 0, 0, 0, n} }

// toAll is a broadcast of a station on its own wire.
func toAll(t testing.TB, enc ipx.Encapsulation, n ipx.Network, from ipx.Node, socket ipx.Socket, payload []byte) []byte {
	t.Helper()
	return frameOf(t, enc, ipx.Broadcast, from, ipx.Header{
		Src: ipx.Addr{Network: n, Node: from, Socket: socket},
		Dst: ipx.Addr{Network: n, Node: ipx.Broadcast, Socket: socket},
	}, payload)
}

func routesOf(entries ...rip.Entry) []byte {
	return rip.Message{Operation: rip.OpResponse, Entries: entries}.Append(nil)
}

func serversOf(s ...sap.Service) []byte {
	return sap.Message{Operation: sap.OpResponse, Services: s}.Append(nil)
}

// A recorded session: everything that the README of the captures says is there.
func TestRecordedWires(t *testing.T) {
	for file, want := range map[string]string{
		"05-routed-ipxd-lanA-8022.pcap":         "ethernet_802_2 140 [0000A0A0] routers [020000000A01 02000000990A] servers [MARSVR 00005EA1:000000000001:0451] stations 4",
		"05-routed-ipxd-lanB-8023.pcap":         "ethernet_802_3 180 [0000B0B0] routers [02000000990B] servers [MARSVR 00005EA1:000000000001:0451] stations 3",
		"01-samelan-8022-mars-slist-login.pcap": "ethernet_802_2 299 [0000A0A0] routers [020000000A01] servers [MARSVR 00005EA1:000000000001:0451] stations 3",
		"13-dosbox-ipxbox-ethernet2.pcap":       "ethernet_ii 2 [] routers [] servers [] stations 1",
	} {
		s := New()
		for _, frame := range ipxtest.Capture(t, "../testdata/"+file) {
			s.See(now, frame)
		}
		r := s.Report()
		var networks, routers, servers []string
		for _, n := range r.FrameTypes[0].Networks {
			networks = append(networks, n.Network.String())
		}
		for _, x := range r.Routers {
			routers = append(routers, x.Node.String())
		}
		for _, x := range r.Servers {
			servers = append(servers, x.Name+" "+x.Address.String())
		}
		got := fmt.Sprintf("%v %d %v routers %v servers %v stations %d", r.FrameTypes[0].Frame, r.FrameTypes[0].Packets, networks, routers, servers, len(r.Stations))
		if got != want || len(r.Trouble) != 0 || len(r.FrameTypes) != 1 {
			t.Errorf("%s: %s\nwant %s\ntrouble %q", file, got, want, r.Trouble)
		}
	}
}

func TestTroubleInWords(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames [][]byte
		want   []string // each in one of the troubles; none: no trouble
	}{
		{"two numbers in one frame type", [][]byte{
			toAll(t, ipx.Ethernet8022, 0x10, node(1), 0x5000, nil),
			toAll(t, ipx.Ethernet8022, 0x10, node(2), 0x5000, nil),
			toAll(t, ipx.Ethernet8022, 0x20, node(3), 0x5000, nil),
		}, []string{"ethernet_802_2 has 2 network numbers: 00000010 (020000000001, 020000000002); 00000020 (020000000003)"}},
		{"one number in two frame types", [][]byte{
			toAll(t, ipx.Ethernet8022, 0x10, node(1), 0x5000, nil),
			toAll(t, ipx.EthernetII, 0x10, node(2), 0x5000, nil),
		}, []string{"network number 00000010 is used in ethernet_ii and ethernet_802_2"}},
		{"a router offers the wire itself", [][]byte{
			toAll(t, ipx.Ethernet8022, 0x10, node(1), 0x5000, nil),
			toAll(t, ipx.Ethernet8022, 0x10, node(9), ipx.SocketRIP, routesOf(rip.Entry{Network: 0x10, Hops: 3, Ticks: 4})),
		}, []string{"router 020000000009 tells everybody in ethernet_802_2 of network 00000010, 3 hops away"}},
		{"two cards with one node", [][]byte{
			toAll(t, ipx.Ethernet8022, 0x10, node(1), 0x5000, nil),
			frameOf(t, ipx.Ethernet8022, ipx.Broadcast, node(7), ipx.Header{Src: ipx.Addr{Network: 0x10, Node: node(1), Socket: 1}, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: 1}}, nil),
		}, []string{"node 020000000001 of network 00000010 speaks from 2 Ethernet addresses in ethernet_802_2: 020000000001, 020000000007"}},
		{"two servers with one internal network", [][]byte{
			toAll(t, ipx.Ethernet8022, 0x10, node(1), ipx.SocketSAP, serversOf(sap.Service{Type: sap.FileServer, Name: "A\x1b[1m", Addr: ipx.Addr{Network: 0x99, Node: ipx.ServerNode, Socket: 0x451}, Hops: 1})),
			toAll(t, ipx.Ethernet8022, 0x10, node(2), ipx.SocketSAP, serversOf(sap.Service{Type: sap.FileServer, Name: "B", Addr: ipx.Addr{Network: 0x99, Node: ipx.ServerNode, Socket: 0x451}, Hops: 1})),
		}, []string{`file servers "A\x1b[1m", "B" have one address, 00000099:000000000001:0451`}},
		{"two servers with one name", [][]byte{
			toAll(t, ipx.Ethernet8022, 0x10, node(1), ipx.SocketSAP, serversOf(sap.Service{Type: sap.FileServer, Name: "A", Addr: ipx.Addr{Network: 0x98, Node: ipx.ServerNode}, Hops: 1},
				sap.Service{Type: sap.FileServer, Name: "A", Addr: ipx.Addr{Network: 0x99, Node: ipx.ServerNode}, Hops: 1})),
		}, []string{`file server "A" is at 00000098:000000000001:0000, 00000099:000000000001:0000`}},
		{"one network in each frame type, one tree on two servers", [][]byte{
			toAll(t, ipx.Ethernet8022, 0x10, node(1), 0x5000, nil),
			toAll(t, ipx.EthernetII, 0x20, node(1), 0x5000, nil),
			toAll(t, ipx.EthernetII, 0x20, node(1), ipx.SocketRIP, routesOf(rip.Entry{Network: 0x10, Hops: 1, Ticks: 2})),
			toAll(t, ipx.Ethernet8022, 0x10, node(1), ipx.SocketSAP, serversOf(sap.Service{Type: sap.Directory, Name: "T", Addr: ipx.Addr{Network: 0x98}, Hops: 1}, sap.Service{Type: sap.Directory, Name: "T", Addr: ipx.Addr{Network: 0x99}, Hops: 1})),
		}, nil},
	} {
		s := New()
		for _, f := range c.frames {
			s.See(now, f)
		}
		r := s.Report()
		for _, want := range c.want {
			if !slices.ContainsFunc(r.Trouble, func(x string) bool { return strings.Contains(x, want) }) {
				t.Errorf("%s: no %q in %q", c.name, want, r.Trouble)
			}
		}
		if len(r.Trouble) != len(c.want) {
			t.Errorf("%s: %d troubles, want %d: %q", c.name, len(r.Trouble), len(c.want), r.Trouble)
		}
	}
}

func TestWhatGoesDownIsForgotten(t *testing.T) {
	s := New()
	service := sap.Service{Type: sap.FileServer, Name: "A", Addr: ipx.Addr{Network: 0x98}, Hops: 1}
	route := rip.Entry{Network: 0x98, Hops: 1, Ticks: 2}
	for range 2 {
		s.See(now, toAll(t, ipx.Ethernet8022, 0x10, node(1), ipx.SocketSAP, serversOf(service)))
		s.See(now, toAll(t, ipx.Ethernet8022, 0x10, node(1), ipx.SocketRIP, routesOf(route)))
	}
	if r := s.Report(); len(r.Servers) != 1 || len(r.Routers) != 1 || len(r.Routers[0].Networks) != 1 || !r.OnlyToAll || s.routes != 1 {
		t.Errorf("%+v", r)
	}
	service.Hops, route.Hops = sap.Infinity, rip.Infinity
	for range 2 {
		s.See(now, toAll(t, ipx.Ethernet8022, 0x10, node(1), ipx.SocketSAP, serversOf(service)))
		s.See(now, toAll(t, ipx.Ethernet8022, 0x10, node(1), ipx.SocketRIP, routesOf(route)))
	}
	if r := s.Report(); len(r.Servers) != 0 || len(r.Routers) != 1 || len(r.Routers[0].Networks) != 0 || s.routes != 0 {
		t.Errorf("%+v", r)
	}
}

// A wire full of made-up addresses, numbers, servers and routes fills the tables,
// says so, and no more.
func TestAttackX2X3TablesAreBounded(t *testing.T) {
	s := New()
	for i := range uint32(2 * MaxEntries) {
		n := ipx.Node{2, 1}
		binary.BigEndian.PutUint32(n[2:], i)
		var services []sap.Service
		var routes []rip.Entry
		for j := range uint32(7) {
			services = append(services, sap.Service{Type: sap.FileServer, Name: fmt.Sprintf("\x1b%040d", i*7+j), Addr: ipx.Addr{Network: ipx.Network(i*7 + j + 1)}, Hops: uint16(j)})
			routes = append(routes, rip.Entry{Network: ipx.Network(i*7 + j), Hops: uint16(j)})
		}
		s.See(now, toAll(t, ipx.EthernetII, ipx.Network(i+1), n, ipx.SocketSAP, serversOf(services...)))
		s.See(now, toAll(t, ipx.EthernetII, ipx.Network(i+1), n, ipx.SocketRIP, routesOf(routes...)))
	}
	r := s.Report()
	networks := 0
	for _, x := range r.Routers {
		networks += len(x.Networks)
	}
	if len(r.Stations) != MaxEntries || len(r.Servers) != MaxEntries || len(r.Routers) != MaxEntries || networks != maxRoutes || len(r.FrameTypes[0].Networks) != maxNumbers || r.LeftOut == 0 {
		t.Errorf("stations %d, servers %d, routers %d, routes %d, numbers %d, left out %d", len(r.Stations), len(r.Servers), len(r.Routers), networks, len(r.FrameTypes[0].Networks), r.LeftOut)
	}
	for _, text := range r.Trouble {
		if strings.ContainsRune(text, 0x1b) {
			t.Errorf("%q", text)
		}
	}
}

func TestBrokenFramesAreCounted(t *testing.T) {
	s := New()
	frame := toAll(t, ipx.EthernetII, 0x10, node(1), 0x5000, nil)
	long, short := slices.Clone(frame), slices.Clone(frame)
	long[16], long[17], short[16], short[17] = 0xFF, 0xFF, 0, 29
	for _, f := range [][]byte{long, short, frame[:20], frame[:10], nil} {
		s.See(now, f)
	}
	r := s.Report()
	if fmt.Sprint(r.Broken) != "map[not_ipx:2 overlong:1 short:1 truncated:1]" || r.Packets != 0 {
		t.Errorf("%v, %d packets", r.Broken, r.Packets)
	}
}

// Whatever passes, the counts agree with each other and the report is JSON.
func FuzzSee(f *testing.F) {
	for _, v := range ipxtest.Vectors(f, "../testdata") {
		f.Add(v.Frame, v.Frame)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := New()
		for _, frame := range [][]byte{a, b, a} {
			s.See(now, frame)
		}
		r := s.Report()
		var packets, broken, stations uint64
		for _, x := range r.FrameTypes {
			packets += x.Packets
		}
		for _, x := range r.Stations {
			stations += x.Packets
		}
		for _, n := range r.Broken {
			broken += n
		}
		if packets != r.Packets || packets+broken != 3 || stations > packets {
			t.Errorf("%d packets, %d by frame type, %d by station, %d broken", r.Packets, packets, stations, broken)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// Who looks for a server asks in all frame types, which are not spoken for that.
func TestOwnQuestionsAreNoVerdict(t *testing.T) {
	s := New()
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		s.SeeOwn(now, toAll(t, e, 0, node(7), 0x4000, nil))
	}
	if r := s.Report(); len(r.FrameTypes) != 0 || !r.OnlyUs || r.OnlyToAll || len(r.Stations) != 4 || !r.Stations[0].Own {
		t.Errorf("alone: %+v", r)
	}
	s.See(now, toAll(t, ipx.Ethernet8022, 0x10, node(1), 0x5000, nil))
	r := s.Report()
	if len(r.FrameTypes) != 1 || r.FrameTypes[0].Frame != ipx.Ethernet8022 || r.FrameTypes[0].Packets != 1 || r.OnlyUs || !r.OnlyToAll {
		t.Errorf("with one station: %+v", r)
	}
	for _, st := range r.Stations {
		if st.Own != (st.Node == node(7)) {
			t.Errorf("station %v: own is %v", st.Node, st.Own)
		}
	}
}
