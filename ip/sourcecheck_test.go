package ip

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestSourceSet(t *testing.T) {
	set := newSourceSet(parsePrefixes("10.2.0.0/16", "10.2.7.0/24", "10.3.0.0/16", "192.0.2.8/29", "::ffff:172.16.0.0/108",
		"2001:db8:2::/48", "2001:db8:2:5::/64"),
		netip.MustParseAddr("10.255.0.2"), netip.MustParseAddr("fe80::2"), netip.Addr{})
	for addr, want := range map[string]bool{
		"10.2.0.0":             true,
		"10.2.7.1":             true,
		"10.2.255.255":         true,
		"10.3.0.0":             true,
		"10.3.255.255":         true,
		"10.1.255.255":         false,
		"10.4.0.0":             false,
		"0.0.0.0":              false,
		"255.255.255.255":      false,
		"192.0.2.7":            false,
		"192.0.2.8":            true,
		"192.0.2.15":           true,
		"192.0.2.16":           false,
		"172.16.9.9":           true,
		"172.32.0.0":           false,
		"10.255.0.2":           true,
		"10.255.0.1":           false,
		"::":                   false,
		"::ffff:10.2.0.1":      false, // an IPv6 packet is not an IPv4 one
		"2001:db8:2::1":        true,
		"2001:db8:2:5::1":      true,
		"2001:db8:2:ffff::":    true,
		"2001:db8:1:ffff::":    false,
		"2001:db8:3::":         false,
		"fe80::2":              true,
		"fe80::3":              false,
		"ffff:ffff::ffff:ffff": false,
	} {
		if got := set.contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("contains(%s) = %v, want %v", addr, got, want)
		}
	}
	if newSourceSet(nil).contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("nothing contains something")
	}
	all := newSourceSet(parsePrefixes("0.0.0.0/0", "10.0.0.0/8"))
	if len(all) != 1 || !all.contains(netip.MustParseAddr("255.255.255.255")) || all.contains(netip.MustParseAddr("::1")) {
		t.Errorf("0.0.0.0/0 became %v", all)
	}
}

// FuzzSourceSet compares with a search through the prefixes.
func FuzzSourceSet(f *testing.F) {
	f.Add([]byte{10, 0, 0, 0, 8, 10, 1, 0, 0, 16}, uint32(0x0a010001))
	f.Add([]byte{0, 0, 0, 0, 0}, uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, a uint32) {
		var prefixes []netip.Prefix
		for ; len(b) >= 5; b = b[5:] {
			prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), int(b[4])%33))
		}
		addr := netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
		want := false
		for _, p := range prefixes {
			want = want || p.Contains(addr)
		}
		if got := newSourceSet(prefixes).contains(addr); got != want {
			t.Errorf("%v contains %v: %v, want %v", prefixes, addr, got, want)
		}
	})
}

func BenchmarkSourceCheck(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		var prefixes []netip.Prefix
		for i := range n {
			prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i << 1), 0}), 24))
		}
		set, pkt := newSourceSet(prefixes), syn4()
		v, _ := parse(pkt)
		b.Run(fmt.Sprint(n, " prefixes"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.contains(v.source(pkt))
			}
		})
	}
}
