package router

import (
	"slices"
	"time"
)

// poison announces a loss, for the first time.
func (b *base[K]) poison(e *entry[K], now time.Time) {
	b.log.add(e, fresh, true)
	b.again = append(b.again, repeat[K]{e, e.last[fresh], poisons - 1, now.Add(poisonGap)})
}

// repeatPoison announces once more what is due.
func (b *base[K]) repeatPoison(now time.Time) {
	for len(b.again) > 0 && !now.Before(b.again[0].due) {
		p := b.again[0]
		b.again = b.again[1:]
		if p.e.gone || p.e.last[fresh] != p.seq {
			continue
		}
		if p.left == 0 {
			p.e.retract = nil // they know
			continue
		}
		b.log.add(p.e, repeated, true)
		b.again = append(b.again, repeat[K]{p.e, p.seq, p.left - 1, now.Add(poisonGap)})
	}
}

// sweep forgets what nobody confirmed, and what has been down long enough.
func (b *base[K]) sweep(now time.Time) {
	for _, e := range b.sorted {
		for i := range e.ways {
			switch c := &e.ways[i]; {
			case c.origin == originLearned && c.hops < infinity && c.held == nil && now.After(c.expires):
				b.takeBack(e, i, now)
			case !c.waits.IsZero() && !now.Before(c.waits):
				c.waits = time.Time{}
				b.touch(e)
			}
		}
		b.remove(e, func(c *candidate) bool {
			return c.origin == originLearned && c.hops >= infinity && now.After(c.expires)
		})
	}
}

// bury takes out of the base what nothing is known of any more. It is called
// after settle.
func (b *base[K]) bury(now time.Time) {
	b.sorted = slices.DeleteFunc(b.sorted, func(e *entry[K]) bool {
		if len(e.ways) > 0 || e.up || now.Before(e.down) {
			return false
		}
		e.gone = true
		delete(b.entries, e.key)
		return true
	})
}
