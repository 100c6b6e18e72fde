package ipcp

import (
	"fmt"
	"net/netip"

	"sitebridge/ppp/fsm"
)

// Request implements [fsm.Protocol].
func (p *Protocol) Request() []fsm.Option {
	var opts []fsm.Option
	if p.askAddr {
		opts = append(opts, addrOption(optAddress, p.local))
	}
	for i, s := range p.servers {
		if s.ask {
			opts = append(opts, addrOption(serverOptions[i].kind, s.addr))
		}
	}
	return opts
}

// Naked implements [fsm.Protocol]. An option that we did not send is taken up
// when it is our address, and ignored else.
func (p *Protocol) Naked(opts []fsm.Option) error {
	for _, o := range opts {
		a, ok := addr(o)
		if !ok {
			continue
		}
		if o.Type == optAddress {
			if err := p.addressNaked(a); err != nil {
				return err
			}
		} else if i, ok := serverOption(o.Type); ok && p.servers[i].ask {
			// A server that is none is not worth asking for again.
			p.servers[i] = server{ask: usable(a), addr: a}
		}
	}
	return nil
}

// addressNaked takes the peer's word on our address, where it may have one.
func (p *Protocol) addressNaked(a netip.Addr) error {
	mayGive := !p.cfg.Address.IsValid() || p.cfg.AcceptAddress
	switch {
	case p.cfg.Unnumbered:
		return nil
	case mayGive && usable(a):
		if p.cfg.Address.IsValid() && a != p.local {
			p.cfg.Log.Info("peer gives us another address", "ours", p.cfg.Address, "given", a)
		}
		p.local = a
	case !a.IsUnspecified() && !mayGive: // zero only asks us to say
		if p.insists++; p.insists > maxInsist {
			return fmt.Errorf("peer insists that we are %v, we are set to %v", a, p.cfg.Address)
		}
	}
	p.askAddr = true
	return nil
}

// Rejected implements [fsm.Protocol]. A peer that will not speak of addresses
// leaves us with our settings.
func (p *Protocol) Rejected(opts []fsm.Option) error {
	for _, o := range opts {
		if o.Type == optAddress {
			if p.askAddr = false; !p.cfg.Address.IsValid() {
				return errNoLocal
			}
		} else if i, ok := serverOption(o.Type); ok {
			p.servers[i].ask = false
		}
	}
	return nil
}
