package watchdog

import (
	"encoding/binary"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// Signatures of the two octets that a server sends to the socket above a
// client's NCP socket, behind the low octet of the connection number.
const (
	signAsk     = '?' // are you there?
	signHere    = 'Y' // the client's answer
	signMessage = '!' // a message waits at the server; not a watchdog
	signSFT     = '@' // the same of a server with a twin (SFT III)
)

const (
	// ncpRound is the longest time that a living client is silent: NetWare asks
	// after 4 min 56.6 s.
	ncpRound = 5 * time.Minute
	// ncpAnswers is how often a client is spoken for until it is heard itself: as
	// often as a server asks before it gives a client up.
	ncpAnswers = 10
	// ncpAge is how long a session is kept of which nothing is heard. By then the
	// server has asked as often as it does, or has been set to ask later than any
	// can be.
	ncpAge = 30 * time.Minute
)

// isWatchdog reports whether a packet is a message on the watchdog socket.
func isWatchdog(h *ipx.Header, data []byte) bool {
	if len(data) != 2 || h.Type != ipx.TypeNCP && h.Type != ipx.TypePEP {
		return false
	}
	switch data[1] {
	case signAsk, signHere, signMessage, signSFT:
		return true
	}
	return false
}

// An ncpKind is the first field of an NCP packet.
type ncpKind uint16

const (
	ncpCreate  ncpKind = 0x1111
	ncpRequest ncpKind = 0x2222
	ncpReply   ncpKind = 0x3333
	ncpDestroy ncpKind = 0x5555
	ncpBurst   ncpKind = 0x7777
)

// An ncpHead is what NCP packets have in common: kind(2) sequence(1) connection,
// low octet(1) task(1) connection, high octet(1), and in a reply completion(1)
// and connection status(1).
type ncpHead struct {
	kind         ncpKind
	sequence     byte
	conn         uint16
	task         byte
	code, status byte // of a reply
}

const (
	ncpHeadLen  = 6
	ncpReplyLen = ncpHeadLen + 2
)

// Bits of a reply's status which say that there is no connection any more: it is
// not known, none is to be had, or the server goes down.
const ncpGone = 0x01 | 0x04 | 0x10

func parseNCP(b []byte) (p ncpHead, ok bool) {
	if len(b) < ncpHeadLen {
		return p, false
	}
	p.kind = ncpKind(binary.BigEndian.Uint16(b))
	p.sequence, p.task = b[2], b[4]
	p.conn = uint16(b[5])<<8 | uint16(b[3])
	if p.kind == ncpReply {
		if len(b) < ncpReplyLen {
			return p, false
		}
		p.code, p.status = b[6], b[7]
	}
	return p, true
}

func (p ncpHead) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(p.kind))
	b = append(b, p.sequence, byte(p.conn), p.task, byte(p.conn>>8))
	if p.kind == ncpReply {
		b = append(b, p.code, p.status)
	}
	return b
}

// An ncpKey is a client's NCP socket and the server that it talks to, whose
// socket is zero: it asks from another one than it is asked at.
type ncpKey struct{ client, server ipx.Addr }

func keyOf(client, server ipx.Addr) ncpKey {
	server.Socket = 0
	return ncpKey{client, server}
}

// keyOfWatchdog is keyOf by the client's watchdog socket.
func keyOfWatchdog(client, server ipx.Addr) ncpKey {
	client.Socket--
	return keyOf(client, server)
}

// An ncpSession is a connection of a client beyond the link.
type ncpSession struct {
	conn  uint16
	state ncpState
	// heard is when the client last spoke, used when either end did, by the clock
	// of the link.
	heard, used time.Duration
	asked       time.Time // by the server, the first time that was not answered yet; zero: never
	answers     int       // of ours, since the client spoke
}

// answerTime is how long a living client takes at most to answer its server.
const answerTime = 5 * time.Second

// An ncpState says whether the server has the connection.
type ncpState uint8

const (
	ncpOpen    ncpState = iota
	ncpUnknown          // the client wants one, and the next reply tells
	ncpEnded
)

// speak notes that the client itself was heard.
func (s *ncpSession) speak(now time.Duration) {
	s.heard, s.used, s.asked, s.answers = now, now, time.Time{}, 0
}

// observeRequest notes what a client beyond the link says. A session is made by
// the server's reply only: a stranger's requests take no room.
func (t *Table) observeRequest(h *ipx.Header, data []byte, now time.Time) {
	p, ok := parseNCP(data)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.ncp.known[keyOf(h.Src, h.Dst)]
	if s == nil || !t.lost.IsZero() {
		return
	}
	switch {
	case p.kind == ncpCreate:
		s.state = ncpUnknown
	case p.conn != s.conn:
		return // of a connection before
	case p.kind == ncpDestroy:
		s.state = ncpEnded
	case p.kind == ncpRequest && s.state == ncpEnded:
		s.state = ncpUnknown
	case p.kind != ncpRequest && p.kind != ncpBurst:
		return
	}
	s.speak(t.clock.at(now))
}

// observeReply notes what a server says to a client beyond the link: that it has
// the connection, or has it no more.
func (t *Table) observeReply(h *ipx.Header, data []byte, now time.Time) {
	p, ok := parseNCP(data)
	if !ok || p.kind != ncpReply {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.lost.IsZero() {
		return
	}
	key, clock := keyOf(h.Dst, h.Src), t.clock.at(now)
	s := t.ncp.known[key]
	if p.status&ncpGone != 0 {
		if s != nil {
			s.state = ncpEnded
		}
		return
	}
	if s == nil {
		if s = t.ncp.add(key, t.cfg.Sessions, now, t.ncpOver(clock)); s == nil {
			t.count.refused[tableFull]++
			return
		}
		s.conn = p.conn
		s.speak(clock) // it was asked for just before
		return
	}
	if s.state != ncpEnded {
		s.conn, s.state = p.conn, ncpOpen
	}
	s.used = clock
}

func (t *Table) ncpOver(clock time.Duration) func(*ncpSession) bool {
	return func(s *ncpSession) bool { return s.state == ncpEnded || clock-s.used > ncpAge }
}

// observeWatchdog notes the server's question and the client's answer.
func (t *Table) observeWatchdog(h *ipx.Header, data []byte, out bool, now time.Time) {
	ask, here := out && data[1] == signAsk, !out && data[1] == signHere
	if !ask && !here {
		return
	}
	client, server := h.Dst, h.Src
	if here {
		client, server = h.Src, h.Dst
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.ncp.known[keyOfWatchdog(client, server)]
	if s == nil || !t.lost.IsZero() || byte(s.conn) != data[0] {
		return
	}
	if here {
		s.speak(t.clock.at(now))
		return
	}
	if s.asked.IsZero() {
		s.asked = now
	}
	s.used = t.clock.at(now)
}

// answerWatchdog says 'Y' for the client.
func (t *Table) answerWatchdog(h *ipx.Header, data, pkt []byte, reply *packet.Buffer, now time.Time) bool {
	if data[1] == signHere {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.ncp.known[keyOfWatchdog(h.Dst, h.Src)]
	if why := t.judgeWatchdog(s, data, now); why != answered {
		t.count.refused[why]++
		return false
	}
	s.answers++
	t.count.answered++
	write(reply, h, pkt, append(make([]byte, 0, 2), data[0], signHere))
	return true
}

// ignored reports whether the client left its server without an answer while the
// link was seen to work. A question that went out when nothing came in any more
// says nothing: a link is dead for a while before anybody notices.
func (t *Table) ignored(s *ncpSession) bool {
	return !s.asked.IsZero() && t.heard.Load() >= clock.Of(s.asked.Add(answerTime))
}

// judgeWatchdog reports why the server's message is not answered for the client.
// t.mu is held.
func (t *Table) judgeWatchdog(s *ncpSession, data []byte, now time.Time) refusal {
	if data[1] != signAsk {
		return message
	}
	if why := t.overdue(now); why != answered {
		return why
	}
	switch {
	case s == nil:
		return unknown
	case s.state != ncpOpen:
		return ended
	case byte(s.conn) != data[0]:
		return otherConnection
	case t.ignored(s):
		return asked
	case t.clock.before-s.heard > ncpRound:
		return silent
	case s.answers >= ncpAnswers && !t.idle:
		return enough
	}
	return answered
}
