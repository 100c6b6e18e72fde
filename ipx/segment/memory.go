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

	// A word is what tells apart the packets that share a place, two marks, the
	// port, and when the packet came.
	timeBits = 20
	portBits = 10
	timeMask = 1<<timeBits - 1
	portMask = 1<<portBits - 1
	looped   = 1 << (timeBits + portBits)
	refused  = looped << 1
	tagShift = timeBits + portBits + 2

	timeUnit = int64(time.Second / 8)
	// remembered is how many units a packet stays known.
	remembered = 8
)

// A sighting is a packet seen before.
type sighting struct {
	port    uint16
	looped  bool // on two ports
	refused bool // it was dropped, since its sender is on another port
}

// find returns how the packet with that hash came in during the last second.
func (m *memory) find(hash uint64, now int64) (seen sighting, ok bool) {
	return sight(m[hash%memoryLen].Load(), hash, now)
}

// sight reads a word.
func sight(w, hash uint64, now int64) (seen sighting, ok bool) {
	age := (uint64(now/timeUnit) - w) & timeMask
	if w == 0 || (w^hash)>>tagShift != 0 || age > remembered {
		return sighting{}, false
	}
	return sighting{uint16(w >> timeBits & portMask), w&looped != 0, w&refused != 0}, true
}

// note remembers that a packet came in by a port. It reports false, and
// remembers nothing, when it just came by another one. When it was refused there
// it did not go round by us, but loops: first is who brought it then.
func (m *memory) note(hash uint64, port uint16, now int64) (first sighting, ok bool) {
	fresh := word(hash, port, now)
	place := &m[hash%memoryLen]
	for {
		next, w := fresh, place.Load()
		if w == next {
			return sighting{}, true
		}
		seen, known := sight(w, hash, now)
		switch {
		case !known, seen.refused && seen.port == port:
			seen = sighting{}
		case seen.refused:
			next |= looped
		case seen.port != port || seen.looped:
			return seen, false
		}
		if place.CompareAndSwap(w, next) {
			return seen, true
		}
	}
}

// refuse remembers that a packet came in by a port by which its sender cannot
// have sent it. One that came by a better port is still known from there.
func (m *memory) refuse(hash uint64, port uint16, now int64) {
	place := &m[hash%memoryLen]
	w := place.Load()
	if _, known := sight(w, hash, now); !known {
		place.CompareAndSwap(w, word(hash, port, now)|refused)
	}
}

func word(hash uint64, port uint16, now int64) uint64 {
	return hash>>tagShift<<tagShift | uint64(port)<<timeBits | uint64(now/timeUnit)&timeMask
}

// mark notes that a packet loops that was just found. How long it stays known
// counts from when it first came: a station that has moved is not taken for a
// loop for ever. It reports false when that was known.
func (m *memory) mark(hash uint64) bool {
	return m[hash%memoryLen].Or(looped)&looped == 0
}

// unmark takes it back.
func (m *memory) unmark(hash uint64) { m[hash%memoryLen].And(^uint64(looped)) }
