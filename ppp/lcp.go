package ppp

import (
	"encoding/binary"
	"io"

	"sitebridge/ppp/auth"
	"sitebridge/ppp/fsm"
)

// An lcp is the options of LCP (RFC 1661, section 6): what we ask for, and what
// we answer. It knows nothing of the link; see lcpLayer.
type lcp struct {
	mru   uint16        // what we can receive
	ask   []auth.Method // how the peer may prove itself, strongest first
	prove []auth.Method // how we may, strongest first
	rand  io.Reader

	ours   options       // our next request; when agreed, what it was
	theirs options       // the request of the peer that we acknowledged last
	left   []auth.Method // what is left of ask, the peer having refused the others
	nak    uint32        // the magic number that we suggested last, 0 for none
	loops  int           // how often that came back to us as a suggestion
	wants  string        // the method that the peer asked for and we refused last
	wanted string        // the same, also when it asks for none now

	peerRequest []byte // the options that we acknowledged last, as they came
}

func newLCP(c Config) *lcp {
	n := &lcp{mru: c.MRU, ask: c.Ask, prove: c.Prove, rand: c.Rand}
	n.Reset()
	return n
}

func (n *lcp) Name() string         { return "LCP" }
func (n *lcp) Number() uint16       { return protocolLCP }
func (n *lcp) Repeatable(byte) bool { return false }

// Reset starts anew with all that we would like.
func (n *lcp) Reset() {
	n.ours = options{MRU: n.mru, Magic: n.random(), PFC: true, ACFC: true}
	n.left = carriers(n.ask)
	if len(n.left) > 0 {
		n.ours.Auth = n.left[0]
	}
	n.nak, n.loops = 0, 0
}

func (n *lcp) Request() []fsm.Option { return n.ours.list() }

// Judge answers the peer's request: what is unknown is rejected, alone; else
// what we do not like comes back with what we would (RFC 1661, section 5.4).
func (n *lcp) Judge(peer []fsm.Option, _ bool) fsm.Verdict {
	if n.echoes(peer) {
		return fsm.Verdict{Code: fsm.ConfigureNak, Options: []fsm.Option{n.suggestMagic()}}
	}
	var reject, nak []fsm.Option
	for _, o := range peer {
		switch code, answer := n.answer(o); code {
		case fsm.ConfigureReject:
			reject = append(reject, answer)
		case fsm.ConfigureNak:
			nak = append(nak, answer)
		}
	}
	switch {
	case reject != nil:
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: reject}
	case nak != nil:
		return fsm.Verdict{Code: fsm.ConfigureNak, Options: nak}
	}
	n.theirs, n.wants = parseOptions(peer), ""
	n.peerRequest = fsm.AppendOptions(nil, peer)
	return fsm.Verdict{Code: fsm.ConfigureAck}
}

// answer says what we think of one option of the peer's: Ack, Nak with what we
// would rather have, or Reject.
func (n *lcp) answer(o fsm.Option) (fsm.Code, fsm.Option) {
	switch {
	case !wellFormed(o):
		return fsm.ConfigureReject, o
	case o.Type == optAuth:
		return n.answerAuth(o)
	case o.Type == optMRU && binary.BigEndian.Uint16(o.Data) < minMRU:
		return fsm.ConfigureNak, mruOption(defaultMRU)
	case o.Type == optMagic && binary.BigEndian.Uint32(o.Data) == 0:
		return fsm.ConfigureNak, n.suggestMagic()
	}
	return fsm.ConfigureAck, o
}

// Naked takes the peer's suggestions. Options that we did not send are ignored,
// but for a smaller MRU: less than we can receive never hurts.
func (n *lcp) Naked(opts []fsm.Option) error {
	for _, o := range opts {
		switch {
		case o.Type == optAuth && n.ours.Auth != 0:
			if err := n.moveAuth(o.Data); err != nil {
				return err
			}
		case o.Type == optMagic && n.ours.Magic != 0:
			if err := n.moveMagic(o); err != nil {
				return err
			}
		case o.Type == optMRU && wellFormed(o):
			if mru := binary.BigEndian.Uint16(o.Data); mru >= minMRU && mru < n.ours.MRU {
				n.ours.MRU = mru
			}
		case o.Type == optPFC || o.Type == optACFC:
			n.drop(o.Type) // cannot be refused so, but it is clear what is meant
		}
	}
	return nil
}

// Rejected drops what the peer does not know or want.
func (n *lcp) Rejected(opts []fsm.Option) error {
	for _, o := range opts {
		if o.Type == optAuth {
			return ended(PeerNotProved, "peer refuses to prove itself: it rejects authentication, %s is required", words(n.ask))
		}
		n.drop(o.Type)
	}
	return nil
}

func (n *lcp) drop(option byte) {
	switch option {
	case optMRU:
		n.ours.MRU = defaultMRU
	case optMagic:
		n.ours.Magic = 0
	case optPFC:
		n.ours.PFC = false
	case optACFC:
		n.ours.ACFC = false
	}
}
