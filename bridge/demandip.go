package bridge

import (
	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ip"
)

// The IP of a demand site: its interface has a link and its routes whether there is a
// call or not, so that traffic can ask for one.

// idleMTU is that of a tunnel whose path is not known yet: it fits into any that is
// common, and a call that has more room says so.
const idleMTU = 1400

// prepare makes the interface of a demand site ready for traffic.
func (p *ipPlane) prepare() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	complain := func(pkts []*packet.Buffer) { p.dev.Load().Unreachable(pkts) }
	p.site.demand.v4.complain, p.site.demand.v6.complain = complain, complain
	if p.cfg.IPv6 {
		p.addrs.LocalID = p.id
	}
	return p.apply()
}

// enable takes the live routes away while the site is stopped.
func (p *ipPlane) enable(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped = !yes; p.shut {
		return
	}
	if err := p.apply(); err != nil {
		p.site.log.Warn("routes not changed", "error", err)
	}
}

// mend is keep while there is no call: without its routes no traffic would ask for one.
func (p *ipPlane) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner == nil && !p.shut && !p.stopped {
		p.putBack()
	}
}

// uses says which protocols the interface carries, if only to ask for a call.
func (p *ipPlane) uses() (v4, v6 bool) {
	if p.site.demand == nil || p.stopped {
		return p.v4, p.v6
	}
	return true, p.site.cfg.Runs(config.ProtocolIPv6)
}

// carrier is the link of the interface. p.owner is not nil, or the site is on demand.
func (p *ipPlane) carrier() ip.Link {
	if d := p.site.demand; d != nil {
		return d
	}
	return p.owner.s.link
}

// innerMTU is that of the last call, if there was one.
func (p *ipPlane) innerMTU() int {
	switch {
	case p.sum.InnerMTU > 0:
		return p.sum.InnerMTU
	case p.site.cfg.MTU > 0:
		return p.site.cfg.MTU
	}
	return idleMTU
}

// asleep takes protocols that are down out of the hands of their call.
func (p *ipPlane) asleep() {
	d := p.site.demand
	if d == nil {
		return
	}
	if !p.v4 {
		d.v4.disconnect()
	}
	if !p.v6 {
		d.v6.disconnect()
	}
}

// awake gives what waited to the call.
func (p *ipPlane) awake() {
	d := p.site.demand
	if d == nil {
		return
	}
	if p.v4 {
		d.v4.connect(p.owner.s.link.Send)
	}
	if p.v6 {
		d.v6.connect(p.owner.s.link.Send)
	}
}

// noticing takes IP packets from the site's link to deliver. On demand it also sees
// whether they count.
func (s *site) noticing(deliver func(uint16, []*packet.Buffer)) func(uint16, []*packet.Buffer) {
	if s.demand == nil {
		return deliver
	}
	return func(protocol uint16, pkts []*packet.Buffer) {
		s.demand.v4.note(pkts) // one judge for both versions
		deliver(protocol, pkts)
	}
}
