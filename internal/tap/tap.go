// Package tap is where somebody who looks at a link gets to see its packets. A Tap
// sits on a packet's way; it belongs to one call. A Board belongs to a site and
// outlives its calls; whoever looks is there. What the packets mean is not known
// here, but for one thing: no secret passes a Tap (see blank.go).
package tap

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Layer is where a packet was seen. Layers are bits.
type Layer uint8

// The layers.
const (
	Control Layer = 1 << iota // messages of the control connection (RFC 2637, section 2)
	Link                      // PPP frames, as they are inside of encryption
	GRE                       // packets of the data channel (RFC 2637, section 4)
)

// A Packet is one that passed. Nobody changes its Bytes.
type Packet struct {
	Time          time.Time
	Layer         Layer
	Out           bool // we sent it
	Local, Remote netip.Addr
	Protocol      uint16 // of PPP, in the layer Link
	Sealed        bool   // it travelled encrypted
	// Bytes are a whole message of the control connection, what follows the protocol
	// field of PPP, or a packet from its GRE header on.
	Bytes []byte
	// Length is how long it was. Of old packets only the beginning is kept.
	Length int
}

// firstControl is the lowest protocol number of a control protocol of PPP
// (RFC 1661, section 2).
const firstControl = 0x8000

// talk reports whether a packet is part of negotiating and not of what is carried.
func (p *Packet) talk() bool {
	return p.Layer == Control || p.Layer == Link && p.Protocol >= firstControl
}

// A Tap is where the packets of one call pass. A nil Tap sees nothing. Its methods
// may be called from any goroutine.
type Tap struct {
	Local, Remote netip.Addr // do not change

	board atomic.Pointer[Board]

	mu    sync.Mutex // guards what follows, and the order of what is negotiated
	early []Packet   // what was negotiated while nobody knew which site's call it is
	known bool
}

// New makes the Tap of a call. The board may be that of those who are not known yet;
// Move is for when they are.
func New(local, remote netip.Addr, b *Board, known bool) *Tap {
	t := &Tap{Local: local, Remote: remote, known: known}
	t.board.Store(b)
	return t
}

// Move takes the call to the board of its site, with what was negotiated before.
func (t *Tap) Move(b *Board) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.early {
		b.add(t.early[i])
	}
	t.early, t.known = nil, true
	t.board.Store(b)
}

// Watched reports whether anybody looks at a layer, in two loads: it is asked once
// for each batch.
func (t *Tap) Watched(l Layer) bool {
	if t == nil {
		return false
	}
	a := t.board.Load().audience.Load()
	return a != nil && a.layers&l != 0
}

// Message shows a message of the control connection.
func (t *Tap) Message(out bool, message []byte) {
	if t != nil {
		t.talk(Packet{Layer: Control, Out: out, Bytes: message})
	}
}

// Negotiation shows a packet of a control protocol of PPP, and keeps its beginning.
func (t *Tap) Negotiation(out bool, protocol uint16, sealed bool, pkt []byte) {
	if t != nil {
		t.talk(Packet{Layer: Link, Out: out, Protocol: protocol, Sealed: sealed, Bytes: blanked(protocol, pkt)})
	}
}

// Data shows a packet of a network protocol. Ask Watched first.
func (t *Tap) Data(out bool, protocol uint16, sealed bool, pkt []byte) {
	t.board.Load().show(t.stamped(Packet{Layer: Link, Out: out, Protocol: protocol, Sealed: sealed, Bytes: clone(pkt)}))
}

// Carried shows a packet of the data channel: its header, and a PPP frame, or nothing.
// Ask Watched first.
func (t *Tap) Carried(out bool, header, frame []byte) {
	b := make([]byte, 0, len(header)+len(frame))
	b = blankedFrame(append(b, header...), frame)
	t.board.Load().show(t.stamped(Packet{Layer: GRE, Out: out, Bytes: b}))
}

func (t *Tap) stamped(p Packet) Packet {
	p.Time, p.Local, p.Remote, p.Length = time.Now(), t.Local, t.Remote, len(p.Bytes)
	return p
}

// talk shows and keeps a packet that is part of negotiating. Its Bytes are lent.
func (t *Tap) talk(p Packet) {
	p = t.stamped(p)
	p.Bytes = clone(p.Bytes)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.board.Load().add(p)
	if !t.known && !p.chatter() && len(t.early) < maxKept {
		t.early = append(t.early, p.beginning())
	}
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

// chatter reports whether a packet is one of those that say no more than that the
// peer is there: they would push out what matters.
func (p *Packet) chatter() bool {
	switch {
	case p.Layer == Control:
		return len(p.Bytes) > 9 && (p.Bytes[9] == 5 || p.Bytes[9] == 6) // Echo-Request, Echo-Reply
	case p.Protocol == 0xc021 && len(p.Bytes) > 0:
		return p.Bytes[0] >= 9 && p.Bytes[0] <= 11 // RFC 1661, sections 5.8 and 5.9
	}
	return false
}

// beginning is what of a packet is kept.
func (p Packet) beginning() Packet {
	if len(p.Bytes) > maxBeginning {
		p.Bytes = clone(p.Bytes[:maxBeginning])
	}
	return p
}
