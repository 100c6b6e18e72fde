package router

import "time"

const (
	// talkRate and talkBurst bound the RIP and SAP taken in from one attachment: a
	// full table of 10 000 services comes at 18 packets a second.
	talkRate  = 100
	talkBurst = 500
)

// A bucket lets talkRate events pass in a second, and talkBurst at once.
type bucket struct {
	used float64
	last time.Time
}

func (b *bucket) allow(now time.Time) bool {
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*talkRate)
	b.last = now
	if b.used+1 > talkBurst {
		return false
	}
	b.used++
	return true
}
