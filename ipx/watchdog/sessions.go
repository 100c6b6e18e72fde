package watchdog

import "time"

// An upClock is how long the link has been up in all. A host's silence counts by
// it: that nothing is heard while the link is down says nothing.
type upClock struct {
	before time.Duration // before the last loss
	since  time.Time     // the first packet after that; zero: none yet
}

func (c *upClock) at(now time.Time) time.Duration {
	if c.since.IsZero() {
		c.since = now
	}
	return c.before + max(0, now.Sub(c.since))
}

func (c *upClock) stop(now time.Time) {
	if !c.since.IsZero() {
		c.before = c.at(now)
	}
	c.since = time.Time{}
}

// sweepGap is the least time between two looks for sessions that are over, so
// that a flood of new ones costs little.
const sweepGap = time.Second

// A sessions is a bounded set of sessions.
type sessions[K comparable, S any] struct {
	known map[K]*S
	swept time.Time // when it was last looked for sessions that are over
}

// add makes a session, or returns nil when there are limit of them already and
// none is over.
func (m *sessions[K, S]) add(k K, limit int, now time.Time, over func(*S) bool) *S {
	if len(m.known) >= limit {
		m.sweep(now, over)
	}
	if len(m.known) >= limit {
		return nil
	}
	if m.known == nil {
		m.known = make(map[K]*S)
	}
	s := new(S)
	m.known[k] = s
	return s
}

func (m *sessions[K, S]) sweep(now time.Time, over func(*S) bool) {
	if now.Sub(m.swept) < sweepGap {
		return
	}
	m.swept = now
	for k, s := range m.known {
		if over(s) {
			delete(m.known, k)
		}
	}
}
