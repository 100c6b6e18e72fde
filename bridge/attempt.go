package bridge

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"sitebridge/bridge/diagnose"
)

// A site's last call and last dial are kept for `sitebridge diagnose`: most of what it
// judges is over before anybody asks.

// attempts are the last call of a site that has ended, and the last dial that led to none.
type attempts struct {
	ended  atomic.Pointer[endedCall]
	failed atomic.Pointer[failedDial]
}

type endedCall struct {
	at time.Time
	diagnose.Attempt
}

type failedDial struct {
	at  time.Time
	to  netip.AddrPort
	err error
}

// dialed notes that a dial led to no call.
func (a *attempts) dialed(to netip.AddrPort, err *error) {
	if *err != nil {
		a.failed.Store(&failedDial{time.Now(), to, *err})
	}
}

// remember keeps how a call ended.
func (s *session) remember() {
	if st := s.site.Load(); st != nil {
		st.attempts.ended.Store(&endedCall{time.Now(), s.attempt(st)})
	}
}

// attempt is the call as diagnose judges it.
func (s *session) attempt(st *site) diagnose.Attempt {
	v := s.status()
	_, up := s.upSince()
	a := diagnose.Attempt{
		Call: true, Live: s.err() == nil, Up: up, Dialed: s.outgoing,
		Local: s.path.Local, Peer: s.path.Remote, For: time.Since(s.began),
		GRE: v.GRE, Heard: !s.channel.FirstReceive().IsZero(), Stranger: s.channel.Stranger(),
		PPP: v.PPP, End: s.err(), Pending: s.pending(st),
	}
	if c := s.carrier.Load(); c != nil {
		a.UDP, a.Carrier, a.NoUDP = c.port, c.why, c.blocked
	}
	if n := s.nets.Load(); n != nil && st.ip != nil {
		a.MTU = st.ip.mtu(n)
	}
	return a
}

const (
	// tryTime is how long a call may take until it is judged as it is.
	tryTime = 30 * time.Second
	// stuckAfter is when a call that gets no further will hardly do so: LCP has asked
	// three times by then.
	stuckAfter = 7 * time.Second
	// watchInterval is how often a call is looked at.
	watchInterval = 50 * time.Millisecond
)

// Try implements diagnose.World.
func (p *prober) Try(ctx context.Context) diagnose.Attempt {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	errs, stop := listenICMP(p.d.config().Daemon.UDP)
	defer stop()
	super := p.st.supervisor
	if super.snapshot().Current == nil && super.dial != nil {
		if err := super.command(ctx, true); err != nil {
			return diagnose.Attempt{Err: err}
		}
	}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		a, over := p.now(began)
		a.ICMP = errs(a.Peer)
		if over || ctx.Err() != nil {
			return a
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// now is the site's call as it is, and whether there is nothing more to wait for.
func (p *prober) now(began time.Time) (a diagnose.Attempt, over bool) {
	v := p.st.supervisor.snapshot()
	if cur, ok := v.Current.(*session); ok {
		a := cur.attempt(p.st)
		return a, a.Up || a.Stuck(stuckAfter) || cur.refused(p.st.ncpNames()) != ""
	}
	if ended := p.st.attempts.ended.Load(); ended != nil && ended.at.After(began) {
		return ended.Attempt, true
	}
	a = diagnose.Attempt{For: time.Since(began)}
	failed := p.st.attempts.failed.Load()
	if v.State == StateDialing || failed == nil && v.NextTry.IsZero() {
		return a, false
	}
	switch {
	case v.Reason == "" || v.Since.Before(began):
		return a, false
	case failed != nil && failed.at.After(began):
		a.Err = failed.err
	default:
		a.Err = errors.New(v.Reason)
	}
	return a, true
}
