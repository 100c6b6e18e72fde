// Package ipv6cp agrees on the interface identifiers of a link's two ends: the
// IPv6 Control Protocol (RFC 5072). The link-local addresses follow from them;
// other addresses are routed, not negotiated.
package ipv6cp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"

	"sitebridge/ppp/fsm"
)

// Config is what a site wants of its link.
type Config struct {
	Identifier uint64 // ours; 0: random, and another one when the peer minds

	Up   func(Result) error // this-layer-up; an error closes the layer
	Down func()
}

// A Result is what both sides agreed to: two identifiers that differ, neither
// of them zero.
type Result struct{ Local, Peer uint64 }

// LinkLocal returns the address fe80::/64 with the identifier (RFC 5072,
// section 5).
func LinkLocal(id uint64) netip.Addr {
	a := [16]byte{0: 0xfe, 1: 0x80}
	binary.BigEndian.PutUint64(a[8:], id)
	return netip.AddrFrom16(a)
}

// optIdentifier is the one option that is negotiated (RFC 5072, section 4.1).
// IPv6-Compression-Protocol (2) is rejected.
const optIdentifier = 1

// universal is the "u" bit: set in an identifier that is made from an IEEE
// one, so ours have it clear (RFC 5072, section 4.1).
const universal = 0x02 << 56

// A Protocol is IPV6CP for a [fsm.Machine].
type Protocol struct {
	cfg      Config
	local    uint64 // in our next request
	ask      bool   // the option is in it
	peer     uint64 // acknowledged; 0: none
	lastNak  uint64 // what we suggested last
	identify func() uint64
}

var _ fsm.Protocol = (*Protocol)(nil)

// New returns the protocol for one link.
func New(cfg Config) *Protocol {
	if cfg.Up == nil {
		cfg.Up = func(Result) error { return nil }
	}
	if cfg.Down == nil {
		cfg.Down = func() {}
	}
	p := &Protocol{cfg: cfg, identify: random}
	if p.cfg.Identifier == 0 {
		p.cfg.Identifier = p.identify() // for the Protocol's life: a renegotiation keeps it
	}
	p.Reset()
	return p
}

// random returns an identifier from the system's generator.
func random() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:]) &^ universal
}

// another returns an identifier that is neither zero nor one of those in use.
func (p *Protocol) another() uint64 {
	for {
		if id := p.identify(); id != 0 && id != p.local && id != p.peer {
			return id
		}
	}
}

// Name implements [fsm.Protocol].
func (*Protocol) Name() string { return "IPV6CP" }

// Number implements [fsm.Protocol].
func (*Protocol) Number() uint16 { return 0x8057 }

// Repeatable implements [fsm.Protocol]: no option may stand twice.
func (*Protocol) Repeatable(byte) bool { return false }

// Reset implements [fsm.Protocol].
func (p *Protocol) Reset() {
	p.local, p.ask = p.cfg.Identifier, true
	p.peer, p.lastNak = 0, 0
}

// Request implements [fsm.Protocol].
func (p *Protocol) Request() []fsm.Option {
	if !p.ask {
		return nil
	}
	return []fsm.Option{identifier(p.local)}
}

func identifier(id uint64) fsm.Option {
	return fsm.Option{Type: optIdentifier, Data: binary.BigEndian.AppendUint64(nil, id)}
}

// parse reads an Interface-Identifier option.
func parse(o fsm.Option) (id uint64, ok bool) {
	if o.Type != optIdentifier || len(o.Data) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(o.Data), true
}

// Judge implements [fsm.Protocol]. Ours is never zero, so that the table of RFC
// 5072, section 4.1 has two lines left: an identifier that is zero or our own is
// Nak'd with another, one that differs is good. An absent one is appended.
func (p *Protocol) Judge(peer []fsm.Option, final bool) fsm.Verdict {
	var rejects []fsm.Option
	p.peer = 0
	useless := false
	for _, o := range peer {
		switch id, ok := parse(o); {
		case !ok:
			rejects = append(rejects, o)
		case id == 0 || id == p.local:
			useless = true
		default:
			p.peer = id
		}
	}
	switch {
	case len(rejects) > 0:
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: rejects}
	case useless, p.peer == 0 && !final:
		p.lastNak = p.another()
		return fsm.Verdict{Code: fsm.ConfigureNak, Options: []fsm.Option{identifier(p.lastNak)}}
	}
	return fsm.Verdict{Code: fsm.ConfigureAck}
}

// Naked implements [fsm.Protocol]. The peer suggests another identifier because
// it has ours already. When it suggests just what we suggested to it, both ends
// would collide again: we choose anew (RFC 5072, section 4.1).
func (p *Protocol) Naked(opts []fsm.Option) error {
	for _, o := range opts {
		id, ok := parse(o)
		if !ok {
			continue
		}
		p.ask = true
		if id == 0 || id == p.lastNak || id == p.peer {
			id = p.another()
		}
		p.local = id
	}
	return nil
}

// Rejected implements [fsm.Protocol]. A peer that does not negotiate
// identifiers does not know ours; we keep it all the same.
func (p *Protocol) Rejected(opts []fsm.Option) error {
	for _, o := range opts {
		if o.Type == optIdentifier {
			p.ask = false
		}
	}
	return nil
}

var (
	errNoPeer = errors.New("peer has no interface identifier")
	errSame   = errors.New("both ends have the same interface identifier")
)

// Up implements [fsm.Protocol].
func (p *Protocol) Up() error {
	switch {
	case p.peer == 0:
		return errNoPeer
	case p.peer == p.local:
		return errSame
	}
	return p.cfg.Up(Result{Local: p.local, Peer: p.peer})
}

// Down implements [fsm.Protocol].
func (p *Protocol) Down() { p.cfg.Down() }
