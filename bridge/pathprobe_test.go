package bridge

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

const (
	// An IPv4 header from 192.0.2.1 to 192.0.2.2 that carries ICMP.
	icmpHead = "45000038 00000000 40010000 c0000201 c0000202"
	// What a router quotes of our GRE to 203.0.113.1.
	quotedGRE = "45000024 00000000 402f0000 c0000202 cb007101 3081880b 00000000"
)

func TestParseICMP(t *testing.T) {
	router, peer := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("203.0.113.1")
	for name, c := range map[string]struct {
		octets string
		want   icmpMessage
		ok     bool
	}{
		"echo reply":           {icmpHead + "0000 0000 1234 05dc", icmpMessage{from: router, id: 0x1234, seq: 1500}, true},
		"protocol unreachable": {icmpHead + "0302 0000 00000000" + quotedGRE, icmpMessage{from: router, kind: 3, code: 2, about: peer, protocol: 47}, true},
		"too big":              {icmpHead + "0304 0000 00000578" + quotedGRE, icmpMessage{from: router, kind: 3, code: 4, seq: 1400, mtu: 1400, about: peer, protocol: 47}, true},
		"nothing quoted":       {icmpHead + "0302 0000 00000000", icmpMessage{}, false},
		"short":                {icmpHead + "0302 0000", icmpMessage{}, false},
		"a header too long":    {"4f" + icmpHead[2:] + "0000 0000 1234 05dc", icmpMessage{}, false},
		"IPv6":                 {"65" + icmpHead[2:] + "0000 0000 1234 05dc", icmpMessage{}, false},
		"nothing":              {"", icmpMessage{}, false},
	} {
		got, ok := parseICMP(unhex(c.octets))
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

// FuzzParseICMP: what is taken for a message has a sender and, if it is about a packet,
// that packet's address stands in it.
func FuzzParseICMP(f *testing.F) {
	f.Add(unhex(icmpHead + "0302 0000 00000000" + quotedGRE))
	f.Add(unhex(icmpHead + "0000 0000 1234 05dc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseICMP(b)
		switch {
		case ok && (len(b) < ipHeaderLen+icmpHeaderLen || m.from.As4() != [4]byte(b[12:16])):
			t.Errorf("%x is %+v", b, m)
		case ok && m.kind == icmpUnreachable && !strings.Contains(string(b[ipHeaderLen:]), string(m.about.AsSlice())):
			t.Errorf("%x is about %v", b, m.about)
		}
	})
}

// TestPingIsRight: the sum of a ping's words is that of RFC 1071.
func TestPingIsRight(t *testing.T) {
	for _, size := range []int{smallPing, 1499, 1500} {
		b := echoRequest(0x1234, size)
		if len(b) != size-ipHeaderLen || b[0] != icmpEcho || binary.BigEndian.Uint16(b[6:]) != uint16(size) {
			t.Errorf("a ping of %d octets is %x", size, b)
		}
		var sum uint32
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		for sum>>16 != 0 {
			sum = sum&0xffff + sum>>16
		}
		if sum != 0xffff {
			t.Errorf("the sum over a ping of %d octets is %04x", size, sum)
		}
	}
}
