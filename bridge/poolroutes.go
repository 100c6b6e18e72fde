package bridge

import (
	"errors"
	"net/netip"

	"sitebridge/ip"
)

// A poolRoute is a prefix of a site with a pool: the pool, a caller's own address, or a
// network behind a user.
type poolRoute struct {
	siteRoute
	away    bool // it stays unreachable while no caller has it
	holders int  // callers that have it now; the pool itself has one for ever
}

// route is that of a prefix. mu is held.
func (p *poolIP) route(dst netip.Prefix) *poolRoute {
	r := p.routes[dst]
	if r == nil {
		r = &poolRoute{siteRoute: siteRoute{dst: dst}}
		p.routes[dst] = r
	}
	return r
}

// hold routes prefixes into the interface, until each is let go of. mu is held.
func (p *poolIP) hold(all []netip.Prefix) error {
	var errs []error
	for _, dst := range all {
		r := p.route(dst)
		r.holders++
		errs = append(errs, p.settle(r))
	}
	return errors.Join(errs...)
}

// letGo undoes hold. mu is held.
func (p *poolIP) letGo(all []netip.Prefix) error {
	var errs []error
	for _, dst := range all {
		r := p.route(dst)
		r.holders--
		errs = append(errs, p.settle(r))
	}
	return errors.Join(errs...)
}

// settle brings what is installed for a route to what it should be. One that covers a
// peer's own address must not catch the packets of the tunnels themselves. mu is held.
func (p *poolIP) settle(r *poolRoute) error {
	if !r.away && r.holders == 0 {
		delete(p.routes, r.dst)
		return r.remove()
	}
	protected := len(ip.Covering([]netip.Prefix{r.dst}, p.peers)) > 0
	if protected != (r.protect != nil) {
		return r.move(p.site.d.host, protected, func() error { return p.fill(r) })
	}
	return p.fill(r)
}

// fill installs what is missing of a route, and takes away what is too much. mu is held.
func (p *poolIP) fill(r *poolRoute) (err error) {
	if r.away && r.unreachable == nil {
		if r.unreachable, err = p.site.d.host.InstallUnreachable([]netip.Prefix{r.dst}); err != nil {
			return err
		}
	}
	if r.holders > 0 && r.live == nil {
		err = p.install(r)
	}
	if r.holders == 0 {
		err = undo(&r.live)
	}
	if !r.away {
		err = errors.Join(err, undo(&r.unreachable))
	}
	return err
}

func (p *poolIP) install(r *poolRoute) error {
	live, err := p.site.d.host.InstallLive(p.dev.Load(), []netip.Prefix{r.dst}, p.cfg.Metric, p.cfg.Address)
	if err == nil {
		r.live = live
	}
	return err
}

// reroute makes sure that no route catches the packets of a tunnel itself, now that
// peers are these. Nobody changes the slice.
func (p *poolIP) reroute(peers []netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return nil
	}
	p.peers = peers
	return p.settleAll()
}

// know notes where the peers are, to whom no route leads now. Nobody changes the slice.
func (p *poolIP) know(peers []netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers = peers
}

func (p *poolIP) settleAll() error {
	var errs []error
	for _, r := range p.routes {
		errs = append(errs, p.settle(r))
	}
	return errors.Join(errs...)
}

// covers reports whether an address lies in one of the routes.
func (p *poolIP) covers(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for dst := range p.routes {
		if dst.Contains(a) {
			return true
		}
	}
	return false
}
