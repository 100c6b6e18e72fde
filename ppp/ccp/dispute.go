package ccp

import (
	"errors"
	"fmt"
)

// A rule is what an offer must keep to.
type rule string

const (
	ruleStrength  rule = "never less than 128 bits"
	ruleStateless rule = "stateless only, since stateful mode repeats keystream (encryption.mppe_stateful would take it)"
	ruleAlone     rule = "128 bits alone, and no compression"
	ruleMPPE      rule = "MPPE in both directions, or CCP does not come up"
	ruleSame      rule = "the same mode in both directions"
)

// A dispute is the last thing that the ends did not agree on.
type dispute struct {
	offered string
	rule    rule
}

func (p *Protocol) differ(offered string, r rule) {
	if d := (dispute{offered, r}); d != p.dispute {
		p.dispute = d
		p.cfg.Log.Debug("not agreed on encryption", "offered", offered, "rule", string(r))
	}
}

// refused is a difference that ends the layer.
func (p *Protocol) refused(offered string, r rule) error {
	p.differ(offered, r)
	return errors.New(p.Dispute())
}

// Dispute says in words what we asked for, what the peer offered and which rule
// stands between; it is empty when nothing is known. Once MPPE is up it tells
// that the peer cannot be read.
func (p *Protocol) Dispute() string {
	switch {
	case p.coder != nil:
		return unread(p.coder.Counters())
	case p.dispute == dispute{}:
		return ""
	}
	return fmt.Sprintf("we asked for %v; the peer offered %s; rule: %s", p.wish, p.dispute.offered, p.dispute.rule)
}

func unread(n map[string]uint64) string {
	opened, nonsense := n["opened"], n["implausible"]
	if nonsense <= opened {
		return ""
	}
	return fmt.Sprintf("keys differ: of %d encrypted packets that came %d made no sense", opened+nonsense, nonsense)
}
