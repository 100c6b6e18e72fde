package bridge

import (
	"fmt"
	"time"
)

// StateIdle is a demand site without traffic: nothing is wrong.
const StateIdle State = "idle"

// What the loop of a supervisor does for a demand site, in place of what it does for
// one that is kept up.

// wakes is where traffic asks for a call; nil: the site is kept up.
func (l *siteLoop) wakes() <-chan struct{} {
	if l.s.demand == nil {
		return nil
	}
	return l.s.demand.wanted
}

// rest begins with a site that nobody needs.
func (l *siteLoop) rest() {
	l.retry.Stop()
	l.idle.Reset(pathInterval)
	l.s.set(func(v *view) { v.State = StateIdle })
	if !l.enabled {
		l.s.demand.enabled(false)
	}
}

// wanted is called when traffic waits for a call.
func (l *siteLoop) wanted() {
	d := l.s.demand
	switch {
	case !l.enabled:
		d.giveUp(func(c *DemandDrops) *uint64 { return &c.Stopped })
	case l.cur != nil, l.dialing != nil: // it waits for that
	case l.backingOff: // and again then
	case l.s.dial == nil:
		d.giveUp(func(c *DemandDrops) *uint64 { return &c.NoDial })
	default:
		l.dialWanted()
	}
}

// dialWanted dials if something waits, and this is a time for it.
func (l *siteLoop) dialWanted() {
	d := l.s.demand
	if !d.waiting() {
		return
	}
	by := d.lastWoken()
	now := time.Now()
	if !d.cfg.Hours.Open(now) {
		d.giveUp(func(c *DemandDrops) *uint64 { return &c.OutsideHours })
		l.closed(fmt.Sprintf("outside its hours: traffic may dial again from %s on", d.cfg.Hours.Next(now).Format("Mon 2 Jan 15:04")), by)
		return
	}
	l.s.log.Info("dials on demand", "protocol", by.Protocol, "source", by.Source, "destination", by.Destination)
	l.startDialing()
}

// closed says why nothing is dialled, and tells the operator when that is news.
func (l *siteLoop) closed(reason string, by Woken) {
	news := l.s.snapshot().Reason != reason
	l.s.set(func(v *view) { v.State, v.Reason = StateIdle, reason })
	if news {
		l.s.log.Info("not dialled", "reason", reason, "protocol", by.Protocol, "source", by.Source, "destination", by.Destination)
	}
}

// again is the end of a back-off: what waits then is dialled for.
func (l *siteLoop) again() {
	l.backingOff = false
	if l.s.demand.waiting() {
		l.dialWanted()
		return
	}
	l.s.backoff.reset()
	l.s.set(func(v *view) { v.State, v.NextTry = StateIdle, time.Time{} })
}

// lapse is wait for a demand site. A call that never came up has failed those who
// waited for it; one that was up may have been ended by a peer that needs it no more.
func (l *siteLoop) lapse(k kind, err error, wasUp time.Duration) {
	d, state := l.s.demand, StateIdle
	if wasUp == 0 {
		d.failed()
		state = StateWaiting
		l.s.teller.down(err.Error())
	} else {
		l.s.teller.idle(err.Error())
	}
	if l.s.dial == nil || !l.enabled {
		l.s.set(func(v *view) { v.State, v.Reason = l.idleState(), err.Error() })
		l.s.log.Info("site down", "reason", err)
		return
	}
	l.hurry = k == endRetry
	wait := l.s.backoff.wait(k, wasUp)
	l.backOff(wait)
	l.s.set(func(v *view) {
		v.State, v.Reason, v.NextTry = state, err.Error(), time.Time{}
		if state == StateWaiting {
			v.NextTry = time.Now().Add(wait)
		}
	})
	if state == StateIdle {
		l.s.log.Info("site down, until it is needed", "reason", err)
		return
	}
	l.s.log.Warn("site down", "reason", err, "retry_if_needed_in", wait.Round(time.Millisecond))
}

// unwanted reports whether nobody has asked for a demand site that is idle: no way to its
// peer that appears changes that.
func (l *siteLoop) unwanted() bool { return l.s.demand != nil && l.dialing == nil && !l.backingOff }

func (l *siteLoop) backOff(wait time.Duration) {
	l.backingOff = true
	l.retry.Reset(wait)
}

// failed tells those who wait for a call that there is none.
func (d *demand) failed() {
	d.giveUp(func(c *DemandDrops) *uint64 { return &c.DialFailed })
	d.lost()
}

// taken begins to count the time without traffic of a new call.
func (l *siteLoop) taken() {
	if d := l.s.demand; d != nil {
		d.touch()
		l.backingOff = false
		l.idle.Reset(d.cfg.Idle)
	}
}

// lookIdle hangs up when nobody has used the site for long enough. Without a call it
// looks after what asks for one.
func (l *siteLoop) lookIdle() {
	d := l.s.demand
	if l.cur == nil {
		d.mend()
		l.idle.Reset(pathInterval)
		return
	}
	if rest := time.Until(d.idleAt()); rest > 0 {
		l.idle.Reset(rest)
		return
	}
	if !l.wasUp {
		d.failed()
	}
	why := fmt.Errorf("nobody has used it for %v", d.cfg.Idle)
	l.s.log.Info("site down, until it is needed", "reason", why)
	l.s.teller.idle(why.Error())
	l.release(why)
	l.idle.Reset(pathInterval)
	if l.s.dial != nil {
		l.backOff(minWait) // the peer needs a moment for our goodbyes
	}
}

// obeyOnDemand is obey for a demand site.
func (l *siteLoop) obeyOnDemand(up bool) {
	d := l.s.demand
	if !up {
		l.backingOff = false
		d.giveUp(func(c *DemandDrops) *uint64 { return &c.Stopped })
		d.enabled(false)
		return
	}
	d.enabled(true)
	if l.cur != nil || l.dialing != nil {
		return
	}
	l.backingOff = false
	l.retry.Stop()
	if l.s.dial == nil {
		l.s.set(func(v *view) { v.State, v.Reason = StateIdle, "" })
		return
	}
	l.startDialing()
}
