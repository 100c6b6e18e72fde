package ppp

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"slices"

	"sitebridge/ppp/fsm"
)

// maxLoops is how many of our own Naks must come back before the line is taken
// for a loop. Two ends that draw the same number by chance once in 2^32 times
// do not do it again; and it is below Max-Failure, after which Naks are no
// longer sent.
const maxLoops = 3

// echoes reports whether a request holds the magic number of our own: it came
// from us, or the peer drew the same number (RFC 1661, section 6.4). No other
// option of it is worth an answer.
func (n *lcp) echoes(peer []fsm.Option) bool {
	return n.ours.Magic != 0 && slices.ContainsFunc(peer, func(o fsm.Option) bool {
		return o.Type == optMagic && wellFormed(o) && binary.BigEndian.Uint32(o.Data) == n.ours.Magic
	})
}

func (n *lcp) suggestMagic() fsm.Option {
	n.nak = n.random()
	return magicOption(n.nak)
}

// moveMagic takes another number, unless the suggestion is the one that we
// ourselves sent last, again and again: then the line is looped back.
func (n *lcp) moveMagic(o fsm.Option) error {
	if n.nak != 0 && wellFormed(o) && binary.BigEndian.Uint32(o.Data) == n.nak {
		if n.loops++; n.loops >= maxLoops {
			return ended(LoopedBack, "the line is looped back: all that comes is what we sent")
		}
	} else {
		n.loops = 0
	}
	n.ours.Magic = n.random()
	return nil
}

// random returns a magic number: anything but 0.
func (n *lcp) random() uint32 {
	var b [4]byte
	for binary.BigEndian.Uint32(b[:]) == 0 {
		if _, err := io.ReadFull(n.rand, b[:]); err != nil {
			n.rand = rand.Reader // never fails
		}
	}
	return binary.BigEndian.Uint32(b[:])
}
