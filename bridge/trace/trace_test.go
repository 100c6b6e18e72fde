package trace

import (
	"encoding/hex"
	"strings"
	"testing"

	"sitebridge/control"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestPacket(t *testing.T) {
	for _, c := range []struct {
		protocol  uint16
		pkt, want string
	}{
		{0xc021, "01010017 010405dc 0305c22381 05061a2b3c4d 0702 0802", "LCP Configure-Request id 1: MRU 1500, auth MS-CHAPv2, magic 1a2b3c4d, PFC, ACFC"},
		{0xc021, "04020008 0304c227", "LCP Configure-Reject id 2: auth EAP"},
		{0xc021, "03020009 0305c22305", "LCP Configure-Nak id 2: auth CHAP (MD5)"},
		{0xc021, "03020009 0305c22307", "LCP Configure-Nak id 2: auth CHAP, algorithm 7"},
		{0xc021, "0205 0004", "LCP Configure-Ack id 5: no options"},
		{0xc021, "0101000a 2904aabb 01ff", "LCP Configure-Request id 1: option 41 aabb, ... 01ff"},
		{0xc021, "05030009 6279650a0b", `LCP Terminate-Request id 3: "bye\n\v"`},
		{0xc021, "08030007 80fd01", "LCP Protocol-Reject id 3: of CCP"},
		{0xc021, "08030006 9999", "LCP Protocol-Reject id 3: of protocol 9999"},
		{0xc021, "09030008 01020304", "LCP Echo-Request id 3: magic 01020304"},
		{0xc021, "0c03000c 01020304 4d535241", `LCP Identification id 3: "MSRA"`},
		{0xc021, "c8030004", "LCP code 200 id 3"},
		{0xc021, "0101", "LCP: broken: 2 octets"},
		{0x8021, "0101000a 0306c0000201", "IPCP Configure-Request id 1: address 192.0.2.1"},
		{0x8021, "01010010 81060a000001 0206002d0f01", "IPCP Configure-Request id 1: DNS 10.0.0.1, compression Van Jacobson 0f01"},
		{0x802b, "01010020 0106000001ce 02080200deadbeef 0404 0002 050454 57 0602", `IPXCP Configure-Request id 1: network 000001CE, node 0200deadbeef, routing RIP/SAP, router name "TW", complete`},
		{0x80fd, "0101000a 120601000040", "CCP Configure-Request id 1: MPPE 128 stateless"},
		{0x80fd, "0e010004", "CCP Reset-Request id 1"},
		{0x8053, "0101003b 0037 025342 01 804f5c168ef0a664ae51f4522b9d8b7c 01" + strings.Repeat("00", 32), "ECP Configure-Request id 1: OUI aead: AES-256-GCM"},
		{0xc023, "01010010 0261 62 085b7365637265745d", `PAP Authenticate-Request id 1: name "ab", password not shown`},
		{0xc023, "0301000a 056c6f67696e", `PAP Authenticate-Nak id 1: "login"`},
		{0xc223, "0101000b 04 01020304 6871", `CHAP Challenge id 1: name "hq", challenge 01020304`},
		{0xc223, "0201000b 04 00000000 6871", `CHAP Response id 1: name "hq", answer of 4 octets not shown`},
		{0xc223, "0401000a 453d363931 20", `CHAP Failure id 1: "E=691 "`},
		{0xc227, "01010007 016f6b", `EAP Request id 1: Identity "ok"`},
		{0xc227, "02010007 030d1a", "EAP Response id 1: Nak, wants TLS, MS-CHAPv2"},
		{0xc227, "01010006 0d20", "EAP Request id 1: TLS, start"},
		{0xc227, "02010013 1a 02010009 04 00000000 61", "EAP Response id 1: MS-CHAPv2 Response"},
		{0xc227, "03010004", "EAP Success id 1"},
		{0x9999, "01010006 0202", "protocol 9999 Configure-Request id 1: option 2"},
	} {
		if got := Packet(c.protocol, unhex(c.pkt)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.pkt, got, c.want)
		}
	}
}

func TestMessage(t *testing.T) {
	for _, c := range []struct {
		m    control.Message
		want string
	}{
		{control.StartRequest{Version: 0x100, Firmware: 1, Host: control.MakeText("h\x1b[31mq"), Vendor: control.MakeText("v")},
			`Start-Control-Connection-Request: host "h\x1b[31mq", vendor "v", firmware 1, version 1.0`},
		{control.OutgoingCallReply{CallID: 1, PeerCallID: 2, Result: control.Busy, WindowSize: 64},
			"Outgoing-Call-Reply: call 1 for 2, busy, cause 0, window 64, speed 0"},
		{control.StartReply{Version: 0x100, Result: control.Started, Host: control.MakeText("hq"), Vendor: control.MakeText(control.UDPOffer{Port: 4754}.String())},
			`Start-Control-Connection-Reply: ok, host "hq", vendor "sitebridge udp=4754", firmware 0, version 1.0`},
		{control.OutgoingCallRequest{CallID: 1, WindowSize: 64, Subaddress: control.MakeText(control.UDPOffer{}.String())},
			`Outgoing-Call-Request: call 1, serial 0, window 64, subaddress "sitebridge udp"`},
		{control.EchoRequest{Identifier: 7}, "Echo-Request: identifier 7"},
		{control.CallDisconnectNotify{CallID: 3, Result: control.LostCarrier}, "Call-Disconnect-Notify: call 3, lost carrier, cause 0"},
	} {
		if got := Message(control.Append(nil, c.m)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if got := Message([]byte("GET / HTTP/1.1")); got != "broken message: 14 octets" {
		t.Error(got)
	}
}

// Whatever comes, a line is a line: printable ASCII, and not much longer than what it
// tells of.
func FuzzWords(f *testing.F) {
	f.Add(uint16(0xc021), unhex("01010017 010405dc 0305c22381 05061a2b3c4d 0702 0802"))
	f.Add(uint16(0xc227), unhex("02010013 1a 02010009 04 00000000 61"))
	f.Add(uint16(0xc023), unhex("01010010 0261 62 085b7365637265745d"))
	f.Add(uint16(0x8057), unhex("01010010 0100 0100 0100"))
	f.Add(uint16(0), control.Append(nil, control.StartReply{}))
	f.Fuzz(func(t *testing.T, protocol uint16, pkt []byte) {
		for _, line := range []string{Packet(protocol, pkt), Message(pkt)} {
			if most := 128 + 32*len(pkt); len(line) > most {
				t.Errorf("%d octets became %d of words", len(pkt), len(line))
			}
			for _, r := range line {
				if r < ' ' || r > '~' {
					t.Errorf("%q in %q", r, line)
				}
			}
		}
	})
}
