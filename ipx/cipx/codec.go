package cipx

import (
	"sitebridge/internal/packet"
)

// Config is what is done in one direction.
type Config struct {
	// Slots is the number of headers kept, 256 at most. 0: nothing is compressed.
	Slots int
	// CompressSlotID leaves the number of a slot out when it is that of the packet
	// before (of the receive side: understands it).
	CompressSlotID bool

	// What follows is for the send side only.

	NCP bool // compress NCP headers too
	// MTU is the longest packet that the link takes, with its CIPX header. 0: any.
	MTU int
	// Quiet is how many packets must have gone elsewhere before a slot is given to
	// another flow. 0: 64, as many as travel in one batch.
	Quiet int
}

const (
	maxSlots     = 256
	defaultQuiet = packet.BatchLen
)

// A Codec is the compression of one link, in both directions. Make a new one whenever
// the link comes up: the slots of both ends are empty then. It is safe for use
// by a sender and a receiver at once.
type Codec struct {
	out sender
	in  receiver
}

// NewCodec returns a Codec with all slots empty. What IPXCP negotiated goes into
// send and receive.
func NewCodec(send, receive Config) *Codec {
	c := new(Codec)
	c.out.init(send)
	c.in.init(receive)
	return c
}

// Out compresses packets in place. They are IPX packets, and have four octets of
// headroom.
func (c *Codec) Out(pkts []*packet.Buffer) {
	if len(c.out.slots) == 0 {
		return
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for _, p := range pkts {
		c.out.compress(p)
	}
}

// In decompresses packets in place and returns, in the same slice, those that are IPX
// packets. What the peer is to be told is lent to reply: it goes out as it is, past Out.
// reply must not call In.
func (c *Codec) In(pkts []*packet.Buffer, reply func(*packet.Buffer)) []*packet.Buffer {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	kept := pkts[:0]
	for _, p := range pkts {
		if c.take(p, reply) {
			kept = append(kept, p)
		}
	}
	return kept
}

// Lost tells that the link has lost packets, or may have: what the next ones leave
// out is not guessed.
func (c *Codec) Lost() {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.last = noSlot
}

// Stats are the counters of both directions.
type Stats struct {
	Out OutStats `json:"out"`
	In  InStats  `json:"in"`
}

// OutStats count what went out.
type OutStats struct {
	Compressed uint64 `json:"compressed"`
	Regular    uint64 `json:"regular"`
	Initial    uint64 `json:"initial"`
	Confirmed  uint64 `json:"confirmed"` // slots that the peer confirmed
	Rejected   uint64 `json:"rejected"`  // times that it did not understand us
	Before     uint64 `json:"octets_before"`
	After      uint64 `json:"octets_after"`
}

// InStats count what came in.
type InStats struct {
	Compressed uint64 `json:"compressed"`
	Regular    uint64 `json:"regular"`
	Initial    uint64 `json:"initial"`
	Control    uint64 `json:"control"` // confirms and rejects
	Dropped    Drops  `json:"dropped"`
}

// Stats returns the counters.
func (c *Codec) Stats() Stats {
	c.out.mu.Lock()
	out := c.out.stats
	c.out.mu.Unlock()
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return Stats{Out: out, In: c.in.stats}
}
