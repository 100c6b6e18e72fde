package ppp

import "time"

// An Echo says how a link finds out that its peer is gone (RFC 1661, section
// 5.8): after Interval without a word from the peer it is asked, and after
// Failures questions, an Interval apart, that brought nothing the link ends.
type Echo struct {
	Interval time.Duration // default 10 s
	Failures int           // default 3
	Off      bool          // never ask
}

func (e Echo) withDefaults() Echo {
	if e.Interval <= 0 {
		e.Interval = 10 * time.Second
	}
	if e.Failures <= 0 {
		e.Failures = 3
	}
	return e
}

// A watch is the supervision of one peer, as a pure step. A busy line is never
// asked: an Echo-Reply that is lost on a full line must not end it. Whatever
// arrives counts as an answer.
type watch struct {
	Echo
	asked    int       // questions since the peer was last heard
	before   time.Time // when the peer was last heard, as the last of them was sent
	deadline time.Time // when to call tick
}

// newWatch starts the supervision at now; the peer was just heard.
func newWatch(e Echo, now time.Time) watch {
	w := watch{Echo: e.withDefaults()}
	if !e.Off {
		w.deadline = now.Add(w.Interval)
	}
	return w
}

// tick is called when deadline has passed. heard is when the last packet came.
// It tells whether to ask now, or that the peer is gone.
func (w *watch) tick(now, heard time.Time) (ask, gone bool) {
	if w.asked > 0 && !heard.Equal(w.before) {
		w.asked = 0
	}
	if silent := heard.Add(w.Interval); w.asked == 0 && now.Before(silent) {
		w.deadline = silent
		return false, false
	}
	if w.asked == w.Failures {
		w.deadline = time.Time{}
		return false, true
	}
	w.asked++
	w.before, w.deadline = heard, now.Add(w.Interval)
	return true, false
}
