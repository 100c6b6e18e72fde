// Package watchdog answers keepalives on behalf of hosts that cannot be reached
// for a while, so that logins live through a short outage or an idle demand
// link: NetWare's NCP watchdog, by which a server finds out whether a client is
// still there, and the keepalive of an SPX connection.
//
// It answers for sessions only that it saw passing while the link was up, only
// while the link is down, and not for ever: the server must be able to clear
// what is really dead. Only while a demand link is idle by choice it does so for as
// long as that lasts: the far end can be had at any time, and the next call clears
// what died meanwhile. When the link goes down, and who carries the answer, is left
// to others.
package watchdog

import (
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// Config is what a Table is made of.
type Config struct {
	// Limit is how long after Lost keepalives are answered at most. Zero: never. It is
	// none after Idle.
	Limit time.Duration
	// Sessions is how many are known at once, of NCP and of SPX each. Zero: 1024.
	// One that is alive is never pushed out by a new one.
	Sessions int
}

const defaultSessions = 1024

// A Table knows the sessions that cross one site's link, and answers their
// keepalives while the far end cannot be reached. It outlives calls. A nil Table
// knows none and answers nothing. All methods are safe for concurrent use.
//
// A client of NCP is kept alive by the table at the server's end of the link. At
// the client's end nobody asks, so nothing is noted there. SPX is kept alive at
// both ends.
type Table struct {
	cfg   Config
	heard atomic.Int64 // when something last came from the peer, by internal/clock

	mu    sync.Mutex // guards what follows
	clock upClock
	lost  time.Time // when the link went down; zero while it is up
	idle  bool      // nobody needs the link: there is no limit
	ncp   sessions[ncpKey, ncpSession]
	spx   sessions[spxKey, spxSession]
	count counters
}

// New returns a table of a link that is up.
func New(cfg Config) *Table {
	if cfg.Sessions <= 0 {
		cfg.Sessions = defaultSessions
	}
	return &Table{cfg: cfg}
}

// Observe looks at a packet that crosses the link; out is to the peer. It is
// cheap for what is neither NCP nor SPX, and allocates only for a new session.
// While the link is lost nothing crosses, and nothing is learned.
func (t *Table) Observe(pkt []byte, out bool, now time.Time) {
	if t == nil {
		return
	}
	h, data, err := ipx.Parse(pkt)
	if err != nil {
		return
	}
	if !out {
		t.hear(now)
	}
	switch {
	case h.Type == ipx.TypeSPX:
		t.observeSPX(&h, data, out, now)
	case isWatchdog(&h, data):
		t.observeWatchdog(&h, data, out, now)
	case out && h.Src.Socket == ipx.SocketNCP:
		t.observeReply(&h, data, now)
	case !out && h.Dst.Socket == ipx.SocketNCP:
		t.observeRequest(&h, data, now)
	}
}

// Alive says when the peer was last heard, in whatever protocol: until then the link
// worked, and a client that had not answered its server was not there.
func (t *Table) Alive(at time.Time) {
	if t != nil {
		t.hear(at)
	}
}

// hear notes that something came from the peer. Not each packet writes.
func (t *Table) hear(now time.Time) {
	if at := clock.Of(now); at-t.heard.Load() > int64(time.Second) {
		t.heard.Store(at)
	}
}

// Lost begins answering: the link went down, or an idle link cannot be had. While
// it is lost already, it does not begin anew.
func (t *Table) Lost(now time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost.IsZero() {
		t.clock.stop(now)
	}
	if t.lost.IsZero() || t.idle {
		t.lost, t.idle = now, false
	}
}

// Idle begins answering without a limit: a demand link went down because nobody
// needs it. A link that is lost already stays so.
func (t *Table) Idle(now time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost.IsZero() {
		t.clock.stop(now)
		t.lost, t.idle = now, true
	}
}

// Found ends answering: the link is up, and the far end answers for itself.
func (t *Table) Found() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost, t.idle = time.Time{}, false
}

// Answer writes the far end's answer to pkt, a packet that would go to the peer,
// into reply: a whole IPX packet for pkt's sender, with no hops behind it. It
// reports false, and leaves reply as it is, when pkt is no keepalive of a known
// session or must not be answered; pkt then goes the way of any other packet.
func (t *Table) Answer(pkt []byte, reply *packet.Buffer, now time.Time) bool {
	if t == nil {
		return false
	}
	h, data, err := ipx.Parse(pkt)
	if err != nil {
		return false
	}
	switch {
	case h.Type == ipx.TypeSPX:
		return t.answerSPX(&h, data, pkt, reply, now)
	case isWatchdog(&h, data):
		return t.answerWatchdog(&h, data, pkt, reply, now)
	}
	return false
}

// overdue reports why no keepalive is answered now, whosever it is. t.mu is held.
func (t *Table) overdue(now time.Time) refusal {
	switch {
	case t.lost.IsZero():
		return linkUp
	case !t.idle && now.Sub(t.lost) >= t.cfg.Limit:
		return timeOver
	}
	return answered
}

// write makes reply the answer to the packet pkt with header h: addresses
// swapped, and with a checksum if pkt has one.
func write(reply *packet.Buffer, h *ipx.Header, pkt, data []byte) {
	sum := ipx.ChecksumInUse(pkt)
	reply.Reset()
	b := reply.Space()[:ipx.HeaderLen+len(data)]
	head := ipx.Header{Checksum: ipx.NoChecksum, Length: uint16(len(b)), Type: h.Type, Dst: h.Src, Src: h.Dst}
	head.Put(b)
	copy(b[ipx.HeaderLen:], data)
	if sum {
		head.Checksum = ipx.Checksum(b)
		head.Put(b)
	}
	reply.SetLen(len(b))
}
