package aead

import "sync/atomic"

// A verdict is what becomes of a packet that came.
type verdict uint8

const (
	good         verdict = iota
	short                // shorter than any packet is
	forged               // not of the peer, or changed on its way, or the two ends' keys differ
	replayed             // came before
	tooOld               // behind the window, or of an epoch whose key is forgotten
	unknownEpoch         // too far ahead
	verdicts
)

var verdictNames = [verdicts]string{"good", "short", "forged", "replayed", "too_old", "unknown_epoch"}

// String returns the name of the verdict's counter.
func (v verdict) String() string { return verdictNames[v] }

type counters struct {
	sealed, opened atomic.Uint64
	drops          [verdicts]atomic.Uint64 // good has none
}

// Counters returns the packets that were sealed and opened, and those dropped by
// reason. It is safe for concurrent use.
func (c *Coder) Counters() map[string]uint64 {
	m := map[string]uint64{"sealed": c.count.sealed.Load(), "opened": c.count.opened.Load()}
	for v := good + 1; v < verdicts; v++ {
		m[v.String()] = c.count.drops[v].Load()
	}
	return m
}

// Strangers returns how many packets were not the peer's when none was yet: the two
// ends have different keys, or somebody else sends. 0: one was the peer's.
func (c *Coder) Strangers() uint64 {
	if c.count.opened.Load() > 0 {
		return 0
	}
	return c.count.drops[forged].Load()
}
