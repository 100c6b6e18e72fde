package router

import (
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
	// maxNeighbours bounds the routers and servers that are believed on one LAN.
	maxNeighbours = 1024
)

// A neighbour announces routes and services on a wire. The peer of a link is one
// neighbour, whatever it calls itself.
type neighbour struct {
	node  ipx.Node
	heard time.Time
	told  [bases]int // candidates that it is good for
	// memories are those that it took back; they are not in told.
	memories [bases]int
	beat     [bases]rhythm
	// least is the fewest ticks that it lately told of a network next to it.
	least   uint16
	leastAt time.Time
	since   time.Time // it was first heard
}

// A rhythm is how often a neighbour announces. mars_nwe tells of routes and
// services in turn every 60 s, so of each every two minutes.
type rhythm struct {
	last    time.Time
	periods [2]time.Duration // the last two
}

// neighbour returns the one with that node, which spoke now; nil when there are
// too many. router.mu is held.
func (a *Attached) neighbour(node ipx.Node, now time.Time) *neighbour {
	var key ipx.Node
	if a.cfg.Kind == LAN {
		key = node
	}
	n := a.neighbours[key]
	if n == nil {
		if len(a.neighbours) >= maxNeighbours {
			a.forgetNeighbours(now)
		}
		if len(a.neighbours) >= maxNeighbours {
			return nil
		}
		n = new(neighbour)
		a.neighbours[key] = n
	}
	n.node, n.heard = node, now
	return n
}

// forgetNeighbours drops those of whom nothing is left.
func (a *Attached) forgetNeighbours(now time.Time) {
	for key, n := range a.neighbours {
		if n.told == [bases]int{} && now.Sub(n.heard) > 2*maxRhythm {
			delete(a.neighbours, key)
		}
	}
}

// lifetime returns how long news from n is good: three times as long as it
// usually waits before it says the same again.
func (n *neighbour) lifetime(about int, dst ipx.Node, period time.Duration, now time.Time) time.Duration {
	beat := &n.beat[about]
	if beat.last.IsZero() {
		beat.last = now
	}
	if since := now.Sub(beat.last); dst == ipx.Broadcast && since > burst {
		beat.periods = [2]time.Duration{min(since, maxRhythm), beat.periods[0]}
		beat.last = now
	}
	return max(minLifetime, 3*max(period, beat.periods[0], beat.periods[1]))
}

// expiry returns until when what by says in a packet is good. A peer that is
// synchronized takes back itself what is over.
func (a *Attached) expiry(about int, by *neighbour, h *ipx.Header, now time.Time) time.Time {
	if a.changing != nil && a.changing.synchronized(about) {
		return never
	}
	return now.Add(by.lifetime(about, h.Dst.Node, a.cfg.Update, now))
}

// expire forgets what nobody confirmed.
func (r *Router) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes.sweep(now)
	r.services.sweep(now)
	r.settle(now)
	r.routes.bury(now)
	r.services.bury(now)
	r.servers.clean()
	for _, a := range r.attached {
		a.forgetNeighbours(now)
	}
	r.noteClaims(now)
	r.notePlaces(now)
	r.endClashes(now)
}
