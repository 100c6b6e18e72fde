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
	"sync/atomic"
	"time"

	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

const (
	// silentAfter is how long a call may carry nothing towards us before the
	// operator is told that GRE does not come through.
	silentAfter = 10 * time.Second
	// pathInterval is how often the path's MTU is looked at, since the kernel
	// forgets what routers told it after ten minutes, and whether our addresses
	// and routes are still there.
	pathInterval = time.Minute
	// firstLook is when that is done first: an idle link has had an LCP Echo then,
	// which tells how far the peer is.
	firstLook = 15 * time.Second
	// clearWait is how long an orderly end of a call may take.
	clearWait = 3 * time.Second
)

// A session is one call joined with one PPP link. It is a site's tunnel once
// the peer has shown which site it is.
type session struct {
	d        *Daemon
	log      *slog.Logger
	call     *control.Call
	channel  *gre.Channel
	path     gre.Path
	link     *ppp.Link
	began    time.Time
	outgoing bool   // we dialled
	epoch    uint64 // when it began: see claimPlace
	uplink   uplink
	// carrier is what its packets travel in; nil: the caller has not chosen yet, and the
	// link has not begun.
	carrier atomic.Pointer[carrier]
	// credential is the certificate that the peer has shown. The link's goroutine
	// writes and reads it.
	credential *credential
	encrypted  string // the method, as changed has seen it last
	// shown is what the ends have proved themselves by; nil: not by certificates.
	shown atomic.Pointer[shownCertificates]
	// granted is what RADIUS said of the caller; nil: it was not asked.
	granted atomic.Pointer[grant]

	// site is known from the start when we dialled, else from the moment the
	// peer has authenticated.
	site atomic.Pointer[site]
	nets atomic.Pointer[networks]
	// known says that the peer has shown which site it is, admitted or not. Only
	// the goroutine of run uses it.
	known bool

	mu    sync.Mutex // guards what follows
	upAt  time.Time  // when all required protocols were last open for the first time; zero: never
	isUp  bool       // whether they are now
	why   error      // the end that close asked for
	hint  string     // a suspicion for status, while the link is not up
	ended error      // after over is closed

	ctx  context.Context // ends the session in order
	stop context.CancelFunc
	over chan struct{}

	chores chores
}

// newSession joins a call with a new link. The link does nothing before run. A nil carrier
// is for the caller to choose.
func (d *Daemon) newSession(call *control.Call, channel *gre.Channel, path gre.Path, by *carrier, cfg ppp.Config, log *slog.Logger) *session {
	s := &session{
		d: d, call: call, channel: channel, path: path,
		began: time.Now(), outgoing: call.Outgoing(), epoch: d.epoch.Load(),
		log:  log.With("peer", path.Remote, "call_id", call.ID()),
		over: make(chan struct{}),
	}
	s.chores.do = s.attend
	s.ctx, s.stop = context.WithCancel(d.ctx)
	cfg.Log = s.log
	cfg.Tap = call.Conn().Tap()
	cfg.Send = s.send
	cfg.Admit = s.admit
	cfg.Changed = s.changed
	cfg.Judge = s.judge
	s.link = ppp.NewLink(cfg)
	if by != nil {
		s.carrier.Store(by)
		s.connect()
	}
	return s
}

// send hands frames to the data channel, and notes when the path has become
// narrower than we took it to be.
func (s *session) send(frames []*packet.Buffer, df bool) error {
	err := s.channel.Send(frames, df)
	if errors.Is(err, gre.ErrTooBig) {
		s.remeasure()
	}
	return err
}

// remeasure has the MTU looked at.
func (s *session) remeasure() { s.chores.ask(choreMTU) }

// start runs the session in a goroutine of its own; over is closed when nothing
// of it is left.
func (s *session) start() {
	s.d.sessions.Go(func() { s.run(s.ctx) })
}

// run negotiates and keeps the link, and takes everything down after it.
func (s *session) run(ctx context.Context) {
	defer close(s.over)
	defer s.stop()
	s.awaitChoice(ctx)
	endWatch := s.watch()
	err := s.link.Run(ctx)
	s.stop()
	endWatch()
	s.takeDown(ctx, err)
}

// takeDown leaves nothing of the session, whose link has ended.
func (s *session) takeDown(ctx context.Context, err error) {
	if n := s.nets.Load(); n != nil {
		n.down()
	}
	onlyData := s.onlyDataLost(err)
	callEnd := s.call.Err()
	clearCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearWait)
	defer cancel()
	s.call.Clear(clearCtx) // an error means that it was gone already
	if s.outgoing {
		s.call.Conn().Close()
	} else if s.succeeded() {
		s.call.Conn().CloseIdle()
	}
	s.channel.Close()

	s.mu.Lock()
	s.ended = s.reason(err, callEnd)
	if onlyData {
		s.ended = fmt.Errorf("%w; TCP 1723 still answers: is %s blocked on the way?", s.ended, s.carrier.Load().medium())
	}
	s.mu.Unlock()
	s.remember()
	s.d.strangers.leave(s)
	if !s.known {
		s.d.logStranger(s)
	}
}

// watch ends the link when its call ends, suspects the carrier when nothing comes in, and
// keeps the MTU to the path as the kernel knows it.
func (s *session) watch() (end func()) {
	ended := s.call.AfterDone(func() { s.link.HangUp(s.call.Err().Error()) })
	s.chores.after(silentAfter, choreHint)
	s.chores.after(firstLook, choreRound)
	return func() {
		ended()
		s.chores.close()
	}
}

// attend does the chores that are due.
func (s *session) attend(due chore) {
	if due&choreHint != 0 {
		s.suspect()
	}
	if due&choreAstray != 0 {
		// Else we would answer for this call when the peer asks whether it still
		// lives, and the one that takes its place would be refused.
		s.call.Conn().Close()
	}
	if due&choreExpired != 0 {
		s.checkExpiry()
	}
	if due&choreMTU != 0 {
		s.measure()
	}
	if due&choreKeep != 0 {
		s.keep()
	}
	if due&choreLocate != 0 {
		s.chores.after(pathInterval, choreRound)
		s.locate(s.ctx)
	}
}

// suspect tells of a call that carries nothing.
func (s *session) suspect() {
	if !s.channel.FirstReceive().IsZero() {
		s.tellSlow()
		return
	}
	words := s.silence(silentAfter)
	s.mu.Lock()
	s.hint = words
	s.mu.Unlock()
	s.log.Warn("nothing came through the tunnel", "suspicion", words)
	s.notify()
}

// tellSlow tells the operator of a link that has come up to the network protocols
// and does not get further: that waits for somebody to change a configuration.
func (s *session) tellSlow() {
	st := s.site.Load()
	if st == nil {
		return
	}
	if _, up := s.upSince(); !up {
		s.log.Warn("the site is not up yet", "reason", s.pending(st))
	}
}

// pending says what the site still waits for.
func (s *session) pending(st *site) string {
	if dead := s.refused(st.ncpNames()); dead != "" {
		return dead
	}
	v := s.link.Status()
	if v.Encryption.Waiting {
		return "encryption is not agreed on yet"
	}
	if v.Phase != ppp.PhaseNetwork {
		return fmt.Sprintf("the link is in the phase %q", v.Phase)
	}
	var open []string
	for _, n := range v.NCPs {
		if !n.Opened && slices.Contains(st.ncpNames(), n.Name) {
			open = append(open, fmt.Sprintf("%s is %s", n.Name, n.State))
		}
	}
	return strings.Join(open, "; ") + ": do the two configurations fit together?"
}

// down says why the site is not up any more, while the tunnel still lives.
func (s *session) down() string {
	if st := s.site.Load(); st != nil {
		if dead := s.refused(st.ncpNames()); dead != "" {
			return dead
		}
	}
	if end := s.link.Status().End; end != nil {
		return end.Reason
	}
	return "a required network protocol closed"
}

// measure looks at the path's MTU again.
func (s *session) measure() {
	if n := s.nets.Load(); n != nil && n.ip != nil {
		n.ip.measure(n)
	}
}

// locate finds out how far the peer is, for IPX. A link that is never silent has no
// LCP Echo; then the control connection is asked.
func (s *session) locate(ctx context.Context) {
	n := s.nets.Load()
	if n == nil || n.ipx == nil {
		return
	}
	trip := s.link.Status().RoundTrip
	beside := trip == 0
	if beside {
		ctx, cancel := context.WithTimeout(ctx, echoWait)
		defer cancel()
		if began := time.Now(); s.alive(ctx) {
			trip = max(time.Since(began), 1) // zero means unknown
		}
	}
	n.ipx.located(trip, beside)
}

// keep looks after what the kernel was given for this call.
func (s *session) keep() {
	if n := s.nets.Load(); n != nil && n.ip != nil {
		n.ip.keep(n)
	}
}

// onlyDataLost reports whether the link fell silent while the control connection
// still answers: the network between carries TCP, and not what the call travels in.
func (s *session) onlyDataLost(linkErr error) bool {
	var end *ppp.End
	if !errors.As(linkErr, &end) || end.Kind != ppp.EchoTimeout {
		return false
	}
	ctx, cancel := context.WithTimeout(s.d.ctx, echoWait)
	defer cancel()
	return s.alive(ctx)
}

// silence says in words that control works and data does not.
func (s *session) silence(after time.Duration) string {
	known := "TCP 1723 answers"
	if !s.outgoing {
		known = "the peer reaches our TCP 1723"
	}
	c := s.carrier.Load()
	words := fmt.Sprintf("%s, but no %s came back in %d s: is %s blocked on the way?", known, c.packets(), int(after.Seconds()), c.medium())
	if c.blocked != "" {
		words += " UDP does not pass either: " + c.blocked
	}
	if from := s.channel.Stranger(); from.IsValid() {
		words = fmt.Sprintf("%s for this call comes from %v and not from %v: a NAT or a second uplink rewrites the peer's address", strings.ToUpper(string(c.transport)), from, s.path.Remote)
	}
	return words
}

// reason puts the end of a link into words, and tells what a retry cannot mend. It
// is never nil.
func (s *session) reason(linkErr, callErr error) error {
	var end *ppp.End
	switch {
	case s.why != nil:
		return s.why
	case callErr != nil && (linkErr == nil || !errors.As(linkErr, &end)):
		return callErr
	case linkErr == nil:
		return errStopping // Run tells no reason when its context ended
	case !errors.As(linkErr, &end):
		return linkErr
	}
	switch end.Kind {
	case ppp.NothingReceived:
		return errors.New(s.silence(time.Since(s.began)))
	case ppp.NotHeard:
		return fmt.Errorf("%w: is %s blocked on the way to the peer?", end, s.carrier.Load().medium())
	case ppp.AuthFailed, ppp.PeerNotProved, ppp.Refused:
		if s.outgoing && !(end.Kind == ppp.AuthFailed && s.onlyCertificates()) {
			return &refusal{end}
		}
	case ppp.NotAgreed:
		return &refusal{end}
	}
	// NoNetwork too: an address that was taken may be free in a while. EncryptionFailed
	// too: anybody on the path can forge a refusal, and one packet must not cost minutes.
	return end
}

// onlyCertificates reports whether the site proves itself by nothing else. To try
// that again locks no account, as a wrong secret may.
func (s *session) onlyCertificates() bool {
	st := s.site.Load()
	return st != nil && !slices.ContainsFunc(st.cfg.Auth.Methods, func(m auth.Method) bool { return m != auth.EAPTLS })
}

// admit is called on the link's goroutine when the peer has authenticated: it
// finds the site, claims its place, and says which network protocols run.
func (s *session) admit(a ppp.Admission) (ppp.Network, error) {
	id := a.Identity
	st := s.site.Load()
	if st == nil {
		var err error
		if st, err = s.d.siteOf(id, s.credential, s.grantOf(id.Name, id.Method)); err != nil {
			return ppp.Network{}, err
		}
		if err := s.mayTravel(st.cfg); err != nil {
			return ppp.Network{}, err
		}
		s.known = true
		s.call.Conn().Tap().Move(s.d.boards.of(st.cfg.Name))
		if err := s.bind(st); err != nil {
			return ppp.Network{}, err
		}
		if st, err = s.claimPlace(st, a); err != nil {
			return ppp.Network{}, err
		}
		s.d.strangers.leave(s)
		s.succeed(st)
		s.d.guard.met(s.path.Remote)
		s.uplink.begin(s.d.kernel, s.path, st.cfg.Source)
		s.channel.SetReorder(st.reorder())
		if err := s.d.peersOf(st, []netip.Addr{s.path.Remote}, s.closing); err != nil {
			return ppp.Network{}, err
		}
	} else if id.Proved && id.Name != st.cfg.Auth.PeerName {
		return ppp.Network{}, fmt.Errorf("peer proved to be %q, but this site's peer is %q: auth.peer_name says whom to expect", id.Name, st.cfg.Auth.PeerName)
	}
	if old := s.nets.Load(); old != nil { // LCP was negotiated again
		old.down()
	} else {
		s.tellCarrier()
	}
	if a.Method == auth.EAPTLS {
		if err := s.show(st); err != nil {
			return ppp.Network{}, err
		}
	}
	encryption, err := s.encryption(st, a)
	if err != nil {
		return ppp.Network{}, err
	}
	n := newNetworks(s, st)
	s.nets.Store(n)
	if s.closing() { // by close, which did not know n
		n.down()
		return ppp.Network{}, errReplaced
	}
	network := n.network()
	network.Encryption = encryption
	return network, nil
}

// takePlace asks for the place of a caller, and returns the site that it has.
func (s *session) takePlace(st *site, a ppp.Admission) (*site, error) {
	if st.remotes != nil {
		return st.remotes.admit(s.ctx, s, a)
	}
	s.log = s.log.With("site", st.cfg.Name)
	s.site.Store(st) // before the supervisor has it and asks for its state
	if err := st.supervisor.admit(s.ctx, s); err != nil {
		s.site.Store(nil)
		return nil, err
	}
	return st, nil
}

// changed is called on the link's goroutine after each change of the link.
func (s *session) changed() {
	st := s.site.Load()
	if st == nil {
		return
	}
	up := s.link.Status().Phase == ppp.PhaseNetwork && openAll(st.ncpNames(), s.link.Status().NCPs)
	s.mu.Lock()
	if up && !s.isUp {
		s.upAt, s.hint = time.Now(), ""
	}
	s.isUp = up
	s.mu.Unlock()
	if method := s.link.Status().Encryption.Method; method != s.encrypted {
		s.encrypted = method
		s.remeasure() // encryption takes room, and may come after the network protocols
	}
	s.notify()
}

func (s *session) notify() {
	if st := s.site.Load(); st != nil {
		st.linkChanged()
	}
}

// openAll reports whether each of the required protocols is open.
func openAll(required []string, ncps []ppp.NCPState) bool {
	open := map[string]bool{}
	for _, n := range ncps {
		open[n.Name] = n.Opened
	}
	for _, name := range required {
		if !open[name] {
			return false
		}
	}
	return len(required) > 0
}

// The methods by which a supervisor knows a session.

func (s *session) claim() claim { return claim{s.began, s.outgoing} }

// alive reports whether the peer still knows this call: it answers an Echo on
// the control connection.
func (s *session) alive(ctx context.Context) bool { return s.call.Conn().Echo(ctx) == nil }

func (s *session) leaving() bool {
	end := s.link.Status().End
	return s.closing() || s.call.Err() != nil || end != nil && end.Kind == ppp.PeerTerminated
}

func (s *session) close(why error) {
	s.mu.Lock()
	if s.why == nil {
		s.why = why
	}
	s.mu.Unlock()
	if n := s.nets.Load(); n != nil {
		n.down()
	}
	s.link.Close(why.Error())
}

// closing reports whether the session was closed, and gives nothing of the site to it
// any more.
func (s *session) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why != nil
}

func (s *session) done() <-chan struct{} { return s.over }

func (s *session) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *session) upSince() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upAt, s.isUp
}

func (s *session) suspicion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hint
}

// dial makes a call to the site's peer: by the first of its addresses that takes it, in
// their order. What it returns runs.
func (d *Daemon) dial(ctx context.Context, st *site) (tunnel, error) {
	addrs, trouble := st.resolve(ctx)
	if len(addrs) == 0 {
		return nil, errors.New(trouble)
	}
	if err := d.peersOf(st, hosts(addrs), func() bool { return ctx.Err() != nil }); err != nil {
		return nil, err
	}
	tcp := newDialRace(ctx, addrs, func(ctx context.Context, to netip.AddrPort) (nc net.Conn, err error) {
		if nc, err = d.connect(ctx, st, to); ctx.Err() == nil {
			st.attempts.dialed(to, &err)
		}
		return nc, err
	})
	defer tcp.close()
	for {
		nc, i, ok := tcp.next()
		if !ok {
			break
		}
		s, err := d.dialOver(ctx, st, addrs[i], nc)
		if err == nil {
			st.lastGood.Store(&addrs[i])
			return s, nil
		}
		tcp.failed(i, err)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, tcp.failure(trouble)
}

func hosts(all []netip.AddrPort) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range all {
		addrs = append(addrs, a.Addr())
	}
	return addrs
}

// dialOver makes a call over TCP: control connection, the receive side of the data
// channel, and only then the call, since some peers send LCP before their
// Outgoing-Call-Reply.
func (d *Daemon) dialOver(ctx context.Context, st *site, to netip.AddrPort, nc net.Conn) (_ *session, err error) {
	defer st.attempts.dialed(to, &err)
	conn, err := control.Open(ctx, nc, st.controlConfig())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	how, err := st.dialling(conn.Peer())
	if err != nil {
		return nil, err
	}
	path := pathOf(conn)
	if path.Device, err = st.sourceDevice(); err != nil {
		return nil, err
	}
	channelConfig := st.channelConfig(path.Device)
	channelConfig.Tap, channelConfig.Unpaced = conn.Tap(), isOurs(conn.Peer())
	channel, err := d.mux.Open(path.Remote, channelConfig)
	if err != nil {
		return nil, err
	}
	call, err := conn.Call(ctx, control.CallRequest{ID: channel.ID(), Window: announcedWindow, Subaddress: how.subaddress()})
	if err != nil {
		channel.Close()
		return nil, err
	}
	by, err := how.choose(ctx, call, channel, path)
	if err != nil {
		channel.Close()
		return nil, err
	}
	c := new(credential)
	s := d.newSession(call, channel, path, by, st.dialLink(c), st.log)
	s.credential = c
	s.site.Store(st)
	s.uplink.begin(d.kernel, path, st.cfg.Source)
	s.known = true
	s.start()
	return s, nil
}
