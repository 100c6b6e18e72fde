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
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sitebridge/bridge/config"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/thrift"
	"sitebridge/ip"
)

// vendor is what we call ourselves in the control connection.
const vendor = "sitebridge"

// A Daemon is everything that one configuration asks for.
type Daemon struct {
	log     *slog.Logger
	version string
	started time.Time
	// configured and joined are read behind config and allSites: a reload puts others
	// in their place.
	configured atomic.Pointer[config.Config]
	joined     atomic.Pointer[[]*site]

	// connect opens TCP to a site's peer, and lookUp finds the addresses of its name; the
	// tests have others.
	connect func(context.Context, *site, netip.AddrPort) (net.Conn, error)
	lookUp  func(ctx context.Context, host string) ([]netip.Addr, error)
	// shareIP opens what the callers of a site share in the kernel; likewise.
	shareIP func(*site) (sharedIP, error)

	undo    []func() error  // of open
	api     net.Listener    // the control socket; nil: none
	readers [2]*readersDoor // metrics and the status page; nil: none; guarded by reloading
	ctx     context.Context // ends when calls shall end
	host    *ip.Host
	kernel  kernel    // what host says of the ways to our peers; nil in most tests
	uplinks *ip.Watch // nil in the tests
	mux     *gre.Mux
	sockets *gre.Raw     // under mux; nil in the tests
	hops    *ip.HopWatch // for sockets; nil: daemon.gre_bypass is false
	udp     *gre.UDP     // likewise; nil too where there is no UDP
	ears    atomic.Pointer[[]*ear]
	ipx     *ipxPlane
	run     *running // set by serve

	// awaiting are keys that have other values in the file than in the daemon.
	awaiting  atomic.Pointer[[]string]
	reloading sync.Mutex // held while the configuration is exchanged; guards stopping
	stopping  bool       // nothing is reloaded any more
	// load reads the configuration anew.
	load func() (*config.Config, error)

	sessions  sync.WaitGroup
	gate      sync.RWMutex  // held while a call is answered; guards what follows
	closed    bool          // no call is answered any more
	exchange  chan struct{} // calls wait until it is closed; nil: they need not
	epoch     atomic.Uint64 // of what callers are judged by: see claimPlace
	strangers strangers
	radius    *radiusDesk // nil: it is not asked
	guard     *guard
	refused   refusals
	boards    boards
	events    events
	hooks     hookDesk

	peersMu   sync.Mutex                  // guards what follows, and the order of reroutes
	peerOf    map[string][]netip.Addr     // by site: where its peer is
	protected map[netip.Addr]func() error // peers inside of our routes, with the undo
	unsettled bool                        // the last look at all routes has failed
}

// Run joins the sites of cfg until ctx ends. Everything that it changed on the
// host is undone when it returns. ready, unless nil, is called when calls can be
// made and answered; it must not wait for anything.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger, version string, ready func(*Daemon)) (err error) {
	if err := unsafeTLS(os.Getenv("GODEBUG")); err != nil {
		return err
	}
	d := newDaemon(cfg, log, version)
	d.load = func() (*config.Config, error) { return config.Load(cfg.Path) }
	defer func() {
		if e := d.close(); err == nil {
			err = e
		}
	}()
	if err := d.open(ctx); err != nil {
		return err
	}
	frugal, spend := context.WithCancel(ctx)
	var saving sync.WaitGroup
	saving.Go(func() { thrift.Run(frugal) })
	defer saving.Wait()
	defer spend()
	return d.serve(ctx, ready)
}

// open makes all that the daemon needs of the host, each with its undo.
func (d *Daemon) open(ctx context.Context) (err error) {
	if d.host, err = ip.OpenHost(); err != nil {
		return err
	}
	d.undone(func() error { d.host.Close(); return nil })
	d.kernel = d.host
	if d.uplinks, err = ip.OpenWatch(); err != nil {
		return err
	}
	d.undone(d.uplinks.Close)
	release, err := ip.Claim()
	if err != nil {
		return err
	}
	d.undone(release)
	if err := d.host.CleanStale(); err != nil {
		return fmt.Errorf("clean up after an earlier run: %w", err)
	}
	d.warn()
	if d.sockets, err = d.openCarrier(); err != nil {
		return err
	}
	d.undone(d.sockets.Close)
	udp, err := d.openUDP()
	if err != nil {
		return err
	}
	d.mux = gre.NewMux(d.sockets, udp, d.log)
	if d.ipx, err = openIPX(ctx, d.config(), d.log); err != nil {
		return err
	}
	d.undone(d.ipx.close)
	d.undone(d.unprotectPeers)
	d.undone(d.closeSites)
	for _, sc := range d.config().Sites {
		s, err := d.openSite(sc)
		if err != nil {
			return fmt.Errorf("site %q: %w", sc.Name, err)
		}
		d.setSites(append(slices.Clip(d.allSites()), s))
	}
	d.undone(d.closeEars)
	for _, at := range d.config().Daemon.Listen {
		e, err := d.listen(ctx, at)
		if err != nil {
			return err
		}
		d.setEars(append(slices.Clip(d.allEars()), e))
	}
	if d.config().Daemon.Status != "" {
		if d.api, err = listenSocket(d.config().Daemon.Status); err != nil {
			return err
		}
		d.undone(closed(d.api))
	}
	d.undone(d.closeReaders)
	for k := range d.readers {
		if d.readers[k], err = openReaders(ctx, readersKind(k), d.config()); err != nil {
			return err
		}
	}
	return nil
}

// undone keeps what close must do for something that was opened.
func (d *Daemon) undone(undo func() error) { d.undo = append(d.undo, undo) }

// close undoes what open did, the last first.
func (d *Daemon) close() error {
	var errs []error
	for _, undo := range slices.Backward(d.undo) {
		errs = append(errs, undo())
	}
	d.undo = nil
	return errors.Join(errs...)
}

// closed closes a listener that its server may have closed already.
func closed(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// warn tells of what works and is not as it should be.
func (d *Daemon) warn() {
	for _, w := range d.config().Warnings() {
		d.log.Warn("configuration", "warning", w)
	}
	for _, m := range d.missing() {
		d.log.Warn("a kernel setting stands in the way", "setting", m.Key, "is", m.Have, "want", m.Want, "else", m.Why)
	}
}

// serve runs what was opened until ctx ends. Calls end first, while everything
// that carries their goodbyes still runs.
func (d *Daemon) serve(ctx context.Context, ready func(*Daemon)) error {
	calls, endCalls := context.WithCancel(ctx)
	defer endCalls()
	d.ctx = calls
	under, endUnder := context.WithCancel(context.WithoutCancel(ctx))
	defer endUnder()
	group, under := errgroup.WithContext(under)
	context.AfterFunc(under, endCalls) // what fails below ends the calls too
	answering, stopAnswering := context.WithCancel(under)
	defer stopAnswering()
	d.run = &running{under: under, answering: answering, group: group, endCalls: endCalls}

	d.reloading.Lock() // who asks for a reload already waits until all has begun
	group.Go(func() error { return d.mux.Run(under) })
	d.ipx.run(under, group)
	if d.radius != nil {
		group.Go(func() error { d.radius.Run(under); return nil })
	}
	group.Go(func() error { return d.watchCertificates(under) })
	group.Go(func() error { return d.watchTroubles(under) })
	group.Go(func() error { return d.runHooks(under) })
	if d.uplinks != nil {
		group.Go(func() error { return d.watchUplinks(under) })
	}
	if d.hops != nil {
		group.Go(func() error { return d.watchHops(under) })
	}
	if d.api != nil {
		group.Go(func() error { return serveAPI(under, d.api, d.apiHandler(), d.log) })
	}
	d.startReaders(d.readers[:]...)
	for _, e := range d.allEars() {
		d.hear(e)
	}
	for _, s := range d.allSites() {
		d.startSite(s)
	}
	d.reloading.Unlock()
	d.log.Info("sitebridge runs", "name", d.config().Daemon.Name, "version", d.version, "sites", len(d.allSites()), "listen", fmt.Sprint(d.config().Daemon.Listen))
	d.emit(Event{Kind: EventStarted})
	d.tellExpiry(d.config().Expiring(time.Now()))
	if ready != nil {
		ready(d)
	}

	<-calls.Done()
	d.log.Info("sitebridge stops")
	d.reloadNoMore()
	d.run.supervisors.Wait()
	d.answerNoMore()
	d.sessions.Wait()
	d.emit(Event{Kind: EventStopped})
	stopAnswering()
	earsErr := d.run.ears.Wait()
	endUnder()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return earsErr
}

// answerNoMore refuses calls from now on; none is being answered when it returns.
func (d *Daemon) answerNoMore() {
	d.gate.Lock()
	defer d.gate.Unlock()
	d.closed = true
}

func newDaemon(cfg *config.Config, log *slog.Logger, version string) *Daemon {
	g := newGuard()
	d := &Daemon{
		log: log, version: version, started: time.Now(),
		connect:   connectTCP,
		shareIP:   openPoolIP,
		lookUp:    lookUp,
		strangers: strangers{knows: g.knows},
		guard:     g,
		peerOf:    map[string][]netip.Addr{},
		protected: map[netip.Addr]func() error{},
	}
	d.strangers.limits = d.strangerLimits
	d.configured.Store(cfg)
	d.radius = d.openRadius()
	return d
}

// config is what the daemon carries out now. Who needs two things of it that must fit
// together asks once.
func (d *Daemon) config() *config.Config { return d.configured.Load() }

// allSites are those of the configuration, in its order. Nobody changes the slice.
func (d *Daemon) allSites() []*site {
	if all := d.joined.Load(); all != nil {
		return *all
	}
	return nil
}

func (d *Daemon) setSites(all []*site) { d.joined.Store(&all) }

// missing lists kernel settings that stand in the way of what is configured. We
// write none ourselves.
func (d *Daemon) missing() []ip.Setting {
	var v4, v6, surprise bool
	var proxies []ip.Setting
	for _, s := range d.config().Sites {
		if s.IP == nil {
			continue
		}
		if s.Remote != nil {
			v4 = true
			proxies = append(proxies, ip.MissingForProxy(s.Remote.ProxyARP)...)
		}
		for _, r := range s.IP.Routes {
			v4, v6 = v4 || r.Addr().Is4(), v6 || r.Addr().Is6()
			surprise = surprise || r.Bits() == 0 && len(s.Dial) == 0
		}
	}
	return append(slices.DeleteFunc(ip.Missing(surprise), func(m ip.Setting) bool {
		return !v4 && strings.HasPrefix(m.Key, "net/ipv4/ip_forward") || !v6 && strings.HasPrefix(m.Key, "net/ipv6/")
	}), proxies...)
}

func (d *Daemon) site(name string) *site {
	for _, s := range d.allSites() {
		if s.cfg.Name == name {
			return s
		}
	}
	return nil
}

func (d *Daemon) controlConfig(log *slog.Logger) control.Config {
	return control.Config{Host: d.config().Daemon.Name, Vendor: vendor, Firmware: 1, Log: log, NewTap: d.strangerTap}
}
