package control

import (
	"sync"
	"time"
)

// A ration lets something happen once in a while and counts how often it was
// held back: so that strangers cannot fill a log.
type ration struct {
	every time.Duration

	mu   sync.Mutex // guards what follows
	last time.Time
	held uint64
}

// take reports whether it may happen now, and how often it was held back since
// the last time it did.
func (r *ration) take(now time.Time) (held uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < r.every {
		r.held++
		return 0, false
	}
	held, r.held, r.last = r.held, 0, now
	return held, true
}
