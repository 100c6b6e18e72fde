// Package bridge is the house above the subjects: it keeps each site's tunnel
// up, joins calls with PPP links, links with the IP interface and the IPX plane,
// and answers those who ask how things stand. It knows no wire format.
package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/ip"
)

// vendor is what we call ourselves in the control connection.
const vendor = "sitebridge"

// A Daemon is everything that one configuration asks for.
type Daemon struct {
	cfg     *config.Config
	log     *slog.Logger
	version string
	started time.Time

	// connect opens TCP to a site's peer; the tests have another one.
	connect func(context.Context, *site, netip.AddrPort) (net.Conn, error)

	ctx       context.Context // ends when calls shall end
	host      *ip.Host
	mux       *gre.Mux
	sockets   *gre.Raw // under mux; nil in the tests
	listeners []*control.Listener
	sites     []*site
	ipx       *ipxPlane
	sessions  sync.WaitGroup
	gate      sync.RWMutex // held while a call is answered; guards closed
	closed    bool         // no call is answered any more
	strangers strangers
	refused   refusals

	peersMu   sync.Mutex                  // guards what follows, and the order of reroutes
	peerOf    map[string][]netip.Addr     // by site: where its peer is
	protected map[netip.Addr]func() error // peers inside of our routes, with the undo
}

// Run joins the sites of cfg until ctx ends. Everything that it changed on the
// host is undone when it returns. ready, unless nil, is called when calls can be
// made and answered.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger, version string, ready func()) (err error) {
	d := newDaemon(cfg, log, version)
	for _, w := range cfg.Warnings() {
		log.Warn("configuration", "warning", w)
	}
	if d.host, err = ip.OpenHost(); err != nil {
		return err
	}
	defer d.host.Close()
	release, err := ip.Claim()
	if err != nil {
		return err
	}
	defer closing(&err, release)()
	if err := d.host.CleanStale(); err != nil {
		return fmt.Errorf("clean up after an earlier run: %w", err)
	}
	for _, m := range d.missing() {
		log.Warn("a kernel setting stands in the way", "setting", m.Key, "is", m.Have, "want", m.Want, "else", m.Why)
	}
	carrier, err := gre.OpenRaw(gre.RawConfig{Mark: ip.Mark, Log: log})
	if err != nil {
		return err
	}
	d.sockets, d.mux = carrier, gre.NewMux(carrier, log)

	// Calls end first, while everything that carries their goodbyes still runs.
	calls, endCalls := context.WithCancel(ctx)
	defer endCalls()
	d.ctx = calls
	under, endUnder := context.WithCancel(context.WithoutCancel(ctx))
	defer endUnder()
	group, under := errgroup.WithContext(under)
	context.AfterFunc(under, endCalls) // what fails below ends the calls too

	if d.ipx, err = openIPX(cfg, log); err != nil {
		carrier.Close()
		return err
	}
	defer closing(&err, d.ipx.close)()
	defer func() {
		for _, s := range d.sites {
			closing(&err, s.close)()
		}
		closing(&err, d.unprotectPeers)()
	}()
	for _, sc := range cfg.Sites {
		s, err := d.openSite(sc)
		if err != nil {
			carrier.Close()
			return fmt.Errorf("site %q: %w", sc.Name, err)
		}
		d.sites = append(d.sites, s)
	}
	if d.listeners, err = d.listen(ctx); err != nil {
		carrier.Close()
		return err
	}
	var api net.Listener
	if cfg.Daemon.Status != "" {
		if api, err = listenSocket(cfg.Daemon.Status); err != nil {
			carrier.Close()
			return err
		}
		defer api.Close()
	}

	group.Go(func() error { return d.mux.Run(under) })
	d.ipx.run(under, group)
	for _, s := range d.sites {
		s.runInterface(under, group)
	}
	if api != nil {
		group.Go(func() error { return serveAPI(under, api, d.apiHandler(), log) })
	}
	answering, stopAnswering := context.WithCancel(under)
	defer stopAnswering()
	var ears errgroup.Group
	for _, l := range d.listeners {
		ears.Go(func() error {
			defer endCalls() // a daemon that has gone deaf ends, and is started anew
			return l.Run(answering)
		})
	}
	var supervisors sync.WaitGroup
	for _, s := range d.sites {
		supervisors.Go(func() { s.supervisor.run(calls) })
	}
	log.Info("sitebridge runs", "name", cfg.Daemon.Name, "version", version, "sites", len(d.sites), "listen", fmt.Sprint(cfg.Daemon.Listen))
	if ready != nil {
		ready()
	}

	<-calls.Done()
	log.Info("sitebridge stops")
	supervisors.Wait()
	d.gate.Lock()
	d.closed = true
	d.gate.Unlock()
	d.sessions.Wait()
	stopAnswering()
	earsErr := ears.Wait()
	endUnder()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return earsErr
}

func newDaemon(cfg *config.Config, log *slog.Logger, version string) *Daemon {
	return &Daemon{
		cfg: cfg, log: log, version: version, started: time.Now(),
		connect:   connectTCP,
		peerOf:    map[string][]netip.Addr{},
		protected: map[netip.Addr]func() error{},
	}
}

// missing lists kernel settings that stand in the way of what is configured. We
// write none ourselves.
func (d *Daemon) missing() []ip.Setting {
	var v4, v6, surprise bool
	for _, s := range d.cfg.Sites {
		if s.IP == nil {
			continue
		}
		for _, r := range s.IP.Routes {
			v4, v6 = v4 || r.Addr().Is4(), v6 || r.Addr().Is6()
			surprise = surprise || r.Bits() == 0 && len(s.Dial) == 0
		}
	}
	return slices.DeleteFunc(ip.Missing(surprise), func(m ip.Setting) bool {
		return !v4 && strings.HasPrefix(m.Key, "net/ipv4/ip_forward") || !v6 && strings.HasPrefix(m.Key, "net/ipv6/")
	})
}

// closing runs an undo and keeps its error when nothing worse happened.
func closing(err *error, undo func() error) func() {
	return func() {
		if e := undo(); e != nil && *err == nil {
			*err = e
		}
	}
}

func (d *Daemon) site(name string) *site {
	for _, s := range d.sites {
		if s.cfg.Name == name {
			return s
		}
	}
	return nil
}

// listenHint says what to do about an error.
func listenHint(err error) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return ": another program, such as pptpd, answers there: `ss -ltnp` names it; stop it, or write another address in daemon.listen"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return ": no interface has this address: write one that `ip addr` lists in daemon.listen, or 0.0.0.0"
	}
	return ""
}

// listen opens the sockets on which calls are answered.
func (d *Daemon) listen(ctx context.Context) (all []*control.Listener, err error) {
	lc := net.ListenConfig{Control: markSocket}
	for _, at := range d.cfg.Daemon.Listen {
		l, err := lc.Listen(ctx, "tcp4", at.String())
		if err != nil {
			return nil, fmt.Errorf("listen for calls on %v: %w%s", at, err, listenHint(err))
		}
		cfg := d.controlConfig(d.log)
		cfg.Answer = d.answer
		cfg.MaxCalls = 1 // NATs follow no second one, and no peer of ours makes it
		all = append(all, control.Listen(l, cfg, control.Limits{}))
	}
	return all, nil
}

func (d *Daemon) controlConfig(log *slog.Logger) control.Config {
	return control.Config{Host: d.cfg.Daemon.Name, Vendor: vendor, Firmware: 1, Log: log}
}
