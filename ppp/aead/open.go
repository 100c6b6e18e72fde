package aead

import (
	"crypto/cipher"
	"encoding/binary"
	"slices"
	"sync"

	"sitebridge/internal/packet"
)

// lookahead is how many epochs beyond the current one a packet may be from. The
// sender takes one step at a time, so more than one is missing only where all
// packets of an epoch were lost. With more than that lost the keys never meet again,
// and LCP's echoes, which are in clear, need not notice: so it is hours.
const lookahead = 16

// An opener decrypts what the peer sends.
type opener struct {
	mu       sync.Mutex // guards what follows
	current  *epoch
	previous *epoch   // nil: there was none
	ahead    []*epoch // those after current whose keys were made already, on trial
	chain    *chain   // makes the one after those
}

// An epoch is a key with what came under it.
type epoch struct {
	number uint32
	aead   cipher.AEAD
	window window
}

func newOpener(c *chain) opener {
	return opener{
		current: &epoch{aead: c.next()},
		chain:   c,
	}
}

// open decrypts a packet in place. Nothing is believed of it, and nothing changes,
// before it is authenticated.
func (o *opener) open(b *packet.Buffer) verdict {
	p := b.Bytes()
	if len(p) < shortest {
		return short
	}
	e, why := o.find(binary.BigEndian.Uint32(p))
	if e == nil {
		return why
	}
	counter := binary.BigEndian.Uint64(p[epochLen:])
	if why := e.window.check(counter); why != good {
		return why
	}
	header, sealed := p[:headerLen], p[headerLen:]
	if _, err := e.aead.Open(sealed[:0], header, sealed, header); err != nil {
		return forged
	}
	e.window.mark(counter)
	if e.number > o.current.number {
		o.moveTo(e)
	}
	b.TrimFront(headerLen)
	b.Truncate(b.Len() - tagLen)
	return good
}

// find returns the epoch of that number, or why there is none. The key of a later
// one is made once, so that forged numbers cost no more than forged packets.
func (o *opener) find(number uint32) (*epoch, verdict) {
	switch {
	case number == o.current.number:
		return o.current, good
	case o.previous != nil && number == o.previous.number:
		return o.previous, good
	case number < o.current.number:
		return nil, tooOld
	case number-o.current.number > lookahead:
		return nil, unknownEpoch
	}
	ahead := int(number - o.current.number)
	for len(o.ahead) < ahead {
		o.ahead = append(o.ahead, &epoch{number: o.current.number + uint32(len(o.ahead)) + 1, aead: o.chain.next()})
	}
	return o.ahead[ahead-1], good
}

// moveTo makes e the current epoch. The one of the number before it is kept, for
// packets that were overtaken; every older key is forgotten.
func (o *opener) moveTo(e *epoch) {
	for o.current != e {
		o.previous, o.current = o.current, o.ahead[0]
		o.ahead = slices.Delete(o.ahead, 0, 1)
	}
}
