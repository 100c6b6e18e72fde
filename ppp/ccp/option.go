package ccp

import (
	"encoding/binary"
	"fmt"
	"strings"

	"sitebridge/ppp/fsm"
)

const optMPPE = 18

// bits are the Supported Bits of option 18: what its sender is able to decrypt
// and decompress (RFC 3078, section 2.1; RFC 2118, section 2).
type bits uint32

const (
	stateless bits = 0x01000000 // H
	medium    bits = 0x00000080 // M: 56 bits
	strong    bits = 0x00000040 // S: 128 bits
	weak      bits = 0x00000020 // L: 40 bits
	obsolete  bits = 0x00000010 // D
	mppc      bits = 0x00000001 // C

	stateless128 = stateless | strong
	stateful128  = strong
)

func (b bits) option() fsm.Option {
	return fsm.Option{Type: optMPPE, Data: binary.BigEndian.AppendUint32(nil, uint32(b))}
}

func parse(o fsm.Option) (bits, bool) {
	if o.Type != optMPPE || len(o.Data) != 4 {
		return 0, false
	}
	return bits(binary.BigEndian.Uint32(o.Data)), true
}

// mode is one of those that are agreed on, in words.
func (b bits) mode() string {
	if b == stateful128 {
		return "128 bits, stateful"
	}
	return "128 bits, stateless"
}

// String says in words what is offered.
func (b bits) String() string {
	var strengths, words []string
	for _, s := range []struct {
		bit  bits
		word string
	}{{strong, "128"}, {medium, "56"}, {weak, "40"}} {
		if b&s.bit != 0 {
			strengths = append(strengths, s.word)
		}
	}
	if len(strengths) > 0 {
		mode := "stateful"
		if b&stateless != 0 {
			mode = "stateless"
		}
		words = append(words, "MPPE "+strings.Join(strengths, " or ")+" bits "+mode)
	} else {
		words = append(words, "no encryption")
	}
	if b&mppc != 0 {
		words = append(words, "MPPC compression")
	}
	if b&obsolete != 0 {
		words = append(words, "the obsolete bit D")
	}
	if rest := b &^ (stateless | strong | medium | weak | obsolete | mppc); rest != 0 {
		words = append(words, fmt.Sprintf("unknown bits %08x", uint32(rest)))
	}
	return strings.Join(words, ", ")
}

// broken is the rule that an offer breaks.
func (b bits) broken() rule {
	switch {
	case b&strong == 0:
		return ruleStrength
	case b&stateless == 0:
		return ruleStateless
	}
	return ruleAlone
}

// maxNamed bounds what is said of a peer's options.
const maxNamed = 4

// names says which other methods a peer asks for (RFC 1962, section 4).
func names(opts []fsm.Option) string {
	var words []string
	for _, o := range opts[:min(len(opts), maxNamed)] {
		word, known := map[byte]string{
			0: "OUI", 1: "Predictor", 2: "Predictor", 17: "Stac LZS", optMPPE: "MPPE of a wrong length",
			21: "BSD compress", 24: "Deflate", 26: "Deflate",
		}[o.Type]
		if !known {
			word = "unknown"
		}
		words = append(words, fmt.Sprintf("option %d (%s)", o.Type, word))
	}
	if len(opts) > maxNamed {
		words = append(words, "and more")
	}
	return strings.Join(words, ", ")
}
