// Package ccp agrees on MPPE by the Compression Control Protocol (RFC 1962) with
// its option 18 (RFC 3078, section 2). It asks for 128 bits, stateless, and takes
// nothing less: what a peer offers beside that is refused, and with it no
// compression of data is ever agreed on.
package ccp

import (
	"errors"
	"log/slog"

	"sitebridge/ppp/fsm"
	"sitebridge/ppp/mppe"
)

// Config is what a link knows when authentication is over.
type Config struct {
	// Keys must be there: without them nobody can speak CCP.
	Keys mppe.StartKeys
	// Stateful takes stateful mode from a peer that insists on it. It repeats
	// keystream, and is never what we ask for first.
	Stateful bool
	Log      *slog.Logger
}

// A Protocol is CCP for a [fsm.Machine]. It comes up once: the keys begin anew
// with each agreement, and the second would repeat the keystream of the first.
type Protocol struct {
	cfg   Config
	coder *mppe.Coder      // nil: never up
	send  func(pkt []byte) // nil: Reset-Acks are not sent

	wish   bits // what our next request says
	asked  bits // what the last one said
	theirs bits // the peer's last request, if that was good; else 0
	naks   int  // sent because the peer asked for stateful mode

	dispute dispute
}

var (
	_ fsm.Protocol   = (*Protocol)(nil)
	_ fsm.ExtraCodes = (*Protocol)(nil)
)

// New returns the protocol for one link.
func New(cfg Config) *Protocol {
	if cfg.Keys.None() {
		panic("ccp: no keys")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Protocol{cfg: cfg}
	p.Reset()
	return p
}

// SetSend gives the Protocol a way to send packets that no automaton sends. It
// is called before the Protocol is used.
func (p *Protocol) SetSend(send func(pkt []byte)) { p.send = send }

// Name implements [fsm.Protocol].
func (*Protocol) Name() string { return "CCP" }

// Number implements [fsm.Protocol].
func (*Protocol) Number() uint16 { return 0x80FD }

// Data is the protocol number of encrypted packets (RFC 3078, section 3).
func (*Protocol) Data() uint16 { return 0x00FD }

// Method is the word of the configuration.
func (*Protocol) Method() string { return "mppe-128" }

// Inside reports whether packets of a protocol travel encrypted: those of network
// protocols do, control protocols never (RFC 3078, section 3).
func (*Protocol) Inside(protocol uint16) bool { return protocol >= 0x0021 && protocol <= 0x00FA }

// Coder does the work on packets, after Up has returned nil.
func (p *Protocol) Coder() *mppe.Coder { return p.coder }

// Agreed says in words what was agreed on.
func (p *Protocol) Agreed() string { return "MPPE, " + p.theirs.mode() }

// Repeatable implements [fsm.Protocol].
func (*Protocol) Repeatable(byte) bool { return false }

// Reset implements [fsm.Protocol].
func (p *Protocol) Reset() {
	p.wish, p.asked, p.theirs, p.naks = stateless128, 0, 0, 0
}

// Request implements [fsm.Protocol].
func (p *Protocol) Request() []fsm.Option {
	p.asked = p.wish
	return []fsm.Option{p.wish.option()}
}

// Naked implements [fsm.Protocol]. A Nak names the strongest that the peer has, so
// what has no 128 bits is its last word. Options beside MPPE are none of ours.
func (p *Protocol) Naked(opts []fsm.Option) error {
	for _, o := range opts {
		offer, ok := parse(o)
		if !ok {
			continue
		}
		switch {
		case offer&strong == 0:
			return p.refused(offer.String(), ruleStrength)
		case offer&stateless != 0:
			p.wish = stateless128
		case p.cfg.Stateful:
			p.wish = stateful128
		default:
			return p.refused(offer.String(), ruleStateless)
		}
	}
	return nil
}

// Rejected implements [fsm.Protocol]. There is one option in our request.
func (p *Protocol) Rejected([]fsm.Option) error {
	return p.refused("nothing: it rejects MPPE", ruleMPPE)
}

// Judge implements [fsm.Protocol].
func (p *Protocol) Judge(opts []fsm.Option, final bool) fsm.Verdict {
	p.theirs = 0
	var offer bits
	var found bool
	var others []fsm.Option
	for _, o := range opts {
		if b, ok := parse(o); ok {
			offer, found = b, true
		} else {
			others = append(others, o)
		}
	}
	switch {
	case len(others) > 0: // the peer asks again for what is left
		if !found {
			p.differ(names(others), ruleMPPE)
		}
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: others}
	case !found && final: // a Nak would now become an Ack of nothing
		return fsm.Verdict{Err: p.refused("nothing: its request is empty", ruleMPPE)}
	case !found:
		p.differ("nothing: its request is empty", ruleMPPE)
		return fsm.Verdict{Code: fsm.ConfigureNak, Options: []fsm.Option{p.wish.option()}}
	case p.takes(offer):
		p.theirs = offer
		return fsm.Verdict{Code: fsm.ConfigureAck}
	}
	p.differ(offer.String(), offer.broken())
	return fsm.Verdict{Code: fsm.ConfigureNak, Options: []fsm.Option{p.hint(offer).option()}}
}

// insisting is how many Naks a peer must have heard before it gets stateful mode,
// where a site takes it. One may have crossed a request that was only repeated.
const insisting = 2

// takes reports whether an offer is good as it is.
func (p *Protocol) takes(offer bits) bool {
	return offer == stateless128 || offer == stateful128 && p.yields()
}

func (p *Protocol) yields() bool {
	return p.cfg.Stateful && (p.wish == stateful128 || p.naks >= insisting)
}

// hint is what a Nak of an offer asks for.
func (p *Protocol) hint(offer bits) bits {
	if offer&strong == 0 || offer&stateless != 0 {
		return stateless128
	}
	if p.yields() {
		return stateful128
	}
	p.naks++
	return stateless128
}

var errUsed = errors.New("the keys of this link were used: encryption begins anew with a new link only")

// Up implements [fsm.Protocol]. CCP agrees on each direction apart; both must
// have come to the same.
func (p *Protocol) Up() error {
	switch {
	case p.coder != nil:
		return errUsed
	case p.theirs == 0:
		return p.refused("nothing: it asks for no encryption of what is sent to it", ruleMPPE)
	case p.theirs != p.asked:
		return p.refused(p.theirs.String()+" for the other direction", ruleSame)
	}
	p.coder = mppe.New(p.cfg.Keys, p.theirs == stateful128)
	p.dispute = dispute{}
	p.cfg.Log.Debug("encryption keys made", "mode", p.theirs.mode())
	return nil
}

// Down implements [fsm.Protocol]. It is the end of the link, which forgets the
// Protocol and with it the keys.
func (*Protocol) Down() {}
