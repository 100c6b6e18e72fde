package bridge

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/secret"
	"sitebridge/ip"
	"sitebridge/ipx/router"
	"sitebridge/ipx/watchdog"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

// fullMRU is the MRU that we ask for where IPX may cross: IPX cannot be cut, so
// the outer packet is fragmented instead.
const fullMRU = 1500

// tcpWait is how long one address has to answer on TCP.
const tcpWait = 10 * time.Second

// A site is one [site.NAME]: its supervisor, and its end in the kernel, which
// outlives every call.
type site struct {
	d          *Daemon
	cfg        *config.Site
	log        *slog.Logger
	supervisor *supervisor
	ip         *ipPlane // nil: no IP in the tunnel
	remotes    *remotes // not nil: many callers, in place of ip and of a tunnel
	remote     *remote  // not nil: the site is one of these, and has no supervisor
	demand     *demand  // nil: the tunnel is kept up
	// idle is the place of a demand site in the router, with or without a call; nil:
	// it has none. inputs is held while packets come in by it.
	idle     atomic.Pointer[router.Attached]
	inputs   sync.Mutex
	lastGood atomic.Pointer[netip.AddrPort]
	// watchdog answers for hosts behind the peer while they cannot be reached; nil:
	// nobody does. It knows what crossed earlier calls.
	watchdog *watchdog.Table
	learned  atomic.Pointer[learned] // never nil
	ticks    ticks                   // to the peer
	// peerCertificate is what the peer has shown last; nil: nothing.
	peerCertificate atomic.Pointer[x509.Certificate]
	attempts        attempts                     // for diagnose
	caller          atomic.Pointer[control.Conn] // of the last call that was answered; nil: none

	// What follows belongs to startSite and to who stops the site.
	endCalls     context.CancelCauseFunc
	endInterface context.CancelFunc
	over         chan struct{} // closed when the supervisor has ended, and all goodbyes
	unread       chan struct{} // closed when nobody reads from the interface any more
}

func (d *Daemon) openSite(cfg *config.Site) (*site, error) {
	s := &site{d: d, cfg: cfg, log: d.log.With("site", cfg.Name)}
	var dial func(context.Context) (tunnel, error)
	if len(cfg.Dial) > 0 {
		dial = func(ctx context.Context) (tunnel, error) { return d.dial(ctx, s) }
	}
	s.supervisor = newSupervisor(s.log, cfg.Auth.Name, cfg.Auth.PeerName, dial)
	s.supervisor.teller = teller{emit: d.emit, site: cfg.Name}
	s.openDemand()
	s.supervisor.outlook = s.outlook
	if x := cfg.IPX; x != nil {
		s.learned.Store(&learned{x.LearnedRoutes, x.LearnedServices})
		if x.Watchdogs {
			s.watchdog = watchdog.New(watchdog.Config{Limit: x.Hold})
		}
	}
	if cfg.Remote != nil {
		var err error
		if s.remotes, err = openRemotes(s); err != nil {
			return nil, err
		}
	} else if cfg.IP != nil {
		var err error
		if s.ip, err = d.openIP(s); err != nil {
			return nil, err
		}
	}
	if s.demand != nil && cfg.IPX != nil {
		if err := s.attachIdle(); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// openDemand makes what a site has that is up only while somebody needs it.
func (s *site) openDemand() {
	if s.cfg.Demand == nil {
		return
	}
	s.demand = newDemand(s.cfg.Demand)
	s.supervisor.demand = s.demand
	s.demand.lost = func() { s.watchdog.Lost(time.Now()) }
	s.demand.mend = func() {
		if s.ip != nil {
			s.ip.mend()
		}
	}
	s.demand.enabled = func(yes bool) {
		if s.ip != nil {
			s.ip.enable(yes)
		}
		if s.cfg.IPX != nil {
			s.enableIPX(yes)
		}
	}
}

func (s *site) close() error {
	if s.remotes != nil {
		return s.remotes.close()
	}
	if s.demand != nil {
		s.detachIdle()
	}
	if s.ip == nil {
		return nil
	}
	return s.ip.close()
}

// reader reads from the site's TUN interface until its context ends; nil: it has none.
func (s *site) reader() func(context.Context) error {
	switch {
	case s.remotes != nil:
		return s.remotes.ip.run
	case s.ip != nil:
		return s.ip.run
	}
	return nil
}

// end is where the IP packets of the site's link go to; nil: there is no IP.
func (s *site) end() ipEnd {
	switch {
	case s.remote != nil:
		return s.remote.ip
	case s.ip != nil:
		return s.ip
	}
	return nil
}

// linkChanged is told of each change of the site's link.
func (s *site) linkChanged() {
	if s.remote != nil {
		s.remote.changed()
		return
	}
	s.supervisor.linkChanged()
}

// ncpNames are the required protocols by the names that PPP uses.
func (s *site) ncpNames() []string {
	var required []string
	for _, p := range s.cfg.Required {
		required = append(required, ncpOf[p])
	}
	return required
}

// ncpOf are the names that PPP uses for the network protocols of the configuration.
var ncpOf = map[config.Protocol]string{
	config.ProtocolIP: "IPCP", config.ProtocolIPv6: "IPV6CP", config.ProtocolIPX: "IPXCP",
}

// resolver asks with our mark: a full tunnel that is down would swallow the
// question for its own peer's address.
var resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Control: markSocket}).DialContext(ctx, network, address)
}}

// lookUp asks for the addresses of a host.
func lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	return resolver.LookupNetIP(ctx, "ip4", host)
}

// resolve looks the peer's names up anew, all at once, and returns every address, the
// one that last worked first. trouble tells of the names that have none: the others may
// do, or the address that last worked, since the name server may be out of reach until
// the tunnel is there.
func (s *site) resolve(ctx context.Context) (all []netip.AddrPort, trouble string) {
	ctx, cancel := context.WithTimeout(ctx, tcpWait)
	defer cancel()
	found, errs := make([][]netip.Addr, len(s.cfg.Dial)), make([]error, len(s.cfg.Dial))
	var asking sync.WaitGroup
	for i, e := range s.cfg.Dial {
		asking.Go(func() { found[i], errs[i] = s.d.lookUp(ctx, e.Host) })
	}
	asking.Wait()
	var words []string
	for i, e := range s.cfg.Dial {
		if errs[i] != nil {
			words = append(words, fmt.Sprintf("look up %s: %v", e.Host, errs[i]))
		}
		for _, a := range found[i] {
			if at := netip.AddrPortFrom(a.Unmap(), e.Port); !slices.Contains(all, at) {
				all = append(all, at)
			}
		}
	}
	if last := s.lastGood.Load(); last != nil {
		if i := slices.Index(all, *last); i >= 0 {
			all = slices.Insert(slices.Delete(all, i, i+1), 0, *last)
		} else if len(words) > 0 {
			all = slices.Insert(all, 0, *last)
		}
	}
	return all, strings.Join(words, "; ")
}

// connectTCP opens TCP to the site's peer, from the site's source, marked so
// that no route of ours takes it into a tunnel.
func connectTCP(ctx context.Context, s *site, to netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{Timeout: tcpWait, Control: func(network, address string, c syscall.RawConn) error {
		if err := markSocket(network, address, c); err != nil || s.cfg.Source.Interface == "" {
			return err
		}
		return bindSocket(c, s.cfg.Source.Interface)
	}}
	if a := s.cfg.Source.Address; a.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: a.AsSlice()}
	}
	nc, err := dialer.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		return nil, fmt.Errorf("TCP %d: %w", to.Port(), plain(err))
	}
	return nc, nil
}

// plain takes the wrapping off a network error that names what the caller
// names too.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		return sys
	}
	return err
}

// markSocket gives a socket the mark that keeps its packets out of the tunnels.
func markSocket(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(ip.Mark))
	}); cerr != nil {
		return cerr
	}
	if err != nil {
		return fmt.Errorf("mark socket: %w: needs the capability CAP_NET_ADMIN", err)
	}
	return nil
}

func bindSocket(c syscall.RawConn, device string) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return fmt.Errorf("bind to interface %s: %w", device, err)
	}
	return nil
}

func (s *site) channelConfig(device int) gre.ChannelConfig {
	cfg := gre.ChannelConfig{Window: announcedWindow, Device: device, Log: s.log}
	cfg.ReorderPackets, cfg.ReorderTime = s.reorder()
	return cfg
}

// sourceDevice is the number of the interface that the site's packets must leave by; 0:
// any. An interface that is made anew gets another one.
func (s *site) sourceDevice() (int, error) {
	if s.cfg.Source.Interface == "" {
		return 0, nil
	}
	i, err := net.InterfaceByName(s.cfg.Source.Interface)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", s.cfg.Source.Interface, plain(err))
	}
	return i.Index, nil
}

// reorder is the site's setting in the words of package gre, where 0 packets
// mean its default.
func (s *site) reorder() (packets int, patience time.Duration) {
	if s.cfg.Reorder.Packets == 0 {
		return -1, s.cfg.Reorder.Time
	}
	return s.cfg.Reorder.Packets, s.cfg.Reorder.Time
}

// controlConfig probes the control connection as often as the link.
func (s *site) controlConfig() control.Config {
	cfg := s.d.controlConfig(s.log)
	cfg.NewTap = s.newTap
	cfg.EchoInterval = s.cfg.Echo.Interval
	cfg.EchoTimeout = s.cfg.Echo.Interval * time.Duration(max(s.cfg.Echo.Failures, 1))
	return cfg
}

// dialLink is the PPP side of a call that we make. The answerer authenticates;
// we do not ask back, but insist on being asked, since only an answerer that
// knows the secret can go on from there. PAP and CHAP prove one end only: there
// we ask too when we hold a secret for it.
func (s *site) dialLink(c *credential) ppp.Config {
	a := s.cfg.Auth
	cfg := ppp.Config{
		MRU:       mru(s.cfg),
		Prove:     a.Methods,
		MustProve: true,
		Peer:      auth.PeerConfig{Name: a.Name, Secret: a.SecretOut, TLS: s.dialTLS(c)},
	}
	if !slices.ContainsFunc(a.Methods, provesBoth) && a.SecretIn != "" {
		cfg.Ask = a.Methods
		cfg.Authenticator = auth.AuthenticatorConfig{
			Name:     a.Name,
			OwnNames: []string{a.Name},
			Lookup: func(name string) (secret.Secret, bool) {
				return a.SecretIn, name == a.PeerName // whether it may call is not asked
			},
		}
	}
	if s.cfg.IPX == nil {
		cfg.MRU = s.ipMRU()
	}
	return cfg
}

// provesBoth reports whether one exchange by m proves both ends to each other.
func provesBoth(m auth.Method) bool { return m >= auth.MSCHAPv2 }

// cipxRoom is what CIPX puts before an IPX packet that it cannot compress, when that has
// a checksum (RFC 1553).
const cipxRoom = 1

// mru is the MRU that we ask for where IPX may cross, with room for what is put around
// a packet: the MRU counts what MPPE and CIPX add.
func mru(sites ...*config.Site) uint16 {
	n := uint16(fullMRU)
	if slices.ContainsFunc(sites, usesMPPE) {
		n += mppeRoom
	}
	if slices.ContainsFunc(sites, compresses) {
		n += cipxRoom
	}
	return n
}

func compresses(s *config.Site) bool { return s.IPX != nil && s.IPX.Compression > 0 }
