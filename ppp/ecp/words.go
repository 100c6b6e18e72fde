package ecp

import (
	"errors"
	"fmt"
	"strings"

	"sitebridge/ppp/aead"
	"sitebridge/ppp/fsm"
)

// Agreed says in words what was agreed on.
func (p *Protocol) Agreed() string {
	in, out := p.ours.Cipher, p.theirs.Cipher
	if in == out {
		return fmt.Sprintf("AEAD, %v", in)
	}
	return fmt.Sprintf("AEAD, %v out, %v in", out, in)
}

// Dispute says in words what we asked for, what the peer offered and which rule
// stands between. It is empty where nothing is known. Once the cipher is up, it
// tells that nothing which came was the peer's.
func (p *Protocol) Dispute() string {
	if p.coder != nil {
		return strangers(p.coder.Strangers())
	}
	return p.dispute.words(p.ours.Cipher)
}

func strangers(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("keys differ: none of the %d encrypted packets that came could be authenticated; "+
		"somebody changed the negotiation on its way, or sends in the peer's place", n)
}

// A dispute is what the peer last said, and which rule it breaks.
type dispute struct{ peer, rule string }

const (
	onlyOurs = "only ECP option 0 of this cipher is known"
	bothAsk  = "each end must ask for a cipher"
	bothHave = "both ends must have this cipher"
	oneOrTwo = "the cipher must be 1 or 2"
)

// asked notes the options of the peer's request. A good one breaks no rule: then it
// is our request that the peer has not taken yet.
func (d *dispute) asked(opts []fsm.Option) {
	switch {
	case len(opts) == 0:
		*d = dispute{"asks for no encryption", bothAsk}
		return
	case len(opts) > 1:
		*d = dispute{"asks for " + list(opts), onlyOurs}
		return
	}
	f, err := parse(opts[0])
	var unknown cipherError
	switch {
	case err == nil:
		*d = dispute{peer: fmt.Sprintf("asks for %v", f.Cipher)}
	case errors.As(err, &unknown):
		*d = dispute{fmt.Sprintf("asks for %v", aead.Cipher(unknown)), oneOrTwo}
	default:
		*d = dispute{"asks for " + list(opts), onlyOurs}
	}
}

// naked notes what the peer wants us to ask for. A hint to the other cipher is no
// dispute.
func (d *dispute) naked(opts []fsm.Option) {
	const instead = " instead (Configure-Nak)"
	if len(opts) == 1 {
		var unknown cipherError
		switch _, err := parse(opts[0]); {
		case err == nil:
			return
		case errors.As(err, &unknown):
			*d = dispute{fmt.Sprintf("wants %v", aead.Cipher(unknown)) + instead, oneOrTwo}
			return
		}
	}
	*d = dispute{"wants " + list(opts) + instead, onlyOurs}
}

func (d *dispute) rejected() { *d = dispute{"rejects that (Configure-Reject)", bothHave} }

func (d dispute) words(asked aead.Cipher) string {
	if d.peer == "" {
		return ""
	}
	s := fmt.Sprintf("we asked for %v in ECP option 0, the peer %s", asked, d.peer)
	if d.rule != "" {
		s += ": " + d.rule
	}
	return s
}

// maxListed bounds what is said of a peer's options.
const maxListed = 4

// list names options by their numbers (RFC 1968, section 4), and shows the OUI of
// one that has it.
func list(opts []fsm.Option) string {
	var words []string
	for _, o := range opts[:min(len(opts), maxListed)] {
		word := fmt.Sprintf("option %d", o.Type)
		switch {
		case o.Type == optOUI && len(o.Data) >= 4:
			word += fmt.Sprintf(" (OUI %x, subtype %d)", o.Data[:3], o.Data[3])
		case o.Type == 1, o.Type == 3:
			word += " (DES)"
		case o.Type == 2:
			word += " (triple DES)"
		}
		words = append(words, word)
	}
	if len(opts) > maxListed {
		words = append(words, "and more")
	}
	return strings.Join(words, ", ")
}
