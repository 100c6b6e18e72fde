package ecp

import (
	"errors"

	"sitebridge/ppp/aead"
	"sitebridge/ppp/fsm"
)

// Judge implements [fsm.Protocol]. An offer of ours is good, whichever the cipher.
// No other option is known, and a request without an offer would leave one
// direction in clear.
func (p *Protocol) Judge(opts []fsm.Option, final bool) fsm.Verdict {
	p.theirs, p.theirECP = offer{}, nil
	p.dispute.asked(opts)
	var rejects, naks []fsm.Option
	for _, o := range opts {
		f, err := parse(o)
		switch {
		case errors.Is(err, errForeign):
			rejects = append(rejects, o)
		case err != nil, p.sways(f, final):
			naks = append(naks, p.hint())
		default:
			p.theirs, p.theirECP = f, fsm.AppendOptions(nil, opts)
		}
	}
	switch {
	case len(rejects) > 0:
		return p.refuse(fsm.ConfigureReject, rejects)
	case len(naks) > 0:
		return p.refuse(fsm.ConfigureNak, naks)
	case p.theirECP != nil:
		return fsm.Verdict{Code: fsm.ConfigureAck}
	case final:
		return fsm.Verdict{Err: errNoOffer}
	}
	return p.refuse(fsm.ConfigureNak, []fsm.Option{p.hint()})
}

func (p *Protocol) refuse(code fsm.Code, opts []fsm.Option) fsm.Verdict {
	p.theirs, p.theirECP = offer{}, nil
	return fsm.Verdict{Code: code, Options: opts}
}

// hint is our option as it stands in a Nak: the cipher, and no salt. That is for
// its sender to make.
func (p *Protocol) hint() fsm.Option { return offer{Cipher: p.cfg.Cipher}.option() }

// sways reports whether to ask the peer for the cipher that does not need AES in
// our processor, which has no instructions for it. The peer that insists gets what
// it wants.
func (p *Protocol) sways(f offer, final bool) bool {
	if f.Cipher != aead.AES256GCM || p.cfg.Cipher == aead.AES256GCM || p.swayed || final {
		return false
	}
	p.swayed = true
	return true
}
