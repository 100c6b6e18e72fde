package words

import (
	"strings"
	"testing"
	"unicode"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
	"sitebridge/ipx/sap"
)

func of(t *testing.T, pkt []byte) string {
	t.Helper()
	h, payload, err := ipx.Parse(pkt)
	if err != nil {
		t.Fatal(err)
	}
	return Packet(&h, payload)
}

func TestVectorsInWords(t *testing.T) {
	want := map[string]string{
		"even length 40, II":                                                      "10 octets",
		"RIP general request (all routes)":                                        "RIP request: all networks",
		"RIP response, 3 routes":                                                  "RIP response: 00002002 hops 1 ticks 2, C0DE0002 hops 1 ticks 2, 0000BEEF hops 3 ticks 14",
		"RIP response: network 2002 down (16 hops)":                               "RIP response: 00002002 DOWN",
		"SAP response: FS-ONE down (16)":                                          `SAP response: 0004 (file server) "FS-ONE" at 0000A001:000000000001:0451 DOWN`,
		"SAP general request for file servers":                                    "SAP request: 0004 (file server)",
		"SAP general request for all services":                                    "SAP request: all services",
		"Get Nearest Server request; old shells use packet type 17 and network 0": "SAP nearest request: 0004 (file server)",
		"same packet on network 2002 after two routers":                           "came by 00001001, C0DE0002",
		"NCP watchdog query, connection 7":                                        "watchdog: is connection 7 still there?",
		"NCP watchdog answer":                                                     "watchdog: connection 7 is still there",
		"SPX watchdog query: system packet with acknowledgement wanted":           "watchdog: still there?",
		"SPX watchdog answer: system packet":                                      "acknowledgement",
		"diagnostic configuration request, no exclusions (31 octets)":             "diagnostics request, 0 nodes need not answer",
		"diagnostic configuration response":                                       "diagnostics response",
		"NLSP-style IPX ping request":                                             "ping request",
		"NLSP-style IPX ping reply":                                               "ping reply",
		"Cisco-style ping, socket 0002, packet type 2":                            "ping as Cisco's routers do it",
		"RIP response with the maximum of 50 routes (432 octets of IPX)":          ", 46 more",
		"SAP general response with the maximum of 7 services (480 octets of IPX)": ", 3 more",
		"RIP specific request from a client that does not know its network":       "RIP request: ",
		"type 20 as sent by a host (hop 0, 32 zero octets)":                       "NetBIOS ",
		"Get Nearest Server response, unicast to the requester":                   "SAP nearest response: 0004 (file server) ",
	}
	for _, v := range ipxtest.Vectors(t, "../testdata") {
		said := of(t, v.Packet)
		if !strings.Contains(said, want[v.Name]) {
			t.Errorf("%s: %s, want %q", v.Name, said, want[v.Name])
		}
		delete(want, v.Name)
	}
	for name := range want {
		t.Errorf("no vector %q", name)
	}
}

func packetOf(typ ipx.PacketType, socket ipx.Socket, payload string) []byte {
	return ipx.AppendPacket(nil, ipx.Header{Type: typ, Dst: ipx.Addr{Socket: socket}, Src: ipx.Addr{Socket: 0x4003}}, []byte(payload))
}

func TestPacketsInWords(t *testing.T) {
	nets := strings.Repeat("\x00", 32)
	for _, c := range []struct {
		name string
		pkt  []byte
		want string
	}{
		{"open a connection", packetOf(ipx.TypeNCP, ipx.SocketNCP, "\x11\x11\x00\xff\x00\xff\x00"), "NCP: open a connection"},
		{"request", packetOf(ipx.TypeNCP, ipx.SocketNCP, "\x22\x22\x05\x03\x01\x01\x48"), "NCP request 5 on connection 259: read file (48)"},
		{"unknown function", packetOf(ipx.TypeNCP, ipx.SocketNCP, "\x22\x22\x05\x03\x01\x00\xEE"), "NCP request 5 on connection 3: function EE"},
		{"reply", packetOf(ipx.TypeNCP, 0x4003, "\x33\x33\x05\x03\x01\x00\x00\x00"), "NCP reply 5 on connection 3: done"},
		{"refused", packetOf(ipx.TypeNCP, 0x4003, "\x33\x33\x05\x03\x01\x00\x9C\x10"), "refused, code 9C, the server is going down"},
		{"busy", packetOf(ipx.TypeNCP, 0x4003, "\x99\x99\x05\x03\x01\x00"), "NCP: request 5 on connection 3 is being worked on"},
		{"close", packetOf(ipx.TypeNCP, ipx.SocketNCP, "\x55\x55\x05\x03\x01\x00\x00"), "NCP: close connection 3"},
		{"burst", packetOf(ipx.TypeNCP, ipx.SocketNCP, "\x77\x77\x00\x00\x00\x00\x00"), "NCP packet burst, 7 octets"},
		{"message", packetOf(ipx.TypePEP, 0x4002, "\x07!"), "a message waits for connection 7"},
		{"two octets of a game", packetOf(ipx.TypeUnknown, 0x5000, "\x07z"), "2 octets"},
		{"SPX connection request", packetOf(ipx.TypeSPX, 0x5000, "\xC0\x00\x01\x02\xFF\xFF\x00\x00\x00\x00\x00\x07"), "SPX 0102 to FFFF, sequence 0, acknowledges 0, takes up to 7: open a connection"},
		{"SPX end", packetOf(ipx.TypeSPX, 0x5000, "\x40\xFE\x01\x02\x03\x04\x00\x09\x00\x08\x00\x07"), "close the connection"},
		{"NetBIOS", packetOf(ipx.TypePropagated, ipx.SocketNetBIOS, nets+"\x00\x01FILESRV        \x20"), `NetBIOS find name "FILESRV<20>"`},
		{"NetBIOS session", packetOf(ipx.TypePEP, ipx.SocketNetBIOS, "\x00\x06data"), "NetBIOS session data"},
		{"names", packetOf(ipx.TypePropagated, 0x0551, nets+"\xF1\x01\x00\x00WORKGROUP      \x1DCLIENT         \x00"), `Microsoft names: claim name "WORKGROUP<1D>", from "CLIENT<00>"`},
		{"serial number", packetOf(ipx.TypePEP, ipx.SocketSerial, "123456"), "NetWare serial number check, 6 octets"},
		{"IPXWAN", packetOf(ipx.TypePEP, ipx.SocketIPXWAN, "123456"), "IPXWAN, 6 octets"},
		{"DOOM", packetOf(ipx.TypeUnknown, 0x869C, "123456"), "id Software game (DOOM), 6 octets"},
		{"SAP operation", packetOf(ipx.TypePEP, ipx.SocketSAP, "\x00\x0E12"), "SAP operation 14, 4 octets"},
		{"RIP operation", packetOf(ipx.TypeRIP, ipx.SocketRIP, "\x00\x0E12"), "RIP operation(14), 4 octets"},
		{"propagated, unknown", packetOf(ipx.TypePropagated, 0x7777, nets), "broadcast to all networks, 32 octets"},
		{"diagnostics that lie", packetOf(ipx.TypePEP, 0x4000, ""), "0 octets"},
	} {
		if got := of(t, c.pkt); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %q", c.name, got, c.want)
		}
	}
}

// A server may call itself what it likes: it steers no terminal.
func TestNamesAreEscaped(t *testing.T) {
	for _, name := range []string{"\x1b[31mRED\x1b]0;title\x07", "a\nb\rc", "\"quoted\"", strings.Repeat("X", 48), "\xff\xfe\x9b31m", "\u202eright to left"} {
		s := sap.Service{Type: sap.FileServer, Name: name}
		said := of(t, packetOf(ipx.TypePEP, ipx.SocketSAP, string(sap.Message{Operation: sap.OpResponse, Services: []sap.Service{s}}.Append(nil))))
		wantPlain(t, said)
	}
}

func wantPlain(t testing.TB, said string) {
	t.Helper()
	for _, r := range said {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			t.Errorf("%q is in %q", r, said)
		}
	}
	if len(said) > 1000 {
		t.Errorf("a line of %d characters", len(said))
	}
}

// Every packet cut short, of every socket and type, has words.
func TestAttackX8CutShort(t *testing.T) {
	for _, frames := range ipxtest.Captures(t, "../testdata") {
		for _, frame := range frames {
			_, _, _, pkt, err := ipx.Decapsulate(frame)
			if err != nil {
				continue
			}
			h, payload, _ := ipx.Parse(pkt)
			for n := range min(len(payload), 100) {
				wantPlain(t, Packet(&h, payload[:n]))
			}
		}
	}
}

func TestBrokenFramesInWords(t *testing.T) {
	for err, want := range map[error]string{
		ipx.Overlong:  "BROKEN frame of 60 octets: the IPX header gives a length longer than the frame",
		ipx.Truncated: "it ends before the IPX header does",
		ipx.NotIPX:    "not_ipx",
	} {
		if got := Frame(err, 60); !strings.Contains(got, want) {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestServiceNames(t *testing.T) {
	if got := Service(sap.Directory); got != "0278 (directory tree)" || Service(0x9999) != "9999" || ServiceName(0x9999) != "" {
		t.Error(got)
	}
}

// Whatever comes, there is one line of printable ASCII.
func FuzzPacket(f *testing.F) {
	for _, v := range ipxtest.Vectors(f, "../testdata") {
		f.Add(v.Packet)
	}
	f.Fuzz(func(t *testing.T, pkt []byte) {
		h, payload, err := ipx.Parse(pkt)
		if err != nil {
			wantPlain(t, Frame(err, len(pkt)))
			return
		}
		wantPlain(t, Packet(&h, payload))
	})
}
