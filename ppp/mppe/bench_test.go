package mppe

import (
	"bytes"
	"crypto/rc4"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/internal/turns"
)

const benchLen = 1400

// Traffic is packets to seal or to open, again and again.
type traffic struct {
	from, to *Coder
	pkts     []*packet.Buffer
}

func newTraffic(t testing.TB, size, n int, stateful bool) *traffic {
	l := new(traffic)
	l.from, l.to = oneWay(key{1}, stateful)
	for range n {
		l.pkts = append(l.pkts, buffer(t, ipPacket(0, size-2)))
	}
	return l
}

// open opens n packets at a time.
func (l *traffic) open(t testing.TB, n int) {
	for pkts := range slices.Chunk(l.pkts, n) {
		if out, err := l.to.Open(pkts); err != nil || len(out) != len(pkts) {
			t.Fatalf("%d of %d opened, %v, %v", len(out), len(pkts), err, l.to.Counters())
		}
	}
}

// TestDataPathDoesNotAllocate, on a good line and on one with loss and noise.
func TestDataPathDoesNotAllocate(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		l := newTraffic(t, benchLen, 63, stateful)
		if n := testing.AllocsPerRun(100, func() {
			l.from.Seal(l.pkts)
			l.open(t, len(l.pkts))
		}); n != 0 && !race.Enabled {
			t.Errorf("stateful %v: Seal and Open allocate %v times", stateful, n)
		}
		work := make([]*packet.Buffer, len(l.pkts))
		if n := testing.AllocsPerRun(100, func() {
			copy(work, l.pkts)
			for _, b := range work {
				b.Reset()
				b.SetLen(benchLen)
			}
			l.from.Flush()
			l.from.Seal(work)
			work[60].Bytes()[2] ^= 0x40
			l.to.Open(work[:20])
			l.to.Open(work[40:])
		}); n != 0 && !race.Enabled {
			t.Errorf("stateful %v: they allocate %v times on a bad line", stateful, n)
		}
	}
}

// Lengths of a packet in benchmarks, from its protocol field on.
var benchLens = []int{benchLen, 64}

// BenchmarkSeal in stateless mode, packets alone and many of them at a time, and in
// stateful mode, where the key changes only every 256th time.
func BenchmarkSeal(b *testing.B) {
	for _, size := range benchLens {
		for _, n := range []int{1, packet.BatchLen} {
			b.Run(fmt.Sprintf("batch=%d/%d", n, size), func(b *testing.B) { sealing(b, size, n, false).Benchmark(b) })
		}
		b.Run(fmt.Sprintf("stateful/%d", size), func(b *testing.B) { sealing(b, size, packet.BatchLen, true).Benchmark(b) })
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range benchLens {
		for _, n := range []int{1, packet.BatchLen} {
			b.Run(fmt.Sprintf("batch=%d/%d", n, size), func(b *testing.B) { opening(b, size, n).Benchmark(b) })
		}
	}
}

// TestPaceBesideBareCipher is much more generous than what is measured, which is less
// than half: it is for mistakes that double the work, and for all processors.
func TestPaceBesideBareCipher(t *testing.T) {
	if race.Enabled {
		return // it slows ours down, and not the library's
	}
	const most = 1.0
	for name, p := range map[string]turns.Pair{
		"seal": sealing(t, benchLen, packet.BatchLen, false),
		"open": opening(t, benchLen, packet.BatchLen),
	} {
		if ratio := p.Ratio(most); ratio > most {
			t.Errorf("%s takes %.2f times what crypto/rc4 does, want at most %v", name, ratio, most)
		} else {
			t.Logf("%s takes %.2f times what crypto/rc4 does", name, ratio)
		}
	}
}

// sealing seals a full batch, n packets at a time.
func sealing(t testing.TB, size, n int, stateful bool) turns.Pair {
	l := newTraffic(t, size, packet.BatchLen, stateful)
	return turns.Pair{
		Ours: turns.Work{Do: func() {
			for pkts := range slices.Chunk(l.pkts, n) {
				l.from.Seal(pkts)
			}
			for _, b := range l.pkts {
				b.TrimFront(headerLen)
			}
		}},
		Measure: bare(l.pkts),
		Name:    "bare",
		Packets: len(l.pkts),
	}
}

// opening opens the same packets again and again: the receiver is put back to where
// it was each time.
func opening(t testing.TB, size, n int) turns.Pair {
	l := newTraffic(t, size, packet.BatchLen, false)
	l.from.Seal(l.pkts)
	var wires [][]byte
	for _, b := range l.pkts {
		wires = append(wires, bytes.Clone(b.Bytes()))
	}
	start := l.to.receive.chain
	arrive := func() {
		for i, b := range l.pkts {
			b.Set(wires[i])
		}
		l.to.receive.chain, l.to.receive.n = start, 0
	}
	return turns.Pair{
		Ours: turns.Work{Around: arrive, Do: func() {
			arrive()
			l.open(t, n)
		}},
		Measure: bare(l.pkts),
		Name:    "bare",
		Packets: len(l.pkts),
	}
}

// made keeps the compiler from leaving out what bare makes.
var made *rc4.Cipher

// bare is crypto/rc4 on the same octets with two key schedules a packet: one is of
// the key change. It has a new object for every key, which is taken off, since
// nothing else would be compared.
func bare(pkts []*packet.Buffer) turns.Work {
	k := key{1}
	schedule := func() (err error) {
		made, err = rc4.NewCipher(k[:])
		return err
	}
	return turns.Work{
		Do: func() {
			for _, b := range pkts {
				if err := errors.Join(schedule(), schedule()); err != nil {
					panic(err)
				}
				made.XORKeyStream(b.Bytes(), b.Bytes())
			}
		},
		Around: func() {
			for range 2 * len(pkts) {
				made = new(rc4.Cipher)
			}
		},
	}
}
