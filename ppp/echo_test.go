package ppp

import (
	"slices"
	"testing"
	"time"
)

// watchFor drives a watch for d and returns when it asked, and when it gave up
// (0: not). heard are the times at which something arrived.
func watchFor(e Echo, d time.Duration, heard ...time.Duration) (asked []time.Duration, gone time.Duration) {
	start := time.Unix(1000, 0)
	w := newWatch(e, start)
	for !w.deadline.IsZero() && !w.deadline.After(start.Add(d)) {
		now := w.deadline
		last := start
		for _, h := range heard {
			if at := start.Add(h); !at.After(now) {
				last = at
			}
		}
		ask, isGone := w.tick(now, last)
		if ask {
			asked = append(asked, now.Sub(start))
		}
		if isGone {
			return asked, now.Sub(start)
		}
	}
	return asked, 0
}

func TestWatch(t *testing.T) {
	e := Echo{Interval: 10 * time.Second, Failures: 3}
	busy := make([]time.Duration, 0, 100)
	for at := time.Duration(0); at < 5*time.Minute; at += 9 * time.Second {
		busy = append(busy, at)
	}
	for _, c := range []struct {
		name  string
		echo  Echo
		heard []time.Duration
		asked []time.Duration
		gone  time.Duration
	}{
		{name: "silent peer", echo: e, asked: []time.Duration{10e9, 20e9, 30e9}, gone: 40e9},
		{name: "defaults", asked: []time.Duration{10e9, 20e9, 30e9}, gone: 40e9},
		{name: "busy line is not asked", echo: e, heard: busy},
		{
			name: "any packet resets the count", echo: e, heard: []time.Duration{35e9},
			asked: []time.Duration{10e9, 20e9, 30e9, 45e9, 55e9, 65e9}, gone: 75e9,
		},
		{
			name: "interval counts from the last packet", echo: e, heard: []time.Duration{4e9},
			asked: []time.Duration{14e9, 24e9, 34e9}, gone: 44e9,
		},
		{name: "off", echo: Echo{Off: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, gone := watchFor(c.echo, 4*time.Minute, c.heard...)
			if !slices.Equal(asked, c.asked) || gone != c.gone {
				t.Errorf("asked at %v, gone at %v; want %v, %v", asked, gone, c.asked, c.gone)
			}
		})
	}
}
