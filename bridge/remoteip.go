package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ip"
	"sitebridge/ip/inform"
	"sitebridge/ppp/ipcp"
	"sitebridge/ppp/ipv6cp"
)

// An ipEnd is where the IP packets of a link go to.
type ipEnd interface {
	deliver(protocol uint16, pkts []*packet.Buffer)
	up4(n *networks, r ipcp.Result) error
	up6(n *networks, r ipv6cp.Result) error
	down(n *networks, v4, v6 bool)
	measure(n *networks)
	keep(n *networks)
}

// sharedIP is the kernel's side of a site with a pool; the tests have another one.
type sharedIP interface {
	end(m *remote) ipEnd // nil: no IP for it
	run(ctx context.Context) error
	status() *IPStatus
	// users tells who may call, and what is behind them.
	users(map[string]*config.User) error
	// reroute keeps the packets to these peers out of its routes; know notes where they
	// are while no route leads to one; and covers reports whether one leads to an address.
	reroute(peers []netip.Addr) error
	know(peers []netip.Addr)
	covers(netip.Addr) bool
	close() error
}

// noIP is sharedIP where callers have no IP.
type noIP struct{}

func (noIP) end(*remote) ipEnd             { return nil }
func (noIP) run(ctx context.Context) error { return nil }
func (noIP) status() *IPStatus             { return nil }
func (noIP) close() error                  { return nil }

func (noIP) users(map[string]*config.User) error { return nil }
func (noIP) know([]netip.Addr)                   {}
func (noIP) reroute([]netip.Addr) error          { return nil }
func (noIP) covers(netip.Addr) bool              { return false }

// A poolIP is a site's end in the kernel that its callers share: one TUN interface,
// to which the pool is routed.
type poolIP struct {
	site    *site
	cfg     *config.IP
	proxy   string // the device of proxy ARP; empty: none
	callers ip.Callers
	dev     atomic.Pointer[ip.Interface] // never nil; replaced when somebody deletes it

	mu     sync.Mutex // guards what follows
	routes map[netip.Prefix]*poolRoute
	peers  []netip.Addr // whose packets must not enter a tunnel
	shut   bool         // closed: nothing is installed any more
	ends   []*remoteIP  // that are up
	kept   time.Time    // when keep last looked
}

// openPoolIP makes what the callers of a site share in the kernel.
func openPoolIP(s *site) (sharedIP, error) {
	if s.cfg.IP == nil {
		return noIP{}, nil
	}
	p := &poolIP{site: s, cfg: s.cfg.IP, proxy: s.cfg.Remote.ProxyARP, peers: s.d.peers(), routes: map[netip.Prefix]*poolRoute{}}
	dev, err := p.open()
	if err != nil {
		return nil, err
	}
	p.dev.Store(dev)
	p.mu.Lock()
	if err = p.furnish(); err == nil {
		err = p.hold([]netip.Prefix{p.cfg.Pool})
	}
	p.mu.Unlock()
	if err == nil {
		err = p.users(s.cfg.Remote.Users)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// users keeps what is behind the users unreachable while they are not there: nothing of
// it must leave by the default route.
func (p *poolIP) users(all map[string]*config.User) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return nil
	}
	for _, r := range p.routes {
		r.away = false
	}
	for _, u := range all {
		for _, dst := range u.Routes {
			p.route(dst).away = true
		}
	}
	return p.settleAll()
}

func (p *poolIP) open() (*ip.Interface, error) {
	return ip.Open(ip.Config{Name: p.site.cfg.Device, Host: p.site.d.host, Log: p.site.log})
}

// defaultMTU is the interface's while nobody has called: that of AES-256-GCM on an
// Ethernet.
func (p *poolIP) defaultMTU() int {
	sum := ip.InnerMTU(1500, 30, 0)
	if p.site.cfg.Transport != config.TransportGRE && p.site.d.config().Daemon.UDP != 0 {
		sum = sum.InUDP()
	}
	return sum.InnerMTU
}

// furnish gives the interface its address and its callers. mu is held.
func (p *poolIP) furnish() error {
	dev := p.dev.Load()
	if _, err := dev.Configure(ip.Addresses{Local: p.cfg.Address}); err != nil {
		return err
	}
	return p.widen()
}

// widen makes the interface as wide as the widest of its callers' tunnels. mu is held.
func (p *poolIP) widen() error {
	mtu := p.callers.MTU()
	if mtu == 0 {
		mtu = p.defaultMTU()
	}
	return p.dev.Load().Up(ip.Live{Callers: &p.callers, MTU4: mtu})
}

// run reads from the interface until ctx ends.
func (p *poolIP) run(ctx context.Context) error { return p.site.runDevice(ctx, &p.dev, p.reopen) }

// reopen makes the interface anew, as it was. Its routes went with the old one.
func (p *poolIP) reopen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dev.Load().Close() // it is gone; what remains is a descriptor
	dev, err := p.open()
	if err != nil {
		return err
	}
	p.dev.Store(dev)
	return p.restore()
}

// restore puts back what somebody took away. mu is held.
func (p *poolIP) restore() error {
	errs := []error{p.furnish()}
	for _, r := range p.routes {
		if r.holders > 0 && !p.site.d.host.HasLive(p.dev.Load(), r.dst, p.cfg.Metric) {
			errs = append(errs, p.install(r))
		}
	}
	for _, e := range p.ends {
		if p.proxy != "" {
			proxied, err := p.site.d.host.ProxyARP(p.proxy, e.m.addr)
			if err == nil {
				e.proxied = proxied
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *poolIP) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	p.dev.Load().Down()
	var errs []error
	for _, e := range p.ends {
		errs = append(errs, undo(&e.proxied))
	}
	for dst, r := range p.routes {
		delete(p.routes, dst)
		errs = append(errs, r.remove())
	}
	return errors.Join(append(errs, p.dev.Load().Close())...)
}

func (p *poolIP) status() *IPStatus {
	s := &IPStatus{
		Device: p.site.cfg.Device, Local: p.cfg.Address, Routes: []netip.Prefix{p.cfg.Pool},
		MTU: p.callers.MTU(), Stats: p.dev.Load().Stats(),
	}
	if s.MTU > 0 {
		s.MTUSum = fmt.Sprintf("%d of the widest tunnel; each caller has its own", s.MTU)
	}
	return s
}

func (p *poolIP) end(m *remote) ipEnd { return &remoteIP{pool: p, m: m} }

// A remoteIP is one caller's part of it.
type remoteIP struct {
	pool *poolIP
	m    *remote
	one  atomic.Pointer[ip.Caller] // nil: IP is not up

	// What pool.mu guards.
	owner   *networks      // whose link it has; nil: none
	sum     ip.Sum         // how its MTU came about
	held    []netip.Prefix // the routes that it has
	proxied func() error
}

var _ ipEnd = (*remoteIP)(nil)

// routes are the caller's address and what is behind it.
func (e *remoteIP) routes() []netip.Prefix {
	return append([]netip.Prefix{netip.PrefixFrom(e.m.addr, 32)}, e.m.site.cfg.IP.Routes...)
}

// deliver takes packets from the caller's link.
func (e *remoteIP) deliver(protocol uint16, pkts []*packet.Buffer) {
	one := e.one.Load()
	if one == nil {
		return
	}
	for _, p := range pkts {
		if inform.Asks(p.Bytes()) {
			e.inform(p.Bytes())
		}
	}
	one.Deliver(e.pool.dev.Load(), protocol, pkts)
}

// inform answers a caller that asks for its routes. The kernel gets the question too,
// and has nobody who listens.
func (e *remoteIP) inform(query []byte) {
	c, link := e.pool.cfg, e.m.session.link
	b := packet.Get()
	defer packet.Put(b)
	got := inform.Answer(b.Space()[:0], query, inform.Config{
		Server: c.Address, Client: e.m.addr, Routes: c.TellRoutes, DNS: c.DNS, NBNS: c.NBNS, Domain: c.Domain,
	})
	if b.SetLen(len(got)); len(got) > 0 {
		link.Send(ip.ProtocolIPv4, []*packet.Buffer{b}, false) // a lost one is asked for again
	}
}

// up4 is IPCP's this-layer-up.
func (e *remoteIP) up4(n *networks, r ipcp.Result) (err error) {
	p := e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.closed.Load() {
		return errReplaced
	}
	e.leave()
	if p.shut {
		return errReplaced
	}
	if e.sum, err = p.site.innerMTU(n); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.leave())
		}
	}()
	e.owner = n
	e.one.Store(p.callers.Add(ip.CallerConfig{
		Link: n.s.link, Address: e.m.addr, Behind: e.m.site.cfg.IP.Routes, MTU: e.sum.InnerMTU,
	}))
	p.ends = append(p.ends, e)
	if err := p.widen(); err != nil {
		return err
	}
	e.held = e.routes()
	if err = p.hold(e.held); err != nil {
		return err
	}
	if p.proxy != "" {
		if e.proxied, err = p.site.d.host.ProxyARP(p.proxy, e.m.addr); err != nil {
			return err
		}
	}
	n.s.log.Info("IP up", "local", r.Local, "remote", r.Peer, "mtu", e.sum.InnerMTU)
	return nil
}

// up6 is IPV6CP's, which callers do not have.
func (e *remoteIP) up6(*networks, ipv6cp.Result) error {
	return errors.New("callers of a pool have no IPv6")
}

// leave takes everything of the caller out of the kernel. pool.mu is held.
func (e *remoteIP) leave() error {
	if one := e.one.Swap(nil); one != nil {
		one.Remove()
	}
	e.owner = nil
	e.pool.ends = slices.DeleteFunc(e.pool.ends, func(other *remoteIP) bool { return other == e })
	held := e.held
	e.held = nil
	if e.pool.shut {
		return undo(&e.proxied)
	}
	return errors.Join(undo(&e.proxied), e.pool.letGo(held))
}

// down is this-layer-down, or the end of n's link.
func (e *remoteIP) down(n *networks, v4, _ bool) {
	p := e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.owner != n || !v4 {
		return
	}
	if err := errors.Join(e.leave(), p.widen()); err != nil {
		n.s.log.Warn("routes not removed", "error", err)
	}
}

// measure looks whether the MTU of the caller's path has changed, and follows it.
func (e *remoteIP) measure(n *networks) {
	p := e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	one := e.one.Load()
	if e.owner != n || one == nil || n.closed.Load() {
		return
	}
	sum, err := p.site.innerMTU(n)
	if err != nil || sum == e.sum {
		return // without a route the echoes will tell
	}
	e.sum = sum
	one.SetMTU(sum.InnerMTU)
	if err := p.widen(); err != nil {
		n.s.log.Warn("MTU not changed", "error", err)
		return
	}
	n.s.log.Info("MTU changed", "mtu", sum.InnerMTU, "sum", sum)
}

// keep puts back what somebody took away.
func (e *remoteIP) keep(n *networks) {
	p := e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.owner != n || n.closed.Load() {
		return
	}
	if time.Since(p.kept) < pathInterval/2 {
		return // another caller's turn has seen to it
	}
	p.kept = time.Now()
	if err := errors.Join(p.site.d.host.Restore(), p.restore()); err != nil {
		p.site.log.Warn("addresses or routes are gone and not put back", "device", p.site.cfg.Device, "error", err)
	}
}
