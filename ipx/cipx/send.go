package cipx

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"sync"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// A sender is the compressing half. mu guards all of it.
type sender struct {
	mu    sync.Mutex
	cfg   Config
	seed  maphash.Seed
	tags  []uint32 // of each slot's flow, so that few of them are compared
	slots []outSlot
	used  int    // slots that were ever filled are the first ones
	count uint64 // packets so far
	last  int    // slot of the packet before, if that was compressed
	ncp   bool   // NCP slots are used
	off   bool   // the peer does not understand us: nothing is compressed
	stats OutStats
}

// noSlot is no slot's number.
const noSlot = -1

type state uint8

const (
	empty   state = iota
	filling       // sent, and not confirmed
	filled
)

// An outSlot is what the peer keeps in its slot of the same number.
type outSlot struct {
	header   [ipxLen + ncpLen]byte
	ncp      bool
	state    state
	id       byte
	tries    uint   // Confirmed Initials without an answer
	lastUsed uint64 // count
}

func (s *sender) init(cfg Config) {
	if cfg.Quiet <= 0 {
		cfg.Quiet = defaultQuiet
	}
	n := min(max(cfg.Slots, 0), maxSlots)
	*s = sender{cfg: cfg, seed: maphash.MakeSeed(), tags: make([]uint32, n), slots: make([]outSlot, n), last: noSlot, ncp: cfg.NCP}
	for i := range s.slots {
		s.slots[i].id = byte(rand.Uint32()) // not that of the link before this one
	}
}

// compress makes of p what goes over the link.
func (s *sender) compress(p *packet.Buffer) {
	b := p.Bytes()
	s.count++
	s.stats.Before += uint64(len(b))
	if i := s.slotFor(b); i != noSlot {
		s.through(i, p)
	} else {
		s.regular(p)
	}
	s.stats.After += uint64(p.Len())
}

// slotFor returns the slot of b's flow, which may be one that it just got.
func (s *sender) slotFor(b []byte) int {
	if s.off || ipx.Check(b) != nil || ipx.Length(b) != len(b) {
		return noSlot // what has octets behind its end must keep them
	}
	ncp := s.ncp && isNCP(b)
	tag := uint32(maphash.Bytes(s.seed, b[offSame:ipxLen]))
	for i, t := range s.tags[:s.used] {
		if t == tag && s.slots[i].holds(b, ncp) {
			return i
		}
	}
	return s.claim(b, ncp, tag)
}

// holds reports whether the slot is that of b's flow.
func (o *outSlot) holds(b []byte, ncp bool) bool {
	if o.ncp != ncp || !bytes.Equal(b[offSame:ipxLen], o.header[offSame:ipxLen]) {
		return false
	}
	return !ncp || o.header[offType] == b[offType] && o.header[offSeq+1] == b[offSeq+1] && o.header[offTask+1] == b[offTask+1]
}

// claim gives a slot to a new flow: one that was never used, or the one that was quiet
// for longest, if that is long enough. It may be that no slot is.
func (s *sender) claim(b []byte, ncp bool, tag uint32) int {
	i := s.used
	if i < len(s.slots) {
		s.used++
	} else {
		i = 0
		for j := range s.slots {
			if s.slots[j].lastUsed < s.slots[i].lastUsed {
				i = j
			}
		}
		if s.count-s.slots[i].lastUsed <= uint64(s.cfg.Quiet) {
			return noSlot
		}
	}
	o := &s.slots[i]
	o.state, o.ncp, o.tries = empty, ncp, 0
	o.id++
	copy(o.header[:], b[:min(len(b), len(o.header))])
	s.tags[i] = tag
	return i
}

// impatience is how many Confirmed Initials may go unanswered before we try less often.
const (
	impatience = 16
	seldom     = 64
)

// through sends p by slot i: without its header if the peer has that, else to fill
// the slot.
func (s *sender) through(i int, p *packet.Buffer) {
	o, b := &s.slots[i], p.Bytes()
	o.lastUsed = s.count
	switch {
	case o.ncp && o.state == filled && b[offSeq] == o.header[offSeq]+1:
		s.compressed(i, p, ipxLen+ncpLen)
	case o.ncp:
		s.initial(i, p, 2, typeUnconfirmed)
		o.state = filled
	case o.state == filled:
		s.compressed(i, p, ipxLen)
	case o.tries >= impatience && o.tries%seldom != 0:
		o.tries++
		s.regular(p)
	default:
		o.tries++
		s.initial(i, p, 3, typeConfirmed)
	}
}

// compressed takes off the first n octets, which the peer has.
func (s *sender) compressed(i int, p *packet.Buffer, n int) {
	o, b := &s.slots[i], p.Bytes()
	flags, head := byte(0), [5]byte{}
	fields := head[1:1]
	if !s.cfg.CompressSlotID || s.last != i {
		flags |= hasSlot
		fields = append(fields, byte(i))
	}
	// A header kept with a checksum is no reason to think that the next has one.
	if sum := binary.BigEndian.Uint16(b); sum != ipx.NoChecksum || binary.BigEndian.Uint16(o.header[:]) != ipx.NoChecksum {
		flags |= hasChecksum
		fields = append(fields, b[0], b[1])
	}
	if o.ncp {
		o.header[offSeq] = b[offSeq]
		if b[offTask] != o.header[offTask] {
			flags |= hasTask
			fields = append(fields, b[offTask])
			o.header[offTask] = b[offTask]
		}
	}
	head[0] = flags
	p.TrimFront(n)
	copy(p.Prepend(1+len(fields)), head[:1+len(fields)])
	s.last = i
	s.stats.Compressed++
}

// initial sends p whole, for the peer to keep its header.
func (s *sender) initial(i int, p *packet.Buffer, head int, kind byte) {
	if s.tooLong(p, head) {
		s.regular(p)
		return
	}
	o := &s.slots[i]
	copy(o.header[:], p.Bytes()[:min(p.Len(), len(o.header))])
	if o.state == empty {
		o.state = filling
	}
	b := p.Prepend(head)
	b[0], b[1] = kind, byte(i)
	if kind == typeConfirmed {
		b[2] = o.id
	}
	s.last = noSlot
	s.stats.Initial++
}

func (s *sender) tooLong(p *packet.Buffer, head int) bool {
	return s.cfg.MTU > 0 && p.Len()+head > s.cfg.MTU
}

// regular sends p as it is. One that would become too long goes without any
// CIPX header, which the peer knows by its first octet.
func (s *sender) regular(p *packet.Buffer) {
	s.last = noSlot
	s.stats.Regular++
	if p.Len() > 0 && p.Bytes()[0] == plain && s.tooLong(p, 1) {
		return
	}
	p.Prepend(1)[0] = typeRegular
}

// confirmed takes the peer's word that it has a slot's header. One that is about an
// earlier header of the slot says nothing.
func (s *sender) confirmed(slot, id byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(slot) >= s.used {
		return false
	}
	o := &s.slots[slot]
	if o.ncp || o.state == empty || o.id != id {
		return false
	}
	if o.state == filling {
		o.state = filled
		s.stats.Confirmed++
	}
	return true
}

// rejected takes the peer's word that it did not understand a packet of ours that
// began with flags. What it cannot do, we stop; a compressed packet that it has no
// header for is a reason to send the headers again.
func (s *sender) rejected(flags byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Rejected++
	kind := flags & typeMask
	switch {
	case kind == typeConfirmed, kind == typeRegular, s.stats.Rejected > impatience:
		s.off = true
	case kind == typeUnconfirmed:
		s.ncp = false
		s.refill()
	default:
		s.refill()
	}
}

// refill begins all slots anew, each with the header that it has.
func (s *sender) refill() {
	s.last = noSlot
	for i := range s.slots[:s.used] {
		o := &s.slots[i]
		o.state, o.tries = empty, 0
		o.id++
	}
}
