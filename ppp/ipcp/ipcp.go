// Package ipcp agrees on the IPv4 addresses of a link: the Internet Protocol
// Control Protocol (RFC 1332) with the name servers of RFC 1877. It knows no
// interface; who configures one is told by Config.Up.
package ipcp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"sitebridge/ppp/fsm"
)

// Config is what a site wants of its link. All addresses are IPv4.
type Config struct {
	Address       netip.Addr // ours; invalid: ask the peer
	AcceptAddress bool       // the peer may give us another one

	Peer       netip.Addr                // the peer's; invalid: accept what it says
	AssignPeer func() (netip.Addr, bool) // one from a pool, where Peer is invalid; called once

	// Unnumbered lets the link open without addresses (RFC 1332, section 3.3
	// makes the option optional).
	Unnumbered bool

	DNS, NBNS []netip.Addr // told to a peer that asks: the first two
	AskDNS    bool         // ask the peer for its name servers

	Up   func(Result) error // this-layer-up; an error closes the layer
	Down func()
	Log  *slog.Logger
}

// A Result is what both sides agreed to. Addresses are invalid on an unnumbered
// link without settings of ours.
type Result struct {
	Local, Peer netip.Addr
	DNS, NBNS   []netip.Addr // the peer's, when asked for
}

// maxInsist is how often the peer may Nak our fixed address before the words
// for it replace a mere count.
const maxInsist = 3

// A Protocol is IPCP for a [fsm.Machine].
type Protocol struct {
	cfg      Config
	assigned netip.Addr // what AssignPeer gave, for the Protocol's life

	// What our next request asks for.
	local   netip.Addr // ours, or 0.0.0.0
	askAddr bool       // option 3 is in the request
	servers [4]server
	insists int // Naks of our fixed address

	// What the peer's last request said.
	peer    netip.Addr // acknowledged; invalid: it left the option out
	refused netip.Addr // its address that we refused
}

// A server is one of the four name server options in our request.
type server struct {
	ask  bool
	addr netip.Addr
}

var _ fsm.Protocol = (*Protocol)(nil)

// New returns the protocol for one link.
func New(cfg Config) *Protocol {
	cfg.Address, cfg.Peer = want4(cfg.Address), want4(cfg.Peer)
	cfg.DNS, cfg.NBNS = only4(cfg.DNS), only4(cfg.NBNS)
	if cfg.Up == nil {
		cfg.Up = func(Result) error { return nil }
	}
	if cfg.Down == nil {
		cfg.Down = func() {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Protocol{cfg: cfg}
	p.Reset()
	return p
}

// want4 panics on an address that the configuration should not have let pass.
func want4(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.IsValid() && !a.Is4() {
		panic(fmt.Sprintf("ipcp: %v is not IPv4", a))
	}
	return a
}

// only4 keeps the IPv4 servers of a list that may hold both kinds.
func only4(addrs []netip.Addr) []netip.Addr {
	var kept []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			kept = append(kept, a)
		}
	}
	return kept
}

// Name implements [fsm.Protocol].
func (*Protocol) Name() string { return "IPCP" }

// Number implements [fsm.Protocol].
func (*Protocol) Number() uint16 { return 0x8021 }

// Repeatable implements [fsm.Protocol]: no option may stand twice.
func (*Protocol) Repeatable(byte) bool { return false }

// Reset implements [fsm.Protocol].
func (p *Protocol) Reset() {
	p.local = p.cfg.Address
	if !p.local.IsValid() {
		p.local = netip.IPv4Unspecified()
	}
	p.askAddr = !p.cfg.Unnumbered
	for i := range p.servers {
		p.servers[i] = server{ask: p.cfg.AskDNS, addr: netip.IPv4Unspecified()}
	}
	p.insists = 0
	p.peer, p.refused = netip.Addr{}, netip.Addr{}
}

// Up implements [fsm.Protocol]: both addresses must be known and differ, from
// the negotiation or from the settings.
func (p *Protocol) Up() error {
	r := Result{Local: p.localAddr(), Peer: p.peer}
	if !r.Peer.IsValid() {
		r.Peer = p.cfg.Peer
	}
	switch {
	case !p.peer.IsValid() && p.refused.IsValid():
		want, _ := p.addressFor()
		return fmt.Errorf("peer insists that it is %v, we want it to be %v", p.refused, want)
	case r.Local.IsValid() && r.Local == r.Peer:
		return fmt.Errorf("both ends have the address %v", r.Local)
	case !p.cfg.Unnumbered && !r.Local.IsValid():
		return errNoLocal
	case !p.cfg.Unnumbered && !r.Peer.IsValid():
		return errNoPeer
	}
	for i, s := range p.servers {
		if !s.ask || !usable(s.addr) {
			continue
		}
		if serverOptions[i].nbns {
			r.NBNS = append(r.NBNS, s.addr)
		} else {
			r.DNS = append(r.DNS, s.addr)
		}
	}
	return p.cfg.Up(r)
}

var (
	errNoLocal = errors.New("peer gives us no address, and we have none of our own")
	errNoPeer  = errors.New("peer has no address, and we have none for it")
)

// localAddr is our own address as agreed or, where the peer would not speak of
// it, as set; invalid: none.
func (p *Protocol) localAddr() netip.Addr {
	if !p.askAddr {
		return p.cfg.Address
	}
	if p.local.IsUnspecified() {
		return netip.Addr{}
	}
	return p.local
}

// Down implements [fsm.Protocol].
func (p *Protocol) Down() { p.cfg.Down() }
