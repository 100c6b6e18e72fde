package gre

import (
	"net/netip"
	"time"
)

// undecided is in place of a port until the carrier of a call is chosen.
const undecided = -1

// maxReplies is how many probes are answered for one call: many more than a peer sends
// within the time that it has.
const maxReplies = 32

// A choice is how the packets of a call travel. The receiver's lock guards it.
type choice struct {
	// via is the peer's UDP port, from which alone packets are taken; 0: raw GRE.
	via     int
	chosen  chan struct{} // nil: chosen from the start
	asker   uint16        // the peer's port, as the first probe showed it; 0: none came
	askerID uint16        // the call ID that the peer assigned, by that probe: see Connect
	replies int
	asked   *question // of ours, under way
	mover   mover
}

// decided is what Chosen returns for a call that has no choice.
var decided = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Expect lets the peer choose the carrier of a call that it made, and is called before
// the call is accepted. From now on a probe from the peer's address that has both
// tokens, ours and the peer's, is answered, and the first one fixes the peer's port.
// The carrier by which the first packet of the call comes is the call's. Connect
// chooses raw GRE when none has come until then.
func (c *Channel) Expect(mine, theirs Token) {
	c.rx.mu.Lock()
	if !c.rx.closed {
		c.rx.via, c.rx.chosen = undecided, make(chan struct{})
	}
	c.rx.mu.Unlock()
	c.mux.expect(expectation{c.peer, mine, theirs}, c)
}

// Chosen is closed when the carrier of the call is chosen: at once, unless Expect left
// that to the peer. It stays open when the channel is closed before.
func (c *Channel) Chosen() <-chan struct{} {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	if c.rx.chosen == nil {
		return decided
	}
	return c.rx.chosen
}

// Path returns how packets leave. Its Port is the peer's UDP port, 0 for raw GRE; it is
// the final one once Chosen is closed.
func (c *Channel) Path() Path {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	return c.tx.path
}

// choose makes the carrier the call's for good.
func (c *Channel) choose(port uint16) {
	c.rx.via = int(port)
	c.tx.setPort(port)
	if c.rx.chosen != nil {
		close(c.rx.chosen)
	}
}

// settle chooses raw GRE if nothing is chosen.
func (c *Channel) settle() {
	if c.rx.via == undecided {
		c.choose(0)
	}
}

// takes reports whether a packet that did not come as the call's packets do is one of
// them all the same: one that chooses how they come. It counts what is not.
func (c *Channel) takes(a *arrival, now time.Time, n *ackTally) bool {
	switch {
	case c.rx.via == undecided && (a.port == 0 || a.port == c.rx.asker):
		c.choose(a.port)
		return true
	case c.rx.via != undecided && (c.rx.via == 0 || a.port == 0):
		c.counters.wrongCarrier.Add(1)
	case c.rx.via == undecided || !c.follows(a, now, n):
		c.counters.wrongPort.Add(1)
	}
	return false
}

// An expectation is what a probe must have to belong to a call.
type expectation struct {
	peer         netip.Addr
	mine, theirs Token
}

// expect has probes of one kind answered for a channel.
func (m *Mux) expect(e expectation, c *Channel) {
	m.probes.Lock()
	defer m.probes.Unlock()
	if m.expected == nil {
		m.expected = make(map[expectation]*Channel)
	}
	m.expected[e] = c
	c.expects = e
}

// forget ends what Expect began.
func (m *Mux) forget(c *Channel) {
	m.probes.Lock()
	defer m.probes.Unlock()
	if m.expected[c.expects] == c {
		delete(m.expected, c.expects)
	}
}

func (m *Mux) expecting(e expectation) *Channel {
	m.probes.Lock()
	defer m.probes.Unlock()
	return m.expected[e]
}

// probed takes a datagram that says it is a probe. One that no call waits for is
// counted, and draws no answer.
func (m *Mux) probed(t *table, d *Datagram) {
	p, err := parseProbe(d.Buffer.Bytes())
	if err != nil {
		m.counters.badProbe.Add(1)
		return
	}
	taken := false
	if p.kind == probeAsks {
		if c := m.expecting(expectation{d.Path.Remote, p.to, p.from}); c != nil {
			taken = c.answerProbe(d, p)
		}
	} else if c := t.calls[call{d.Path.Remote, p.callID}]; c != nil {
		taken = c.answered(d, p)
	}
	if !taken {
		m.counters.strayProbe.Add(1)
	}
}

// answerProbe sends the reply, in the probe's own buffer, to where the probe came from.
// It reports false for a probe that comes too late, too often or from a second port.
func (c *Channel) answerProbe(d *Datagram, p probe) bool {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	if c.rx.closed || c.rx.via != undecided || c.rx.replies == maxReplies ||
		c.rx.asker != 0 && c.rx.asker != d.Path.Port {
		return false
	}
	c.rx.asker, c.rx.askerID = d.Path.Port, p.callID
	c.rx.replies++
	r := p.reply()
	r.append(d.Buffer.Bytes()[:0])
	path := d.Path
	path.Device = c.dev
	c.rx.ackBatch[0] = d.Buffer
	err := c.mux.udp.carrier.Send(path, c.rx.ackBatch[:], false)
	c.rx.ackBatch[0] = nil
	if err != nil {
		c.counters.sendErrors.Add(1)
	}
	return true
}
