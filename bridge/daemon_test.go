package bridge

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/secret"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/ppp/auth"
)

// The tests of this file run whole daemons, from the supervisor down to GRE,
// over carriers and TCP in memory, in virtual time. They carry IPX, which needs
// nothing of the kernel.

var addrOf = map[string]netip.Addr{
	"alpha": netip.MustParseAddr("192.0.2.1"),
	"beta":  netip.MustParseAddr("192.0.2.2"),
	"gamma": netip.MustParseAddr("192.0.2.3"),
	"delta": netip.MustParseAddr("192.0.2.4"),
}

// A world is where the daemons of a test live.
type world struct {
	t   *testing.T
	gre gre.Network

	mu      sync.Mutex // guards what follows
	daemons map[netip.Addr]*testDaemon
	noTCP   bool
	noRoute bool                                                // TCP fails at once
	lookUp  func(context.Context, string) ([]netip.Addr, error) // nil: as everywhere
	lines   map[string][]*cutConn                               // by who opened them

	foreign func() (net.Conn, error)      // who takes all TCP; nil: the daemons
	called  map[string]string             // by daemon: what it calls itself instead
	udp     map[string]uint16             // by daemon: its port; 0: it has none
	own     map[string]*identity.Own      // by daemon: its certificate; nil: it has none
	shareIP func(*site) (sharedIP, error) // nil: the kernel
}

type testDaemon struct {
	*Daemon
	carrier *gre.Memory
	udp     *gre.Memory // nil: none
	stop    func()
	ctx     context.Context
	serving sync.WaitGroup
	log     *logged
}

// pipeConn gives a net.Pipe the addresses of a TCP connection.
type pipeConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c pipeConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c pipeConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// logged is a log that a test may read while the daemon writes it.
type logged struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t *testing.T) *world {
	return &world{t: t, daemons: map[netip.Addr]*testDaemon{}, lines: map[string][]*cutConn{}}
}

// peerSite is the configuration of a site whose peer is the other daemon.
func peerSite(us, them string, dial, answer bool) *config.Site {
	s := &config.Site{
		Name: them, Answer: answer,
		Required:   []config.Protocol{config.ProtocolIPX},
		Echo:       config.Echo{Interval: 10 * time.Second, Failures: 3, LCP: true},
		Reorder:    config.Reorder{Packets: 32, Time: 30 * time.Millisecond},
		Encryption: config.Encryption{Policy: config.PolicyDisabled},
		IPX:        &config.IPX{Routes: []config.IPXRoute{{Network: ipx.Network(0x1000 + len(them)), Hops: 1, Ticks: 7}}},
		Auth: config.Auth{
			Methods: []auth.Method{auth.MSCHAPv2}, Name: us, PeerName: them,
			SecretOut: "secret of " + secret.Secret(us), SecretIn: "secret of " + secret.Secret(them),
		},
	}
	if dial {
		s.Dial = []config.Endpoint{{Host: addrOf[them].String(), Port: 1723}}
	}
	return s
}

// start starts a daemon, which lives until the test ends or stop is called.
func (w *world) start(name string, sites ...*config.Site) *testDaemon {
	return w.startInside(name, ipx.ThisNetwork, sites...)
}

// configured is a daemon that has nothing but a configuration.
func configured(cfg *config.Config) *Daemon {
	d := new(Daemon)
	d.configured.Store(cfg)
	return d
}

// startInside is start for a daemon with an internal IPX network.
func (w *world) startInside(name string, inside ipx.Network, sites ...*config.Site) *testDaemon {
	return w.startWith(name, inside, nil, sites)
}

// startOn is start for a daemon on a host whose kernel tells of its uplinks.
func (w *world) startOn(name string, k kernel, sites ...*config.Site) *testDaemon {
	return w.startWith(name, ipx.ThisNetwork, k, sites)
}

func (w *world) startWith(name string, inside ipx.Network, k kernel, sites []*config.Site) *testDaemon {
	cfg := &config.Config{Daemon: config.Daemon{Name: cmp.Or(w.called[name], name), UDP: w.udp[name], InternalNetwork: inside, Identity: w.own[name]}, Sites: sites}
	for _, sc := range sites {
		if sc.Answer {
			cfg.Listen.Methods = append(cfg.Listen.Methods, sc.Auth.Methods...)
		}
	}
	slices.SortFunc(cfg.Listen.Methods, func(a, b auth.Method) int { return int(b) - int(a) })
	cfg.Listen.Methods = slices.Compact(cfg.Listen.Methods)
	t := &testDaemon{log: new(logged)}
	log := slog.New(slog.NewTextHandler(t.log, nil))
	t.Daemon = newDaemon(cfg, log, "test")
	t.kernel = k
	if w.lookUp != nil {
		t.lookUp = w.lookUp
	}
	t.carrier = w.gre.Attach(addrOf[name])
	var udp gre.Carrier
	if port := w.udp[name]; port != 0 {
		t.udp = w.gre.AttachUDP(port, addrOf[name])
		udp = t.udp
	}
	t.mux = gre.NewMux(t.carrier, udp, log)
	t.ipx = &ipxPlane{log: log, internal: inside, router: router.New(router.Config{InternalNetwork: inside, Log: log})}
	t.connect = func(ctx context.Context, s *site, to netip.AddrPort) (net.Conn, error) {
		return w.connect(ctx, name, to)
	}
	if w.shareIP != nil {
		t.Daemon.shareIP = w.shareIP
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	under, endUnder := context.WithCancel(context.WithoutCancel(ctx))
	t.ctx, t.Daemon.ctx = under, ctx
	for _, sc := range sites {
		s, err := t.openSite(sc)
		if err != nil {
			w.t.Fatal(err)
		}
		t.setSites(append(t.allSites(), s))
	}
	var below sync.WaitGroup
	below.Go(func() { t.mux.Run(under) })
	below.Go(func() { t.ipx.router.Run(under) })
	t.run = &running{under: under, answering: under, group: new(errgroup.Group), endCalls: cancel}
	for _, s := range t.allSites() {
		t.startSite(s)
	}
	w.mu.Lock()
	w.daemons[addrOf[name]] = t
	w.mu.Unlock()
	t.stop = sync.OnceFunc(func() {
		cancel()
		t.reloadNoMore()
		t.run.supervisors.Wait()
		t.sessions.Wait()
		endUnder()
		t.serving.Wait()
		t.run.group.Wait()
		below.Wait()
	})
	w.t.Cleanup(t.stop)
	return t
}

// connect is TCP to a daemon of this world.
func (w *world) connect(ctx context.Context, from string, to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	d, noTCP, noRoute := w.daemons[to.Addr()], w.noTCP, w.noRoute
	w.mu.Unlock()
	if w.foreign != nil {
		return w.foreign()
	}
	if noRoute {
		return nil, errors.New("network is unreachable")
	}
	if noTCP {
		ctx, cancel := context.WithTimeout(ctx, tcpWait) // as the real one has
		defer cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if d == nil || len(d.config().Listen.Methods) == 0 || d.ctx.Err() != nil {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	here, there := w.line(from, near), net.Conn(far)
	us := netip.AddrPortFrom(addrOf[from], 40000)
	cfg := d.controlConfig(d.Daemon.log)
	cfg.Answer, cfg.NewVendor = d.answer, d.vendorFor
	d.serving.Go(func() { control.Serve(d.ctx, pipeConn{there, to, us}, cfg) })
	return pipeConn{here, us, to}, nil
}

// A cutConn is one whose cable can be pulled: then reads and writes hang until
// it is closed.
type cutConn struct {
	net.Conn
	cut    chan struct{} // closed when the cable is pulled
	closed chan struct{}
	once   sync.Once
}

func (w *world) line(from string, c net.Conn) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	cc := &cutConn{Conn: c, cut: make(chan struct{}), closed: make(chan struct{})}
	w.lines[from] = append(w.lines[from], cc)
	return cc
}

// cutTCP pulls the cable of all connections that a daemon opened.
func (w *world) cutTCP(from string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.lines[from] {
		close(c.cut)
	}
	w.lines[from] = nil
}

func (c *cutConn) hang() bool {
	select {
	case <-c.cut:
		<-c.closed
		return true
	default:
		return false
	}
}

// Read keeps what comes after the cut to itself.
func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.hang() {
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *cutConn) Write(b []byte) (int, error) {
	if c.hang() {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// Close closes nothing that the other end could see, once the cable is pulled.
func (c *cutConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	select {
	case <-c.cut:
		return nil
	default:
		return c.Conn.Close()
	}
}

// reaches waits, in virtual time, until the condition holds.
func reaches(t *testing.T, within time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
	}
	return time.Since(began)
}

func (t *testDaemon) is(s State) func() bool {
	return func() bool { return t.allSites()[0].status().State == s }
}

func both(a, b *testDaemon, s State) func() bool {
	return func() bool { return a.is(s)() && b.is(s)() }
}

func TestDaemonsJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		sa, sb := a.allSites()[0].status(), b.allSites()[0].status()
		if sa.Tunnel.CallID != sb.Tunnel.PeerCallID || sb.Tunnel.CallID != sa.Tunnel.PeerCallID {
			t.Errorf("call IDs %d/%d and %d/%d", sa.Tunnel.CallID, sa.Tunnel.PeerCallID, sb.Tunnel.CallID, sb.Tunnel.PeerCallID)
		}
		if !sb.Tunnel.Dialed || sa.Tunnel.Dialed {
			t.Error("beta dialled, and status says otherwise")
		}
		b.stop()
		reaches(t, 10*time.Second, "alpha listens again", a.is(StateListening))
		if r := a.allSites()[0].status().Reason; r == "" {
			t.Error("no reason for the end")
		}
	})
}

// Twenty worlds in which both ends dial at once: one call stays, the same at
// both ends, and it is the one of the smaller name.
func TestSimultaneousDialsLeaveOneCall(t *testing.T) {
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a := w.start("alpha", peerSite("alpha", "beta", true, true))
			time.Sleep(time.Duration(seed) * 7 * time.Millisecond)
			b := w.start("beta", peerSite("beta", "alpha", true, true))
			reaches(t, 40*time.Second, "both up", both(a, b, StateUp))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			sa, sb := a.allSites()[0].status(), b.allSites()[0].status()
			if sa.State != StateUp || sb.State != StateUp {
				t.Fatalf("seed %d: states %s (%s) and %s (%s)", seed, sa.State, sa.Reason, sb.State, sb.Reason)
			}
			if sa.Tunnel.CallID != sb.Tunnel.PeerCallID || sa.Tunnel.PeerCallID != sb.Tunnel.CallID {
				t.Errorf("seed %d: two different calls stayed", seed)
			}
			if sa.Ups > 2 || sb.Ups > 2 {
				t.Errorf("seed %d: up %d and %d times\nalpha:\n%s\nbeta:\n%s", seed, sa.Ups, sb.Ups, a.log, b.log)
			}
		})
	}
}

func TestSilentPeerIsNoticedAndRedialled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		a.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		b.carrier.SetLine(gre.Line{Fault: gre.Lose(2, 1)})
		down := func() bool { return !a.is(StateUp)() && !b.is(StateUp)() }
		if took := reaches(t, time.Minute, "both down", down); took < 30*time.Second {
			t.Errorf("down after %v: three echoes of 10 s were due", took)
		}
		a.carrier.SetLine(gre.Line{})
		b.carrier.SetLine(gre.Line{})
		reaches(t, 2*time.Minute, "both up again", both(a, b, StateUp))
	})
}

func TestBlockedGREIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		a.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		named := func() bool {
			return strings.Contains(b.allSites()[0].status().Reason, "is IP protocol 47 blocked on the way?")
		}
		if took := reaches(t, 12*time.Second, "the words for blocked GRE", named); took < silentAfter {
			t.Errorf("suspected after %v already", took)
		}
		reaches(t, time.Minute, "the attempt is given up", b.is(StateWaiting))
		if r := b.allSites()[0].status().Reason; !strings.Contains(r, "TCP 1723 answers, but no GRE came back") {
			t.Errorf("reason %q", r)
		}
		a.carrier.SetLine(gre.Line{})
		reaches(t, 3*time.Minute, "both up once it passes", both(a, b, StateUp))
	})
}

// A daemon that stops while a caller has not shown yet who it is.
func TestStopWithAnUnknownCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		a.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)}) // authentication never begins
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "the call is there", b.is(StateNegotiating))
		a.stop()
		if s := a.refused.snapshot(); s.Count != 1 || s.Reason != errStopping.Error() {
			t.Errorf("callers that stayed unknown: %+v", s)
		}
	})
}

func TestWrongSecretIsNotTriedFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start("alpha", peerSite("alpha", "beta", false, true))
		bad := peerSite("beta", "alpha", true, false)
		bad.Auth.SecretOut = "guess"
		b := w.start("beta", bad)
		reaches(t, time.Minute, "refused", b.is(StateWaiting))
		time.Sleep(3 * time.Minute)
		s := b.allSites()[0].status()
		if s.Dials != 1 || !strings.Contains(s.Reason, "691") {
			t.Errorf("%d dials, reason %q", s.Dials, s.Reason)
		}
		if strings.Contains(b.log.String(), "guess") {
			t.Error("the secret is in the log")
		}
	})
}

// A peer that restarted calls again while we still hold its old call.
func TestRestartedPeerReplacesItsOldCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		old := a.allSites()[0].status().Tunnel.CallID

		// The power goes: nothing is said on the old call any more, and its TCP
		// connection hangs.
		b.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		w.cutTCP("beta")
		time.Sleep(15 * time.Second)
		b2 := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 30*time.Second, "the new call is up", both(a, b2, StateUp))
		if s := a.allSites()[0].status(); s.Tunnel.CallID == old || s.Ups != 2 {
			t.Errorf("call %d after %d, up %d times", s.Tunnel.CallID, old, s.Ups)
		}
	})
}
