package mppe

import (
	"encoding/binary"

	"sitebridge/internal/packet"
)

// A sender is one direction: out.
type sender struct {
	chain
	n    uint64 // packets so far
	one  stream
	four quad
	keys [4]key // of four
}

func (s *sender) init(start key, stateful bool) {
	s.chain.init(start)
	if stateful {
		s.one.setKey(&s.session)
	}
}

// put writes the header in front of the next packet.
func (s *sender) put(b *packet.Buffer, bits header) {
	binary.BigEndian.PutUint16(b.Prepend(headerLen), uint16(bits|encrypted|header(s.n)&countMask))
	s.n++
}

// fresh is stateless mode: the key changes before every packet, the first one
// too (RFC 3078, section 7.1). So the keys of packets do not wait for the bytes of
// others, and four are encrypted in one loop.
func (s *sender) fresh(pkts []*packet.Buffer) {
	for ; len(pkts) >= 4; pkts = pkts[4:] {
		for i := range s.keys {
			s.change()
			s.keys[i] = s.session
		}
		s.four.setKeys(&s.keys)
		s.four.xor((*[4]*packet.Buffer)(pkts))
		for _, b := range pkts[:4] {
			s.put(b, flushed)
		}
	}
	for _, b := range pkts {
		s.change()
		s.one.setKey(&s.session)
		s.one.xor(b.Bytes())
		s.put(b, flushed)
	}
}

// continued is stateful mode: the tables run on from packet to packet, and the
// key changes before every 256th. Linux drops that one unless it says that its
// tables are fresh, which they are. A flush begins the current key anew (RFC
// 3078, section 7.2), so its keystream is repeated; Linux changes the key then,
// and so do we for a peer that was seen to.
func (s *sender) continued(b *packet.Buffer, flush, rekeys bool) {
	var bits header
	switch {
	case isFlag(s.n) || flush && rekeys:
		s.change()
		fallthrough
	case flush:
		s.one.setKey(&s.session)
		bits = flushed
	}
	s.one.xor(b.Bytes())
	s.put(b, bits)
}
