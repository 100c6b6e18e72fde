package watchdog

import (
	"encoding/binary"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

const (
	// spxRound is the longest time that a living end is silent: implementations
	// ask after 6 s to 50 s.
	spxRound = time.Minute
	// spxAnswers is how often an end is spoken for until it is heard itself: an
	// hour of questions every 6 s.
	spxAnswers = 600
	// spxAge is how long a connection is kept of which nothing is heard.
	spxAge = 5 * time.Minute
)

// Connection control, and the two datastream types that end a connection.
const (
	spxSystem   = 0x80
	spxWantAck  = 0x40
	spxClose    = 0xFE
	spxCloseAck = 0xFF
)

// spxNobody is the connection number of an end that has none yet: the packet is
// a request for a connection.
const spxNobody = 0xFFFF

// An spxHead is the header of SPX, in front of its data. Numbers wrap.
type spxHead struct {
	control    byte
	datastream byte
	source     uint16 // connection numbers of the two ends
	dest       uint16
	sequence   uint16 // of this packet; of the next one with data if it is a system packet
	ack        uint16 // the next sequence that is wanted
	alloc      uint16 // the highest sequence that there is room for
}

const spxHeadLen = 12

func parseSPX(b []byte) (p spxHead, ok bool) {
	if len(b) < spxHeadLen {
		return p, false
	}
	return spxHead{
		control: b[0], datastream: b[1],
		source: binary.BigEndian.Uint16(b[2:]), dest: binary.BigEndian.Uint16(b[4:]),
		sequence: binary.BigEndian.Uint16(b[6:]), ack: binary.BigEndian.Uint16(b[8:]),
		alloc: binary.BigEndian.Uint16(b[10:]),
	}, true
}

func (p spxHead) append(b []byte) []byte {
	b = append(b, p.control, p.datastream)
	for _, v := range [...]uint16{p.source, p.dest, p.sequence, p.ack, p.alloc} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// keepalive reports whether p, with nothing behind it, asks only whether the
// other end is there.
func (p *spxHead) keepalive(data []byte) bool {
	return p.control == spxSystem|spxWantAck && p.datastream < spxClose && len(data) == spxHeadLen
}

// An spxKey is both ends of a connection, near the one on our side of the link.
type spxKey struct {
	near, far     ipx.Addr
	nearID, farID uint16
}

// An spxSession is a connection across the link.
type spxSession struct {
	near, far   spxEnd
	ended       bool
	heard, used time.Duration // as in an ncpSession
	answers     int
}

// An spxEnd is how far one end has told the other that it is.
type spxEnd struct {
	seen             bool
	next, ack, alloc uint16
}

// newer reports whether sequence number a comes after b.
func newer(a, b uint16) bool { return int16(a-b) > 0 }

// note takes over what a packet tells of its sender; an old one tells nothing.
func (e *spxEnd) note(p *spxHead) {
	next := p.sequence
	if p.control&spxSystem == 0 {
		next++ // system packets have the number of the next one with data
	}
	if !e.seen {
		*e = spxEnd{true, next, p.ack, p.alloc}
		return
	}
	advance(&e.next, next)
	advance(&e.ack, p.ack)
	advance(&e.alloc, p.alloc)
}

func advance(v *uint16, to uint16) {
	if newer(to, *v) {
		*v = to
	}
}

// changes reports whether a keepalive tells what the other end has not been
// told: that data arrived, that there is room for more, or that some was sent.
func (e *spxEnd) changes(p *spxHead) bool {
	return newer(p.sequence, e.next) || newer(p.ack, e.ack) || newer(p.alloc, e.alloc)
}

// observeSPX follows a connection. It is made by what the near end says: a
// stranger beyond the link takes no room.
func (t *Table) observeSPX(h *ipx.Header, data []byte, out bool, now time.Time) {
	p, ok := parseSPX(data)
	if !ok || p.source == spxNobody || p.dest == spxNobody {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.lost.IsZero() {
		return
	}
	clock := t.clock.at(now)
	if !out {
		if s := t.spx.known[spxKey{h.Dst, h.Src, p.dest, p.source}]; s != nil {
			s.heard, s.answers = clock, 0
			s.take(&s.far, &p, clock)
		}
		return
	}
	key := spxKey{h.Src, h.Dst, p.source, p.dest}
	s := t.spx.known[key]
	if s == nil {
		s = t.spx.add(key, t.cfg.Sessions, now, func(s *spxSession) bool { return s.ended || clock-s.used > spxAge })
	}
	if s == nil {
		t.count.refused[tableFull]++
		return
	}
	s.take(&s.near, &p, clock)
}

// take notes a packet of one end.
func (s *spxSession) take(from *spxEnd, p *spxHead, now time.Duration) {
	s.used = now
	s.ended = s.ended || p.datastream == spxClose || p.datastream == spxCloseAck
	from.note(p)
}

// answerSPX says for the far end that it is there, and nothing new.
func (t *Table) answerSPX(h *ipx.Header, data, pkt []byte, reply *packet.Buffer, now time.Time) bool {
	p, ok := parseSPX(data)
	if !ok || !p.keepalive(data) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.spx.known[spxKey{h.Src, h.Dst, p.source, p.dest}]
	if why := t.judgeSPX(s, &p, now); why != answered {
		t.count.refused[why]++
		return false
	}
	s.answers++
	t.count.answered++
	a := spxHead{control: spxSystem, source: p.dest, dest: p.source, sequence: s.far.next, ack: s.far.ack, alloc: s.far.alloc}
	write(reply, h, pkt, a.append(make([]byte, 0, spxHeadLen)))
	return true
}

// judgeSPX reports why a keepalive is not answered for the far end. t.mu is held.
func (t *Table) judgeSPX(s *spxSession, p *spxHead, now time.Time) refusal {
	if p.source == spxNobody || p.dest == spxNobody {
		return connectionRequest
	}
	if why := t.overdue(now); why != answered {
		return why
	}
	switch {
	case s == nil, !s.far.seen:
		return unknown
	case s.ended:
		return ended
	case s.near.changes(p), newer(s.near.next, s.far.ack):
		return changes
	case t.clock.before-s.heard > spxRound:
		return silent
	case s.answers >= spxAnswers && !t.idle:
		return enough
	}
	return answered
}
