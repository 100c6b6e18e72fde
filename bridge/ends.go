package bridge

import (
	"errors"

	"sitebridge/ppp"
)

// Ends counts the calls of a site that ended, and the tries that led to none, by what was
// wrong. What is a class of its own has a remedy of its own.
type Ends struct {
	Control        uint64 `json:"control"`        // no name, no TCP, no PPTP control connection, or no call
	NoGRE          uint64 `json:"no_gre"`         // a call, and GRE does not pass both ways, in UDP or not
	Silence        uint64 `json:"silence"`        // the peer fell silent
	Authentication uint64 `json:"authentication"` // one of the two did not prove itself
	Encryption     uint64 `json:"encryption"`     // not agreed on, or lost
	Negotiation    uint64 `json:"negotiation"`    // the ends do not agree on the rest
	Peer           uint64 `json:"peer"`           // the peer said goodbye
}

// count adds an end.
func (e *Ends) count(err error) {
	*e.counter(err)++
}

func (e *Ends) counter(err error) *uint64 {
	var end *ppp.End
	if errors.As(err, new(distrust)) {
		return &e.Authentication
	}
	if noUDP := (*noUDPError)(nil); errors.As(err, &noUDP) {
		return &e.NoGRE
	}
	if !errors.As(err, &end) {
		return &e.Control
	}
	switch end.Kind {
	case ppp.NothingReceived, ppp.NotHeard:
		return &e.NoGRE
	case ppp.NoAnswer, ppp.EchoTimeout:
		return &e.Silence
	case ppp.AuthFailed, ppp.AuthTimeout, ppp.PeerNotProved, ppp.Refused:
		return &e.Authentication
	case ppp.EncryptionFailed, ppp.EncryptionLost:
		return &e.Encryption
	case ppp.NotAgreed, ppp.LoopedBack, ppp.Rejected, ppp.NoNetwork:
		return &e.Negotiation
	case ppp.PeerTerminated:
		return &e.Peer
	}
	return &e.Control // the call went, and the link with it
}
