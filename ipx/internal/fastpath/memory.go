package fastpath

import (
	"sync/atomic"
	"time"
)

// A Memory knows, by their hashes, which packets passed a place in the last
// second. Each place of it holds a hash and a time in one word, so that senders
// and the receiver share it without a lock. When more passes in a second than
// there are places, the oldest is forgotten. The zero Memory is empty.
type Memory [memoryLen]atomic.Uint64

const (
	memoryLen = 1024 // a power of two
	timeBits  = 20
	timeUnit  = int64(time.Second / 8)
	// remembered is how many units a packet stays known.
	remembered = 8
	// timeMask covers the time. The hash's lowest bits choose the place, the ones
	// above the time tell apart what falls on one place.
	timeMask = 1<<timeBits - 1
)

// Remember notes a packet with that hash, at the time now in Unix nanoseconds.
func (m *Memory) Remember(hash uint64, now int64) {
	m[hash%memoryLen].Store(hash&^timeMask | uint64(now/timeUnit)&timeMask)
}

// Saw reports whether a packet with that hash was remembered in the last second.
func (m *Memory) Saw(hash uint64, now int64) bool {
	w := m[hash%memoryLen].Load()
	age := (uint64(now/timeUnit) - w) & timeMask
	return w != 0 && (w^hash)&^timeMask == 0 && age <= remembered
}
