package ppp

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

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

	ours   Options       // our next request; when agreed, what it was
	theirs Options       // the request of the peer that we acknowledged last
	left   []auth.Method // what is left of ask, the peer having refused the others
	nak    uint32        // the magic number that we suggested last, 0 for none
	loops  int           // how often that came back to us as a suggestion
	wants  string        // the method that the peer asked for and we refused last
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
	n.ours = Options{MRU: n.mru, Magic: n.random(), PFC: true, ACFC: true}
	n.left = slices.Clone(n.ask)
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

// answerAuth takes only methods of prove, whatever the peer insists on.
func (n *lcp) answerAuth(o fsm.Option) (fsm.Code, fsm.Option) {
	if m, ok := auth.ParseLCPOption(o.Data); ok && slices.Contains(n.prove, m) {
		return fsm.ConfigureAck, o
	}
	n.wants = describeAuth(o.Data)
	if len(n.prove) == 0 {
		return fsm.ConfigureReject, o
	}
	return fsm.ConfigureNak, authOption(n.prove[0])
}

// dispute tells what the two sides could not agree on, after a semicolon.
func (n *lcp) dispute() string {
	switch {
	case n.wants == "":
		return ""
	case len(n.prove) == 0:
		return fmt.Sprintf("; it wants us to prove ourselves with %s, but nothing is configured for that", n.wants)
	}
	return fmt.Sprintf("; it wants us to prove ourselves with %s, but only %s is configured", n.wants, words(n.prove))
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

// moveAuth takes the peer's refusal of the method that we asked for, and what
// it would do instead. Only methods of ask are ever asked for, whatever the
// suggestion is, and each is refused once: this walk ends.
func (n *lcp) moveAuth(suggestion []byte) error {
	n.left = slices.DeleteFunc(n.left, func(m auth.Method) bool { return m == n.ours.Auth })
	if len(n.left) == 0 {
		return ended(PeerNotProved, "peer refuses to prove itself with %s: it wants %s", words(n.ask), describeAuth(suggestion))
	}
	n.ours.Auth = n.left[0]
	if m, ok := auth.ParseLCPOption(suggestion); ok && slices.Contains(n.left, m) {
		n.ours.Auth = m
	}
	return nil
}

// words lists methods for a person: "mschapv2 or chap".
func words(methods []auth.Method) string {
	var w []string
	for _, m := range methods {
		w = append(w, m.String())
	}
	return strings.Join(w, " or ")
}

// describeAuth names what the data of an Authentication-Protocol option asks for.
func describeAuth(data []byte) string {
	if m, ok := auth.ParseLCPOption(data); ok {
		return m.String()
	}
	switch {
	case len(data) >= 2 && binary.BigEndian.Uint16(data) == protocolEAP:
		return "eap"
	case len(data) == 3 && binary.BigEndian.Uint16(data) == protocolCHAP && data[2] == 0x80:
		return "mschapv1"
	}
	return fmt.Sprintf("protocol %x", data[:min(len(data), 4)])
}

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
