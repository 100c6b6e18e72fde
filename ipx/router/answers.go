package router

import (
	"slices"
	"time"

	"sitebridge/ipx"
)

const (
	// maxAnswers is how many answers may be under way on one attachment, and
	// maxAnswersEach those to one node.
	maxAnswers     = 64
	maxAnswersEach = 8
	// credit is how many packets may leave an attachment together after a pause.
	credit = 4
)

// answers are those under way on one attachment. Their first packets leave at once:
// most have no other, and their askers, who may be many in the morning, wait for it;
// how many ask is bounded where questions come in. The others leave in turn, and all
// together one tick apart: so one that asks much does not keep others waiting, nor
// does the wire get more than one router should send.
type answers struct {
	list []*answer
	free time.Time // when the wire has rested after all that was sent
}

// An answer may have more packets than one, sent one tick apart.
type answer struct {
	at     *Attached
	socket ipx.Socket
	dst    ipx.Addr
	typ    ipx.PacketType
	// page makes the next packet, nil for none, and tells whether more follow. It
	// is called with the router's lock held.
	page func() (payload []byte, more bool)
	due  time.Time
	// since is how long the asker has waited for its turn.
	since time.Time
}

// ready is when the wire may take one packet more.
func (l *answers) ready() time.Time { return l.free.Add(-(credit - 1) * gap) }

// when returns the time at which a packet may leave.
func (l *answers) when() time.Time {
	next := never
	for _, a := range l.list {
		next = earlier(next, a.due)
	}
	if len(l.list) == 0 {
		return l.free
	}
	if ready := l.ready(); next.Before(ready) {
		return ready
	}
	return next
}

// over reports whether nothing is left to do, or to remember.
func (l *answers) over(now time.Time) bool { return len(l.list) == 0 && !now.Before(l.free) }

// turn returns the answer whose asker has waited longest, nil if none is due.
func (l *answers) turn(now time.Time) (first *answer) {
	for _, a := range l.list {
		if !now.Before(a.due) && (first == nil || a.since.Before(first.since)) {
			first = a
		}
	}
	return first
}

// reply answers the sender of h, where it asked: to its node and its socket.
// The first packet leaves at once, unless there is a delay. A host that asks again
// before it has the whole answer gets no second one.
func (o *owner) reply(at *Attached, h *ipx.Header, typ ipx.PacketType, delay time.Duration, page func() ([]byte, bool)) drop {
	l := o.answers[at]
	if l == nil {
		l = new(answers)
		o.answers[at] = l
	}
	each := 0
	for _, other := range l.list {
		if other.dst.Node == h.Src.Node {
			each++
		}
		if other.dst == h.Src && other.socket == h.Dst.Socket {
			return dropIgnored
		}
	}
	now := time.Now()
	next := &answer{
		at: at, socket: h.Dst.Socket, dst: h.Src, typ: typ, page: page, due: now.Add(delay), since: now,
	}
	if delay == 0 {
		if _, more := o.proceed(next, now); !more {
			return kept
		}
	}
	if len(l.list) == maxAnswers || each == maxAnswersEach {
		return dropQueueFull
	}
	l.list = append(l.list, next)
	return kept
}

// answer sends what is due, as far as the wire is free.
func (o *owner) answer(l *answers, now time.Time) {
	for !now.Before(l.ready()) {
		a := l.turn(now)
		if a == nil {
			return
		}
		sent, more := o.proceed(a, now)
		if !more {
			l.list = slices.DeleteFunc(l.list, func(other *answer) bool { return other == a })
		}
		if !sent {
			continue
		}
		if l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(gap)
		for _, other := range l.list {
			if other.dst.Node == a.dst.Node {
				other.since = now
			}
		}
	}
}

// proceed sends the next packet of an answer, if there is one, and reports whether
// more may follow.
func (o *owner) proceed(a *answer, now time.Time) (sent, more bool) {
	o.r.mu.Lock()
	payload, more := a.page()
	o.r.mu.Unlock()
	if payload != nil {
		a.at.sendFrom(a.socket, a.dst, a.typ, payload)
	}
	a.due = now.Add(gap)
	return payload != nil, more
}
