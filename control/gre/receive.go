package gre

import (
	"net/netip"
	"sync"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/tap"
)

// maxEarly is how many frames are kept for a channel that is not connected yet:
// GRE and the control connection do not wait for each other.
const maxEarly = 16

// A receiver is the half of a channel that the mux's loop works on.
type receiver struct {
	mu        sync.Mutex // guards all below; held while frames are delivered
	window    window
	deliverTo func(frames []*packet.Buffer) // nil until connected
	early     []*packet.Buffer              // our copies, until connected
	alarm     alarm
	closed    bool
	choice

	ackBatch [1]*packet.Buffer // for acknowledge
	stranger netip.Addr        // the last other address that used our call ID
}

// An arrival is a packet whose header has been taken off.
type arrival struct {
	header Header
	frame  *packet.Buffer
	port   uint16 // of the peer, by which it came; 0: raw GRE
	shed   bool   // data, if it is that, is dropped
}

// kept is the frame, unless it is one of those dropped.
func (a *arrival) kept() *packet.Buffer {
	if a.shed && isData(a.frame.Bytes()) {
		return nil
	}
	return a.frame
}

// arrive takes the packets of one received batch that are for this channel.
func (c *Channel) arrive(in []arrival, now time.Time) {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	if c.rx.closed {
		return
	}
	if c.tap.Watched(tap.GRE) {
		c.showReceived(in)
	}
	w := &c.rx.window
	var n ackTally
	ours, before := false, c.rx.via
	for i := range in {
		h := &in[i].header
		if int(in[i].port) != c.rx.via && !c.takes(&in[i], now, &n) {
			continue
		}
		ours = true
		if h.HasAck {
			n.count(c.flow.ack(h.Ack, now))
		}
		if h.HasSeq {
			w.accept(h.Seq, in[i].kept(), now)
		} else if h.PayloadLen != 0 {
			n.unnumbered++
		}
	}
	if !ours && c.rx.via == before {
		return
	}
	c.counters.heard(now.Sub(c.mux.epoch))
	c.counters.add(&n)
	c.afterReceive(now)
	if n.fresh > 0 && c.tx.pacing {
		c.resume(now)
	}
}

// afterReceive delivers what is in order, acknowledges, and sets the alarm.
func (c *Channel) afterReceive(now time.Time) {
	w := &c.rx.window
	if w.begun {
		c.flow.received(w.highest, now)
	}
	c.deliver()
	c.acknowledge(now)
	if at, ok := w.deadline(); ok {
		c.rx.alarm.set(at, now)
	}
	if at, ok := c.flow.deadline(); ok && c.rx.deliverTo != nil {
		c.rx.alarm.set(at, now)
	}
}

// rxAlarm runs when a packet has been held back, or an acknowledgement put off,
// for long enough.
func (c *Channel) rxAlarm() {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	c.rx.alarm.rang()
	if c.rx.closed {
		return
	}
	now := time.Now()
	c.rx.window.expire(now)
	c.afterReceive(now)
}

// deliver hands the window's ready frames over.
func (c *Channel) deliver() {
	w := &c.rx.window
	c.counters.collect(&w.tally)
	if len(w.ready) == 0 {
		return
	}
	if c.rx.deliverTo == nil {
		c.keepEarly(w.ready)
	} else {
		c.lend(w.ready)
	}
	w.recycle()
}

// lend calls the receive function, with no more frames at a time than anyone
// expects of a batch.
func (c *Channel) lend(frames []*packet.Buffer) {
	for len(frames) > packet.BatchLen {
		c.rx.deliverTo(frames[:packet.BatchLen])
		frames = frames[packet.BatchLen:]
	}
	c.rx.deliverTo(frames)
}

// keepEarly copies frames that nobody can take yet.
func (c *Channel) keepEarly(frames []*packet.Buffer) {
	for i, frame := range frames {
		if len(c.rx.early) == maxEarly {
			c.counters.notConnected.Add(uint64(len(frames) - i))
			return
		}
		b := packet.Get()
		b.Set(frame.Bytes())
		c.rx.early = append(c.rx.early, b)
	}
}

func (c *Channel) deliverEarly() {
	if len(c.rx.early) > 0 && !c.rx.closed {
		c.lend(c.rx.early)
	}
	c.dropEarly()
}

func (c *Channel) dropEarly() {
	for _, b := range c.rx.early {
		packet.Put(b)
	}
	c.rx.early = nil
}

// acknowledge sends an acknowledgement on its own (RFC 2637, section 4.2) when
// no data took it along in time.
func (c *Channel) acknowledge(now time.Time) {
	if c.rx.deliverTo == nil {
		return
	}
	ack, due := c.flow.overdue(now)
	if !due {
		return
	}
	h := Header{CallID: c.tx.peerID, Ack: ack, HasAck: true}
	b := packet.Get()
	b.SetLen(h.Len())
	h.Put(b.Bytes())
	c.rx.ackBatch[0] = b
	if c.tap.Watched(tap.GRE) {
		c.tap.Carried(true, b.Bytes(), nil)
	}
	if err := c.mux.send(c.tx.path, c.rx.ackBatch[:], false); err != nil {
		c.counters.sendErrors.Add(1)
	} else {
		c.counters.acksSent.Add(1)
	}
	c.rx.ackBatch[0] = nil
	packet.Put(b)
}

// closeReceiver waits for a delivery that is under way and allows no other.
func (c *Channel) closeReceiver() {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	c.rx.closed = true
	c.rx.alarm.stop()
	c.dropEarly()
	c.rx.window.flush()
	c.rx.window.recycle()
}

// misdirected notes a packet for our call ID from an address that is not the
// peer's: a NAT or a second uplink on the peer's side, or an attack.
func (c *Channel) misdirected(from netip.Addr) {
	c.counters.wrongSource.Add(1)
	c.rx.mu.Lock()
	first := !c.rx.stranger.IsValid()
	c.rx.stranger = from
	c.rx.mu.Unlock()
	if first {
		c.log.Warn("GRE for our call came from another address", "peer", c.peer, "source", from, "call", c.id)
	}
}

// Stranger returns the last address, other than the peer's, that sent packets
// with our call ID; not valid when there was none.
func (c *Channel) Stranger() netip.Addr {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	return c.rx.stranger
}
