package gre

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// starts are first sequence numbers: the RFC's, Linux's, and around both wraps.
var starts = []uint32{0, 1, 1 << 20, 1<<31 - 3, 1 << 31, 1<<32 - 3, 1<<32 - 1}

// A windowTest feeds a window packets numbered from a start.
type windowTest struct {
	window
	start uint32
	now   time.Time
	got   []int // delivered, relative to start
}

func newWindowTest(size int, start uint32) *windowTest {
	w := &windowTest{start: start, now: time.Unix(1e9, 0)}
	w.init(size, 30*time.Millisecond)
	return w
}

func (w *windowTest) accept(seqs ...int) {
	for _, s := range seqs {
		seq := w.start + uint32(s)
		w.window.accept(seq, buffer(binary.BigEndian.AppendUint32(nil, seq)), w.now)
		w.collect()
	}
}

func (w *windowTest) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.expire(w.now)
	w.collect()
}

func (w *windowTest) collect() {
	for _, b := range w.ready {
		w.got = append(w.got, int(int32(binary.BigEndian.Uint32(b.Bytes())-w.start)))
	}
	w.recycle()
}

func TestWindow(t *testing.T) {
	const size = 4
	for _, c := range []struct {
		name     string
		size     int
		in, want []int
		tally    tally
	}{
		{name: "in order", size: size, in: []int{0, 1, 2, 3}, want: []int{0, 1, 2, 3}},
		{name: "swapped", size: size, in: []int{0, 2, 1, 3}, want: []int{0, 1, 2, 3}, tally: tally{reordered: 1, held: 1}},
		{name: "backwards", size: size, in: []int{0, 5, 4, 3, 2, 1}, want: []int{0, 1, 2, 3, 4, 5}, tally: tally{reordered: 4, held: 4}},
		{name: "duplicates", size: size, in: []int{0, 0, 1, 1, 0}, want: []int{0, 1}, tally: tally{duplicate: 3}},
		{name: "duplicate of a held one", size: size, in: []int{0, 2, 2, 1}, want: []int{0, 1, 2}, tally: tally{reordered: 1, held: 1, duplicate: 1}},
		{name: "gap waits", size: size, in: []int{0, 2, 3}, want: []int{0}, tally: tally{held: 2}},
		{name: "window full: the oldest gap is given up", size: size, in: []int{0, 2, 3, 4, 6}, want: []int{0, 2, 3, 4},
			tally: tally{held: 4, lost: 1}},
		{name: "packet beyond the window", size: size, in: []int{0, 2, 50}, want: []int{0, 2}, tally: tally{held: 2, lost: 44}},
		{name: "late after giving up", size: size, in: []int{0, 2, 3, 4, 6, 1}, want: []int{0, 2, 3, 4}, tally: tally{held: 4, lost: 1, late: 1}},
		{name: "late, and once more", size: size, in: []int{0, 2, 3, 4, 6, 1, 1, 5}, want: []int{0, 2, 3, 4, 5, 6}, tally: tally{held: 4, lost: 1, late: 1, duplicate: 1, reordered: 1}},
		{name: "older than the first", size: size, in: []int{0, -1, -1, 1}, want: []int{0, 1}, tally: tally{late: 1, duplicate: 1}},
		{name: "late by far", size: size, in: []int{0, 500, 3, 3, 0}, want: []int{0}, tally: tally{held: 1, lost: 495, late: 1, duplicate: 2}},
		{name: "no reordering", size: 0, in: []int{0, 2, 1, 3}, want: []int{0, 2, 3}, tally: tally{lost: 1, late: 1}},
		{name: "size 1", size: 1, in: []int{0, 2, 1, 5, 4}, want: []int{0, 1, 2, 4, 5}, tally: tally{held: 2, lost: 1, reordered: 2}},
	} {
		for _, start := range starts {
			t.Run(fmt.Sprintf("%s/%#x", c.name, start), func(t *testing.T) {
				w := newWindowTest(c.size, start)
				w.accept(c.in...)
				if !slices.Equal(w.got, c.want) {
					t.Errorf("delivered %v, want %v", w.got, c.want)
				}
				c.tally.packets, c.tally.octets = uint64(len(c.want)), 4*uint64(len(c.want))
				if w.tally != c.tally {
					t.Errorf("counted %+v, want %+v", w.tally, c.tally)
				}
			})
		}
	}
}

func TestWindowGivesUpAGapInTime(t *testing.T) {
	w := newWindowTest(8, 1<<32-2)
	w.accept(0, 5) // 5 waits from 0 ms on
	w.pass(20 * time.Millisecond)
	w.accept(2, 7) // these wait from 20 ms on
	if at, ok := w.deadline(); !ok || at.Sub(w.now) != 10*time.Millisecond {
		t.Errorf("deadline in %v (%t), want the oldest's, in 10 ms", at.Sub(w.now), ok)
	}
	w.pass(9 * time.Millisecond)
	if want := []int{0}; !slices.Equal(w.got, want) {
		t.Errorf("after 29 ms delivered %v, want %v", w.got, want)
	}
	w.pass(time.Millisecond)
	if want := []int{0, 2, 5}; !slices.Equal(w.got, want) {
		t.Errorf("after 30 ms delivered %v, want %v", w.got, want)
	}
	w.accept(6)
	if want := []int{0, 2, 5, 6, 7}; !slices.Equal(w.got, want) {
		t.Errorf("delivered %v, want %v", w.got, want)
	}
	if _, ok := w.deadline(); ok {
		t.Error("a deadline with nothing held")
	}
	if w.tally.lost != 3 {
		t.Errorf("counted %d lost, want 3", w.tally.lost)
	}
}

// Whatever a path does within the window's size, nothing is lost or doubled.
func TestWindowRestoresAnyOrderWithinItsSize(t *testing.T) {
	const n, size = 5000, 32
	r := rand.New(rand.NewPCG(1, 2))
	for _, start := range starts {
		w := newWindowTest(size, start-n/2)
		w.accept(0) // the first packet sets the number and so is not reordered
		order := numbers(1, n-1)
		for i := 0; i+size <= len(order); i += size {
			r.Shuffle(size, func(a, b int) { order[i+a], order[i+b] = order[i+b], order[i+a] })
		}
		for _, s := range order {
			w.accept(int(s))
			if r.IntN(4) == 0 {
				w.accept(int(s)) // a duplicate
			}
		}
		for i, got := range w.got {
			if got != i {
				t.Fatalf("start %#x: frame %d in place %d", start, got, i)
			}
		}
		if len(w.got) != n || w.tally.lost != 0 || w.waiting != 0 {
			t.Errorf("start %#x: delivered %d of %d, lost %d, %d wait", start, len(w.got), n, w.tally.lost, w.waiting)
		}
	}
}

func TestWindowCountsEmptyPackets(t *testing.T) {
	w := newWindowTest(8, 0)
	empty := buffer(nil)
	w.accept(0)
	w.window.accept(2, empty, w.now) // held
	w.window.accept(1, empty, w.now)
	w.accept(3)
	if want := []int{0, 3}; !slices.Equal(w.got, want) {
		t.Errorf("delivered %v, want %v", w.got, want)
	}
	if w.tally.lost != 0 || w.tally.short != 2 {
		t.Errorf("counted %+v, want 2 short and none lost", w.tally)
	}
}

func TestWindowFollowsAPeerThatBeganAnew(t *testing.T) {
	w := newWindowTest(8, 0)
	w.accept(1<<20, 1<<20+1)
	w.accept(0, 1, 2, 3, 4, 5) // at once: an old path's queue, not a new beginning
	if len(w.got) != 2 {
		t.Errorf("delivered %v while the stream was alive", w.got)
	}
	w.pass(time.Second)
	w.accept(6, 7, 8, 9)
	w.accept(10, 11)
	if want := []int{1 << 20, 1<<20 + 1, 6, 7, 8, 9, 10, 11}; !slices.Equal(w.got, want) {
		t.Errorf("delivered %v, want %v", w.got, want)
	}
	if w.tally.resyncs != 1 {
		t.Errorf("counted %d resyncs, want 1", w.tally.resyncs)
	}
}

func TestWindowFollowsALongLoss(t *testing.T) {
	w := newWindowTest(8, 1<<32-5000)
	w.accept(0, 1, 3) // 3 is held, and must come out before what is far away
	w.accept(9000, 9001, 9002, 9003, 9004)
	if want := []int{0, 1, 3, 9003, 9004}; !slices.Equal(w.got, want) {
		t.Errorf("delivered %v, want %v", w.got, want)
	}
	if w.tally.far != 3 || w.tally.resyncs != 1 {
		t.Errorf("counted %+v, want 3 far and 1 resync", w.tally)
	}
}

// For any packets at any time: between two resyncs the numbers delivered only
// grow, and nothing is kept that the window does not know of.
func FuzzWindow(f *testing.F) {
	f.Add(uint32(0), uint8(4), []byte{0, 1, 3, 2, 5, 200, 4})
	f.Add(uint32(1<<32-3), uint8(32), []byte{0, 2, 1, 1, 255, 254, 253, 252, 3})
	f.Fuzz(func(t *testing.T, start uint32, size uint8, ops []byte) {
		w := newWindowTest(int(size), start)
		seq, last, first := start, uint32(0), true
		for _, op := range ops {
			step := int32(int8(op)) // near by, but the outer values go far
			if step > 120 || step < -120 {
				step *= 100
			}
			seq += uint32(step)
			resyncs := w.tally.resyncs
			w.window.accept(seq, buffer(binary.BigEndian.AppendUint32(nil, seq)), w.now)
			if op&7 == 0 {
				w.now = w.now.Add(10 * time.Millisecond)
				w.expire(w.now)
			}
			if w.tally.resyncs != resyncs {
				first = true
			}
			for _, b := range w.ready {
				n := binary.BigEndian.Uint32(b.Bytes())
				if !first && !after(n, last) {
					t.Fatalf("delivered %#x after %#x", n, last)
				}
				last, first = n, false
			}
			w.recycle()
		}
		held := 0
		for _, s := range w.held {
			if s.copy != nil {
				held++
			}
		}
		if held != w.waiting || held > int(size) {
			t.Fatalf("%d held, %d counted, %d allowed", held, w.waiting, size)
		}
	})
}
