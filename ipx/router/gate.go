package router

import (
	"hash/maphash"
	"slices"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
	"sitebridge/ipx/policy"
)

// A gate decides what comes from a link and goes to it. What the routers at its
// two ends tell each other, RIP and SAP, does not cross it; how much of that
// there is, Exchange and Limits say.
type gate struct {
	policy.Gate
	in, out *fastpath.Memory // what passed; nil unless there are Duplicates
}

// newGate returns nil, which all passes, for nil.
func newGate(g *policy.Gate) *gate {
	if g == nil {
		return nil
	}
	made := &gate{Gate: *g}
	if len(g.Duplicates) > 0 {
		made.in, made.out = new(fastpath.Memory), new(fastpath.Memory)
	}
	return made
}

var verdicts = [...]drop{
	policy.Pass: kept, policy.Serial: dropSerial, policy.SNMP: dropSNMP,
	policy.NetBIOS: dropNetBIOS, policy.Filtered: dropFiltered,
}

// admit judges a packet from the peer.
func (g *gate) admit(h *ipx.Header, p *packet.Buffer, now time.Time) drop {
	if g == nil {
		return kept
	}
	return g.judge(h, p, true, g.in, now)
}

// release judges a packet to the peer.
func (g *gate) release(h *ipx.Header, p *packet.Buffer, now time.Time) drop {
	if g == nil {
		return kept
	}
	return g.judge(h, p, false, g.out, now)
}

func (g *gate) judge(h *ipx.Header, p *packet.Buffer, in bool, passed *fastpath.Memory, now time.Time) drop {
	if v := g.Judge(h, in); v != policy.Pass {
		return verdicts[v]
	}
	if passed == nil || !slices.Contains(g.Duplicates, h.Dst.Socket) {
		return kept
	}
	hash, at := maphash.Bytes(seed, p.Bytes()[hashFrom:]), clock.Of(now)
	if passed.Saw(hash, at) {
		return dropDuplicate
	}
	passed.Remember(hash, at)
	return kept
}

var seed = maphash.MakeSeed()

// hashFrom is behind checksum, length and hop count. The octets that follow have
// that length, and the hops differ when a packet came by two ways.
const hashFrom = 5
