package ipxcp

import (
	"encoding/binary"

	"sitebridge/ppp/fsm"
)

// Compression is the compression of IPX headers in one direction (Telebit's CIPX, RFC
// 1553): who asks for it can take it in.
type Compression struct {
	Slots          int  // headers that are kept; 0: nothing is compressed
	CompressSlotID bool // a packet may leave the slot's number out
}

const (
	cipx     = 0x0002 // the only compression protocol that we know
	maxSlots = 256

	flagCompressSlotID = 0x01
)

// compression is what a site is willing to do, either way.
func (c Config) compression() Compression {
	if c.Slots <= 0 {
		return Compression{}
	}
	return Compression{Slots: min(c.Slots, maxSlots), CompressSlotID: c.CompressSlotID}
}

// least returns what both can do. Whether a slot's number may be left out is the
// receiver's word alone.
func (c Compression) least(d Compression) Compression {
	if c.Slots = min(c.Slots, d.Slots); c.Slots == 0 {
		return Compression{}
	}
	return c
}

// A Compression option holds the protocol(2), Max-Slot-Id(1) and flags(1).
func (c Compression) option() fsm.Option {
	data := binary.BigEndian.AppendUint16(nil, cipx)
	flags := byte(0)
	if c.CompressSlotID {
		flags = flagCompressSlotID
	}
	return fsm.Option{Type: optCompression, Data: append(data, byte(c.Slots-1), flags)}
}

// parseCompression reads an option of the protocol that we know. plain is false when it
// asks for more than a Compression can say.
func parseCompression(o fsm.Option) (c Compression, plain, ok bool) {
	if len(o.Data) != 4 || binary.BigEndian.Uint16(o.Data) != cipx {
		return Compression{}, false, false
	}
	flags := o.Data[3]
	c = Compression{Slots: int(o.Data[2]) + 1, CompressSlotID: flags&flagCompressSlotID != 0}
	return c, flags&^flagCompressSlotID == 0, true
}

// judgeCompression answers what the peer can take in. Another protocol than ours, and
// flags that nobody defined, are Nak'd with what we could send, once.
func (p *Protocol) judgeCompression(o fsm.Option, final bool) answer {
	ours := p.cfg.compression()
	c, plain, ok := parseCompression(o)
	switch {
	case ours.Slots == 0, len(o.Data) < 2:
	case ok && plain:
		p.peer.compression = c
		return ack
	case p.slotsNaked || final:
	case ok:
		return nak(c.option())
	case binary.BigEndian.Uint16(o.Data) != cipx:
		return nak(ours.option())
	}
	return answer{code: fsm.ConfigureReject}
}

// compressionNaked takes the peer's word on what it can send: less than we can take
// in. Anything else is no answer, and we do without.
func (p *Protocol) compressionNaked(o fsm.Option) {
	c, _, ok := parseCompression(o)
	c.CompressSlotID = c.CompressSlotID && p.slots.CompressSlotID
	less := c.Slots < p.slots.Slots || c.Slots == p.slots.Slots && p.slots.CompressSlotID && !c.CompressSlotID
	if !p.say.compression || !ok || !less {
		p.say.compression = false
		return
	}
	p.slots = c
}
