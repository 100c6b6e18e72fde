package segment

import (
	"sync/atomic"
	"time"
)

// A memory knows by their hashes which packets came in during the last second,
// and by which port, for all ports of a segment. A packet that comes in by a
// second port goes round in a loop: the header of a bridged packet is never
// changed, so it is the same octet for octet. One that comes again by the same
// port is somebody repeating himself, unless it was seen on a second one too.
//
// Each place holds one word, so that all ports share it without a lock. When
// more comes in a second than there are places, the oldest is forgotten.
type memory [memoryLen]atomic.Uint64

const (
	memoryLen = 8192 // a power of two

	// A word is what tells apart the packets that share a place, a mark for those
	// that loop, the port, and when the packet came.
	timeBits = 20
	portBits = 10
	timeMask = 1<<timeBits - 1
	portMask = 1<<portBits - 1
	looped   = 1 << (timeBits + portBits)
	tagShift = timeBits + portBits + 1

	timeUnit = int64(time.Second / 8)
	// remembered is how many units a packet stays known.
	remembered = 8
)

// A sighting is a packet seen before.
type sighting struct {
	port   uint16
	looped bool
}

// find returns how the packet with that hash came in during the last second.
func (m *memory) find(hash uint64, now int64) (seen sighting, ok bool) {
	w := m[hash%memoryLen].Load()
	age := (uint64(now/timeUnit) - w) & timeMask
	if w == 0 || (w^hash)>>tagShift != 0 || age > remembered {
		return sighting{}, false
	}
	return sighting{uint16(w >> timeBits & portMask), w&looped != 0}, true
}

// note remembers that a packet came in by a port.
func (m *memory) note(hash uint64, port uint16, now int64) {
	w := hash>>tagShift<<tagShift | uint64(port)<<timeBits | uint64(now/timeUnit)&timeMask
	if place := &m[hash%memoryLen]; place.Load() != w {
		place.Store(w)
	}
}

// mark notes that a packet just found loops. How long it stays known counts from
// when it first came: a station that has moved is not taken for a loop for ever.
func (m *memory) mark(hash uint64) { m[hash%memoryLen].Or(looped) }
