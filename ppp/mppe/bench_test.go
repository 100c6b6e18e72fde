package mppe

import (
	"crypto/rc4"
	"fmt"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
)

const benchLen = 1400

// Traffic is packets to seal or to open, again and again.
type traffic struct {
	from, to *Coder
	pkts     []*packet.Buffer
}

func newTraffic(t testing.TB, n int, stateful bool) *traffic {
	l := new(traffic)
	l.from, l.to = oneWay(key{1}, stateful)
	for range n {
		l.pkts = append(l.pkts, buffer(t, ipPacket(0, benchLen-2)))
	}
	return l
}

// seal leaves the packets as they were, but for their bytes.
func (l *traffic) seal() {
	l.from.Seal(l.pkts)
	for _, b := range l.pkts {
		b.TrimFront(headerLen)
	}
}

func (l *traffic) open(t testing.TB) {
	out, err := l.to.Open(l.pkts)
	if err != nil || len(out) != len(l.pkts) {
		t.Fatalf("%d of %d opened, %v, %v", len(out), len(l.pkts), err, l.to.Counters())
	}
}

// TestDataPathDoesNotAllocate, on a good line and on one with loss and noise.
func TestDataPathDoesNotAllocate(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		l := newTraffic(t, 63, stateful)
		if n := testing.AllocsPerRun(100, func() {
			l.from.Seal(l.pkts)
			l.open(t)
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

func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{1, packet.BatchLen} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			l := newTraffic(b, n, false)
			measure(b, n, l.seal)
		})
	}
}

// BenchmarkOpen opens the same packets again and again: the receiver is put back
// to where it was each time.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{1, packet.BatchLen} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			l := newTraffic(b, n, false)
			l.from.Seal(l.pkts)
			wires := make([][]byte, n)
			for i := range wires {
				wires[i] = append(wires[i], l.pkts[i].Bytes()...)
			}
			start := l.to.receive.chain
			measure(b, n, func() {
				for i, p := range l.pkts {
					p.Set(wires[i])
				}
				l.to.receive.chain, l.to.receive.n = start, 0
				l.open(b)
			})
		})
	}
}

// BenchmarkStateful is for comparison: no key change but every 256th time.
func BenchmarkStateful(b *testing.B) {
	l := newTraffic(b, packet.BatchLen, true)
	measure(b, packet.BatchLen, l.seal)
}

// BenchmarkBare is what the standard library takes for the bytes of a packet and
// two key schedules: the measure for the others.
func BenchmarkBare(b *testing.B) {
	p := pattern(benchLen)
	k := key{1}
	measure(b, 1, func() {
		change, err := rc4.NewCipher(k[:])
		if err != nil {
			b.Fatal(err)
		}
		change.XORKeyStream(k[:], k[:])
		c, err := rc4.NewCipher(k[:])
		if err != nil {
			b.Fatal(err)
		}
		c.XORKeyStream(p, p)
	})
}

// measure reports the time of one packet of n.
func measure(b *testing.B, n int, f func()) {
	b.SetBytes(int64(n * benchLen))
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet")
}
