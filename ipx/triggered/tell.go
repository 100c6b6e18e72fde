package triggered

import (
	"slices"
	"time"
)

// A teller is what goes to the peer: one response at a time, until it is
// acknowledged. So they arrive in order, whatever the line does.
type teller[E any] struct {
	seq     uint16 // of the last response
	flight  []byte // the response that is not acknowledged; nil: none
	isFlush bool   // flight begins a full update
	isEnd   bool   // flight ends one
	tries   int
	sent    time.Time // when the last response left
	due     time.Time // when flight leaves again

	backlog backlog[E]
	flush   bool      // a full update is to begin
	full    bool      // a full update is under way
	told    bool      // the peer has had one since Up
	began   time.Time // when the last full update was begun
	later   time.Time // when one is to be begun; zero: not
}

// reset forgets what was to be told. The numbers go on.
func (t *teller[E]) reset() {
	t.backlog.set(nil)
	t.flight, t.flush, t.full, t.told, t.later = nil, false, false, false, time.Time{}
}

// next is when a packet is due.
func (t *teller[E]) next() time.Time {
	switch {
	case t.flight != nil:
		return t.due
	case t.flush, t.full, t.backlog.len() > 0:
		return t.sent.Add(gap)
	}
	return time.Time{}
}

// Changed says what is new for the peer, split horizon applied; hops 16: gone.
// The peer is told when there is contact; otherwise a full update will tell it.
func (m *Machine[E]) Changed(entries []E, now time.Time) {
	if t := &m.tell; t.full || t.told {
		t.backlog.put(entries)
		m.pump(now)
	}
}

// tellAll begins a full update. The flush is sent without entries (RFC 2091,
// section 4.2), and all that there is follows when it is acknowledged.
func (m *Machine[E]) tellAll(now time.Time) {
	t := &m.tell
	if t.flush || t.flight != nil && t.isFlush {
		return // the request was repeated: the answer is on its way
	}
	if soonest := t.began.Add(fullEvery); now.Before(soonest) {
		t.later = soonest
		return
	}
	t.reset()
	t.backlog.set(m.cfg.Snapshot())
	t.flush, t.full, t.began = true, true, now
	m.pump(now)
}

// pump sends what is due.
func (m *Machine[E]) pump(now time.Time) {
	t := &m.tell
	if !due(t.next(), now) {
		return
	}
	if t.flight == nil {
		t.flight = m.build()
	} else if t.tries == tellTries {
		m.giveUp(now)
		return
	}
	t.tries++
	t.sent, t.due = now, now.Add(wait(t.tries))
	m.cfg.Send(t.flight)
}

// build makes the next response.
func (m *Machine[E]) build() []byte {
	t := &m.tell
	t.seq++
	t.tries = 0
	msg := Message{Operation: OpResponse, Sequence: t.seq, Flush: t.flush}
	t.isFlush, t.isEnd, t.flush = t.flush, false, false
	if !t.isFlush {
		entries := t.backlog.take(m.cfg.PerPacket)
		t.isEnd = len(entries) == 0
		msg.Entries = m.cfg.Codec.Append(nil, entries)
	}
	return msg.Append(nil)
}

// acknowledged goes on with what is next. An acknowledgement of anything but the
// response under way is an old one.
func (m *Machine[E]) acknowledged(seq uint16, now time.Time) {
	t := &m.tell
	if t.flight == nil || seq != t.seq {
		return
	}
	t.flight = nil
	if t.isEnd {
		t.full, t.told = false, true
	}
	m.pump(now)
}

// Leave returns the last responses to the peer, which say that the entries are gone.
// No acknowledgement is waited for: the machine is not to be used any more.
func (m *Machine[E]) Leave(entries []E) (payloads [][]byte) {
	t := &m.tell
	if m.begun && !m.absent && (t.full || t.told) {
		for some := range slices.Chunk(entries, m.cfg.PerPacket) {
			t.seq++
			payloads = append(payloads, Message{Operation: OpResponse, Sequence: t.seq, Entries: m.cfg.Codec.Append(nil, some)}.Append(nil))
		}
	}
	return payloads
}
