package gre

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/internal/tap"
)

// A sender is the half of a channel that numbers packets and sends them.
type sender struct {
	mu        sync.Mutex // guards all below; held while a batch is sent, which keeps its order
	path      Path       // the receiver's lock is needed, too, to change its Port
	peerID    uint16     // does not change after connect
	connected bool
	closed    bool

	pacing bool  // does not change
	queue  queue // waits for room in the peer's window
	alarm  alarm // the pacer's time-out
}

func (t *sender) connect(local netip.Addr, peerID uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.path.Local, t.peerID, t.connected = local, peerID, true
}

// setPort makes packets leave by UDP to that port of the peer's, by raw GRE for 0.
func (t *sender) setPort(port uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.path.Port = port
}

func (t *sender) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.alarm.stop()
	t.queue.drop(len(t.queue.frames))
}

// Send sends PPP frames, each with MaxHeaderLen octets of room in front, as one
// batch. With df, frames that do not fit the path are dropped and the error is a
// *TooBigError. It does not block, is safe for concurrent use, and keeps the
// order of frames. When the channel paces and the peer's window is full, frames
// wait in a short queue and those that find it full are dropped and counted.
func (c *Channel) Send(frames []*packet.Buffer, df bool) error {
	t := &c.tx
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	} else if !t.connected {
		return ErrNotConnected
	}
	if t.pacing {
		return c.paced(frames, df)
	}
	return c.transmit(frames, df, time.Now())
}

// transmit sends frames now. It goes on after those that are too big.
func (c *Channel) transmit(frames []*packet.Buffer, df bool, now time.Time) error {
	var tooBig *TooBigError
	for len(frames) > 0 {
		n := sendable(frames)
		if n == 0 {
			c.counters.shortSent.Add(1)
			frames = frames[1:]
			continue
		}
		if err := c.transmitBatch(frames[:n], df, now); err != nil {
			e := asTooBig(err)
			if e == nil {
				c.counters.sendErrors.Add(1)
				return fmt.Errorf("send GRE to %v: %w", c.peer, err)
			}
			c.counters.tooBig.Add(uint64(e.Packets))
			if tooBig != nil {
				e.Packets += tooBig.Packets
			}
			tooBig = e
		}
		frames = frames[n:]
	}
	if tooBig != nil {
		return tooBig
	}
	return nil
}

// sendable returns how many of the first frames can go out as one batch.
func sendable(frames []*packet.Buffer) int {
	for i, b := range frames {
		if i == packet.BatchLen || b.Len() < minFrame {
			return i
		}
	}
	return len(frames)
}

// transmitBatch writes the headers in place and sends.
func (c *Channel) transmitBatch(frames []*packet.Buffer, df bool, now time.Time) error {
	seq, ack, hasAck := c.flow.reserve(len(frames), now)
	h := Header{CallID: c.tx.peerID, HasSeq: true, Ack: ack, HasAck: hasAck}
	octets := 0
	for _, b := range frames {
		octets += b.Len()
		h.PayloadLen, h.Seq = uint16(b.Len()), seq
		h.Put(b.Prepend(h.Len()))
		h.HasAck = false // one is enough
		seq++
	}
	if hasAck {
		c.counters.acksPiggybacked.Add(1)
	}
	if c.tap.Watched(tap.GRE) {
		c.showSent(frames)
	}
	c.counters.packetsSent.Add(uint64(len(frames)))
	c.counters.octetsSent.Add(uint64(octets))
	return c.mux.send(c.tx.path, frames, df)
}

func asTooBig(err error) (e *TooBigError) {
	errors.As(err, &e)
	return e
}
