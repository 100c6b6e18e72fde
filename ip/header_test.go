package ip

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	udp := make([]byte, 8)
	v6 := func(next byte, payload ...byte) []byte { return ipPacket("2001:db8::1", "2001:db8::2", next, payload) }
	v4 := func(change func(b []byte)) []byte {
		b := ipPacket("10.0.0.1", "10.0.0.2", 17, udp)
		change(b)
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		want view
		ok   bool
	}{
		{"empty", nil, view{}, false},
		{"version 5", v4(func(b []byte) { b[0] = 0x55 }), view{}, false},
		{"IPv4", v4(func(b []byte) {}), view{4, 17, true, false, 20, 28}, true},
		{"IPv4 padded", append(v4(func(b []byte) {}), 0, 0), view{4, 17, true, false, 20, 28}, true},
		{"IPv4 of 19 octets", v4(func(b []byte) {})[:19], view{}, false},
		{"IPv4 cut short", v4(func(b []byte) {})[:27], view{}, false},
		{"IPv4 header of 16 octets", v4(func(b []byte) { b[0] = 0x44 }), view{}, false},
		{"IPv4 header longer than the packet", v4(func(b []byte) { b[0] = 0x48 }), view{}, false},
		{"IPv4 options", v4(func(b []byte) { b[0] = 0x46 }), view{4, 17, true, false, 24, 28}, true},
		{"IPv4 that may be cut", v4(func(b []byte) { b[6] = 0 }), view{4, 17, false, false, 20, 28}, true},
		{"IPv4 first piece", v4(func(b []byte) { b[6] = 0x20 }), view{4, 17, false, true, 20, 28}, true},
		{"IPv4 later piece", v4(func(b []byte) { b[6], b[7] = 0, 5 }), view{4, protoNone, false, true, 20, 28}, true},
		{"IPv6", v6(17, udp...), view{6, 17, true, false, 40, 48}, true},
		{"IPv6 of 39 octets", v6(17)[:39], view{}, false},
		{"IPv6 cut short", v6(17, udp...)[:47], view{}, false},
		{"IPv6 hop-by-hop, destination options", v6(0, slices.Concat(
			unhex("3c00 0000 0000 0000"), unhex("1101 0000 0000 0000 0000 0000 0000 0000"), udp)...), view{6, 17, true, false, 64, 72}, true},
		{"IPv6 AH", v6(51, slices.Concat(unhex("1104 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000"), udp)...),
			view{6, 17, true, false, 64, 72}, true},
		{"IPv6 first piece", v6(44, slices.Concat(unhex("1100 0001 0000 0001"), udp)...), view{6, 17, true, true, 48, 56}, true},
		{"IPv6 later piece", v6(44, slices.Concat(unhex("1100 0008 0000 0001"), udp)...), view{6, protoNone, true, true, 40, 56}, true},
		{"IPv6 extension cut short", v6(0, 60, 0, 0, 0), view{6, protoNone, true, false, 40, 44}, true},
		{"IPv6 extension longer than the packet", v6(0, unhex("3c05 0000 0000 0000")...), view{6, protoNone, true, false, 40, 48}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if v, ok := parse(c.b); v != c.want || ok != c.ok {
				t.Errorf("parse = %+v, %v, want %+v, %v", v, ok, c.want, c.ok)
			}
		})
	}
}

// FuzzParse: what is found lies in the packet, and does not depend on what
// follows it.
func FuzzParse(f *testing.F) {
	f.Add(ipPacket("10.0.0.1", "10.0.0.2", 17, make([]byte, 8)))
	f.Add(ipPacket("2001:db8::1", "2001:db8::2", 44, unhex("1100 0001 0000 0001 0000 0000 0000 0000")))
	f.Add(tcpSegment{src: "10.0.0.1", dst: "10.0.0.2", flags: tcpSYN, options: mss(1460)}.packet())
	f.Fuzz(func(t *testing.T, b []byte) {
		v, ok := parse(b)
		if !ok {
			return
		}
		if v.transport < ipv4HeaderLen || v.transport > v.length || v.length > len(b) {
			t.Errorf("%+v in %d octets", v, len(b))
		}
		if again, ok := parse(slices.Concat(b[:v.length], make([]byte, 50))); !ok || again != v {
			t.Errorf("%+v, then with padding %+v", v, again)
		}
		v.source(b)
		v.destination(b)
	})
}
