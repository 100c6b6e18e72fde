package ipxcp

import (
	"encoding/binary"
	"fmt"

	"sitebridge/ppp/fsm"
)

// Routing is a protocol whose traffic an end wants to receive (RFC 1552,
// section 3.4).
type Routing uint16

const (
	RoutingNone Routing = 0 // a workstation: only answers to its requests
	RIPSAP      Routing = 2 // the default
	NLSP        Routing = 4 // some documents have 3, which is wrong
)

func (r Routing) String() string {
	switch r {
	case RoutingNone:
		return "none"
	case RIPSAP:
		return "RIP/SAP"
	case NLSP:
		return "NLSP"
	}
	return fmt.Sprintf("routing protocol %d", uint16(r))
}

func routingOption(r Routing) fsm.Option {
	return fsm.Option{Type: optRouting, Data: binary.BigEndian.AppendUint16(nil, uint16(r))}
}

// parseRouting reads a Routing-Protocol option. The two that we do have no
// further data.
func parseRouting(o fsm.Option) (r Routing, ok bool) {
	if len(o.Data) < 2 {
		return 0, false
	}
	r = Routing(binary.BigEndian.Uint16(o.Data))
	return r, len(o.Data) == 2 || r != RoutingNone && r != RIPSAP
}

// judgeRouting looks at all Routing-Protocol options of a request. One that says
// none or RIP/SAP is good. Else which is the one to answer: the first that is
// malformed, or that we do not do, or that is one too many. It is Nak'd with
// RIP/SAP once, and then rejected; the next round has the next.
func (p *Protocol) judgeRouting(opts []fsm.Option, final bool) (which int, a answer) {
	bad, last, count := -1, -1, 0
	p.peer.routing = RIPSAP
	for i, o := range opts {
		if o.Type != optRouting {
			continue
		}
		r, ok := parseRouting(o)
		if !ok {
			return i, answer{code: fsm.ConfigureReject}
		}
		count, last = count+1, i
		if r == RIPSAP {
			continue
		}
		if bad < 0 {
			bad = i
		}
		p.peer.routing = r
	}
	switch {
	case count == 0 || count == 1 && (p.peer.routing == RIPSAP || p.peer.routing == RoutingNone):
		return -1, ack
	case bad < 0: // RIP/SAP several times
		bad = last
	}
	if p.routingNaked || final {
		return bad, answer{code: fsm.ConfigureReject}
	}
	return bad, nak(routingOption(RIPSAP))
}
