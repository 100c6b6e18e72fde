package ip

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

var (
	from4 = netip.MustParseAddr("10.255.0.2")
	from6 = netip.MustParseAddr("2001:db8::1")
)

func TestFragmentationNeeded(t *testing.T) {
	pkt := ipPacket("10.1.0.2", "10.2.0.2", 17, bytes.Repeat([]byte{0xaa}, 1400))
	v, _ := parse(pkt)
	got := appendTooBig([]byte("before"), pkt, v, 1300, from4)[len("before"):]
	if len(got) != 576 || !bytes.Equal(got[28:], pkt[:548]) {
		t.Fatalf("%d octets, want 576 with 548 of the packet", len(got))
	}
	if simpleSum(got[:20]) != 0xffff || simpleSum(got[20:]) != 0xffff {
		t.Errorf("checksums of % x are wrong", got[:28])
	}
	got[10], got[11], got[22], got[23] = 0, 0, 0, 0
	want := unhex(`
		45 c0 0240 0000 0000 40 01 0000 0aff0002 0a010002
		03 04 0000 0000 0514`)
	if !bytes.Equal(got[:28], want) {
		t.Errorf("got  % x\nwant % x", got[:28], want)
	}
}

func TestPacketTooBig(t *testing.T) {
	pkt := ipPacket("2001:db8:1::2", "2001:db8:2::2", 17, bytes.Repeat([]byte{0xaa}, 1400))
	v, _ := parse(pkt)
	got := appendTooBig(nil, pkt, v, 1300, from6)
	if len(got) != 1280 || !bytes.Equal(got[48:], pkt[:1232]) {
		t.Fatalf("%d octets, want 1280 with 1232 of the packet", len(got))
	}
	w, ok := parse(got)
	if sum := fold(add(pseudo(got, w, protoICMPv6, len(got)-40), got[40:])); !ok || sum != 0xffff {
		t.Errorf("checksum of % x: %04x", got[:48], sum)
	}
	got[42], got[43] = 0, 0
	want := unhex(`
		6000 0000 04d8 3a 40 20010db8000000000000000000000001 20010db8000100000000000000000002
		02 00 0000 00000514`)
	if !bytes.Equal(got[:48], want) {
		t.Errorf("got  % x\nwant % x", got[:48], want)
	}
}

func TestShortPacketIsQuotedWhole(t *testing.T) {
	pkt := ipPacket("10.1.0.2", "10.2.0.2", 17, make([]byte, 100))
	v, _ := parse(pkt)
	padded := append(bytes.Clone(pkt), 1, 2, 3)
	if got := appendTooBig(nil, padded, v, 68, from4); !bytes.Equal(got[28:], pkt) {
		t.Errorf("quoted % x, want % x", got[28:], pkt)
	}
}

func TestNoComplaint(t *testing.T) {
	data := make([]byte, 64)
	icmp := func(kind byte) []byte { b := bytes.Clone(data); b[0] = kind; return b }
	later := ipPacket("10.1.0.2", "10.2.0.2", 17, data)
	later[7] = 9
	for _, c := range []struct {
		name string
		pkt  []byte
		from netip.Addr
		sent bool
	}{
		{"UDP", ipPacket("10.1.0.2", "10.2.0.2", 17, data), from4, true},
		{"echo request", ipPacket("10.1.0.2", "10.2.0.2", 1, icmp(8)), from4, true},
		{"echo reply", ipPacket("10.1.0.2", "10.2.0.2", 1, icmp(0)), from4, true},
		{"unreachable", ipPacket("10.1.0.2", "10.2.0.2", 1, icmp(3)), from4, false},
		{"time exceeded", ipPacket("10.1.0.2", "10.2.0.2", 1, icmp(11)), from4, false},
		{"redirect", ipPacket("10.1.0.2", "10.2.0.2", 1, icmp(5)), from4, false},
		{"ICMP without a type", ipPacket("10.1.0.2", "10.2.0.2", 1, nil), from4, false},
		{"later piece", later, from4, false},
		{"from nowhere", ipPacket("0.0.0.0", "10.2.0.2", 17, data), from4, false},
		{"from loopback", ipPacket("127.0.0.1", "10.2.0.2", 17, data), from4, false},
		{"from a group", ipPacket("224.0.0.5", "10.2.0.2", 17, data), from4, false},
		{"from broadcast", ipPacket("255.255.255.255", "10.2.0.2", 17, data), from4, false},
		{"to a group", ipPacket("10.1.0.2", "224.0.0.5", 17, data), from4, false},
		{"to broadcast", ipPacket("10.1.0.2", "255.255.255.255", 17, data), from4, false},
		{"no address of our own", ipPacket("10.1.0.2", "10.2.0.2", 17, data), netip.Addr{}, false},
		{"IPv6 UDP", ipPacket("2001:db8:1::2", "2001:db8:2::2", 17, data), from6, true},
		{"IPv6 to a group", ipPacket("2001:db8:1::2", "ff0e::1", 17, data), from6, true},
		{"IPv6 echo request", ipPacket("2001:db8:1::2", "2001:db8:2::2", 58, icmp(128)), from6, true},
		{"IPv6 unreachable", ipPacket("2001:db8:1::2", "2001:db8:2::2", 58, icmp(1)), from6, false},
		{"IPv6 too big", ipPacket("2001:db8:1::2", "2001:db8:2::2", 58, icmp(2)), from6, false},
		{"IPv6 from nowhere", ipPacket("::", "2001:db8:2::2", 17, data), from6, false},
		{"IPv6 later piece", ipPacket("2001:db8:1::2", "2001:db8:2::2", 44, unhex("1100 0008 0000 0001 0000 0000")), from6, false},
		{"IPv6 with an IPv4 address of ours", ipPacket("2001:db8:1::2", "2001:db8:2::2", 17, data), from4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, ok := parse(c.pkt)
			if !ok {
				t.Fatal("not a packet")
			}
			if got := len(appendTooBig(nil, c.pkt, v, 1300, c.from)) > 0; got != c.sent {
				t.Errorf("sent %v, want %v", got, c.sent)
			}
		})
	}
}

// FuzzTooBig: a message is a right packet, about which no other is sent.
func FuzzTooBig(f *testing.F) {
	f.Add(ipPacket("10.1.0.2", "10.2.0.2", 17, make([]byte, 600)), uint16(576))
	f.Add(ipPacket("2001:db8:1::2", "2001:db8:2::2", 17, make([]byte, 1300)), uint16(1280))
	f.Fuzz(func(t *testing.T, pkt []byte, mtu uint16) {
		v, ok := parse(pkt)
		if !ok {
			return
		}
		from, longest := from4, longestICMP
		if v.version == 6 {
			from, longest = from6, longestICMPv6
		}
		got := appendTooBig(nil, pkt, v, int(mtu), from)
		if len(got) == 0 {
			return
		}
		w, ok := parse(got)
		if !ok || w.length != len(got) || len(got) > longest || w.destination(got) != v.source(pkt) || w.source(got) != from {
			t.Fatalf("% x is no answer to % x", got, pkt)
		}
		if got := binary.BigEndian.Uint16(got[w.transport+6:]); got != mtu { // the low half of ICMPv6's
			t.Errorf("MTU %d, want %d", got, mtu)
		}
		if len(appendTooBig(nil, got, w, int(mtu), from)) > 0 {
			t.Errorf("an error about an error: % x", got)
		}
	})
}

func TestLimiter(t *testing.T) {
	var l limiter
	now := time.Unix(1000, 0)
	count := func() (n int) {
		for range 1000 {
			if l.allow(now) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name string
		wait time.Duration
		want int
	}{
		{"burst", 0, icmpBurst},
		{"at once", 0, 0},
		{"after 100 ms", 100 * time.Millisecond, icmpPerSecond / 10},
		{"after an hour", time.Hour, icmpBurst},
		{"the clock went back", -time.Hour, 0},
	} {
		now = now.Add(c.wait)
		if got := count(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
