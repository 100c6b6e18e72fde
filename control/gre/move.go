package gre

import (
	"time"

	"sitebridge/internal/packet"
)

// A Mover lets a call that travels by UDP follow its peer to another port: a NAT between
// the two forgets a port after some silence, or begins anew, and gives the peer the next
// one that is free. Whoever can send from the peer's address could say the same, so the
// proof is a packet that an authenticated cipher accepts. Without a Mover the port stays.
type Mover struct {
	// Accepted returns how many packets the cipher has accepted so far, all within the
	// calls of Connect's receive; a packet that came before is not accepted again.
	Accepted func() uint64
	// Sealed reports whether a PPP frame is one for the cipher to judge. All others from a
	// strange port are dropped: they would be believed without proof.
	Sealed func(frame []byte) bool
	// Moved is told of each move, after it; nil: nobody is. It is called as receive is.
	Moved func(from, to Path)
}

// mover is a Mover in use.
type mover struct {
	Mover
	one [1]*packet.Buffer // for try
}

// SetMover lets the peer's port move from now on, while Accepted and Sealed are there.
// Not to be called from receive.
func (c *Channel) SetMover(m Mover) {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	c.rx.mover.Mover = m
}

// follows takes a packet of a UDP call from another port than the peer's. The receive
// function has it only when nothing is held back that comes before it, and the window
// moves only if the cipher has accepted it: so a stranger makes nothing late and nothing
// lost. It reports whether the path has moved to that port.
func (c *Channel) follows(a *arrival, now time.Time, n *ackTally) bool {
	w := &c.rx.window
	if !c.rx.mover.admits(a) || c.rx.deliverTo == nil || w.begun && !after(a.header.Seq, w.last) {
		return false
	}
	c.deliver() // what this batch brought before it
	if w.waiting > 0 || !c.proves(a.frame) {
		return false
	}
	if a.header.HasAck {
		n.count(c.flow.ack(a.header.Ack, now))
	}
	w.jump(a.header.Seq, now)
	c.counters.packetsReceived.Add(1)
	c.counters.octetsReceived.Add(uint64(a.payload()))
	from := c.Path()
	c.confirm(a.port)
	if c.rx.mover.Moved != nil {
		c.rx.mover.Moved(from, c.Path())
	}
	return true
}

// admits reports whether the cipher may be asked about a packet.
func (m *mover) admits(a *arrival) bool {
	return m.Accepted != nil && m.Sealed != nil &&
		a.header.HasSeq && a.frame.Len() >= minFrame && m.Sealed(a.frame.Bytes())
}

// proves delivers a frame and reports whether the cipher has accepted it.
func (c *Channel) proves(frame *packet.Buffer) bool {
	m := &c.rx.mover
	before := m.Accepted()
	m.one[0] = frame
	c.rx.deliverTo(m.one[:])
	m.one[0] = nil
	return m.Accepted() != before
}

// confirm moves the path to another port of the peer's.
func (c *Channel) confirm(port uint16) {
	c.rx.via = int(port)
	c.tx.setPort(port)
	c.counters.moves.Add(1)
}

func (a *arrival) payload() int { return int(a.header.PayloadLen) }

// jump moves the window to a number whose packet was delivered without it. It holds
// nothing back.
func (w *window) jump(seq uint32, now time.Time) {
	if ahead := seq - w.last; !w.begun || ahead > maxAhead {
		w.begun, w.last = true, seq-1
		w.given.all()
		w.tally.resyncs++
	} else {
		w.giveUp(seq - 1)
	}
	w.last, w.highest, w.alive, w.far.n = seq, seq, now, 0
	w.given.note(seq, false)
}
