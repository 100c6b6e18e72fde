package ppp

import (
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	start := time.Unix(1, 0)
	l := limiter{every: time.Second, burst: 3}
	for _, c := range []struct {
		name string
		at   time.Duration
		want bool
	}{
		{"burst 1", 0, true},
		{"burst 2", 0, true},
		{"burst 3", 0, true},
		{"burst is over", 0, false},
		{"still", 999 * time.Millisecond, false},
		{"one was paid for", time.Second, true},
		{"and was used", time.Second, false},
		{"rest restores the burst", time.Minute, true},
		{"rest restores the burst", time.Minute, true},
		{"rest restores the burst", time.Minute, true},
		{"but no more than that", time.Minute, false},
	} {
		if got := l.allow(start.Add(c.at)); got != c.want {
			t.Errorf("%s: allowed at %v: %v, want %v", c.name, c.at, got, c.want)
		}
	}
}
