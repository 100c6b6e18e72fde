package cipx

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func buffer(b []byte) *packet.Buffer {
	p := new(packet.Buffer)
	p.Set(b)
	return p
}

// end is one end of a link, in a test.
type end struct {
	*Codec
	replies [][]byte
}

func newEnd(send, receive Config) *end { return &end{Codec: NewCodec(send, receive)} }

// out returns what goes over the line for pkt.
func (e *end) out(pkt []byte) []byte {
	p := buffer(pkt)
	e.Out([]*packet.Buffer{p})
	return bytes.Clone(p.Bytes())
}

// in returns the packet that comes of what the line brought; nil: none.
func (e *end) in(b []byte) []byte {
	pkts := e.In([]*packet.Buffer{buffer(b)}, func(p *packet.Buffer) { e.replies = append(e.replies, bytes.Clone(p.Bytes())) })
	if len(pkts) == 0 {
		return nil
	}
	return bytes.Clone(pkts[0].Bytes())
}

// takeReplies returns what is to go back.
func (e *end) takeReplies() (r [][]byte) { r, e.replies = e.replies, nil; return r }

// pkt makes a packet of flow n; its data begins with text.
func pkt(n byte, text string) []byte {
	return ipx.AppendPacket(nil, ipx.Header{Type: ipx.TypePEP, Hops: 1,
		Dst: ipx.Addr{Network: 0x5EA1, Node: ipx.ServerNode, Socket: 0x4000 + ipx.Socket(n)},
		Src: ipx.Addr{Network: 0xBEEF, Node: ipx.Node{2, 5: 9}, Socket: 0x5000},
	}, []byte(text))
}

// ncp makes an NCP packet: the octets of its header, then text.
func ncp(kind uint16, seq, low, task, high byte, text string) []byte {
	head := binary.BigEndian.AppendUint16(nil, kind)
	head = append(head, seq, low, task, high)
	return ipx.AppendPacket(nil, ipx.Header{Type: ipx.TypeNCP,
		Dst: ipx.Addr{Network: 0x5EA1, Node: ipx.ServerNode, Socket: ipx.SocketNCP},
		Src: ipx.Addr{Network: 0xBEEF, Node: ipx.Node{2, 5: 9}, Socket: 0x4003},
	}, append(head, text...))
}

func withChecksum(b []byte, sum uint16) []byte {
	binary.BigEndian.PutUint16(b, sum)
	return b
}

func want(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: % x, want % x", what, got, want)
	}
}

// pair returns both ends of a link.
func pair(cfg Config) (a, b *end) { return newEnd(cfg, cfg), newEnd(cfg, cfg) }

// fill brings the header of p's flow over, in slot n.
func fill(t *testing.T, a, b *end, p []byte) {
	t.Helper()
	want(t, "initial", b.in(a.out(p)), p)
	for _, r := range b.takeReplies() {
		if a.in(r) != nil {
			t.Fatal("a confirm is no packet")
		}
	}
}

// TestPacketTypes is each type on the wire, octet for octet.
func TestPacketTypes(t *testing.T) {
	a, b := pair(Config{Slots: 2})
	a.Codec.out.slots[0].id = 0x41
	one := pkt(1, "first")

	line := a.out(one)
	want(t, "Confirmed Initial", line, append([]byte{0x03, 0x00, 0x42}, one...))
	want(t, "it holds", b.in(line), one)
	r := b.takeReplies()
	want(t, "Confirm", r[0], []byte{0x05, 0x00, 0x42})

	want(t, "not confirmed yet", a.out(one), append([]byte{0x03, 0x00, 0x42}, one...))
	a.in(r[0])
	line = a.out(pkt(1, "second"))
	want(t, "Compressed", line, append([]byte{0x80, 0x00}, "second"...))
	want(t, "it stands for", b.in(line), pkt(1, "second"))

	line = a.out(withChecksum(pkt(1, "third"), 0x1234))
	want(t, "Compressed, with checksum", line, append([]byte{0xC0, 0x00, 0x12, 0x34}, "third"...))
	want(t, "it stands for", b.in(line), withChecksum(pkt(1, "third"), 0x1234))

	want(t, "Compressed, no data", a.out(pkt(1, "")), []byte{0x80, 0x00})
	want(t, "the other slot", a.out(pkt(2, ""))[:2], []byte{0x03, 0x01})
	want(t, "Regular, no slot is free", a.out(pkt(3, "x")), append([]byte{0x01}, pkt(3, "x")...))
	want(t, "it holds", b.in(a.out(pkt(3, "x"))), pkt(3, "x"))
	want(t, "without a CIPX header", b.in(pkt(3, "y")), pkt(3, "y"))

	if b.in([]byte{0x0B, 0, 0}) != nil {
		t.Error("type 11 was passed")
	}
	want(t, "Reject", b.takeReplies()[0], []byte{0x09, 0x0B})
	if d := b.Stats().In.Dropped; d != (Drops{UnknownType: 1}) {
		t.Errorf("dropped %+v", d)
	}
}

func TestNCP(t *testing.T) {
	a, b := pair(Config{Slots: 4, NCP: true})
	for i, c := range []struct {
		name string
		pkt  []byte
		line []byte // nil: whole, behind 07 and slot
		slot byte
	}{
		{"the first of a session", ncp(0x2222, 254, 1, 2, 0, "a"), nil, 0},
		{"the next", ncp(0x2222, 255, 1, 2, 0, "b"), unhex("80 00 62"), 0},
		{"the count wraps", ncp(0x2222, 0, 1, 2, 0, "c"), unhex("80 00 63"), 0},
		{"another task", ncp(0x2222, 1, 1, 7, 0, "d"), unhex("90 00 07 64"), 0},
		{"the same task", ncp(0x2222, 2, 1, 7, 0, "e"), unhex("80 00 65"), 0},
		{"with a checksum and another task", withChecksum(ncp(0x2222, 3, 1, 8, 0, "f"), 0xABCD), unhex("d0 00 abcd 08 66"), 0},
		{"sent again", ncp(0x2222, 3, 1, 8, 0, "f"), nil, 0},
		{"one left out", ncp(0x2222, 5, 1, 8, 0, "g"), nil, 0},
		{"replies have a slot of their own", ncp(0x3333, 5, 1, 8, 0, "\x00\x00"), nil, 1},
		{"another connection", ncp(0x2222, 6, 2, 8, 0, "h"), nil, 2},
		{"another connection, by the high octet", ncp(0x2222, 6, 1, 8, 1, "i"), nil, 3},
		{"no data", ncp(0x2222, 6, 1, 8, 0, ""), unhex("80 00"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := a.out(c.pkt)
			if c.line == nil {
				c.line = append([]byte{0x07, c.slot}, c.pkt...)
			}
			want(t, "on the line", line, c.line)
			want(t, "arrived", b.in(line), c.pkt)
		})
		if len(b.replies) != 0 {
			t.Fatalf("%d: an NCP slot was confirmed", i)
		}
	}
}

// TestNCPIsOffByDefault, and what is neither request nor reply is never treated so.
func TestNCPIsOffByDefault(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		pkt  []byte
	}{
		{"request", Config{Slots: 4}, ncp(0x2222, 1, 1, 1, 0, "")},
		{"create connection", Config{Slots: 4, NCP: true}, ncp(0x1111, 1, 1, 1, 0, "")},
		{"burst", Config{Slots: 4, NCP: true}, ncp(0x7777, 1, 1, 1, 0, "")},
		{"watchdog", Config{Slots: 4, NCP: true}, ncp(0x2222, 1, 1, 1, 0, "")[:32]},
	} {
		t.Run(c.name, func(t *testing.T) {
			binary.BigEndian.PutUint16(c.pkt[2:], uint16(len(c.pkt)))
			a, b := pair(c.cfg)
			if line := a.out(c.pkt); line[0] != typeConfirmed {
				t.Errorf("sent as % x", line)
			} else {
				want(t, "arrived", b.in(line), c.pkt)
			}
		})
	}
}

func TestSlotLeftOut(t *testing.T) {
	a, b := pair(Config{Slots: 4, CompressSlotID: true})
	fill(t, a, b, pkt(1, ""))
	fill(t, a, b, pkt(2, ""))
	for _, c := range []struct {
		name string
		pkt  []byte
		line string
	}{
		{"after an initial", pkt(1, "a"), "80 00 61"},
		{"the same", pkt(1, "b"), "00 62"},
		{"another", pkt(2, "c"), "80 01 63"},
		{"and back", pkt(1, "d"), "80 00 64"},
		{"with a checksum", withChecksum(pkt(1, "e"), 0x0102), "40 0102 65"},
	} {
		line := a.out(c.pkt)
		want(t, c.name, line, unhex(c.line))
		want(t, c.name, b.in(line), c.pkt)
	}
	t.Run("a loss that the link tells of", func(t *testing.T) {
		line := a.out(pkt(1, "f"))
		want(t, "on the line", line, unhex("00 66"))
		b.Lost()
		if got := b.in(line); got != nil || b.Stats().In.Dropped.NoSlot != 1 {
			t.Errorf("arrived as % x, %+v", got, b.Stats().In.Dropped)
		}
	})
	t.Run("never, where we did not allow it", func(t *testing.T) {
		a, b := newEnd(Config{Slots: 4, CompressSlotID: true}, Config{}), newEnd(Config{Slots: 4}, Config{Slots: 4})
		fill(t, a, b, pkt(1, ""))
		b.in(a.out(pkt(1, "a")))
		if got := b.in(a.out(pkt(1, "b"))); got != nil {
			t.Errorf("arrived as % x", got)
		}
	})
}

func TestLength(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string
	}{
		{0, "00"}, {30, "1e"}, {127, "7f"}, {128, "8080"}, {576, "8240"}, {16383, "bfff"}, {16384, "c04000"}, {65535, "c0ffff"},
	} {
		b := appendLength(nil, c.n)
		want(t, "encoded", b, unhex(c.want))
		n, rest, ok := cutLength(append(b, 0xEE))
		if n != c.n || !ok || len(rest) != 1 {
			t.Errorf("%s is %d, %v, with % x behind it", c.want, n, ok, rest)
		}
	}
	for _, bad := range []string{"", "80", "c0", "c001", "c10000", "ff0000"} {
		if n, _, ok := cutLength(unhex(bad)); ok {
			t.Errorf("%s is %d", bad, n)
		}
	}
}

// TestPaddedLink: a packet tells its length where the link does not keep it.
func TestPaddedLink(t *testing.T) {
	a, b := pair(Config{Slots: 4})
	fill(t, a, b, pkt(1, ""))
	for _, c := range []struct{ name, line, data string }{
		{"padding cut off", "a0 00 21 616263 0000", "abc"},
		{"two octets", "a0 00 8021 616263 00", "abc"},
		{"three octets", "a0 00 c00021 616263", "abc"},
		{"no data", "a0 00 1e 00", ""},
	} {
		want(t, c.name, b.in(unhex(c.line)), pkt(1, c.data))
	}
	for _, bad := range []string{"a0 00 1d", "a0 00 1f", "a0 00 00", "a0 00 c0ffff 61"} {
		if got := b.in(unhex(bad)); got != nil {
			t.Errorf("%s is % x", bad, got)
		}
	}
	if d := b.Stats().In.Dropped; d.BadLength != 4 {
		t.Errorf("%+v", d)
	}
	long := append(pkt(1, "abc"), 0, 0) // octets behind the end must arrive
	want(t, "with octets behind its end", b.in(a.out(long)), long)
}

// TestDrops is each reason that a packet goes no further.
func TestDrops(t *testing.T) {
	whole := string(pkt(1, "x"))
	for _, c := range []struct {
		name, line string
		want       Drops
		reply      string
	}{
		{"nothing", "", Drops{Truncated: 1}, ""},
		{"slot missing", "\x80", Drops{Truncated: 1}, ""},
		{"checksum cut", "\xc0\x00\x01", Drops{Truncated: 1}, ""},
		{"length missing", "\xa0\x00", Drops{Truncated: 1}, ""},
		{"task missing", "\x90\x00", Drops{Truncated: 1}, ""},
		{"empty slot", "\x80\x00", Drops{EmptySlot: 1}, "\x09\x80"},
		{"slot left out", "\x00abc", Drops{NoSlot: 1}, ""},
		{"slot too high", "\x80\x04", Drops{BadSlot: 1}, ""},
		{"task in an IPX slot", "\x90\x02\x01", Drops{UnknownType: 1}, "\x09\x90"},
		{"redefined bits", "\x82\x00", Drops{UnknownType: 1}, "\x09\x82"},
		{"regular with flags", "\x11" + whole, Drops{UnknownType: 1}, "\x09\x11"},
		{"regular, empty", "\x01", Drops{NotIPX: 1}, ""},
		{"regular, cut", "\x01" + whole[:30], Drops{NotIPX: 1}, ""},
		{"plain, cut", whole[:30], Drops{NotIPX: 1}, ""},
		{"another protocol's initial", "\x13\x00\x00" + whole, Drops{UnknownType: 1}, "\x09\x13"},
		{"initial without ID", "\x03\x00", Drops{Truncated: 1}, ""},
		{"initial, slot too high", "\x03\x04\x00" + whole, Drops{BadSlot: 1}, ""},
		{"initial, cut", "\x03\x00\x00" + whole[:30], Drops{NotIPX: 1}, ""},
		{"unconfirmed without slot", "\x07", Drops{Truncated: 1}, ""},
		{"unconfirmed, slot too high", "\x07\x04" + string(ncp(0x2222, 1, 1, 1, 0, "")), Drops{BadSlot: 1}, ""},
		{"unconfirmed, not NCP", "\x07\x00" + whole, Drops{NotNCP: 1}, ""},
		{"unconfirmed, NCP behind the end", "\x07\x00" + whole + "\x22\x22123456", Drops{NotNCP: 1}, ""},
		{"confirm of nothing", "\x05\x00\x00", Drops{Stale: 1}, ""},
		{"long confirm", "\x05\x00\x00\x00", Drops{UnknownType: 1}, "\x09\x05"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, b := pair(Config{Slots: 4})
			b.in(append([]byte{3, 2, 0}, whole...))
			b.takeReplies()
			if got := b.in([]byte(c.line)); got != nil {
				t.Errorf("arrived as % x", got)
			}
			var reply string
			for _, r := range b.takeReplies() {
				reply += string(r)
			}
			if d := b.Stats().In.Dropped; d != c.want || reply != c.reply {
				t.Errorf("dropped %+v, answered % x", d, reply)
			}
		})
	}
}

// TestOneDirection: where the peer takes nothing in, its packets are as they were,
// and ours to it too; what it says about our own is still heard.
func TestOneDirection(t *testing.T) {
	a, b := newEnd(Config{Slots: 4}, Config{}), newEnd(Config{}, Config{Slots: 4})
	fill(t, a, b, pkt(1, ""))
	if line := a.out(pkt(1, "x")); len(line) != 3 {
		t.Errorf("sent as % x", line)
	}
	for _, sum := range []uint16{0xFFFF, 0x0500, 0x0900, 0x0100, 0x0307, 0x8000} {
		p := withChecksum(pkt(2, "back"), sum)
		want(t, "as it is", b.out(p), p)
		want(t, "arrived", a.in(p), p)
	}
}

// TestChecksums: any checksum arrives as it was sent, whatever the slot was filled with.
func TestChecksums(t *testing.T) {
	for _, first := range []uint16{0xFFFF, 0, 0x1234, 0xFF00} {
		a, b := pair(Config{Slots: 4})
		fill(t, a, b, withChecksum(pkt(1, "x"), first))
		for _, sum := range []uint16{0xFFFF, 0, 0x1234, 0xFF00} {
			p := withChecksum(pkt(1, "abc"), sum)
			line := a.out(p)
			if line[0]&typeMask != typeCompressed {
				t.Fatalf("sent as % x", line)
			}
			want(t, "arrived", b.in(line), p)
		}
	}
}

// TestMTU: what would become too long goes with less in front, or nothing.
func TestMTU(t *testing.T) {
	p := pkt(1, "abcd") // 34 octets
	for _, c := range []struct {
		mtu  int
		head string
	}{{37, "03"}, {36, "01"}, {35, "01"}, {34, ""}, {33, ""}} {
		a, b := newEnd(Config{Slots: 4, MTU: c.mtu}, Config{}), newEnd(Config{}, Config{Slots: 4})
		line := a.out(p)
		if c.head == "" {
			want(t, "without a header", line, p)
		} else {
			want(t, "type", line[:1], unhex(c.head))
		}
		want(t, "arrived", b.in(line), p)
	}
}

// TestImpatience: a peer that never confirms costs little, and may still.
func TestImpatience(t *testing.T) {
	a, b := pair(Config{Slots: 4})
	initials := 0
	for range 1000 {
		if a.out(pkt(1, ""))[0] == typeConfirmed {
			initials++
		}
	}
	if initials < 20 || initials > 40 {
		t.Errorf("%d initials of 1000 packets", initials)
	}
	for a.out(pkt(1, ""))[0] != typeConfirmed {
	}
	for range seldom {
		b.in(a.out(pkt(1, "x")))
	}
	for _, r := range b.takeReplies() {
		a.in(r)
	}
	if line := a.out(pkt(1, "")); line[0] != hasSlot {
		t.Errorf("confirmed at last, sent as % x", line)
	}
}

// TestRejects: what the peer does not understand is not sent again.
func TestRejects(t *testing.T) {
	t.Run("confirmed initial", func(t *testing.T) {
		a, _ := pair(Config{Slots: 4})
		a.out(pkt(1, ""))
		a.in([]byte{9, 3})
		if line := a.out(pkt(1, "")); line[0] != typeRegular {
			t.Errorf("sent as % x", line)
		}
	})
	t.Run("unconfirmed initial", func(t *testing.T) {
		a, b := pair(Config{Slots: 4, NCP: true})
		a.out(ncp(0x2222, 1, 1, 1, 0, ""))
		a.in([]byte{9, 7})
		fill(t, a, b, ncp(0x2222, 2, 1, 1, 0, ""))
		if line := a.out(ncp(0x2222, 3, 1, 1, 0, "")); line[0] != hasSlot || len(line) != 8 {
			t.Errorf("sent as % x", line)
		}
	})
	t.Run("compressed: the peer lost its slots", func(t *testing.T) {
		a, b := pair(Config{Slots: 4})
		fill(t, a, b, pkt(1, ""))
		b = newEnd(Config{}, Config{Slots: 4})
		lost := 0
		for range 10 {
			if b.in(a.out(pkt(1, "x"))) == nil {
				lost++
			}
			for _, r := range b.takeReplies() {
				a.in(r)
			}
		}
		if lost != 1 || a.Stats().Out.Rejected != 1 {
			t.Errorf("%d packets lost, %+v", lost, a.Stats().Out)
		}
	})
	t.Run("a peer that rejects without end", func(t *testing.T) {
		a, b := pair(Config{Slots: 4})
		for range 30 {
			fill(t, a, b, pkt(1, ""))
			a.out(pkt(1, ""))
			a.in([]byte{9, 0x80})
		}
		if line := a.out(pkt(1, "")); line[0] != typeRegular {
			t.Errorf("sent as % x", line)
		}
	})
}

// TestStaleConfirm is about a header that the slot had before.
func TestStaleConfirm(t *testing.T) {
	a, b := pair(Config{Slots: 1, Quiet: 1})
	b.in(a.out(pkt(1, "")))
	old := b.takeReplies()[0]
	for range 2 {
		a.out(pkt(2, ""))
	}
	if line := a.out(pkt(2, "")); line[0] != typeConfirmed || line[2] == old[2] {
		t.Fatalf("sent as % x", line)
	}
	a.in(old)
	if line := a.out(pkt(2, "")); line[0] != typeConfirmed {
		t.Errorf("sent as % x", line)
	}
	if a.Stats().In.Dropped.Stale != 1 {
		t.Errorf("%+v", a.Stats().In)
	}
}
