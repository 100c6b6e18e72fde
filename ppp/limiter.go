package ppp

import "time"

// A limiter says yes burst times at once, and then once in every interval. The
// zero time in full is a limiter that was never asked.
type limiter struct {
	every time.Duration
	burst int
	full  time.Time // when everything that was granted will have been paid for
}

// allow reports whether it may happen once more at now.
func (l *limiter) allow(now time.Time) bool {
	if l.full.Before(now) {
		l.full = now
	}
	if l.full.Sub(now) > time.Duration(l.burst-1)*l.every {
		return false
	}
	l.full = l.full.Add(l.every)
	return true
}
