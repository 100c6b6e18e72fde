package segment

import (
	"sync/atomic"
	"time"
)

// A memory knows what was sent on a port in the last second. A packet that
// comes in by the port that we sent it out of is our own: there is another
// bridge, a mirrored switch port, or a second tunnel between the sites. The
// header of a bridged packet is never changed, so its hash is the same.
//
// Each place holds a hash and a time in one word, so that senders and the
// receiver share it without a lock. When more is sent in a second than there
// are places, the oldest is forgotten, and a loop is seen one round later.
type memory [memoryLen]atomic.Uint64

const (
	memoryLen = 1024 // a power of two
	timeBits  = 20
	timeUnit  = int64(time.Second / 8)
	// remembered is how many units a packet stays known.
	remembered = 8
)

func (m *memory) remember(hash uint64, now int64) {
	m[hash%memoryLen].Store(hash&^timeMask | uint64(now/timeUnit)&timeMask)
}

// saw reports whether a packet with that hash was remembered in the last second.
func (m *memory) saw(hash uint64, now int64) bool {
	w := m[hash%memoryLen].Load()
	age := (uint64(now/timeUnit) - w) & timeMask
	return w != 0 && (w^hash)&^timeMask == 0 && age <= remembered
}

// timeMask covers the time. The hash's lowest bits choose the place, the ones
// above the time tell apart what falls on one place.
const timeMask = 1<<timeBits - 1

// warnEvery bounds how often a loop is logged; its packets are counted.
const warnEvery = int64(time.Minute)

// mayWarn reports whether a loop may be logged now.
func (s *Segment) mayWarn(now int64) bool {
	last := s.warned.Load()
	return now-last > warnEvery && s.warned.CompareAndSwap(last, now)
}
