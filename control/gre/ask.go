package gre

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"time"

	"sitebridge/internal/packet"
)

// ErrNoUDP is returned by Probe when this side has no UDP carrier.
var ErrNoUDP = errors.New("gre: no UDP carrier is open")

// How often Probe asks: after so long, and then twice as long after each time as all
// before took.
const (
	firstAgain = 200 * time.Millisecond
	maxAgain   = time.Second
)

// A question is a probe that waits for its reply.
type question struct {
	path         Path
	mine, theirs Token
	replied      chan struct{} // closed by the reply
}

// Probe asks the peer by UDP whether packets get through to it, at 0, 0.2, 0.4, 0.8
// seconds and so on until ctx ends, and returns nil when the peer's reply has come from
// the port that was asked: packets of the call go there from then on. When it fails the
// call stays with raw GRE. It is called by the side that made the call, after the peer
// has accepted it, before Connect. Packets of the call that came before count for nothing.
func (c *Channel) Probe(ctx context.Context, to Path, mine, theirs Token) error {
	if c.mux.udp == nil {
		return ErrNoUDP
	}
	to.Local, to.Remote, to.Device = to.Local.Unmap(), to.Remote.Unmap(), c.dev
	if to.Port == 0 || to.Remote != c.peer {
		return fmt.Errorf("gre: cannot probe UDP port %d of %v for a call with %v", to.Port, to.Remote, c.peer)
	}
	q := &question{to, mine, theirs, make(chan struct{})}
	if err := c.ask(q); err != nil {
		return err
	}
	var failed error
	for wait, again := firstAgain, firstAgain; ; wait, again = again, min(2*again, maxAgain) {
		if err := c.sendProbe(q); err != nil {
			failed = err
		}
		select {
		case <-q.replied:
			return nil
		case <-ctx.Done():
			if c.askNoMore() {
				return nil // in the last moment
			}
			return fmt.Errorf("no answer from UDP port %d of %v: %w", to.Port, to.Remote, errors.Join(ctx.Err(), failed))
		case <-time.After(wait):
		}
	}
}

// ask makes the receiver know a question.
func (c *Channel) ask(q *question) error {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	if c.rx.closed {
		return net.ErrClosed
	}
	c.rx.asked = q
	return nil
}

// askNoMore ends a question, and reports whether it was answered.
func (c *Channel) askNoMore() bool {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	was := c.rx.asked
	c.rx.asked = nil
	return was == nil
}

func (c *Channel) sendProbe(q *question) error {
	p := probe{probeAsks, c.id, q.theirs, q.mine}
	b := packet.Get()
	defer packet.Put(b)
	b.SetLen(probeLen)
	p.append(b.Bytes()[:0])
	return c.mux.udp.carrier.Send(q.path, []*packet.Buffer{b}, false)
}

// answered takes a reply: it reports false when it is not to what we ask.
func (c *Channel) answered(d *Datagram, p probe) bool {
	c.rx.mu.Lock()
	defer c.rx.mu.Unlock()
	q := c.rx.asked
	if q == nil || c.rx.closed || d.Path.Port != q.path.Port ||
		subtle.ConstantTimeCompare(p.to[:], q.mine[:])&subtle.ConstantTimeCompare(p.from[:], q.theirs[:]) != 1 {
		return false
	}
	c.rx.asked = nil
	c.forgetEarly()
	c.choose(q.path.Port)
	close(q.replied)
	return true
}

// forgetEarly drops what came by raw GRE before the call was one by UDP.
func (c *Channel) forgetEarly() {
	w := &c.rx.window
	c.counters.wrongCarrier.Add(uint64(len(c.rx.early) + w.waiting))
	w.flush()
	w.recycle()
	w.tally, w.begun = tally{}, false
	c.dropEarly()
}
