package mppe

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
)

// A Coder encrypts and decrypts the packets of one link, in place. Each begins
// with its PPP protocol field; the outer one (00FD) is the link's.
type Coder struct {
	stateful bool
	send     sender
	count    counters

	mu      sync.Mutex // guards receive
	receive receiver

	// Of stateful mode.
	flush     atomic.Bool // the next packet begins with fresh tables
	rekeys    atomic.Bool // the peer was seen to change its key when it flushes
	outOfStep atomic.Bool // what receive.lost was when Open returned
	resets    resetLimit
}

// New returns the Coder of a link. It begins with packet 0, so that one set of
// keys is good for one Coder. It panics when there are no keys: that is a bug
// of ours.
func New(keys StartKeys, stateful bool) *Coder {
	if keys.None() {
		panic("mppe: no keys")
	}
	c := &Coder{stateful: stateful}
	c.send.init(keys.both.send, stateful)
	c.receive.init(keys.both.receive)
	c.receive.count = &c.count
	return c
}

// Overhead is the header.
func (*Coder) Overhead() int { return headerLen }

// MaxInner is what fits beside the header and a protocol field of two octets.
func (*Coder) MaxInner(peerMRU int) int { return max(0, peerMRU-headerLen-2) }

// Seal encrypts packets, in their order. One goroutine at a time may call it.
func (c *Coder) Seal(pkts []*packet.Buffer) {
	if c.stateful {
		for _, b := range pkts {
			c.send.continued(b, c.flush.Swap(false), c.rekeys.Load())
		}
	} else {
		c.send.fresh(pkts)
	}
	c.count.sealed.Add(uint64(len(pkts)))
}

// Open decrypts packets and returns those that may go on, in the memory of
// pkts. The error says that the link is of no more use.
func (c *Coder) Open(pkts []*packet.Buffer) ([]*packet.Buffer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.receive
	if c.stateful {
		pkts = r.openContinued(pkts, &c.rekeys)
		c.outOfStep.Store(r.lost)
	} else {
		pkts = r.openFresh(pkts)
	}
	c.count.opened.Add(uint64(len(pkts)))
	return pkts, r.err()
}

// OutOfStep reports whether stateful mode lost packets: Open waits for one with
// fresh tables, which the peer sends upon a CCP Reset-Request.
func (c *Coder) OutOfStep() bool { return c.outOfStep.Load() }

// MayFlush counts a CCP Reset-Request that came at now, and reports whether to
// answer it. It does not allow more than the peer can need: in stateful mode each
// answer repeats keystream, and anybody on the way can forge requests.
func (c *Coder) MayFlush(now time.Time) bool {
	c.count.resets.Add(1)
	if !c.resets.allow(now) {
		c.count.resetsLimited.Add(1)
		return false
	}
	return true
}

// Flush answers a Reset-Request: the next packet begins with fresh tables. In
// stateless mode each does anyway.
func (c *Coder) Flush() { c.flush.Store(true) }

const (
	resetEvery = 10 * time.Millisecond
	resetBurst = 10
)

// A resetLimit allows resetBurst at once, and then one in resetEvery. Only the
// goroutine of the negotiation calls it.
type resetLimit struct{ full time.Time }

func (l *resetLimit) allow(now time.Time) bool {
	if l.full.Before(now) {
		l.full = now
	}
	if l.full.Sub(now) > (resetBurst-1)*resetEvery {
		return false
	}
	l.full = l.full.Add(resetEvery)
	return true
}

// Format keeps the keys out of logs, for every verb.
func (*Coder) Format(w fmt.State, _ rune) { fmt.Fprint(w, "[mppe]") }

// MarshalText keeps the keys out of JSON and slog.
func (*Coder) MarshalText() ([]byte, error) { return []byte("[mppe]"), nil }
