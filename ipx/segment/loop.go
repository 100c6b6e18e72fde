package segment

import "time"

// A packet that comes in by the port that we sent it out of is our own: there
// is another bridge, a mirrored switch port, or a second tunnel between the
// sites. The header of a bridged packet is never changed, so its hash is the
// same, and each port has a fastpath.Memory of what it sent.

// warnEvery bounds how often a loop is logged; its packets are counted.
const warnEvery = int64(time.Minute)

// mayWarn reports whether a loop may be logged now.
func (s *Segment) mayWarn(now int64) bool {
	last := s.warned.Load()
	return now-last > warnEvery && s.warned.CompareAndSwap(last, now)
}
