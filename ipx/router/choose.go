package router

import (
	"slices"
	"time"
)

// settle chooses anew wherever something changed, and calls moved with what is
// used in another way than before. moved must not touch the same base.
func (b *base[K]) settle(now time.Time, moved func(e *entry[K], was candidate, wasUp bool)) {
	for _, e := range b.touched {
		e.touched = false
		was, wasUp := e.best, e.up
		b.choose(e, now)
		b.note(e, &was, wasUp, now)
		moved(e, was, wasUp)
	}
	clear(b.touched)
	b.touched = b.touched[:0]
}

// choose puts the best candidate first. Of equal ones the present one stays.
func (b *base[K]) choose(e *entry[K], now time.Time) {
	if e.up && !now.Before(e.doubt) {
		e.floor = e.best.hops // it lasted
	}
	best := -1
	nextDoor := slices.ContainsFunc(e.ways, func(c candidate) bool { return c.isNextDoor() && b.alive(&c, now) })
	for i := range e.ways {
		c := &e.ways[i]
		if nextDoor && c.isHearsay() { // it draws nobody away from a server next door
			continue
		}
		if b.alive(c, now) && (best < 0 || c.compare(&e.ways[best]) < 0) {
			best = i
		}
	}
	if best < 0 {
		if e.up {
			e.doubt = now.Add(doubtful)
		}
		e.up = false
		return
	}
	e.ways[0], e.ways[best] = e.ways[best], e.ways[0]
	c := &e.ways[0]
	switch {
	case e.up && c.hops > max(e.floor, e.best.hops):
		e.doubt = now.Add(doubtful)
	case now.Before(e.doubt):
		e.floor = min(e.floor, c.hops)
	default:
		e.floor = c.hops
	}
	e.best, e.up = *c, true
}

func (b *base[K]) alive(c *candidate, now time.Time) bool {
	return c.hops < infinity && !now.Before(c.waits) && (b.usable == nil || b.usable(c))
}

// note finds out who must hear of what choose did.
func (b *base[K]) note(e *entry[K], was *candidate, wasUp bool, now time.Time) {
	if !e.up {
		if wasUp {
			e.down = now.Add(mourning)
			b.poison(e, now)
		}
		return
	}
	before := e.split
	e.split = b.horizon(e, now)
	if !wasUp {
		b.back(e, before, now)
		return
	}
	released := slices.ContainsFunc(before, func(a *Attached) bool { return a.face.Load() != nil && !slices.Contains(e.split, a) })
	moved := released || was.hops != e.best.hops || was.addr != e.best.addr
	e.retract = slices.DeleteFunc(e.retract, func(a *Attached) bool { return !slices.Contains(e.split, a) })
	found := len(e.retract)
	for _, a := range e.split {
		if a.started && a.talks() && !slices.Contains(before, a) && !slices.Contains(e.retract, a) {
			e.retract = append(e.retract, a)
		}
	}
	switch {
	case len(e.retract) > found:
		b.log.add(e, fresh, !moved)
		b.again = append(b.again, repeat[K]{e, e.last[fresh], poisons - 1, now.Add(poisonGap)})
	case moved:
		b.log.add(e, fresh, false)
	case was.ticks != e.best.ticks:
		b.log.add(e, slight, false)
	}
}

// back announces what is up. When it was lost just now, those on whose wire it has
// come back were perhaps told that we have it, and not yet that it was lost: they
// are told that it is down.
func (b *base[K]) back(e *entry[K], before []*Attached, now time.Time) {
	lately := now.Before(e.down)
	e.down = time.Time{}
	b.log.add(e, fresh, false)
	if !lately {
		e.retract = nil
		return
	}
	e.retract = slices.DeleteFunc(e.retract, func(a *Attached) bool { return !slices.Contains(e.split, a) })
	for _, a := range e.split {
		if a.started && a.talks() && !slices.Contains(before, a) && !slices.Contains(e.retract, a) {
			e.retract = append(e.retract, a)
		}
	}
	if len(e.retract) > 0 {
		b.again = append(b.again, repeat[K]{e, e.last[fresh], poisons - 1, now.Add(poisonGap)})
	}
}

// horizon returns the attachments that the best way, and those as good, lead to.
func (b *base[K]) horizon(e *entry[K], now time.Time) (split []*Attached) {
	add := func(a *Attached) {
		switch {
		case a == nil || slices.Contains(split, a):
		case split == nil:
			split = a.alone // costs no memory
		default:
			split = append(slices.Clip(split), a)
		}
	}
	for i := range e.ways {
		if c := &e.ways[i]; i == 0 || c.compare(&e.ways[0]) == 0 && b.alive(c, now) {
			add(c.at)
		}
	}
	if b.also != nil {
		add(b.also(&e.best))
	}
	return split
}
