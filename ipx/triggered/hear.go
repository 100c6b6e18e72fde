package triggered

import "time"

// remembered is how many sequence numbers before the last one are known to have
// come or not.
const remembered = 64

// A hearer is what came from the peer.
type hearer struct {
	heard bool   // a flush has come since Up
	last  uint16 // the highest sequence number since
	seen  uint64 // bit n: last-n has come, or was before the flush
	whole bool   // the full update
	quiet time.Time
}

// A novelty is what a response is to one who heard others before.
type novelty uint8

const (
	fresh  novelty = iota
	again          // a repetition: only its acknowledgement was lost
	missed         // older than what we have, and we do not have it
)

// judge says what a response is. A gap in the numbers is no fault: there are
// senders that number a repetition anew.
func (h *hearer) judge(m *Message) novelty {
	if !h.heard {
		if m.Flush {
			return fresh
		}
		return missed
	}
	behind := -int(int16(m.Sequence - h.last))
	switch {
	case behind < 0, m.Flush && behind >= remembered:
		return fresh // also a peer that began to count anew
	case behind >= remembered:
		return missed
	case h.seen>>behind&1 == 1:
		return again
	case m.Flush:
		return fresh
	}
	return missed
}

// note remembers a fresh response.
func (h *hearer) note(m *Message) {
	ahead := m.Sequence - h.last
	h.last = m.Sequence
	if m.Flush {
		h.heard, h.whole, h.seen = true, false, ^uint64(0)
		return
	}
	h.seen = h.seen<<ahead | 1
}

// response takes a response, and acknowledges it when it is in our table
// afterwards.
func (m *Machine[E]) response(msg *Message, now time.Time) {
	switch m.hear.judge(msg) {
	case again:
		m.acknowledge(msg)
		return
	case missed:
		if !m.ask.open {
			m.request(now)
		}
		return
	}
	m.hear.note(msg)
	if msg.Flush {
		m.flushed(now)
	}
	entries := m.cfg.Codec.Parse(msg.Entries)
	if len(entries) > 0 {
		m.cfg.Learn(entries)
	}
	m.acknowledge(msg)
	switch {
	case m.hear.whole:
	case len(entries) == 0 && !msg.Flush:
		m.completed()
	default:
		m.hear.quiet = now.Add(quiet)
	}
}

// flushed begins a full update of the peer, which answers our request.
func (m *Machine[E]) flushed(now time.Time) {
	m.ask = asker{last: m.ask.last}
	if m.cfg.Flushed != nil {
		m.cfg.Flushed()
	}
	if t := &m.tell; !t.told && !t.full && t.later.IsZero() {
		t.later = now.Add(unasked)
	}
}

func (m *Machine[E]) completed() {
	m.hear.whole, m.hear.quiet = true, time.Time{}
	m.cfg.Complete()
}

// acknowledge says that a response has come (RFC 2091, section 4.3).
func (m *Machine[E]) acknowledge(msg *Message) {
	m.cfg.Send(Message{Operation: OpAcknowledge, Flush: msg.Flush, Sequence: msg.Sequence}.Append(nil))
}
