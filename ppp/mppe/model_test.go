package mppe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sitebridge/internal/packet"
)

// ipPacket is an IPv4 packet of n octets, as it stands inside, that says which
// one it is.
func ipPacket(number uint32, n int) []byte {
	b := pattern(2 + n)
	b[0], b[1] = 0x00, 0x21
	b[2] = 0x45
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	binary.BigEndian.PutUint32(b[6:], number)
	return b
}

// sealed returns n sealed packets; packet i is ipPacket(i, 60).
func sealed(t testing.TB, from *Coder, n int) [][]byte {
	t.Helper()
	wires := make([][]byte, n)
	for i := range wires {
		wires[i] = seal(t, from, ipPacket(uint32(i), 60))
	}
	return wires
}

// wantCounter compares one counter.
func wantCounter(t *testing.T, c *Coder, name string, want uint64) {
	t.Helper()
	got, known := c.Counters()[name]
	if !known || got != want {
		t.Errorf("%s is %d (known: %v), want %d", name, got, known, want)
	}
}

// wantEvents compares one event's count.
func wantEvents(t *testing.T, c *Coder, name string, want uint64) {
	t.Helper()
	got, known := c.Events()[name]
	if !known || got != want {
		t.Errorf("%s is %d (known: %v), want %d", name, got, known, want)
	}
}

// dropped is the sum of all reasons. Whoever reads Counters takes for one whatever
// is neither "sealed" nor "opened".
func dropped(c *Coder) (n uint64) {
	for name, count := range c.Counters() {
		if name != "sealed" && name != "opened" {
			n += count
		}
	}
	return n
}

// TestCountersArePackets: packets lost on the way and Reset-Requests are no drops.
func TestCountersArePackets(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		from, to := oneWay(key{1}, stateful)
		from.MayFlush(time.Unix(1, 0))
		given := uint64(0)
		for i := range 3000 {
			wire := seal(t, from, ipPacket(uint32(i), 60))
			if i%100 < 3 {
				continue // lost
			}
			open(t, to, wire)
			given++
			if to.OutOfStep() {
				from.Flush()
			}
		}
		opened, mended := to.Counters()["opened"], to.Events()["resynchronised"]
		if opened+dropped(to) != given || !stateful && opened != given || stateful && mended < 20 {
			t.Errorf("stateful %v: %d given, %v, %v", stateful, given, to.Counters(), to.Events())
		}
		if n := dropped(from); n != 0 {
			t.Errorf("stateful %v: who only sends has dropped %d: %v", stateful, n, from.Counters())
		}
		wantEvents(t, from, "reset_requests", 1)
	}
}

// TestStatelessModel: whatever a line loses, reorders and repeats, in batches of
// any size, what comes out is what the rule says: each packet that is not behind
// one that was opened, as it was sent.
func TestStatelessModel(t *testing.T) {
	for seed := range uint64(8) {
		dice := rand.New(rand.NewPCG(seed, 1))
		from, to := oneWay(key{byte(seed), 5}, false)
		line := disturbed(dice, sealed(t, from, 6000))
		var want, got []uint32
		next := uint32(0)
		for len(line) > 0 {
			n := min(1+dice.IntN(packet.BatchLen), len(line))
			var batch []*packet.Buffer
			for _, p := range line[:n] {
				batch = append(batch, buffer(t, p.wire))
				if p.number >= next {
					want, next = append(want, p.number), p.number+1
				}
			}
			line = line[n:]
			out, err := to.Open(batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range out {
				number := binary.BigEndian.Uint32(b.Bytes()[6:])
				if !bytes.Equal(b.Bytes(), ipPacket(number, 60)) {
					t.Fatalf("seed %d: packet %d came out changed", seed, number)
				}
				got = append(got, number)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: %d packets opened, want %d, or not the same", seed, len(got), len(want))
		}
	}
}

type numbered struct {
	number uint32
	wire   []byte
}

// disturbed is what a bad line makes of wires.
func disturbed(dice *rand.Rand, wires [][]byte) (line []numbered) {
	for i := 0; i < len(wires); i++ {
		roll := dice.Float64()
		if roll < 0.05 {
			continue
		} else if roll < 0.051 {
			i += dice.IntN(1500) // a long silence
			continue
		}
		line = append(line, numbered{uint32(i), wires[i]})
		if roll < 0.10 {
			line = append(line, line[len(line)-1])
		}
		if n := len(line); roll > 0.95 && n > 4 {
			back := 2 + dice.IntN(3)
			line[n-1], line[n-back] = line[n-back], line[n-1]
		}
	}
	return line
}

// A packet that is dropped stays dropped, and those after it do not suffer.
func TestStatelessDrops(t *testing.T) {
	for _, c := range []struct {
		name, counter string
		change        func(wire []byte) []byte
	}{
		{"nothing", "short", func([]byte) []byte { return nil }},
		{"one octet", "short", func(w []byte) []byte { return w[:1] }},
		{"a header only", "short", func(w []byte) []byte { return w[:2] }},
		{"bit D clear", "not_encrypted", func(w []byte) []byte { w[0] &^= 0x10; return w }},
		{"bit C set", "compressed", func(w []byte) []byte { w[0] |= 0x20; return w }},
		{"bit A clear", "not_flushed", func(w []byte) []byte { w[0] &^= 0x80; return w }},
		{"00FD inside", "nested", func(w []byte) []byte { w[3] ^= 0x21 ^ 0xfd; return w }},
		{"FD inside", "nested", func(w []byte) []byte { w[2] ^= 0xfd; return w }},
		{"LCP inside", "implausible", func(w []byte) []byte { w[2] ^= 0xc0; return w }},
		{"001F inside", "implausible", func(w []byte) []byte { w[3] ^= 0x21 ^ 0x1f; return w }},
		{"00FB inside", "implausible", func(w []byte) []byte { w[3] ^= 0x21 ^ 0xfb; return w }},
		{"0022 inside", "implausible", func(w []byte) []byte { w[3] ^= 0x21 ^ 0x22; return w }},
		{"half a protocol inside", "implausible", func(w []byte) []byte { return w[:3] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := oneWay(key{1}, false)
			wires := sealed(t, from, 4)
			if got := open(t, to, wires[0]); got == nil {
				t.Fatal("the first was dropped")
			}
			if got := open(t, to, c.change(bytes.Clone(wires[1]))); got != nil {
				t.Errorf("opened as % x", got)
			}
			wantCounter(t, to, c.counter, 1)
			for _, w := range wires[2:] {
				if open(t, to, w) == nil {
					t.Errorf("the next was dropped: %v", to.Counters())
				}
			}
		})
	}
}

// Bit B is about a history that nobody has.
func TestBitBIsIgnored(t *testing.T) {
	from, to := oneWay(key{1}, false)
	wire := sealed(t, from, 1)[0]
	wire[0] |= 0x40
	if open(t, to, wire) == nil {
		t.Error("dropped")
	}
}

// The protocol field inside may have one octet or two.
func TestBothFormsOfTheProtocolField(t *testing.T) {
	from, to := oneWay(key{1}, false)
	long := ipPacket(7, 40)
	for _, plain := range [][]byte{long, long[1:]} {
		if got := open(t, to, seal(t, from, plain)); !bytes.Equal(got, plain) {
			t.Errorf("opened as % x", got)
		}
	}
}

func TestOverhead(t *testing.T) {
	c, _ := oneWay(key{1}, false)
	for mru, want := range map[int]int{1500: 1496, 4: 0, 3: 0, 0: 0} {
		if got := c.MaxInner(mru); got != want {
			t.Errorf("MaxInner(%d) = %d, want %d", mru, got, want)
		}
	}
	plain := ipPacket(0, c.MaxInner(1500))
	if wire := seal(t, c, plain); len(wire) != 1500 || len(wire)-len(plain) != c.Overhead() {
		t.Errorf("%d octets became %d, overhead %d", len(plain), len(wire), c.Overhead())
	}
}

func TestLook(t *testing.T) {
	ipx := "ffff001e000000000000ffffffffffff"
	for _, c := range []struct {
		name, hex string
		n         int // of the packet
		want      look
	}{
		{"IPv4", "0021 45000014 0000", 22, credible},
		{"IPv4, one octet", "21 45000014 000000", 21, credible},
		{"IPv4, padded", "0021 45000014 0000", 60, credible},
		{"IPv4 longer than the packet", "0021 45000015 0000", 22, doubtful},
		{"IPv4 shorter than its header", "0021 45000013 0000", 22, doubtful},
		{"IPv4 of version 6", "0021 65000014 0000", 22, doubtful},
		{"IPv6", "0057 60000000 0008", 50, credible},
		{"IPv6 longer than the packet", "0057 60000000 0009", 50, doubtful},
		{"IPX", "002b" + ipx[:12], 32, credible},
		{"IPX, one octet", "2b" + ipx[:14], 31, credible},
		{"IPX shorter than its header", "002bffff001d0000", 32, doubtful},
		{"IPX longer than the packet", "002bffff001f0000", 32, doubtful},
		{"VJ", "002d 45000014 0000", 22, doubtful},
		{"00F9", "00f9 45000014 0000", 22, doubtful},
		{"one octet of IP", "21", 1, doubtful},
		{"00FB", "00fb 45000014 0000", 22, nonsense},
		{"001F", "1f 45000014 000000", 21, nonsense},
		{"even", "0022 45000014 0000", 22, nonsense},
		{"zero", "0000", 2, nonsense},
		{"half", "00", 1, nonsense},
		{"IPCP", "8021 01010004 0000", 8, nonsense},
		{"LCP", "c021 01010004 0000", 8, nonsense},
		{"address and control", "ff03 002145000000", 30, nonsense},
		{"encrypted", "00fd 90004500 0000", 22, nested},
		{"encrypted, one octet", "fd 9000450000 0000", 21, nested},
	} {
		if got := lookAt(unhex(t, c.hex), c.n); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		h    header
		n    uint64
		want int64
	}{
		{0, 0, 0}, {1, 0, 1}, {0, 1, -1}, {2047, 0, 2047}, {2048, 0, -2048}, {4095, 0, -1},
		{0, 4095, 1}, {0, 4096, 0}, {4095, 4096, -1}, {2046, 4095, 2047}, {2047, 4095, -2048},
		{0x9005, 5, 0}, {0xf005, 1 << 40, 5},
	} {
		if got := c.h.distance(c.n); got != c.want {
			t.Errorf("count %d is %d ahead of packet %d, want %d", c.h&countMask, got, c.n, c.want)
		}
	}
}

// The ladder's keys are those of the chain, whatever was looked at before.
func TestLadder(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var walk chain
	walk.init(key{9})
	keys := []key{walk.session}
	for range 9000 {
		walk.change()
		keys = append(keys, walk.session)
	}
	var l ladder
	l.init(key{9})
	for l.n+2048 < uint64(len(keys)) {
		n := l.n + 1 + uint64(dice.IntN(2048))
		before := l.session
		k, changes := l.ahead(n)
		if k != keys[n] || l.session != before {
			t.Fatalf("key %d seen from %d is wrong, or the ladder moved", n, l.n)
		}
		if changes > 2048 {
			t.Fatalf("%d changes for one look", changes)
		}
		if again, changes := l.ahead(n); again != k || changes >= rungEvery {
			t.Fatalf("the second look at key %d from %d took %d changes", n, l.n, changes)
		}
		switch dice.IntN(10) {
		case 0:
			l.jump(n, k)
		default:
			l.next()
		}
		if l.session != keys[l.n] {
			t.Fatalf("key %d is wrong", l.n)
		}
	}
}
