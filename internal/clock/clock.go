// Package clock is time in one word that goes forward only, for what many goroutines
// read and write without a lock: when a station was last heard, until when a port is
// blocked. The nanoseconds of the wall clock are no such thing. Somebody sets it, or NTP
// does after a boot without a battery, and a hold of ten minutes lasts for a year.
//
// Where a time.Time can be kept, that is enough: it has a monotonic reading with it.
package clock

import "time"

// epoch is long before the process began, so that the zero word is long ago, too.
var epoch = time.Now().Add(-50 * 365 * 24 * time.Hour)

// Now returns the present moment, in nanoseconds.
func Now() int64 { return Of(time.Now()) }

// Of returns a moment that time.Now returned, or that was reckoned from one.
func Of(t time.Time) int64 { return int64(t.Sub(epoch)) }

// Time returns a moment for reckoning with others. To show it, Wall is right.
func Time(at int64) time.Time { return epoch.Add(time.Duration(at)) }

// Wall returns a moment to be shown, by the wall clock as it is set now. The zero word is
// no time.
func Wall(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	now := time.Now()
	return now.Add(time.Duration(at - Of(now)))
}
