package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/diagnose"
	"sitebridge/bridge/identity"
	"sitebridge/control"
	"sitebridge/ip"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
)

// A prober gets the facts about one site for package diagnose: of a running daemon, or
// of none.
type prober struct {
	d  *Daemon
	st *site
	// offline says why there is no daemon; nil: there is one.
	offline  error
	unmarked bool // we may not mark sockets
	resolver *net.Resolver

	way diagnose.Way // to the peer, by the kernel
}

func (d *Daemon) prober(st *site) *prober { return &prober{d: d, st: st, resolver: resolver} }

// Setup implements diagnose.World.
func (p *prober) Setup() diagnose.Setup {
	c := p.st.cfg
	s := diagnose.Setup{
		Site: c.Name, Dials: len(c.Dial) > 0, Answers: c.Answer, Required: p.st.ncpNames(),
		Policy: string(c.Encryption.Policy), IP: c.IP != nil, IPX: c.IPX != nil, Unmarked: p.unmarked, TLS: c.Auth.Trust != nil,
	}
	for _, m := range c.Auth.Methods {
		s.Methods = append(s.Methods, m.String())
	}
	for proto, name := range ncpOf {
		if c.Runs(proto) {
			s.NCPs = append(s.NCPs, name)
		}
	}
	if p.offline != nil {
		s.Reason = p.offline.Error()
		return s
	}
	v := p.st.status()
	s.Pool, s.Callers = c.Remote != nil, len(v.Callers)
	s.State, s.Reason = string(v.State), v.Reason
	s.Up, s.Stopped, s.Idle, s.Call = v.State == StateUp, v.State == StateStopped, v.State == StateIdle, v.Tunnel != nil
	return s
}

// Names implements diagnose.World.
func (p *prober) Names(ctx context.Context) []diagnose.Lookup {
	ctx, cancel := context.WithTimeout(ctx, tcpWait)
	defer cancel()
	all := make([]diagnose.Lookup, len(p.st.cfg.Dial))
	var asked sync.WaitGroup
	for i, e := range p.st.cfg.Dial {
		asked.Go(func() {
			addrs, err := p.resolver.LookupNetIP(ctx, "ip4", e.Host)
			all[i] = diagnose.Lookup{Host: e.Host, Err: err}
			for _, a := range addrs {
				all[i].Addrs = append(all[i].Addrs, netip.AddrPortFrom(a.Unmap(), e.Port))
			}
		})
	}
	asked.Wait()
	return all
}

// Ways implements diagnose.World.
func (p *prober) Ways(to []netip.AddrPort) (all []diagnose.Way) {
	source := p.st.cfg.Source
	for _, at := range to {
		w := diagnose.Way{To: at}
		w.Way, w.Err = p.d.host.Way(source.Address, source.Interface, at.Addr())
		for _, s := range p.d.config().Sites {
			if w.Err == nil && s.Device == w.Device {
				w.Tunnel = s.Name
			}
		}
		if w.Err == nil && p.way.Err == nil && !p.way.To.IsValid() {
			p.way = w
		}
		all = append(all, w)
	}
	return all
}

// session is the site's call, nil without one.
func (p *prober) session() *session {
	if p.offline != nil {
		return nil
	}
	cur, _ := p.st.supervisor.snapshot().Current.(*session)
	return cur
}

const (
	// reachWait is how long an address may take to answer TCP, and again the control
	// connection.
	reachWait = 5 * time.Second
	// reachAtOnce is how many addresses are tried at the same time.
	reachAtOnce = 8
)

// Reach implements diagnose.World.
func (p *prober) Reach(ctx context.Context, to []netip.AddrPort) []diagnose.Reach {
	if s := p.session(); s != nil {
		return []diagnose.Reach{echoed(ctx, s)}
	}
	all := make([]diagnose.Reach, len(to))
	places := make(chan struct{}, reachAtOnce)
	var tried sync.WaitGroup
	for i, at := range to {
		tried.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			all[i] = p.reach(ctx, at)
		})
	}
	tried.Wait()
	return all
}

// echoed asks the peer of a call for a sign of life.
func echoed(ctx context.Context, s *session) diagnose.Reach {
	ctx, cancel := context.WithTimeout(ctx, echoWait)
	defer cancel()
	peer := s.call.Conn().Peer()
	return diagnose.Reach{To: peer.Remote, Before: true, Control: s.call.Conn().Echo(ctx), Peer: peerWords(peer)}
}

func peerWords(p control.Peer) string {
	if p.Vendor.String() == "" {
		return p.Host.String()
	}
	return fmt.Sprintf("%s (%s)", p.Host, p.Vendor.WithoutToken())
}

func (p *prober) reach(ctx context.Context, to netip.AddrPort) (r diagnose.Reach) {
	r.To = to
	opening, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	began := time.Now()
	nc, err := p.d.connect(opening, p.st, to)
	if r.TCP = err; err != nil {
		return r
	}
	r.Trip = time.Since(began)
	starting, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	conn, err := control.Open(starting, nc, p.st.controlConfig())
	if r.Control = err; err != nil {
		return r
	}
	r.Peer = peerWords(conn.Peer())
	conn.Close()
	return r
}

// Calls implements diagnose.World.
func (p *prober) Calls() diagnose.Calls {
	var c diagnose.Calls
	for _, e := range p.d.allEars() {
		s := e.Stats()
		c.Listen = append(c.Listen, e.at.String())
		c.Requests += s.In.StartRequest
		c.Calls += s.In.OutgoingCallRequest
		c.Malformed += s.Drops.ControlLength + s.Drops.MagicCookie + s.Drops.PPTPMessageType
	}
	c.GRE = p.d.mux.Stats().Received
	x := p.d.refused.snapshot()
	c.Strangers, c.From, c.Reason, c.Last = x.Count, x.From, x.Reason, time.Since(x.Last)
	if all := p.d.strangers.all(); len(all) > 0 {
		c.Waiting = diagnose.WaitingCall{From: all[0].path.Remote, For: time.Since(all[0].began), On: all[0].waitsFor()}
	}
	return c
}

// waitsFor says what keeps a call whose caller is not known yet.
func (s *session) waitsFor() string {
	v := s.link.Status()
	switch {
	case s.carrier.Load() == nil:
		return "no packet of it has come, by UDP or by GRE"
	case s.channel.FirstReceive().IsZero():
		return s.silence(time.Since(s.began))
	case v.End != nil:
		return v.End.Reason
	}
	return fmt.Sprintf("the link is in the phase %q, LCP is %s", v.Phase, v.LCP)
}

// Filter implements diagnose.World.
func (p *prober) Filter() ip.Filter {
	local, peer, device := p.way.Source, p.way.To.Addr(), p.way.Device
	if s := p.session(); s != nil {
		local, peer = s.path.Local, s.path.Remote
		if w, err := p.d.host.Way(local, p.st.cfg.Source.Interface, peer); err == nil {
			device = w.Device
		}
	}
	if device == "" {
		return ip.Filter{}
	}
	return p.d.host.Filter(local, peer, device)
}

// Kernel implements diagnose.World.
func (p *prober) Kernel() diagnose.Kernel {
	k := diagnose.Kernel{Settings: p.settings()}
	host := p.d.host
	k.Device.Name = p.st.cfg.Device
	k.LANs, k.Err = host.Neighbours()
	if p.offline != nil || p.st.cfg.IP == nil {
		return k
	}
	k.Device, k.DevErr = host.Device(p.st.cfg.Device)
	if p.st.ip == nil {
		return k // many callers, each with its own part of the interface
	}
	p.st.ip.fill(&k)
	var errs [2]error
	k.Routes, errs[0] = host.RouteStates(p.st.cfg.Device, p.st.cfg.IP.Routes)
	k.Rules, errs[1] = host.MissingRules()
	k.Err = errors.Join(k.Err, errs[0], errs[1])
	return k
}

// fill tells what was agreed on.
func (p *ipPlane) fill(k *diagnose.Kernel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k.Local, k.Peer, k.V4, k.V6 = p.addrs.Local, p.addrs.Peer, p.v4, p.v6
	k.Stats = p.dev.Load().Stats()
	if p.owner != nil {
		k.Sum = p.sum
	}
}

// mtu is how the MTU of n's link comes about, zero when it has not the interface.
func (p *ipPlane) mtu(n *networks) ip.Sum {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner != n {
		return ip.Sum{}
	}
	return p.sum
}

// settings are those that stand in the way of this site. What rp_filter does is a step
// of its own.
func (p *prober) settings() []ip.Setting {
	c := p.st.cfg
	if c.IP == nil {
		return nil
	}
	has := func(is func(netip.Addr) bool) bool {
		return slices.ContainsFunc(c.IP.Routes, func(r netip.Prefix) bool { return is(r.Addr()) })
	}
	v4, v6 := has(netip.Addr.Is4) || c.Remote != nil, has(netip.Addr.Is6)
	missing := slices.DeleteFunc(ip.Missing(false), func(m ip.Setting) bool {
		return !v4 && strings.HasPrefix(m.Key, "net/ipv4/ip_forward") || !v6 && strings.HasPrefix(m.Key, "net/ipv6/")
	})
	if c.Remote != nil {
		missing = append(missing, ip.MissingForProxy(c.Remote.ProxyARP)...)
	}
	return missing
}

// IPX implements diagnose.World.
func (p *prober) IPX() diagnose.IPX {
	c := p.st.cfg
	x := diagnose.IPX{Routed: c.Segment == nil, Learns: c.IPX.Learns(), Exchange: string(c.IPX.Exchange)}
	now := time.Now()
	for _, l := range p.lans() {
		x.LANs = append(x.LANs, p.lan(l, now))
	}
	for _, clash := range p.d.ipx.router.Clashes() {
		x.Clashes = append(x.Clashes, diagnose.Clash{Words: clash.Text, Recent: now.Sub(clash.Last) < recently})
	}
	if s := p.st.status().IPX; s != nil {
		x.Open = true
		if s.Exchange != "" {
			x.Exchange = s.Exchange
		}
	}
	for _, r := range p.d.ipx.router.Routes() {
		if r.Site == c.Name && !r.Down {
			x.Behind++
			if !r.Held.IsZero() {
				x.Held++
			}
		}
	}
	return x
}

// lans are those that have to do with the site: its segment's, or all that are routed.
func (p *prober) lans() (all []*lan) {
	seg := p.st.cfg.Segment
	for _, l := range p.d.ipx.allLANs() {
		routed := slices.ContainsFunc(l.routed[:], func(a *router.Attached) bool { return a != nil })
		member := seg != nil && slices.ContainsFunc(seg.LANs, func(s config.SegmentLAN) bool { return s.LAN.Name == l.name })
		if seg == nil && routed || member {
			all = append(all, l)
		}
	}
	return all
}

func (p *prober) lan(l *lan, now time.Time) diagnose.LAN {
	s := l.status(p.d.ipx.router.Wires())
	in := s.Stats.In
	counts := [ipx.Encapsulations]uint64{in.EthernetII, in.Ethernet8023, in.Ethernet8022, in.EthernetSNAP}
	out := diagnose.LAN{
		Name: s.Name, Device: s.Device, Down: !s.Up,
		Wrong: unusedFrames(s, l.used(), now), Numbers: numberTrouble(s), Other: wireTrouble(s, now),
	}
	var heard []string
	for e, n := range counts {
		out.Frames += n
		if n > 0 {
			heard = append(heard, fmt.Sprintf("%v %d", ipx.Encapsulation(e), n))
		}
	}
	out.Heard = strings.Join(heard, ", ")
	if s.DOSBox != nil {
		out.Frames, out.Heard = max(out.Frames, 1), fmt.Sprintf("%d emulators", len(s.DOSBox.Clients))
	}
	return out
}

// Certificates implements diagnose.World.
func (p *prober) Certificates() diagnose.Certificates {
	c := diagnose.Certificates{Now: time.Now()}
	trust := p.st.trust()
	if own := p.d.config().Daemon.Identity; own != nil {
		c.All = append(c.All, diagnose.CertificateOf(own.Leaf(), identity.Describe(own.Leaf(), "", c.Now).Name, "our own"))
	}
	for _, ca := range trust.CAs {
		c.All = append(c.All, diagnose.CertificateOf(ca, identity.Describe(ca, "", c.Now).Name, "CA"))
	}
	if trust.CRL != "" {
		lists, err := identity.LoadLists(trust.CRL)
		c.Unlisted = err
		for _, l := range lists {
			c.All = append(c.All, diagnose.Certificate{Name: l.Issuer.CommonName, Use: "revocation list", From: l.ThisUpdate, To: l.NextUpdate})
		}
	}
	if leaf := p.st.peerCertificate.Load(); leaf != nil {
		c.All = append(c.All, diagnose.CertificateOf(leaf, identity.Describe(leaf, "", c.Now).Name, "the peer's"))
	}
	return c
}
