package aead

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name string
		came []uint64
		next uint64
		want verdict
	}{
		{"the first", nil, 0, good},
		{"the first again", []uint64{0}, 0, replayed},
		{"any first", nil, 1 << 40, good},
		{"zero, late", []uint64{1}, 0, good},
		{"zero, at the window's end", []uint64{windowSize - 1}, 0, good},
		{"zero, behind it", []uint64{windowSize}, 0, tooOld},
		{"zero, a ring behind", []uint64{ringWords * wordBits}, 0, tooOld},
		{"the newest again", []uint64{5, 9}, 9, replayed},
		{"an older one again", []uint64{5, 9}, 5, replayed},
		{"one between", []uint64{5, 9}, 7, good},
		{"the same bit, a ring later", []uint64{5}, 5 + ringWords*wordBits, good},
		{"the same bit, a ring earlier", []uint64{5, 6 + ringWords*wordBits}, 5, tooOld},
		{"the same bit, a ring later, behind the newest", []uint64{5, 9 + ringWords*wordBits}, 5 + ringWords*wordBits, good},
		{"the same bit, two rings later, behind the newest", []uint64{5, 9 + 2*ringWords*wordBits}, 5 + 2*ringWords*wordBits, good},
		{"what a jump has passed", []uint64{5, 9, 1000}, 10, good},
		{"what came before a jump", []uint64{5, 9, 1000}, 9, replayed},
		{"what came before a jump over the ring", []uint64{9, 9 + windowSize - 1}, 9, replayed},
		{"after a jump over everything", []uint64{5, 1 << 60}, 1<<60 - 1000, good},
		{"the last counter", []uint64{0}, math.MaxUint64, good},
		{"the last counter again", []uint64{0, math.MaxUint64}, math.MaxUint64, replayed},
		{"zero after the last counter", []uint64{math.MaxUint64}, 0, tooOld},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w window
			for _, n := range c.came {
				if got := w.check(n); got != good {
					t.Fatalf("%d is %v", n, got)
				}
				w.mark(n)
			}
			if got := w.check(c.next); got != c.want {
				t.Errorf("%d is %v, want %v", c.next, got, c.want)
			}
		})
	}
}

// naive is a window that keeps everything.
type naive struct {
	came   map[uint64]bool
	newest uint64
}

func (n *naive) check(counter uint64) verdict {
	switch {
	case counter <= n.newest && n.newest-counter >= windowSize:
		return tooOld
	case n.came[counter]:
		return replayed
	}
	return good
}

func (n *naive) mark(counter uint64) {
	n.came[counter] = true
	n.newest = max(n.newest, counter)
}

func TestWindowIsLikeANaiveOne(t *testing.T) {
	for _, jump := range []uint64{1, 10, 100, windowSize, 3 * windowSize} {
		t.Run(fmt.Sprintf("jumps up to %d", jump), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(1, jump))
			var w window
			n := naive{came: map[uint64]bool{}}
			for range 50_000 {
				counter := n.newest + dice.Uint64N(jump+1)
				if dice.IntN(2) == 0 {
					counter -= min(counter, dice.Uint64N(2*windowSize))
				}
				got, want := w.check(counter), n.check(counter)
				if got != want {
					t.Fatalf("%d is %v, want %v; newest %d", counter, got, want, n.newest)
				}
				if got == good {
					w.mark(counter)
					n.mark(counter)
				}
			}
		})
	}
}

func TestWindowIsLongEnough(t *testing.T) {
	if windowSize < 1024 {
		t.Errorf("%d packets", windowSize)
	}
}
