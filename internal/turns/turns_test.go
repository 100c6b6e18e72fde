package turns

import (
	"testing"
	"testing/synctest"
	"time"
)

// Work that sleeps takes as long as it says, in virtual time.
func work(do, around time.Duration) Work {
	return Work{Do: func() { time.Sleep(do + around) }, Around: func() { time.Sleep(around) }}
}

func TestRatioLeavesOutWhatIsAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Pair{Ours: work(30, 500), Measure: work(20, 3), Packets: 2}
		if got := p.Ratio(2); got != 1.5 {
			t.Errorf("Ratio = %v, want 1.5", got)
		}
		c := p.contest()
		for range rounds + 10 {
			c.round()
		}
		if ours, measure := c.perPacket(); ours != 15 || measure != 10 {
			t.Errorf("perPacket = %v, %v, want 15, 10", ours, measure)
		}
	})
}

// What breaks into a few rounds does not count.
func TestDisturbanceDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		ours := func() {
			if n++; n%3 == 0 {
				time.Sleep(time.Second)
			}
			time.Sleep(10 * time.Nanosecond)
		}
		p := Pair{Ours: Work{Do: ours}, Measure: work(10, 0), Packets: 1}
		if got := p.Ratio(1.1); got != 1 {
			t.Errorf("Ratio = %v, want 1", got)
		}
	})
}

func TestRatioGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Pair{Ours: work(30, 0), Measure: work(10, 0), Packets: 1}
		if got := p.Ratio(2); got != 3 {
			t.Errorf("Ratio = %v, want 3", got)
		}
	})
}

var sink []byte

func TestAllocated(t *testing.T) {
	octets, objects := allocated(func() { sink = make([]byte, 1<<20) })
	if octets < 1<<20 || objects < 1 {
		t.Errorf("%v octets in %v objects, want 1 MiB in one", octets, objects)
	}
}
