// Package turns is for benchmarks that set our code beside a measure, such as a bare
// cipher. The two run in turn, in many short rounds, of which the lower quartile
// counts: what else the machine does falls on both, and on few rounds that count.
package turns

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// A Work is what is measured.
type Work struct {
	Do func()
	// Around is the part of Do that is not meant, such as putting packets back to
	// what they were. It takes turns too, and its time is taken off. Nil: nothing.
	Around func()
}

// A Pair is our work and its measure, if it has one.
type Pair struct {
	Ours, Measure Work
	Name          string // of the measure: "bare"
	Packets       int    // that each of them does
}

// rounds is how many are remembered of a long benchmark: the last ones.
const rounds = 4096

// took is how long one function took, round by round.
type took struct {
	times []time.Duration
	n     int
}

func newTook() *took { return &took{times: make([]time.Duration, 0, rounds)} }

func (t *took) run(f func()) {
	began := time.Now()
	if f != nil {
		f()
	}
	d := time.Since(began)
	if t.n++; len(t.times) < rounds {
		t.times = append(t.times, d)
	} else {
		t.times[t.n%rounds] = d
	}
}

func (t *took) quartile() float64 {
	s := slices.Sorted(slices.Values(t.times))
	return float64(s[len(s)/4])
}

// A contest is all that runs in turn.
type contest struct {
	Pair
	ours, around, measure, measureAround *took
}

func (p Pair) contest() *contest { return &contest{p, newTook(), newTook(), newTook(), newTook()} }

func (c *contest) round() {
	c.ours.run(c.Ours.Do)
	c.measure.run(c.Measure.Do)
	c.around.run(c.Ours.Around)
	c.measureAround.run(c.Measure.Around)
}

// perPacket returns the nanoseconds that a packet costs on both sides.
func (c *contest) perPacket() (ours, measure float64) {
	n := float64(c.Packets)
	return (c.ours.quartile() - c.around.quartile()) / n, (c.measure.quartile() - c.measureAround.quartile()) / n
}

// Benchmark reports what a packet costs on both sides, and how many times the
// measure ours is. The allocations are ours alone, for all packets together.
func (p Pair) Benchmark(b *testing.B) {
	octets, objects := allocated(p.Ours.Do)
	c := p.contest()
	for b.Loop() {
		c.round()
	}
	ours, measure := c.perPacket()
	b.ReportAllocs()
	b.ReportMetric(0, "ns/op") // of both sides
	b.ReportMetric(ours, "ns/packet")
	if p.Measure.Do != nil {
		b.ReportMetric(measure, p.Name+"-ns/packet")
		b.ReportMetric(ours/measure, "ratio")
	}
	b.ReportMetric(octets, "B/op")
	b.ReportMetric(objects, "allocs/op")
}

// allocated returns what f allocates each time.
func allocated(f func()) (octets, objects float64) {
	const times = 16
	f() // what is allocated once is
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64((after.TotalAlloc - before.TotalAlloc) / times), float64((after.Mallocs - before.Mallocs) / times)
}

// Ratio returns how many times the measure ours is, for a test that it is no more
// than most. On a machine that is busy with other things it tries a few times.
func (p Pair) Ratio(most float64) (ratio float64) {
	for range 10 {
		c := p.contest()
		for range 50 {
			c.round()
		}
		ours, measure := c.perPacket()
		if ratio = ours / measure; ratio <= most {
			break
		}
	}
	return ratio
}
