package ipxcp

import (
	"slices"

	"sitebridge/ppp/fsm"
)

// An answer is that to one option of the peer's request.
type answer struct {
	code  fsm.Code
	value fsm.Option // of a Nak
	err   error      // closes the layer
}

var ack = answer{code: fsm.ConfigureAck}

func nak(o fsm.Option) answer { return answer{code: fsm.ConfigureNak, value: o} }

// Judge implements [fsm.Protocol].
func (p *Protocol) Judge(opts []fsm.Option, final bool) fsm.Verdict {
	p.peer = peer{}
	routing, onRouting := p.judgeRouting(opts, final)
	var naks, rejects []fsm.Option
	for i, o := range opts {
		a := onRouting
		if o.Type != optRouting {
			a = p.judge(o, final)
		} else if i != routing {
			continue
		}
		switch {
		case a.err != nil:
			return fsm.Verdict{Err: a.err}
		case a.code == fsm.ConfigureReject:
			rejects = append(rejects, o)
		case a.code == fsm.ConfigureNak:
			naks = append(naks, a.value)
		}
	}
	// A network that the peer left out is not appended: it need not have one.
	if p.needsNode(opts) && !final {
		naks = append(naks, nodeOption(p.nodeForPeer()))
	}
	switch {
	case len(rejects) > 0:
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: rejects}
	case len(naks) > 0:
		p.routingNaked = p.routingNaked || routing >= 0
		p.slotsNaked = p.slotsNaked || slices.ContainsFunc(naks, func(o fsm.Option) bool { return o.Type == optCompression })
		return fsm.Verdict{Code: fsm.ConfigureNak, Options: naks}
	}
	return fsm.Verdict{Code: fsm.ConfigureAck}
}

// needsNode reports whether a workstation left its node out.
func (p *Protocol) needsNode(opts []fsm.Option) bool {
	return p.cfg.Workstation && !slices.ContainsFunc(opts, func(o fsm.Option) bool { return o.Type == optNode })
}

// judge answers one option. Router-Name and Configuration-Complete are never
// Nak'd (RFC 1552, sections 3.5 and 3.6).
func (p *Protocol) judge(o fsm.Option, final bool) answer {
	switch o.Type {
	case optNetwork:
		if n, ok := parseNetwork(o); ok {
			return p.judgeNetwork(n)
		}
	case optNode:
		if n, ok := parseNode(o); ok {
			return p.judgeNode(n)
		}
	case optCompression:
		return p.judgeCompression(o, final)
	case optName:
		if len(o.Data) > 0 {
			p.peer.name = peerName(o.Data)
			return ack
		}
	case optComplete:
		if len(o.Data) == 0 {
			p.peer.complete = true
			return ack
		}
	}
	return answer{code: fsm.ConfigureReject}
}
