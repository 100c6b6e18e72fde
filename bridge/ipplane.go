package bridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ip"
	"sitebridge/ppp/ipcp"
	"sitebridge/ppp/ipv6cp"
)

// An ipPlane is a site's end in the kernel: the TUN interface, its addresses,
// and the routes to what is behind the peer. It outlives the calls, so that
// sockets survive a reconnect.
type ipPlane struct {
	site *site
	cfg  *config.IP
	dev  atomic.Pointer[ip.Interface] // never nil; replaced when somebody deletes it
	// id is our IPv6 interface identifier for as long as we run, so that our
	// link-local address outlives the calls too.
	id uint64

	mu     sync.Mutex // guards what follows
	routes []*siteRoute
	shut   bool      // closed: nothing is installed any more
	owner  *networks // whose link the interface has; nil: none
	addrs  ip.Addresses
	v4, v6 bool // which protocol of owner's is up
	// stopped says that a demand site shall not be asked for.
	stopped bool
	sum     ip.Sum // how its MTU came about
}

// A siteRoute is one prefix behind the peer with what is installed for it. Each
// undo is nil while there is nothing to undo.
type siteRoute struct {
	dst         netip.Prefix
	protect     func() error // it covers a peer's own address: see ip.Host.ProtectMarked
	unreachable func() error
	live        func() error
	left        []func() error // of a move that failed half way
}

// universal is the bit of an interface identifier that a made-up one must not
// have (RFC 5072, section 4.1).
const universal = 1 << 57

func (d *Daemon) openIP(s *site) (p *ipPlane, err error) {
	p = &ipPlane{site: s, cfg: s.cfg.IP, id: rand.Uint64() &^ universal}
	dev, err := p.open()
	if err != nil {
		return nil, err
	}
	p.dev.Store(dev)
	for _, dst := range p.cfg.Routes {
		p.routes = append(p.routes, &siteRoute{dst: dst})
	}
	if p.cfg.Mode == config.Static {
		p.addrs = ip.Addresses{Local: p.cfg.Address, Peer: p.cfg.Peer}
		if _, err := dev.Configure(p.addrs); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	if err := p.reroute(d.peers()); err != nil {
		return nil, errors.Join(err, p.close())
	}
	if s.demand != nil {
		if err := p.prepare(); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

func (p *ipPlane) open() (*ip.Interface, error) {
	return ip.Open(ip.Config{Name: p.site.cfg.Device, Host: p.site.d.host, Log: p.site.log})
}

// run reads from the interface until ctx ends.
func (p *ipPlane) run(ctx context.Context) error { return p.site.runDevice(ctx, &p.dev, p.reopen) }

// reopen makes the interface anew, as it was. Its live routes went with the old
// one.
func (p *ipPlane) reopen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dev.Load().Close() // it is gone; what remains is a descriptor
	dev, err := p.open()
	if err != nil {
		return err
	}
	p.dev.Store(dev)
	for _, r := range p.routes {
		r.live = nil
	}
	if _, err := dev.Configure(p.addrs); err != nil {
		return err
	}
	return p.apply()
}

// deliver takes packets from the link.
func (p *ipPlane) deliver(protocol uint16, pkts []*packet.Buffer) {
	p.dev.Load().Deliver(protocol, pkts)
}

// close takes the routes away, and the interface with its addresses.
func (p *ipPlane) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	p.dev.Load().Down()
	var errs []error
	for _, r := range p.routes {
		errs = append(errs, r.remove())
	}
	return errors.Join(append(errs, p.dev.Load().Close())...)
}

// undo runs what is installed there, once.
func undo(f *func() error) error {
	if *f == nil {
		return nil
	}
	do := *f
	*f = nil
	return do()
}

func undoAll(list *[]func() error) error {
	var errs []error
	for i := range *list {
		errs = append(errs, undo(&(*list)[i]))
	}
	*list = nil
	return errors.Join(errs...)
}

// reroute makes sure that no route of the site catches the packets of a tunnel
// itself, now that peers are these. It is called again when a name resolves to
// another address, or a peer calls from one.
func (p *ipPlane) reroute(peers []netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return nil
	}
	covering := map[netip.Prefix]bool{}
	for _, c := range ip.Covering(p.cfg.Routes, peers) {
		covering[c] = true
	}
	var errs []error
	for _, r := range p.routes {
		if r.unreachable == nil || covering[r.dst] != (r.protect != nil) {
			errs = append(errs, p.move(r, covering[r.dst]))
		}
	}
	return errors.Join(errs...)
}

// move installs a route anew, protected or not, with what fill then installs, and takes
// away what was installed before, so that something always holds its packets; only
// where a route is no longer to be protected, the rules must go first. After a failure
// what was there still holds them, and the next reroute tries again.
func (r *siteRoute) move(host *ip.Host, protected bool, fill func() error) (err error) {
	old := *r
	*r = siteRoute{dst: r.dst}
	defer func() {
		if err != nil {
			err = errors.Join(err, undo(&old.live))
			r.left = append(old.left, old.unreachable, old.protect)
		}
	}()
	if protected {
		if r.protect, err = host.ProtectMarked([]netip.Prefix{r.dst}); err != nil {
			return err
		}
	} else if err := undo(&old.protect); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	return errors.Join(undo(&old.live), undo(&old.unreachable), undo(&old.protect), undoAll(&old.left))
}

// remove takes away all that is installed for a route.
func (r *siteRoute) remove() error {
	return errors.Join(undo(&r.live), undo(&r.unreachable), undo(&r.protect), undoAll(&r.left))
}

// move is that of a route, which stays live when it is.
func (p *ipPlane) move(r *siteRoute, protected bool) error {
	live := r.live != nil
	return r.move(p.site.d.host, protected, func() (err error) {
		if r.unreachable, err = p.site.d.host.InstallUnreachable([]netip.Prefix{r.dst}); err != nil || !live {
			return err
		}
		return p.install(r)
	})
}

// hold keeps those of the routes that the site has unreachable, also when the site lets
// go of them, until it is undone.
func (p *ipPlane) hold(routes []netip.Prefix) (undo []func() error, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.site.d.host
	for _, r := range p.routes {
		if !slices.Contains(routes, r.dst) {
			continue
		}
		one := []netip.Prefix{r.dst}
		if r.protect != nil {
			release, e := host.ProtectMarked(one)
			undo, err = append(undo, release), errors.Join(err, e)
		}
		release, e := host.InstallUnreachable(one)
		undo, err = append(undo, release), errors.Join(err, e)
	}
	slices.Reverse(undo) // the rules last
	return undo, err
}

func (p *ipPlane) install(r *siteRoute) (err error) {
	var src netip.Addr
	if r.dst.Addr().Is4() {
		src = p.addrs.Local
	}
	r.live, err = p.site.d.host.InstallLive(p.dev.Load(), []netip.Prefix{r.dst}, p.cfg.Metric, src)
	return err
}

// up4 is IPCP's this-layer-up.
func (p *ipPlane) up4(n *networks, r ipcp.Result) error {
	return p.change(n, func() {
		p.v4 = true
		p.addrs.Local, p.addrs.Peer = r.Local, r.Peer
		n.s.log.Info("IP up", "local", r.Local, "remote", r.Peer, "mtu", p.sum.InnerMTU)
	})
}

// up6 is IPV6CP's this-layer-up.
func (p *ipPlane) up6(n *networks, r ipv6cp.Result) error {
	return p.change(n, func() {
		p.v6 = true
		p.addrs.LocalID, p.addrs.PeerID = r.Local, r.Peer
		n.s.log.Info("IPv6 up", "local", ipv6cp.LinkLocal(r.Local), "remote", ipv6cp.LinkLocal(r.Peer), "mtu", p.sum.InnerMTU)
	})
}

// change gives the interface n's link, with what set changes, and the live
// routes of each protocol that is up.
func (p *ipPlane) change(n *networks, set func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.closed.Load() {
		return errReplaced
	}
	if p.owner != n {
		p.owner, p.v4, p.v6 = n, false, false
	}
	var err error
	if p.sum, err = p.site.innerMTU(n); err != nil {
		return err
	}
	set()
	return p.apply()
}

// innerMTU is the longest IP packet that fits the path of n's link.
func (s *site) innerMTU(n *networks) (ip.Sum, error) {
	outer, err := s.d.host.PathMTU(n.s.path.Local, n.s.path.Remote, n.s.path.Device)
	if err != nil {
		return ip.Sum{}, err
	}
	sum := ip.InnerMTU(outer, n.s.link.Overhead(), n.s.link.MaxPacket())
	if n.s.carrier.Load().inUDP() {
		sum = sum.InUDP()
	}
	if m := s.cfg.MTU; m > 0 {
		sum.InnerMTU = min(m, n.s.link.MaxPacket())
	}
	return sum, nil
}

// measure looks whether the path's MTU has changed, and follows it.
func (p *ipPlane) measure(n *networks) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner != n || n.closed.Load() {
		return
	}
	sum, err := p.site.innerMTU(n)
	if err != nil || sum == p.sum {
		return // without a route the echoes will tell
	}
	p.sum = sum
	if err := p.apply(); err != nil {
		p.site.log.Warn("MTU not changed", "error", err)
		return
	}
	p.site.log.Info("MTU changed", "mtu", sum.InnerMTU, "sum", sum)
}

// keep puts back what somebody took away during n's call: who sets the interface
// down for a moment takes its live routes and its link-local address.
func (p *ipPlane) keep(n *networks) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner == n && !n.closed.Load() {
		p.putBack()
	}
}

// putBack is what keep does. p.mu is held.
func (p *ipPlane) putBack() {
	err := p.site.d.host.Restore()
	if _, e := p.dev.Load().Configure(p.addrs); e != nil {
		err = errors.Join(err, e)
	}
	for _, r := range p.routes {
		if old := r.live; old != nil && !p.site.d.host.HasLive(p.dev.Load(), r.dst, p.cfg.Metric) {
			if e := p.install(r); e != nil {
				r.live, err = old, errors.Join(err, e)
			}
		}
	}
	if err != nil {
		p.site.log.Warn("addresses or routes are gone and not put back", "device", p.site.cfg.Device, "error", err)
	}
}

// apply brings the interface and its routes to what v4 and v6 say.
func (p *ipPlane) apply() error {
	dev := p.dev.Load()
	p.asleep()
	v4, v6 := p.uses()
	if !v4 && !v6 {
		dev.Down()
		return p.removeLive()
	}
	if _, err := dev.Configure(p.addrs); err != nil {
		return err
	}
	l := ip.Live{Link: p.carrier(), Behind: p.cfg.Routes}
	if v4 {
		l.MTU4 = p.innerMTU()
	}
	if v6 {
		l.MTU6 = p.innerMTU()
	}
	if err := dev.Up(l); err != nil {
		return err
	}
	var errs []error
	for _, r := range p.routes {
		up := v4 && r.dst.Addr().Is4() || v6 && r.dst.Addr().Is6()
		switch {
		case up && r.live == nil:
			errs = append(errs, p.install(r))
		case !up:
			errs = append(errs, undo(&r.live))
		}
	}
	p.awake()
	return errors.Join(errs...)
}

func (p *ipPlane) removeLive() error {
	var errs []error
	for _, r := range p.routes {
		errs = append(errs, undo(&r.live))
	}
	return errors.Join(errs...)
}

// down is this-layer-down of the protocols that the flags name, or the end of
// n's link. A link that no longer has the interface changes nothing.
func (p *ipPlane) down(n *networks, v4, v6 bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner != n {
		return
	}
	p.v4, p.v6 = p.v4 && !v4, p.v6 && !v6
	if err := p.apply(); err != nil {
		p.site.log.Warn("routes not removed", "error", err)
	}
	if !p.v4 && !p.v6 {
		p.owner = nil
	}
}

// ipMRU is the MRU that we ask for where only IP runs: what fits the interface
// that the host would use for any peer is not known before the call, so the
// path of an Ethernet without PPPoE or other headers is assumed.
func (s *site) ipMRU() uint16 { return uint16(ip.InnerMTU(1500, 4, 0).InnerMTU) }
