package router

import (
	"cmp"
	"slices"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

const (
	// gap is one tick: packets of one stream come no faster, or 8-bit network
	// cards and slow links lose them.
	gap = 55 * time.Millisecond
	// triggerGap is the least time from one announcement of changes to the next.
	triggerGap = time.Second
)

// A stream is what one attachment is told of one base without asking: all of it
// again and again, changes in between, and at the end that all is down. Packets
// leave one tick apart, changes first.
type stream[K comparable] struct {
	free time.Time // when the next packet may leave
	// Full announcements.
	due    time.Time     // of the next
	first  time.Duration // after the first, until the second; zero: as between others
	full   bool          // one is under way
	wait   bool          // none begins
	cursor cursor[K]
	// Changes are told up to pos; an announcement of them under way ends at end.
	pos, end uint64
	next     time.Time // when the next announcement of changes may begin
	leaving  bool      // all is told as down
}

// A cursor is a place in a base.
type cursor[K comparable] struct {
	last  K
	begun bool
}

// A telling is one line of an announcement; hops include our own.
type telling[K comparable] struct {
	e    *entry[K]
	hops uint16
}

// start makes s begin with a full announcement at once.
func (s *stream[K]) start(b *base[K], first time.Duration, now time.Time) {
	*s = stream[K]{due: now, first: first, pos: b.log.seq, end: b.log.seq}
}

// leave makes s tell once that everything is down, and nothing more.
func (s *stream[K]) leave() {
	s.full, s.leaving, s.cursor = true, true, cursor[K]{}
}

// when returns the time at which s has something to do.
func (s *stream[K]) when(b *base[K]) time.Time {
	if s.full || s.pos < s.end && !s.leaving {
		return s.free
	}
	t := s.due
	if s.leaving || s.wait {
		t = never
	}
	if !s.leaving && b.log.seq > s.pos {
		t = earlier(t, s.next)
	}
	if t.Before(s.free) {
		return s.free
	}
	return t
}

// step returns the lines of the next packet, none if nothing is to be told now.
func (s *stream[K]) step(b *base[K], at *Attached, lines int, now time.Time) []telling[K] {
	if now.Before(s.free) {
		return nil
	}
	list := s.changes(b, at, lines, now)
	if list == nil {
		list = s.everything(b, at, lines, now)
	}
	if list != nil {
		s.free = now.Add(gap)
	}
	return list
}

// changes returns the next lines of an announcement of changes. Those that came
// while one was under way are collected for the next.
func (s *stream[K]) changes(b *base[K], at *Attached, lines int, now time.Time) (list []telling[K]) {
	if s.leaving {
		return nil
	}
	began := s.pos == s.end
	if began {
		if now.Before(s.next) {
			return nil
		}
		s.end = b.log.seq
	}
	list, s.pos = b.changed(at, s.pos, s.end, lines, slight)
	if began && list != nil {
		s.next = now.Add(triggerGap)
	}
	return list
}

// everything returns the next lines of a full announcement.
func (s *stream[K]) everything(b *base[K], at *Attached, lines int, now time.Time) (list []telling[K]) {
	if !s.full {
		if s.leaving || s.wait || now.Before(s.due) {
			return nil
		}
		s.full, s.cursor = true, cursor[K]{}
		s.due = now.Add(cmp.Or(s.first, at.cfg.Update))
		s.first = 0
	}
	if s.leaving {
		list, s.full = b.farewell(at, &s.cursor, lines, now)
		return list
	}
	list, s.full = b.page(at, &s.cursor, lines, nil)
	return list
}

// page returns the next lines of all that at may be told of and that which is
// for, and whether there may be more. Split horizon: nothing is told where it was
// learned.
func (b *base[K]) page(at *Attached, c *cursor[K], lines int, which func(e *entry[K]) bool) (list []telling[K], more bool) {
	return b.pageOf(c, lines, func(e *entry[K]) bool { return (which == nil || which(e)) && b.tellable(e, at) })
}

// farewell returns the next lines of all that at was told of, as down: with what
// went just now, of which it may not have heard.
func (b *base[K]) farewell(at *Attached, c *cursor[K], lines int, now time.Time) (list []telling[K], more bool) {
	list, more = b.pageOf(c, lines, func(e *entry[K]) bool {
		_, bad := b.news(e, at, true)
		return b.tellable(e, at) || bad && (e.up || now.Before(e.down))
	})
	for i := range list {
		list[i].hops = infinity
	}
	return list, more
}

func (b *base[K]) pageOf(c *cursor[K], lines int, which func(e *entry[K]) bool) (list []telling[K], more bool) {
	i := 0
	if c.begun {
		var found bool
		if i, found = slices.BinarySearchFunc(b.sorted, c.last, b.byKey); found {
			i++
		}
	}
	for ; i < len(b.sorted); i++ {
		e := b.sorted[i]
		if len(list) == lines {
			return list, true
		}
		c.begun, c.last = true, e.key
		if which(e) {
			list = append(list, telling[K]{e, uint16(e.best.hops) + 1})
		}
	}
	return list, false
}

// tellable reports whether e is announced at a as something that can be reached.
func (b *base[K]) tellable(e *entry[K], at *Attached) bool {
	return e.up && e.best.hops < infinity-1 && !slices.Contains(e.split, at) && b.may(at, e)
}

// changed returns the next lines of what changed after pos, up to end, and how far
// they go. One kind of changes is left out.
func (b *base[K]) changed(at *Attached, pos, end uint64, lines int, without kind) (list []telling[K], read uint64) {
	for _, n := range b.log.list[b.log.after(pos):] {
		if n.seq > end || len(list) == lines {
			break
		}
		pos = n.seq
		if !n.counts() || n.kind == without {
			continue
		}
		if hops, told := b.news(n.e, at, n.bad); told {
			list = append(list, telling[K]{n.e, hops})
		}
	}
	if len(list) < lines {
		pos = end
	}
	return list, pos
}

// news is what at is told of e after a change.
func (b *base[K]) news(e *entry[K], at *Attached, bad bool) (hops uint16, told bool) {
	switch {
	case !b.may(at, e):
		return 0, false
	case slices.Contains(e.split, at):
		return infinity, slices.Contains(e.retract, at)
	case !e.up:
		return infinity, true
	case bad:
		return 0, false
	}
	return min(uint16(e.best.hops)+1, infinity), true
}

// ripEntry adds our own part to a route: one router, and the wire it is told on.
func (a *Attached) ripEntry(n ipx.Network, best *candidate, hops uint16) rip.Entry {
	return rip.Entry{Network: n, Hops: hops, Ticks: uint16(min(uint32(best.ticks)+uint32(a.ticks), 0xFFFF))}
}

func (a *Attached) ripEntries(list []telling[ipx.Network]) []rip.Entry {
	entries := make([]rip.Entry, len(list))
	for i, t := range list {
		entries[i] = a.ripEntry(t.e.key, &t.e.best, t.hops)
	}
	return entries
}

func sapServices(list []telling[serviceKey]) []Service {
	services := make([]Service, len(list))
	for i, t := range list {
		services[i] = Service{Type: t.e.key.typ, Name: t.e.key.name, Addr: t.e.best.addr, Hops: t.hops}
	}
	return services
}

func (a *Attached) ripResponse(list []telling[ipx.Network]) []byte {
	return rip.Message{Operation: rip.OpResponse, Entries: a.ripEntries(list)}.Append(nil)
}

func sapResponse(op sap.Operation, list []telling[serviceKey]) []byte {
	return sap.Message{Operation: op, Services: sapServices(list)}.Append(nil)
}
