package ipxcp

import (
	"errors"
	"fmt"

	"sitebridge/ipx"
)

// usable reports whether one station can have the node.
func usable(n ipx.Node) bool { return !n.IsZero() && !n.IsGroup() }

// judgeNode answers the peer's own node: a good one is acknowledged, whoever
// chose it (RFC 1552, section 3.2).
func (p *Protocol) judgeNode(n ipx.Node) answer {
	if !usable(n) || n == p.node {
		p.refused = n
		return nak(nodeOption(p.nodeForPeer()))
	}
	p.peer.node = n
	return ack
}

// nodeForPeer returns the node that a peer without a good one gets.
func (p *Protocol) nodeForPeer() ipx.Node {
	if p.assigned.IsZero() {
		p.assigned = p.cfg.AssignNode()
	}
	for !usable(p.assigned) || p.assigned == p.node {
		p.assigned = randomNode()
	}
	return p.assigned
}

// nodeNaked takes the node that the peer gives us, unless ours is set.
func (p *Protocol) nodeNaked(n ipx.Node) error {
	fixed := !p.cfg.Node.IsZero()
	switch {
	case n == p.node, !usable(n):
	case !fixed && n == p.peer.node: // it has that one itself
		p.node = randomNode()
	case !fixed:
		p.node = n
	default:
		if p.insists++; p.insists > maxInsist {
			return fmt.Errorf("peer insists that our node is %v, we are set to %v", n, p.node)
		}
	}
	return nil
}

var (
	errSameNode = errors.New("both ends have the same node")
	errNoNode   = errors.New("peer is a workstation and has no node")
)

// checkNodes looks at what was acknowledged once both ends have opened.
func (p *Protocol) checkNodes() error {
	stated := p.peer.node
	if stated.IsZero() { // it left out what we refused, and has it still
		stated = p.refused
	}
	switch {
	case stated == p.node:
		return errSameNode
	case p.cfg.Workstation && p.peer.node.IsZero():
		return errNoNode
	}
	return nil
}
