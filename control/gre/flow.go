package gre

import (
	"sync"
	"time"
)

const (
	minAckDelay = 2 * time.Millisecond
	maxAckDelay = 500 * time.Millisecond
	// ackPause is for how long after an acknowledgement on its own no number of packets
	// is a reason for the next. Batches come every tenth of a millisecond when the peer
	// sends as fast as it can, and data is most often about to go back.
	ackPause = 500 * time.Microsecond

	// eagerUnpaced is flow.eager for a peer that does not pace. Time makes most of the
	// acknowledgements then. Each costs both ends as much as several packets do: it is
	// alone on its way, and wakes the peer in the middle of a batch.
	eagerUnpaced = 1024
)

// A flow is what the two directions of a channel know of each other: which
// number is sent next, what the peer acknowledged, what the peer must still be
// told. Its lock is held for a few instructions only, never while packets move,
// so that a sender in the middle of a batch does not hold up the receive loop.
type flow struct {
	mu    sync.Mutex // guards all below
	pacer pacer
	next  uint32 // number of the next packet

	begun bool      // anything was received
	got   uint32    // the highest number received
	told  uint32    // the last number acknowledged
	since time.Time // when the oldest of what is not acknowledged came

	eager int       // acknowledge at once when so many are not
	alone time.Time // when an acknowledgement last went on its own
}

func (f *flow) init(announced uint16, first uint32) {
	f.next = first
	f.pacer.start(first, 0)
	f.eager = max(1, int(announced)/4)
}

// connect sets what the peer announced; nothing was sent before.
func (f *flow) connect(peerWindow uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pacer.start(f.next, peerWindow)
}

// reserve takes n sequence numbers from first on, and the acknowledgement, if
// one is due, that goes out with the first of them (RFC 2637, section 4.2).
func (f *flow) reserve(n int, now time.Time) (first, ack uint32, hasAck bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first = f.next
	f.next += uint32(n)
	f.pacer.note(n, now)
	ack, hasAck = f.tell()
	return first, ack, hasAck
}

// ack takes the acknowledgement of an incoming packet.
func (f *flow) ack(n uint32, now time.Time) ackVerdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pacer.ack(n, now)
}

// received records the highest number received.
func (f *flow) received(highest uint32, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.begun {
		f.begun, f.got, f.told = true, highest-1, highest-1
	}
	if f.got == f.told && highest != f.got {
		f.since = now
	}
	f.got = highest
}

// tell returns what must be acknowledged, and takes it for told.
func (f *flow) tell() (ack uint32, due bool) {
	due = f.got != f.told
	f.told = f.got
	return f.got, due
}

// overdue is tell when the time or the number of packets has come.
func (f *flow) overdue(now time.Time) (ack uint32, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.got == f.told || now.Before(f.since.Add(f.delay())) && !f.many(now) {
		return 0, false
	}
	f.alone = now
	return f.tell()
}

// many reports whether so many packets are not acknowledged that the peer's window may
// be full.
func (f *flow) many(now time.Time) bool {
	return int32(f.got-f.told) >= int32(f.eager) && now.Sub(f.alone) >= ackPause
}

// deadline returns when overdue will have something to say.
func (f *flow) deadline() (at time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.since.Add(f.delay()), f.got != f.told
}

// delay is how long an acknowledgement waits for data to travel with.
func (f *flow) delay() time.Duration {
	return min(max(f.pacer.rtt/4, minAckDelay), maxAckDelay)
}

// room returns how many packets the peer's window has room for now, after the
// time-out if it is due.
func (f *flow) room(now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pacer.expire(now)
	return f.pacer.room()
}

// timeout returns when the pacer's time-out is due.
func (f *flow) timeout() (at time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pacer.deadline()
}

func (f *flow) rtt() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pacer.rtt
}
