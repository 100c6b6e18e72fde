package segment

import (
	"sync/atomic"
	"time"
)

// A budget is how many packets a port may bring for everybody, or for somebody
// whom nobody knows, since each of them goes out of every other port. Where there
// is only one other, somebody's packets are not made more and do not count. It is
// a token bucket: a second's worth comes back in a second, and two fit in.
type budget struct {
	cost  int64 // nanoseconds that a packet uses up; zero: no limit
	spent int64 // until when all is used up; belongs to the port's own goroutine

	warned      int64        // when it was last logged; likewise
	since, last atomic.Int64 // of the present row of refused packets
	refused     atomic.Uint64
}

const (
	budgetBurst = int64(2 * time.Second)
	// warnEvery bounds how often one trouble is logged. Its packets are counted.
	warnEvery = int64(time.Minute)
	// recent is how long a trouble is shown after it was last seen.
	recent = int64(time.Minute)
)

// affords reports whether the port may bring one more packet for everybody.
func (p *Port) affords(now int64) bool {
	b := &p.budget
	if b.cost == 0 {
		return true
	}
	if at := max(b.spent, now) + b.cost; at-now <= budgetBurst {
		b.spent = at
		return true
	}
	b.refuse(now)
	if now-b.warned > warnEvery {
		b.warned = now
		p.segment.cfg.Log.Warn("more packets for everybody than the segment takes",
			"port", p.name, "limit_per_second", int64(time.Second)/b.cost)
	}
	return false
}

func (b *budget) refuse(now int64) {
	if now-b.last.Load() > recent {
		b.since.Store(now)
		b.refused.Store(0)
	}
	b.last.Store(now)
	b.refused.Add(1)
}
