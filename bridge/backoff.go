package bridge

import (
	"math/rand/v2"
	"time"
)

const (
	minWait = time.Second      // before the first redial
	soon    = minWait * 3 / 10 // before that of a peer that was up and said goodbye: it may be back in a moment
	maxWait = time.Minute      // between redials of a peer that does not answer
	refused = 5 * time.Minute  // when configuration says no: an account may be locked by trying faster
	settled = 30 * time.Second // a tunnel that was up this long starts the back-off afresh
)

// A backoff says how long to wait before the next dial: 1 s, 2 s, 4 s and so on
// up to a minute. After a goodbye it begins with 0.3 s, 0.45 s and 0.7 s: a peer
// that is started anew is back in less than three seconds.
type backoff struct {
	next   time.Duration
	jitter func(time.Duration) time.Duration // nil: spread
}

// wait returns the time until the next dial after an end of this kind. wasUp is
// how long the tunnel had been up.
func (b *backoff) wait(k kind, wasUp time.Duration) time.Duration {
	if wasUp >= settled || b.next == 0 {
		b.next = minWait
		if k == endOrderly && wasUp > 0 {
			b.next = soon
		}
	}
	w := b.next
	if b.next < minWait {
		b.next += b.next / 2
	} else {
		b.next = min(2*b.next, maxWait)
	}
	if k == endRefused {
		w = refused
	}
	if b.jitter != nil {
		return b.jitter(w)
	}
	return spread(w)
}

// reset makes the next wait the shortest.
func (b *backoff) reset() { b.next = 0 }

// spread takes up to a quarter off d, so that the sites of a hub that came back
// do not all dial in one moment.
func spread(d time.Duration) time.Duration { return d - rand.N(d/4+1) }
