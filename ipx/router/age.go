package router

import (
	"maps"
	"time"

	"sitebridge/ipx"
)

const (
	// minLifetime is three periods of 60 s, and a little: what is not confirmed
	// in that time is gone.
	minLifetime = 185 * time.Second
	// burst is the longest time between packets of one announcement.
	burst = 5 * time.Second
	// maxRhythm bounds what a neighbour's period is believed to be.
	maxRhythm = 10 * time.Minute
)

// A neighbour announces something on a wire: its routes, or its services.
type neighbour struct {
	at     *Attached
	node   ipx.Node
	socket ipx.Socket
}

// A rhythm is how often a neighbour announces. mars_nwe tells of routes and
// services in turn every 60 s, so of each every two minutes.
type rhythm struct {
	last    time.Time
	periods [2]time.Duration // the last two
}

// lifetime returns how long news from the sender of h is good: three times as
// long as the sender usually waits before it says the same again. r.mu is held.
func (r *Router) lifetime(at *Attached, h *ipx.Header, now time.Time) time.Duration {
	key := neighbour{at, h.Src.Node, h.Dst.Socket}
	beat := r.rhythm[key]
	if beat == nil {
		if len(r.rhythm) >= maxLearned {
			return minLifetime
		}
		beat = &rhythm{last: now}
		r.rhythm[key] = beat
	}
	if period := now.Sub(beat.last); h.Dst.Node == ipx.Broadcast && period > burst {
		beat.periods = [2]time.Duration{min(period, maxRhythm), beat.periods[0]}
		beat.last = now
	}
	return max(minLifetime, 3*max(beat.periods[0], beat.periods[1]))
}

// expire forgets what nobody confirmed.
func (r *Router) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.learned)
	maps.DeleteFunc(r.learned, func(_ ipx.Network, l *learned) bool { return now.After(l.expires) })
	maps.DeleteFunc(r.offered, func(_ serviceKey, o *offered) bool { return now.After(o.expires) })
	maps.DeleteFunc(r.rhythm, func(_ neighbour, beat *rhythm) bool { return now.Sub(beat.last) > 2*maxRhythm })
	if len(r.learned) != before {
		r.publish()
	}
}

// forget drops what was learned on a. r.mu is held.
func (r *Router) forget(a *Attached) {
	maps.DeleteFunc(r.learned, func(_ ipx.Network, l *learned) bool { return l.at == a })
	maps.DeleteFunc(r.offered, func(_ serviceKey, o *offered) bool { return o.at == a })
	maps.DeleteFunc(r.rhythm, func(key neighbour, _ *rhythm) bool { return key.at == a })
}
