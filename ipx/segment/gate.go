package segment

import (
	"slices"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
	"sitebridge/ipx/policy"
)

// A gate is what may cross a link. A link without one lets all pass.
type gate struct {
	*policy.Gate
	// What went in and out in the last second for the sockets on which repeated
	// packets are dropped; nil: there are none.
	in, out *fastpath.Memory
}

func newGate(g *policy.Gate) *gate {
	if g == nil {
		return nil
	}
	made := &gate{Gate: g}
	if len(g.Duplicates) > 0 {
		made.in, made.out = new(fastpath.Memory), new(fastpath.Memory)
	}
	return made
}

// judge reports why a packet may not come in from the peer, or go out to it.
func (g *gate) judge(h *ipx.Header, hash uint64, in bool, now int64) drop {
	switch g.Judge(h, in) {
	case policy.Pass:
	case policy.Serial:
		return dropSerial
	case policy.SNMP:
		return dropSNMP
	case policy.NetBIOS:
		return dropNetBIOS
	default:
		return dropFiltered
	}
	m := g.out
	if in {
		m = g.in
	}
	if m == nil || !slices.Contains(g.Duplicates, h.Dst.Socket) {
		return kept
	}
	// A packet that is dropped is not remembered, so that what is repeated for
	// ever passes once a second.
	if m.Saw(hash, now) {
		return dropDuplicate
	}
	m.Remember(hash, now)
	return kept
}
