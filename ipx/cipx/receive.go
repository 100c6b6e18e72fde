package cipx

import (
	"encoding/binary"
	"sync"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// Drops count packets that were not passed on, by reason.
type Drops struct {
	Truncated   uint64 `json:"truncated"`    // ends before its CIPX header does
	UnknownType uint64 `json:"unknown_type"` // or unknown flags: answered by a Reject
	BadSlot     uint64 `json:"bad_slot"`     // a number that we do not have
	EmptySlot   uint64 `json:"empty_slot"`   // nothing is in it
	NoSlot      uint64 `json:"no_slot"`      // left out, and it cannot be known which is meant
	BadLength   uint64 `json:"bad_length"`   // says more than there is, or less than a header
	NotIPX      uint64 `json:"not_ipx"`      // holds no whole IPX packet
	NotNCP      uint64 `json:"not_ncp"`      // an NCP slot, and no NCP request or reply
	Stale       uint64 `json:"stale"`        // a confirm of what we do not wait for
}

// A receiver is the decompressing half. mu guards all of it.
type receiver struct {
	mu    sync.Mutex
	cfg   Config
	slots []inSlot
	last  int    // slot of the packet before; noSlot: cannot be known
	bad   uint64 // packets for empty slots
	stats InStats
}

// An inSlot is a header that the peer gave us.
type inSlot struct {
	filled, ncp bool
	header      [ipxLen + ncpLen]byte
}

func (r *receiver) init(cfg Config) {
	*r = receiver{cfg: cfg, slots: make([]inSlot, min(max(cfg.Slots, 0), maxSlots)), last: noSlot}
}

// take handles one packet, and reports whether it is an IPX packet now.
func (c *Codec) take(p *packet.Buffer, reply func(*packet.Buffer)) bool {
	b, r := p.Bytes(), &c.in
	if isControl(b) {
		c.control(b)
		return false
	}
	if len(b) == 0 {
		r.stats.Dropped.Truncated++
		return false
	}
	if len(r.slots) == 0 || b[0] == plain { // nothing was agreed on for this direction
		r.stats.Regular++
		return r.whole(p)
	}
	switch flags := b[0]; {
	case flags&typeMask == typeCompressed:
		return r.compressed(p, reply)
	case flags == typeRegular:
		r.stats.Regular++
		p.TrimFront(1)
		return r.whole(p)
	case flags == typeConfirmed:
		return r.confirmed(p, reply)
	case flags == typeUnconfirmed:
		return r.unconfirmed(p)
	default:
		r.stats.Dropped.UnknownType++
		r.last = noSlot
		answer(reply, typeReject, flags)
		return false
	}
}

// Confirms and Rejects are shorter than any IPX packet, so that they are recognised even
// where the peer sends its packets as they are.
const (
	confirmLen = 3
	rejectLen  = 2
)

func isControl(b []byte) bool {
	return len(b) == confirmLen && b[0] == typeConfirm || len(b) == rejectLen && b[0] == typeReject
}

func (c *Codec) control(b []byte) {
	c.in.stats.Control++
	if b[0] == typeReject {
		c.out.rejected(b[1])
	} else if !c.out.confirmed(b[1], b[2]) {
		c.in.stats.Dropped.Stale++
	}
}

// answer lends a packet of a few octets to reply.
func answer(reply func(*packet.Buffer), octets ...byte) {
	p := packet.Get()
	defer packet.Put(p)
	p.Set(octets)
	reply(p)
}

// whole reports whether p holds an IPX packet.
func (r *receiver) whole(p *packet.Buffer) bool {
	if ipx.Check(p.Bytes()) != nil {
		r.stats.Dropped.NotIPX++
		return false
	}
	return true
}

// slot returns the slot of a number.
func (r *receiver) slot(n byte) (*inSlot, bool) {
	if int(n) >= len(r.slots) {
		r.stats.Dropped.BadSlot++
		r.last = noSlot
		return nil, false
	}
	return &r.slots[n], true
}

// confirmed keeps a header, and says so.
func (r *receiver) confirmed(p *packet.Buffer, reply func(*packet.Buffer)) bool {
	b := p.Bytes()
	if len(b) < 3 {
		r.stats.Dropped.Truncated++
		return false
	}
	n, id := b[1], b[2]
	p.TrimFront(3)
	s, ok := r.slot(n)
	if !ok || !r.whole(p) {
		return false
	}
	r.fill(n, s, p, false)
	answer(reply, typeConfirm, n, id)
	return true
}

// unconfirmed keeps the headers of an NCP session.
func (r *receiver) unconfirmed(p *packet.Buffer) bool {
	b := p.Bytes()
	if len(b) < 2 {
		r.stats.Dropped.Truncated++
		return false
	}
	n := b[1]
	p.TrimFront(2)
	s, ok := r.slot(n)
	if !ok || !r.whole(p) {
		return false
	}
	if b = p.Bytes(); !isNCP(b[:ipx.Length(b)]) {
		r.stats.Dropped.NotNCP++
		return false
	}
	r.fill(n, s, p, true)
	return true
}

// fill keeps p's header.
func (r *receiver) fill(n byte, s *inSlot, p *packet.Buffer, ncp bool) {
	copy(s.header[:], p.Bytes())
	s.filled, s.ncp = true, ncp
	r.last = int(n)
	r.stats.Initial++
}

// A head is what a compressed packet says of its header.
type head struct {
	slot     int // noSlot: left out
	checksum uint16
	length   int // 0: left out
	task     int // -1: left out
}

// parseHead reads the optional fields and returns what follows them.
func parseHead(flags byte, b []byte) (h head, rest []byte, ok bool) {
	h = head{slot: noSlot, checksum: ipx.NoChecksum, task: -1}
	if flags&hasSlot != 0 {
		if len(b) < 1 {
			return h, nil, false
		}
		h.slot, b = int(b[0]), b[1:]
	}
	if flags&hasChecksum != 0 {
		if len(b) < 2 {
			return h, nil, false
		}
		h.checksum, b = binary.BigEndian.Uint16(b), b[2:]
	}
	if flags&hasLength != 0 {
		if h.length, b, ok = cutLength(b); !ok {
			return h, nil, false
		}
	}
	if flags&hasTask != 0 {
		if len(b) < 1 {
			return h, nil, false
		}
		h.task, b = int(b[0]), b[1:]
	}
	return h, b, true
}

// compressed puts the header of p's slot back.
func (r *receiver) compressed(p *packet.Buffer, reply func(*packet.Buffer)) bool {
	b := p.Bytes()
	h, data, ok := parseHead(b[0], b[1:])
	if !ok {
		r.stats.Dropped.Truncated++
		r.last = noSlot
		return false
	}
	s := r.find(h, b[0], reply)
	if s == nil {
		r.last = noSlot
		return false
	}
	n := ipxLen
	if s.ncp {
		n += ncpLen
	} else if h.task >= 0 {
		r.stats.Dropped.UnknownType++
		answer(reply, typeReject, b[0])
		return false
	}
	front := len(b) - len(data)
	switch {
	case h.length == 0 && b[0]&hasLength == 0:
		h.length = n + len(data)
	case h.length < n || h.length > n+len(data):
		r.stats.Dropped.BadLength++
		return false
	}
	if h.length > 0xFFFF || p.Room()+front < n {
		r.stats.Dropped.BadLength++
		return false
	}
	p.TrimFront(front)
	r.restore(s, h, p.Prepend(n))
	p.Truncate(h.length)
	r.stats.Compressed++
	return true
}

// find returns the slot that a compressed packet means. A peer whose slot we do not have
// believes that we do: it is told, but not for each packet.
func (r *receiver) find(h head, flags byte, reply func(*packet.Buffer)) *inSlot {
	if h.slot == noSlot {
		if h.slot = r.last; h.slot == noSlot || !r.cfg.CompressSlotID {
			r.stats.Dropped.NoSlot++
			return nil
		}
	}
	s, ok := r.slot(byte(h.slot))
	if !ok {
		return nil
	}
	if !s.filled {
		r.stats.Dropped.EmptySlot++
		if r.bad++; r.bad%impatience == 1 {
			answer(reply, typeReject, flags)
		}
		return nil
	}
	r.last = h.slot
	return s
}

// restore writes the header before the data, and what is counted on.
func (r *receiver) restore(s *inSlot, h head, b []byte) {
	if s.ncp {
		s.header[offSeq]++
		if h.task >= 0 {
			s.header[offTask] = byte(h.task)
		}
		copy(b, s.header[:])
	} else {
		copy(b, s.header[:ipxLen])
	}
	binary.BigEndian.PutUint16(b, h.checksum)
	binary.BigEndian.PutUint16(b[2:], uint16(h.length))
}
