// Package ipxcp agrees on how IPX crosses a link: the IPX Control Protocol (RFC
// 1552). It does not route, and it does not speak IPXWAN (RFC 1634). Unless its Config
// says that somebody here does, a link opens only when this negotiation alone
// tells what must be known.
package ipxcp

import (
	"crypto/rand"
	"errors"
	"log/slog"

	"sitebridge/ipx"
	"sitebridge/ppp/fsm"
)

// Config is what a site wants of its link.
type Config struct {
	// Network is the link's number, the same at both ends; when they differ
	// the higher one wins (RFC 1552, section 3.1). 0: the peer's, if it has one.
	Network ipx.Network
	// Unnumbered lets the link open without a number.
	Unnumbered bool
	// InUse reports that a number stands for something else here already, such
	// as a LAN of ours: two networks of one number are a routing loop.
	InUse func(ipx.Network) bool

	Node       ipx.Node // ours; zero: random, and the peer may give us another
	RouterName string   // told to the peer; empty: none

	// Workstation says that the peer is one host. It must have a node.
	Workstation bool
	// AssignNode gives a node to a peer that has none, or ours; it is called
	// once. Nil: a random one.
	AssignNode func() ipx.Node

	// IPXWAN says that it is spoken here: the link opens even while something is
	// unknown that we need, and the Result tells what is left to IPXWAN.
	IPXWAN bool
	// Slots is how many headers we keep to take compressed ones in (CIPX, RFC
	// 1553), 256 at most. 0: neither we nor the peer compress.
	Slots int
	// CompressSlotID lets the peer leave the slot's number out when it is that of
	// its packet before. On a line that loses packets in silence, as GRE does, the
	// next one then gets a wrong header.
	CompressSlotID bool

	Up   func(Result) error // this-layer-up; an error closes the layer
	Down func()
	Log  *slog.Logger
}

// A Result is what both sides agreed to.
type Result struct {
	Network     ipx.Network // 0: the link is unnumbered
	Local       ipx.Node
	Peer        ipx.Node // zero: a router that did not say
	PeerName    string   // escaped; empty: it did not say
	PeerRouting Routing  // what the peer wants to receive
	// Complete is set when both ends said Configuration-Complete, so that
	// neither will begin IPXWAN.
	Complete bool
	// NeedsIPXWAN is set when something that we need is unknown: we begin IPXWAN,
	// and end the link when it fails. Without Config.IPXWAN such a link does not open.
	NeedsIPXWAN bool
	// MayIPXWAN is set when the peer may begin IPXWAN, which it decides: it did not say
	// Configuration-Complete, or did not let us. Without Config.IPXWAN never.
	MayIPXWAN bool
	// Send is what the peer can take in compressed, Receive what it may send so.
	Send, Receive Compression
}

// A Protocol is IPXCP for a [fsm.Machine].
type Protocol struct {
	cfg      Config
	name     string      // our Router-Name as sent
	assigned ipx.Node    // what a peer without a node gets, for the Protocol's life
	using    ipx.Network // of the link while it is up

	// What our next request says, and whether it says it.
	network ipx.Network
	node    ipx.Node
	say     options
	said    ipx.Network // the number in our last request

	slots Compression // that we ask for, when say has it

	insists      int  // Naks of a number lower than ours, or of a fixed node
	rounds       int  // times that the ends opened with different numbers
	routingNaked bool // we Nak'd the peer's routing protocols once
	slotsNaked   bool // and its compression

	peer    peer
	refused ipx.Node // its last node that we refused
}

// options are those of our request that a peer may reject.
type options struct{ network, node, compression, name, complete bool }

// A peer is what the other end's last request said.
type peer struct {
	numbered    bool // it holds a Network
	network     ipx.Network
	node        ipx.Node
	compression Compression
	name        string
	routing     Routing
	complete    bool
}

var _ fsm.Protocol = (*Protocol)(nil)

// New returns the protocol for one link.
func New(cfg Config) *Protocol {
	if cfg.InUse == nil {
		cfg.InUse = func(ipx.Network) bool { return false }
	}
	if cfg.AssignNode == nil {
		cfg.AssignNode = randomNode
	}
	if cfg.Up == nil {
		cfg.Up = func(Result) error { return nil }
	}
	if cfg.Down == nil {
		cfg.Down = func() {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Protocol{cfg: cfg, name: routerName(cfg.RouterName), node: cfg.Node}
	if p.node.IsZero() {
		p.node = randomNode()
	}
	p.Reset()
	return p
}

// randomNode returns a node that is individual and locally administered.
func randomNode() (n ipx.Node) {
	rand.Read(n[1:]) // never fails
	n[0] = 2
	return n
}

// Name implements [fsm.Protocol].
func (*Protocol) Name() string { return "IPXCP" }

// Number implements [fsm.Protocol].
func (*Protocol) Number() uint16 { return 0x802B }

// Repeatable implements [fsm.Protocol]: a peer may list several routing
// protocols (RFC 1552, section 3.4).
func (*Protocol) Repeatable(option byte) bool { return option == optRouting }

// Reset implements [fsm.Protocol]. A random node is kept: stations may have
// heard of it.
func (p *Protocol) Reset() {
	p.network = p.cfg.Network
	p.slots = p.cfg.compression()
	p.say = options{network: true, node: true, compression: p.slots.Slots > 0, name: p.name != "", complete: true}
	p.insists, p.rounds, p.routingNaked, p.slotsNaked = 0, 0, false, false
	p.peer, p.refused = peer{}, ipx.Node{}
}

// Request implements [fsm.Protocol]. Routing-Protocol is never sent: RIP and
// SAP are the default, and pppd takes the Ack of an option that says so for a
// fault and starts over, without end.
func (p *Protocol) Request() []fsm.Option {
	var opts []fsm.Option
	p.said = p.network
	if p.say.network {
		opts = append(opts, networkOption(p.network))
	}
	if p.say.node {
		opts = append(opts, nodeOption(p.node))
	}
	if p.say.compression {
		opts = append(opts, p.slots.option())
	}
	if p.say.name {
		opts = append(opts, fsm.Option{Type: optName, Data: []byte(p.name)})
	}
	if p.saysComplete() {
		opts = append(opts, fsm.Option{Type: optComplete})
	}
	return opts
}

// saysComplete reports whether our request is Configuration-Complete. With IPXWAN
// it must not lie, or the peer would wait for what never comes (RFC 1552, section 3.6).
func (p *Protocol) saysComplete() bool {
	return p.say.complete && (!p.cfg.IPXWAN || p.network != 0 || p.cfg.Unnumbered)
}

// Naked implements [fsm.Protocol]. Only the network, the node and the compression can
// be Nak'd; a peer that asks for one of them so is told it again.
func (p *Protocol) Naked(opts []fsm.Option) error {
	for _, o := range opts {
		if n, ok := parseNetwork(o); ok {
			p.say.network = true
			if err := p.networkNaked(n); err != nil {
				return err
			}
		} else if n, ok := parseNode(o); ok {
			p.say.node = true
			if err := p.nodeNaked(n); err != nil {
				return err
			}
		} else if o.Type == optCompression {
			p.compressionNaked(o)
		}
	}
	return nil
}

// Rejected implements [fsm.Protocol]. We can do without each of them; whether
// the link can is seen when it opens.
func (p *Protocol) Rejected(opts []fsm.Option) error {
	for _, o := range opts {
		switch o.Type {
		case optNetwork:
			p.say.network = false
		case optNode:
			p.say.node = false
		case optCompression:
			p.say.compression = false
		case optName:
			p.say.name = false
		case optComplete:
			p.say.complete = false
		}
	}
	return nil
}

// Up implements [fsm.Protocol].
func (p *Protocol) Up() error {
	network, err := p.agreed()
	if err == nil {
		err = p.checkNodes()
	}
	needs := err != nil
	if needs && (!p.cfg.IPXWAN || errors.Is(err, fsm.ErrRenegotiate)) {
		return err
	}
	if needs {
		p.cfg.Log.Info("what the link needs is left to IPXWAN", "missing", err)
	}
	p.using = network
	r := Result{
		Network:     network,
		Local:       p.node,
		Peer:        p.peer.node,
		PeerName:    p.peer.name,
		PeerRouting: p.peer.routing,
		Complete:    p.saysComplete() && p.peer.complete,
		NeedsIPXWAN: needs,
		Send:        p.peer.compression.least(p.cfg.compression()),
	}
	r.MayIPXWAN = p.cfg.IPXWAN && !r.Complete
	if p.say.compression {
		r.Receive = p.slots
	}
	return p.cfg.Up(r)
}

// Down implements [fsm.Protocol].
func (p *Protocol) Down() {
	p.using = 0
	p.cfg.Down()
}
