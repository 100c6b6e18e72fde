package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// A State is where a site stands, as `sitebridge status` shows it.
type State string

const (
	StateListening   State = "listening"   // waits for the peer's call
	StateDialing     State = "dialing"     // TCP 1723, control connection, call
	StateNegotiating State = "negotiating" // a call is up, PPP is not yet
	StateUp          State = "up"          // every required network protocol is open
	StateWaiting     State = "waiting"     // for the next dial
	StateStopped     State = "stopped"     // by `sitebridge down`
)

// A tunnel is one call of a site with its PPP link, as its supervisor sees it.
type tunnel interface {
	claim() claim
	// alive asks the far end for a sign of life, until ctx ends.
	alive(ctx context.Context) bool
	// leaving reports whether the tunnel is being taken down, at this end or the other.
	leaving() bool
	// close takes the site's interface and routes out of the tunnel's hands,
	// starts its orderly end and returns; why is its end.
	close(why error)
	// done is closed when nothing of the tunnel is left.
	done() <-chan struct{}
	// err says why it ended, after done; never nil then.
	err() error
	// upSince says when all required network protocols last came up, zero for
	// never, and whether they are up now.
	upSince() (time.Time, bool)
	// down says in words why they are not up any more, while the tunnel lives.
	down() string
	// lost says why the host can no longer send what the tunnel sends; nil: it can.
	lost() error
}

// A supervisor owns one site: it dials, takes or refuses calls, and settles
// which of two calls stays. Its run loop is the only place where that is
// decided, and no state of it waits for ever.
type supervisor struct {
	ourName, peerName string
	dial              func(context.Context) (tunnel, error) // nil: we only answer
	log               *slog.Logger
	backoff           backoff
	teller            teller  // of its loop
	demand            *demand // nil: the site is kept up

	claims   chan claimRequest
	commands chan command
	changed  chan struct{} // a tunnel's link changed; holds one
	gone     chan struct{} // closed when run has let go of its tunnel and takes no other
	stopped  bool          // from the start, until the operator wants it up
	// uplink says that the host's network changed; it holds one. outlook tells how the
	// peer is reached now.
	uplink  chan struct{}
	outlook func() outlook

	mu   sync.Mutex // guards view
	view view
}

// A view is what status shows of a supervisor.
type view struct {
	State   State
	Since   time.Time
	Reason  string // why it is not up; the last end
	NextTry time.Time
	Dials   uint64
	Ups     uint64
	Refused uint64 // calls refused because another one stays
	Ends    Ends
	Current tunnel
}

type claimRequest struct {
	t     tunnel
	reply chan error
}

type command struct {
	up   bool
	done chan struct{}
}

type dialResult struct {
	t   tunnel
	err error
}

func newSupervisor(log *slog.Logger, ourName, peerName string, dial func(context.Context) (tunnel, error)) *supervisor {
	return &supervisor{
		ourName: ourName, peerName: peerName, dial: dial, log: log,
		claims:   make(chan claimRequest),
		commands: make(chan command),
		changed:  make(chan struct{}, 1),
		gone:     make(chan struct{}),
		uplink:   make(chan struct{}, 1),
		outlook:  func() outlook { return nil },
		view:     view{State: StateListening, Since: time.Now()},
	}
}

// linkChanged wakes the loop to look at its tunnel again.
func (s *supervisor) linkChanged() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// admit asks whether t, whose peer has just proved to be this site, may be the
// site's tunnel. An error says why not, in words for our operator; the peer is
// told no more than that it was not admitted.
func (s *supervisor) admit(ctx context.Context, t tunnel) error {
	r := claimRequest{t, make(chan error, 1)}
	select {
	case s.claims <- r:
	case <-s.gone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// command stops the site or starts it again, and returns when that is taken up.
func (s *supervisor) command(ctx context.Context, up bool) error {
	c := command{up, make(chan struct{})}
	select {
	case s.commands <- c:
	case <-s.gone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// snapshot returns what status shows.
func (s *supervisor) snapshot() view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// set changes the view; since moves only with the state.
func (s *supervisor) set(change func(*view)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.view.State
	change(&s.view)
	if s.view.State != was {
		s.view.Since = time.Now()
	}
}

// run keeps the site up until ctx ends; then its tunnel is gone.
func (s *supervisor) run(ctx context.Context) {
	l := siteLoop{s: s, ctx: ctx, enabled: !s.stopped, retry: time.NewTimer(0), idle: time.NewTimer(0)}
	l.idle.Stop()
	if s.demand != nil {
		l.rest()
	} else if s.dial == nil || s.stopped {
		l.retry.Stop()
	}
	if s.stopped {
		s.set(func(v *view) { v.State, v.Reason = StateStopped, errByOperator.Error() })
	}
	defer l.retry.Stop()
	defer l.idle.Stop()
	for ctx.Err() == nil {
		l.step()
	}
	l.stopDialing()
	l.drop(whyStopping(ctx))
	close(s.gone)
	l.goodbyes.Wait()
}

// siteLoop is what the run loop owns.
type siteLoop struct {
	s       *supervisor
	ctx     context.Context
	enabled bool
	retry   *time.Timer // runs while we wait for the next dial
	prospect

	// Of a demand site.
	idle       *time.Timer // always runs: see lookIdle
	backingOff bool        // retry runs, and nothing is dialled before

	dialing    chan dialResult // non-nil while a dial is under way
	cancelDial context.CancelFunc

	cur      tunnel
	wasUp    bool
	goodbyes sync.WaitGroup  // of tunnels and dials that were let go
	replaced []time.Time     // when calls were replaced, for the limit
	parting  <-chan struct{} // closed when the call that the operator ended is gone; nil: none was
}

func (l *siteLoop) step() {
	var ended <-chan struct{}
	if l.cur != nil {
		ended = l.cur.done()
	}
	select {
	case <-l.ctx.Done():
	case <-l.retry.C:
		if l.s.demand != nil {
			l.again()
		} else {
			l.startDialing()
		}
	case <-l.wakes():
		l.wanted()
	case <-l.idle.C:
		l.lookIdle()
	case r := <-l.dialing:
		l.dialing = nil
		l.cancelDial()
		l.dialed(r)
	case <-ended:
		l.tunnelEnded()
	case <-l.s.changed:
		l.look()
	case <-l.s.uplink:
		l.hostChanged()
	case c := <-l.s.claims:
		c.reply <- l.consider(c.t)
	case c := <-l.s.commands:
		l.obey(c.up)
		close(c.done)
	}
}

func (l *siteLoop) startDialing() {
	ctx, cancel := context.WithCancel(l.ctx)
	out := make(chan dialResult, 1)
	l.dialing, l.cancelDial = out, cancel
	l.prospect = prospect{time.Now(), l.s.outlook(), true}
	l.s.set(func(v *view) { v.State, v.NextTry = StateDialing, time.Time{}; v.Dials++ })
	parting := l.parting
	l.parting = nil
	go func() {
		part(ctx, parting)
		t, err := l.s.dial(ctx)
		out <- dialResult{t, err}
	}()
}

// partWait is how long a call that the operator ended may keep the next one waiting: a
// Terminate-Request that is lost is repeated after three seconds.
const partWait = 2 * clearWait

// part lets the goodbyes of a call arrive before the next one asks for its place: else
// the peer, which asks by the control connection whether the old one lives, hears yes.
func part(ctx context.Context, gone <-chan struct{}) {
	if gone == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, partWait)
	defer cancel()
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

// stopDialing abandons a dial under way. Its goodbyes may take a while, and
// nobody waits for them but run's end.
func (l *siteLoop) stopDialing() {
	if l.dialing == nil {
		return
	}
	l.cancelDial()
	out := l.dialing
	l.dialing = nil
	l.goodbyes.Go(func() {
		if r := <-out; r.t != nil {
			r.t.close(errReplaced)
			<-r.t.done()
		}
	})
}

// dialed takes the outcome of a dial.
func (l *siteLoop) dialed(r dialResult) {
	if r.err != nil {
		l.wait(r.err, 0)
		return
	}
	l.take(r.t)
}

// take makes t the site's tunnel.
func (l *siteLoop) take(t tunnel) {
	l.cur, l.wasUp = t, false
	l.retry.Stop()
	l.taken()
	l.s.set(func(v *view) { v.State, v.Current, v.NextTry = StateNegotiating, t, time.Time{} })
	l.look()
}

// drop ends the site's tunnel, if it has one, and tells.
func (l *siteLoop) drop(why error) {
	if l.cur != nil {
		l.s.teller.down(why.Error())
		l.release(why)
	}
}

// release ends the site's tunnel. Nothing of the site is in its hands any more when
// release returns; its goodbyes may take a while.
func (l *siteLoop) release(why error) {
	old := l.cur
	old.close(why)
	l.goodbyes.Go(func() { <-old.done() })
	l.cur = nil
	l.s.set(func(v *view) { v.State, v.Current, v.Reason = l.idleState(), nil, why.Error() })
}

func (l *siteLoop) idleState() State {
	switch {
	case !l.enabled:
		return StateStopped
	case l.s.demand != nil:
		return StateIdle
	case l.s.dial == nil:
		return StateListening
	}
	return StateWaiting
}

// look tells whether the tunnel is up, and the operator when that changes.
func (l *siteLoop) look() {
	if l.cur == nil {
		return
	}
	_, up := l.cur.upSince()
	switch {
	case up && !l.wasUp:
		l.s.set(func(v *view) { v.State, v.Reason = StateUp, ""; v.Ups++ })
		l.s.teller.up(l.cur)
		l.s.log.Info("site up", "dialed", l.cur.claim().dialed)
	case !up && l.wasUp:
		why := l.cur.down()
		l.s.set(func(v *view) { v.State, v.Reason = StateNegotiating, why })
		l.s.teller.down(why)
		l.s.log.Warn("site no longer up", "reason", why)
	}
	l.wasUp = up
}

func (l *siteLoop) tunnelEnded() {
	since, _ := l.cur.upSince()
	var wasUp time.Duration
	if !since.IsZero() {
		wasUp = time.Since(since)
	}
	err := l.cur.err()
	l.cur = nil
	l.s.set(func(v *view) { v.Current = nil })
	l.wait(err, wasUp)
}

// wait arranges what comes after an end: the next dial, or the peer's call.
func (l *siteLoop) wait(err error, wasUp time.Duration) {
	k := classify(l.ctx, err)
	if k == endStopped {
		return
	}
	l.s.set(func(v *view) { v.Ends.count(err) })
	if l.s.demand != nil {
		l.lapse(k, err, wasUp)
		return
	}
	l.s.teller.down(err.Error())
	if l.s.dial == nil || !l.enabled {
		l.s.set(func(v *view) { v.State, v.Reason = l.idleState(), err.Error() })
		l.s.log.Warn("site down", "reason", err)
		return
	}
	l.hurry = k == endRetry
	d := l.s.backoff.wait(k, wasUp)
	l.retry.Reset(d)
	l.s.set(func(v *view) { v.State, v.Reason, v.NextTry = StateWaiting, err.Error(), time.Now().Add(d) })
	l.s.log.Warn("site down", "reason", err, "retry_in", d.Round(time.Millisecond))
}

// echoWait is how long an old call has to answer before a newcomer replaces it.
const echoWait = 2 * time.Second

// consider decides whether t, a call of this site's peer, takes the place of
// what the site has.
func (l *siteLoop) consider(t tunnel) error {
	if !l.enabled {
		l.s.set(func(v *view) { v.Refused++ })
		return errors.New("the site was stopped by its operator")
	}
	select {
	case r := <-l.dialing: // our own call is there: the peer may know it, and keep it
		l.dialing = nil
		l.cancelDial()
		if r.err == nil {
			l.take(r.t)
		}
	default:
	}
	if l.cur == nil {
		l.stopDialing()
		l.take(t)
		return nil
	}
	select {
	case <-l.cur.done():
		l.tunnelEnded()
		l.retry.Stop()
		l.take(t)
		return nil
	default:
	}
	if l.cur.leaving() { // the peer has taken it down, and calls anew
		l.drop(errTakenDown)
		l.take(t)
		return nil
	}
	v := settle(l.cur.claim(), t.claim(), l.s.ourName, l.s.peerName)
	if v == askOld && !l.mayReplace() {
		v = keepOld
	}
	if v == askOld {
		ctx, cancel := context.WithTimeout(l.ctx, echoWait)
		v = takeNew
		if l.cur.alive(ctx) {
			v = keepOld
		}
		cancel()
	}
	if v == keepOld {
		l.s.set(func(v *view) { v.Refused++ })
		l.s.log.Info("call refused", "reason", "the site has a call that stays")
		return fmt.Errorf("another call of site %q stays", l.s.peerName)
	}
	l.replaced = append(l.replaced, time.Now())
	l.s.log.Info("call replaced", "reason", "the peer called anew")
	l.drop(errReplaced)
	l.take(t)
	return nil
}

// mayReplace limits how often calls push each other out, so that two boxes with
// one name do not fight for ever: four times a minute.
func (l *siteLoop) mayReplace() bool {
	cut := 0
	for cut < len(l.replaced) && time.Since(l.replaced[cut]) > time.Minute {
		cut++
	}
	l.replaced = l.replaced[cut:]
	return len(l.replaced) < 4
}

// errByOperator ends a tunnel, and is why a stopped site is not up.
var errByOperator = errors.New("stopped by its operator")

// obey carries out `sitebridge up` and `sitebridge down`.
func (l *siteLoop) obey(up bool) {
	l.enabled = up
	if !up {
		l.retry.Stop()
		l.stopDialing()
		if l.cur != nil {
			l.parting = l.cur.done()
		}
		l.drop(errByOperator)
		l.s.set(func(v *view) { v.State, v.Reason, v.NextTry = StateStopped, errByOperator.Error(), time.Time{} })
		if l.s.demand != nil {
			l.obeyOnDemand(false)
		}
		l.s.log.Info("site stopped by its operator")
		return
	}
	l.s.backoff.reset()
	if l.s.demand != nil {
		l.obeyOnDemand(true)
		return
	}
	if l.cur != nil || l.dialing != nil {
		return
	}
	if l.s.dial == nil {
		l.s.set(func(v *view) { v.State, v.Reason = StateListening, "" })
		return
	}
	l.retry.Stop()
	l.s.set(func(v *view) { v.Reason = "" })
	l.startDialing() // now, not by the timer: the answer to the operator shows it
}
