package ipxcp

import (
	"errors"
	"fmt"

	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
)

// maxInsist is how often the peer may Nak what we will not change.
const maxInsist = 3

// maxRounds is how often both ends may open with different numbers before the
// link is given up.
const maxRounds = 2

// judgeNetwork answers the number that the peer proposes for the link: the
// higher one wins (RFC 1552, section 3.1).
func (p *Protocol) judgeNetwork(n ipx.Network) answer {
	ours := p.network
	switch {
	case n == ours && (n != 0 || p.cfg.Unnumbered || p.cfg.IPXWAN):
	case n > ours && n.Assignable():
		if err := p.adopt(n); err != nil {
			return answer{err: err}
		}
	case ours != 0:
		return nak(networkOption(ours))
	default: // zero, or one of the two that no link may have
		return answer{code: fsm.ConfigureReject}
	}
	p.peer.numbered, p.peer.network = true, n
	return ack
}

// adopt takes the peer's number for ours.
func (p *Protocol) adopt(n ipx.Network) error {
	if n != p.cfg.Network && n != p.using && p.cfg.InUse(n) {
		return fmt.Errorf("network %v, which the peer wants for the link, is in use here", n)
	}
	if p.network != 0 {
		p.cfg.Log.Warn("peer's network number is higher and wins", "ours", p.network, "peers", n)
	}
	p.network = n
	return nil
}

// networkNaked takes the peer's word on the number.
func (p *Protocol) networkNaked(n ipx.Network) error {
	switch {
	case !n.Assignable() || n == p.network:
		return nil
	case n > p.network:
		return p.adopt(n)
	}
	if p.insists++; p.insists > maxInsist {
		return fmt.Errorf("peer insists on network %v for the link, ours is %v and higher", n, p.network)
	}
	return nil
}

var (
	errNoNumber = errors.New("neither end has a network number for the link")
	errRejected = errors.New("peer does not negotiate network numbers: the link can only be unnumbered")
)

// agreed returns the number that both ends acknowledged. They may be two: an end
// that acknowledges a higher one has, until its next request, the lower one
// acknowledged for itself.
func (p *Protocol) agreed() (ipx.Network, error) {
	ours, theirs := p.said, p.peer.network
	switch {
	case !p.say.network && !p.peer.numbered:
		if ours = 0; p.cfg.Network != 0 && !p.cfg.Unnumbered {
			return 0, errRejected
		}
	case !p.say.network:
		ours = theirs
	case p.peer.numbered && ours != theirs:
		return 0, p.disagreed(ours, theirs)
	}
	if ours == 0 && !p.cfg.Unnumbered {
		return 0, errNoNumber
	}
	return ours, nil
}

// disagreed has the ends negotiate anew with the higher number, at most
// maxRounds times.
func (p *Protocol) disagreed(ours, theirs ipx.Network) error {
	p.network = max(p.network, ours, theirs)
	if p.rounds++; p.rounds > maxRounds {
		return fmt.Errorf("the ends disagree on the link's network: ours is %v, the peer's is %v", ours, theirs)
	}
	return fmt.Errorf("network %v here and %v there: %w", ours, theirs, fsm.ErrRenegotiate)
}
