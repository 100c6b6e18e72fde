package ipcp

import (
	"net/netip"

	"sitebridge/ppp/fsm"
)

// Judge implements [fsm.Protocol]: what is not negotiated is rejected, what is
// not right is Nak'd, and an address that we need and the peer left out is
// appended (RFC 1332, section 3.3).
func (p *Protocol) Judge(peer []fsm.Option, final bool) fsm.Verdict {
	var naks, rejects []fsm.Option
	p.peer = netip.Addr{}
	stated := false
	for _, o := range peer {
		stated = stated || o.Type == optAddress
		switch want, answer := p.judge(o); answer {
		case fsm.ConfigureReject:
			rejects = append(rejects, o)
		case fsm.ConfigureNak:
			naks = append(naks, addrOption(o.Type, want))
		}
	}
	if !stated && p.needsAddress() && !final {
		naks = append(naks, addrOption(optAddress, p.suggestion()))
	}
	switch {
	case len(rejects) > 0:
		return fsm.Verdict{Code: fsm.ConfigureReject, Options: rejects}
	case len(naks) > 0:
		return fsm.Verdict{Code: fsm.ConfigureNak, Options: naks}
	}
	return fsm.Verdict{Code: fsm.ConfigureAck}
}

// judge answers one option; want is the address for a Nak.
func (p *Protocol) judge(o fsm.Option) (want netip.Addr, answer fsm.Code) {
	a, ok := addr(o)
	if !ok {
		return want, fsm.ConfigureReject
	}
	if o.Type == optAddress {
		return p.judgeAddress(a)
	}
	return p.judgeServer(o.Type, a)
}

// judgeAddress answers the peer's own address; zero is "give me one".
func (p *Protocol) judgeAddress(a netip.Addr) (want netip.Addr, answer fsm.Code) {
	want, ours := p.addressFor()
	theirs := !p.cfg.Peer.IsValid() && p.cfg.AssignPeer == nil // it may choose
	switch {
	case ours && a == want, theirs && usable(a):
		p.peer = a
		return want, fsm.ConfigureAck
	case ours:
		if !a.IsUnspecified() {
			p.refused = a
		}
		return want, fsm.ConfigureNak
	}
	return want, fsm.ConfigureReject
}

// addressFor returns the address that we give the peer, if we do and have one.
func (p *Protocol) addressFor() (netip.Addr, bool) {
	if p.cfg.Peer.IsValid() {
		return p.cfg.Peer, true
	}
	if !p.assigned.IsValid() && p.cfg.AssignPeer != nil {
		if a, ok := p.cfg.AssignPeer(); ok {
			p.assigned = want4(a)
		}
	}
	return p.assigned, p.assigned.IsValid()
}

// needsAddress reports whether a peer that says nothing of its address must.
func (p *Protocol) needsAddress() bool { return !p.cfg.Unnumbered && !p.cfg.Peer.IsValid() }

// suggestion is the value of an appended option: 0.0.0.0 asks the peer to say.
func (p *Protocol) suggestion() netip.Addr {
	if a, ok := p.addressFor(); ok {
		return a
	}
	return netip.IPv4Unspecified()
}

// judgeServer tells a peer that asks for a name server ours (RFC 1877).
func (p *Protocol) judgeServer(kind byte, a netip.Addr) (want netip.Addr, answer fsm.Code) {
	i, ok := serverOption(kind)
	if !ok {
		return want, fsm.ConfigureReject
	}
	servers := p.cfg.DNS
	if serverOptions[i].nbns {
		servers = p.cfg.NBNS
	}
	if serverOptions[i].rank >= len(servers) {
		return want, fsm.ConfigureReject
	}
	if want = servers[serverOptions[i].rank]; a != want {
		return want, fsm.ConfigureNak
	}
	return want, fsm.ConfigureAck
}
