// Package packet holds the buffers that packets travel in. A Buffer has room in
// front of the packet, so that every layer writes its header in place and a
// packet's bytes are not copied between the TUN interface and the GRE socket.
//
// Whoever hands a batch of buffers to the next layer lends it until the call
// returns: the callee may change the packets in place, and copies what it
// keeps. Buffers come from one pool for the whole daemon, so that an idle site
// holds none.
package packet

import (
	"fmt"
	"sync"
)

const (
	// Headroom is the number of octets free in front of a packet in a fresh
	// Buffer: enough for PPP, its encryption, enhanced GRE, an Ethernet and an
	// IP header, and the kernel's virtio header.
	Headroom = 128
	// MaxLen is the longest packet, in octets, that fits behind Headroom.
	// RFC 2637 wants receivers to take PPP payloads of 1532 octets.
	MaxLen = 2048
	// BatchLen is the number of packets that move together at most.
	BatchLen = 64

	size = Headroom + MaxLen
)

// A Buffer is one packet and the room around it. The zero Buffer is an empty
// packet with no headroom; use Get or Reset.
type Buffer struct {
	off, end int
	mem      [size]byte
}

// Reset makes b an empty packet with Headroom octets in front.
func (b *Buffer) Reset() { b.off, b.end = Headroom, Headroom }

// Bytes returns the packet. The slice is good until b is changed or given back.
func (b *Buffer) Bytes() []byte { return b.mem[b.off:b.end] }

// Len returns the packet's length in octets.
func (b *Buffer) Len() int { return b.end - b.off }

// Room returns the octets in front of the packet that Prepend can still use.
func (b *Buffer) Room() int { return b.off }

// Prepend makes the packet n octets longer at its front and returns the whole
// packet. The new octets hold old data. It panics when there is no room: the
// sum of all headers is known, so that is a bug of ours.
func (b *Buffer) Prepend(n int) []byte {
	if n > b.off {
		panic(fmt.Sprintf("packet: prepend %d octets with %d free", n, b.off))
	}
	b.off -= n
	return b.Bytes()
}

// TrimFront takes n octets, at most the whole packet, off the front.
func (b *Buffer) TrimFront(n int) { b.off += min(n, b.Len()) }

// Truncate cuts the packet to its first n octets; a shorter one stays as it is.
func (b *Buffer) Truncate(n int) { b.end = min(b.end, b.off+n) }

// Space returns the memory from the packet's first octet to the end of the
// buffer, for a reader to fill; SetLen then says how much it filled.
func (b *Buffer) Space() []byte { return b.mem[b.off:] }

// SetLen makes the packet n octets long; what is new at its end is whatever
// Space was filled with.
func (b *Buffer) SetLen(n int) {
	if n < 0 || b.off+n > size {
		panic(fmt.Sprintf("packet: length %d at offset %d", n, b.off))
	}
	b.end = b.off + n
}

// Set makes b a copy of p, with Headroom in front. It reports false, and leaves
// b empty, when p is longer than MaxLen.
func (b *Buffer) Set(p []byte) bool {
	b.Reset()
	if len(p) > MaxLen {
		return false
	}
	b.end += copy(b.mem[b.off:], p)
	return true
}

// Whole returns all of the buffer's memory and the offset of the packet in it,
// for readers and writers that want room in front of the packet themselves (the
// TUN interface). Changes to it are changes to the packet.
func (b *Buffer) Whole() (mem []byte, offset int) { return b.mem[:], b.off }

var pool = sync.Pool{New: func() any { return new(Buffer) }}

// Get returns an empty Buffer with Headroom.
func Get() *Buffer {
	b := pool.Get().(*Buffer)
	b.Reset()
	return b
}

// Put gives b back; the caller must not touch it again.
func Put(b *Buffer) { pool.Put(b) }

// A Batch is BatchLen buffers that a reader fills again and again.
type Batch struct {
	Buffers [BatchLen]*Buffer
}

var batches = sync.Pool{New: func() any {
	b := new(Batch)
	mem := new([BatchLen]Buffer)
	for i := range mem {
		b.Buffers[i] = &mem[i]
	}
	return b
}}

// GetBatch returns a Batch whose buffers are all empty with Headroom.
func GetBatch() *Batch {
	b := batches.Get().(*Batch)
	for _, p := range b.Buffers {
		p.Reset()
	}
	return b
}

// PutBatch gives a whole batch back.
func PutBatch(b *Batch) { batches.Put(b) }
