package ipfilter

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"sitebridge/internal/race"
)

// ipPacket puts an IP header in front of a payload.
func ipPacket(src, dst string, protocol byte, payload ...byte) []byte {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if s.Is4() {
		b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0}
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
		return slices.Concat(b, s.AsSlice(), d.AsSlice(), payload)
	}
	b := []byte{0x60, 0, 0, 0, 0, byte(len(payload)), protocol, 64}
	return slices.Concat(b, s.AsSlice(), d.AsSlice(), payload)
}

// ports is the front of TCP or UDP, with flags of TCP.
func ports(src, dst uint16, flags byte) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	b[12], b[13] = 0x50, flags
	return b
}

const (
	west, east   = "10.1.0.2", "10.2.0.2"
	west6, east6 = "2001:db8:1::2", "2001:db8:2::2"
)

func TestCounts(t *testing.T) {
	later := ipPacket(west, east, tcp, ports(40000, 445, 2)...)
	binary.BigEndian.PutUint16(later[6:], 100) // a fragment: the ports are not there
	behind := slices.Concat([]byte{udp, 0, 1, 4, 0, 0, 0, 0}, ports(40000, 123, 0))
	for _, tt := range []struct {
		name  string
		rules []string
		pkt   []byte
		want  bool
	}{
		{"a SYN", nil, ipPacket(west, east, tcp, ports(40000, 445, 0x02)...), true},
		{"a FIN", nil, ipPacket(west, east, tcp, ports(40000, 445, 0x11)...), true},
		{"a reset", nil, ipPacket(west, east, tcp, ports(445, 40000, 0x14)...), false},
		{"a ping", nil, ipPacket(west, east, icmp, 8, 0, 0, 0), true},
		{"unreachable", nil, ipPacket(west, east, icmp, 3, 1, 0, 0), false},
		{"time exceeded", nil, ipPacket(west, east, icmp, 11, 0, 0, 0), false},
		{"IGMP", nil, ipPacket(west, "224.0.0.22", igmp, 0x22), false},
		{"multicast DNS", nil, ipPacket(west, "224.0.0.251", udp, ports(5353, 5353, 0)...), false},
		{"broadcast", nil, ipPacket(west, "255.255.255.255", udp, ports(68, 67, 0)...), false},
		{"no source yet", nil, ipPacket("0.0.0.0", east, udp, ports(68, 67, 0)...), false},
		{"neighbour solicitation", nil, ipPacket("fe80::1", "ff02::1", icmp6, 135, 0, 0, 0), false},
		{"router solicitation to one host", nil, ipPacket(west6, east6, icmp6, 133, 0, 0, 0), false},
		{"packet too big", nil, ipPacket(west6, east6, icmp6, 2, 0, 0, 0), false},
		{"a ping of IPv6", nil, ipPacket(west6, east6, icmp6, 128, 0, 0, 0), true},
		{"UDP of IPv6", nil, ipPacket(west6, east6, udp, ports(1, 53, 0)...), true},
		{"no IP", nil, []byte{0x15, 1, 2, 3}, false},
		{"cut short", nil, ipPacket(west, east, tcp, ports(1, 2, 2)...)[:30], false},
		{"a later piece", nil, later, true},

		{"NTP ignored", []string{"ignore udp port 123"}, ipPacket(west, east, udp, ports(123, 123, 0)...), false},
		{"NTP over TCP is not", []string{"ignore udp port 123"}, ipPacket(west, east, tcp, ports(40000, 123, 2)...), true},
		{"behind a header of options", []string{"ignore udp dst-port 123"}, ipPacket(west6, east6, hopByHop, behind...), false},
		{"the first rule decides", []string{"dial tcp port 445", "ignore tcp"}, ipPacket(west, east, tcp, ports(40000, 445, 2)...), true},
		{"then the second", []string{"dial tcp port 445", "ignore tcp"}, ipPacket(west, east, tcp, ports(40000, 80, 2)...), false},
		{"only what is named", []string{"dial tcp dst-port 440-450", "ignore"}, ipPacket(west, east, icmp, 8, 0, 0, 0), false},
		{"a port of the other side", []string{"ignore tcp src-port 445"}, ipPacket(west, east, tcp, ports(40000, 445, 2)...), true},
		{"a network", []string{"ignore src-net 10.1.0.0/24"}, ipPacket(west, east, icmp, 8, 0, 0, 0), false},
		{"the other one", []string{"ignore dst-net 10.1.0.0/24"}, ipPacket(west, east, icmp, 8, 0, 0, 0), true},
		{"either, by one address", []string{"ignore net 10.2.0.2"}, ipPacket(west, east, icmp, 8, 0, 0, 0), false},
		{"by number", []string{"ignore 89"}, ipPacket(west, east, 89, 0), false},
		{"multicast that is wanted", []string{"dial udp port 5353"}, ipPacket(west, "224.0.0.251", udp, ports(5353, 5353, 0)...), true},
		{"ports of a piece are not known", []string{"ignore tcp port 0"}, later, true},
	} {
		var f Filter
		for _, r := range tt.rules {
			rule, err := ParseRule(r)
			if err != nil {
				t.Fatalf("%s: %v", r, err)
			}
			f = append(f, rule)
		}
		if got := f.Counts(tt.pkt); got != tt.want {
			t.Errorf("%s: counts %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestNoRules(t *testing.T) {
	for _, s := range []string{"", "deny icmp", "ignore port", "ignore icmp port 1", "dial tcp port 450-445", "ignore udp port 123 456",
		"ignore tcp port 65536", "ignore net 10.1.0.1/16", "ignore frog", "ignore tcp frog 1", "dial 256"} {
		if r, err := ParseRule(s); err == nil {
			t.Errorf("%q is taken as %+v", s, r)
		}
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		pkt  []byte
		want string
	}{
		{ipPacket(west, east, tcp, ports(40000, 445, 2)...), "tcp 10.1.0.2:40000 10.2.0.2:445"},
		{ipPacket(west, east, icmp, 8, 0, 0, 0), "icmp 10.1.0.2 10.2.0.2"},
		{ipPacket(west6, east6, udp, ports(1, 53, 0)...), "udp [2001:db8:1::2]:1 [2001:db8:2::2]:53"},
		{ipPacket(west, east, 89, 0), "IP protocol 89 10.1.0.2 10.2.0.2"},
	} {
		p, _ := Parse(tt.pkt)
		if got := p.ProtocolName() + " " + p.Source() + " " + p.Destination(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestCountsDoesNotAllocate(t *testing.T) {
	rule, err := ParseRule("ignore udp src-net 10.9.0.0/16 port 123")
	if err != nil {
		t.Fatal(err)
	}
	f, pkt := Filter{rule}, ipPacket(west, east, tcp, ports(40000, 445, 2)...)
	if n := testing.AllocsPerRun(100, func() { f.Counts(pkt) }); n != 0 && !race.Enabled {
		t.Errorf("%v allocations", n)
	}
}

// Whatever is in a packet: what follows it changes nothing, what is cut off makes
// it no packet, a rule for all decides alone, and groups never count by themselves.
func FuzzCounts(f *testing.F) {
	f.Add(ipPacket(west, east, tcp, ports(40000, 445, 2)...), "ignore udp port 123")
	f.Add(ipPacket(west6, east6, hopByHop, slices.Concat([]byte{udp, 0, 1, 4, 0, 0, 0, 0}, ports(1, 123, 0))...), "dial net 10.0.0.0/8")
	f.Add(ipPacket(west, "224.0.0.22", igmp, 0x22), "ignore 89")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		p, ok := Parse(b)
		counts := Filter(nil).Counts(b)
		if !ok && counts {
			t.Error("no packet, and counts")
		}
		if padded := append(slices.Clone(b), 1, 2, 3); ok && Filter(nil).Counts(padded) != counts {
			t.Error("padding changes what counts")
		}
		if counts && p.Dst.IsMulticast() {
			t.Error("a group counts")
		}
		for _, dial := range []bool{false, true} {
			if got := (Filter{{Dial: dial}}).Counts(b); got != (ok && dial) {
				t.Errorf("a rule for all says %v, and %v came of it", dial, got)
			}
		}
		if r, err := ParseRule(text); err == nil {
			if got := (Filter{r}).Counts(b); ok && r.fits(&p) && got != r.Dial {
				t.Errorf("%q fits, and %v came of it", text, got)
			}
		}
	})
}
