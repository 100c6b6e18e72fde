package bridge

import (
	"errors"
	"time"

	"sitebridge/internal/radius"
	"sitebridge/ppp"
)

// Why RADIUS has a call ended.
var (
	errSessionTimeout = errors.New("its time is up: Session-Timeout of RADIUS")
	errIdleTimeout    = errors.New("it was silent for too long: Idle-Timeout of RADIUS")
)

// minInterim is the least time between two records of one call (RFC 2869, section 2.1).
const minInterim = time.Minute

// attend watches over a call until nothing of it is left. For one that RADIUS has granted
// it accounts, and keeps its limits.
func (m *remote) attend() {
	if m.granted == nil {
		m.watch()
		return
	}
	m.account(radius.Start)
	limits := m.granted.answer
	full := after(limits.Session)
	idle := newIdleness(limits.Idle, m.packets)
	defer idle.ticker.Stop()
	interim := newTicker(limits.Interim, minInterim)
	defer interim.Stop()
	for {
		select {
		case <-m.session.over:
			m.account(radius.Stop)
			return
		case <-full:
			m.end(errSessionTimeout)
		case <-m.uplink:
			m.hostChanged()
		case now := <-idle.ticker.C:
			if idle.over(now) {
				m.end(errIdleTimeout)
			}
		case <-interim.C:
			m.account(radius.Interim)
		}
	}
}

// after is a channel for a time that may be 0: never.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

// newTicker is a ticker for a time of at least that; 0: it never ticks.
func newTicker(d, least time.Duration) *time.Ticker {
	t := time.NewTicker(max(d, least))
	if d == 0 {
		t.Stop()
	}
	return t
}

// An idleness finds out for how long no packet has crossed a link.
type idleness struct {
	limit  time.Duration
	ticker *time.Ticker
	count  func() uint64
	last   uint64
	since  time.Time
}

func newIdleness(limit time.Duration, count func() uint64) *idleness {
	every := limit
	if limit > 0 {
		every = min(max(limit/8, time.Second), 30*time.Second)
	}
	return &idleness{limit, newTicker(every, time.Second), count, count(), time.Now()}
}

func (i *idleness) over(now time.Time) bool {
	if n := i.count(); n != i.last {
		i.last, i.since = n, now
	}
	return now.Sub(i.since) >= i.limit
}

// packets is how many have crossed the caller's link both ways.
func (m *remote) packets() uint64 {
	s := m.session.link.Status().Stats
	return s.PacketsIn + s.PacketsOut
}

// account tells RADIUS how the call stands.
func (m *remote) account(kind radius.RecordKind) {
	s := m.session
	v := s.link.Status().Stats
	s.d.radius.Account(radius.Record{
		Call: m.granted.call, Kind: kind, Time: time.Now(),
		Address: m.addr, IPXNetwork: uint32(m.user.IPXNetwork), Class: m.granted.answer.Class,
		Seconds:  uint32(time.Since(s.began) / time.Second),
		OctetsIn: v.OctetsIn, OctetsOut: v.OctetsOut, PacketsIn: v.PacketsIn, PacketsOut: v.PacketsOut,
		Cause: causeOf(s.err()),
	})
}

// causeOf says in RADIUS's words why a call has ended.
func causeOf(err error) radius.Cause {
	var end *ppp.End
	var lost pathLost
	switch {
	case errors.As(err, &lost):
		return radius.LostCarrier
	case errors.Is(err, errSessionTimeout):
		return radius.SessionTimeout
	case errors.Is(err, errIdleTimeout):
		return radius.IdleTimeout
	case errors.Is(err, errStopping):
		return radius.AdminReboot
	case !errors.As(err, &end): // the operator, a reload, or another call of the name
		return radius.AdminReset
	case end.Kind == ppp.PeerTerminated:
		return radius.UserRequest
	case end.Kind == ppp.CarrierLost || end.Kind == ppp.EchoTimeout:
		return radius.LostCarrier
	}
	return radius.UserError
}
