package bridge

import (
	"testing"
	"time"
)

func TestTicksFollowTheRoundTrip(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name  string
		trips []time.Duration
		want  []uint16 // told after each; 0: nothing new
	}{
		{"nothing measured", []time.Duration{0}, []uint16{0}},
		{"a fast line", []time.Duration{2 * ms, 3 * ms}, []uint16{1, 0}},
		{"one way is half", []time.Duration{200 * ms}, []uint16{2}},
		{"exactly one tick", []time.Duration{2 * tick}, []uint16{1}},
		{"a small change is no news", []time.Duration{1000 * ms, 1100 * ms, 1200 * ms}, []uint16{10, 0, 0}},
		{"one that was slow once", []time.Duration{100 * ms, 140 * ms, 100 * ms}, []uint16{1, 0, 0}},
		{"a line that became slow", []time.Duration{100 * ms, 2000 * ms, 2000 * ms, 2000 * ms}, []uint16{1, 6, 9, 0}},
		{"a line that became fast", []time.Duration{2000 * ms, 20 * ms, 20 * ms, 20 * ms, 20 * ms, 20 * ms}, []uint16{19, 14, 11, 8, 6, 5}},
		{"the slowest", []time.Duration{9 * time.Hour}, []uint16{0xFFFE}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m ticks
			for i, trip := range tt.trips {
				n, changed := m.measured(trip, false)
				if !changed {
					n = 0
				}
				if n != tt.want[i] {
					t.Errorf("round trip %v: told %d, want %d", trip, n, tt.want[i])
				}
			}
		})
	}
}

func TestTicksOfTheLinkItselfWin(t *testing.T) {
	var m ticks
	m.measured(1, true)
	if n, news := m.measured(time.Second, false); n != 10 || !news {
		t.Errorf("told %d, new: %v", n, news)
	}
}
