package segment

import (
	"sync/atomic"
	"time"
)

// flaps is what a station did that one in its place does not: to be heard on
// another port. Often in a minute means a loop, or two stations with one
// address.
type flaps struct {
	began atomic.Int64
	last  atomic.Int64
	count atomic.Uint32
	other atomic.Pointer[Port] // where it was heard besides
}

const (
	flapWindow = int64(time.Minute)
	// flapping is how many of them in a row are one too many.
	flapping = 3
)

// note counts one, and reports whether it is now one too many.
func (f *flaps) note(other *Port, now int64) bool {
	if now-f.last.Load() > flapWindow {
		f.began.Store(now)
		f.count.Store(0)
	}
	f.last.Store(now)
	f.other.Store(other)
	return f.count.Add(1) == flapping
}

// recent returns how many there were in the row that has not ended.
func (f *flaps) recent(now int64) uint32 {
	if now-f.last.Load() > flapWindow {
		return 0
	}
	return f.count.Load()
}

// moved goes on counting for a station that is now on another port.
func (s *Segment) moved(st, old *station, key stationKey, now int64) {
	st.flaps.began.Store(old.flaps.began.Load())
	st.flaps.last.Store(old.flaps.last.Load())
	st.flaps.count.Store(old.flaps.count.Load())
	if st.flaps.note(old.port, now) {
		s.warnFlapping(st, key, now)
	}
}

// heardAlsoOn counts a packet that was dropped because its sender was heard on
// another port a moment ago.
func (s *Segment) heardAlsoOn(st *station, p *Port, key stationKey, now int64) {
	if st.flaps.note(p, now) {
		s.warnFlapping(st, key, now)
	}
}

// warnFlapping logs it, once a minute for all stations.
func (s *Segment) warnFlapping(st *station, key stationKey, now int64) {
	if last := s.warned.Load(); now-last > warnEvery && s.warned.CompareAndSwap(last, now) {
		s.cfg.Log.Warn("station heard on two ports again and again: a loop, or two with one address",
			"network", key.network, "node", key.node, "port", st.port.name, "other", st.flaps.other.Load().name)
	}
}
