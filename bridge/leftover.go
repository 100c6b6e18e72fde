package bridge

import "errors"

// A caller closes the control connection of a call that has ended, and we leave that to
// it. One behind a NAT that begins anew cannot: it calls again by another connection, and
// the old one would stay with us until its echo fails. So the call that takes the place of
// an earlier one of its site ends that one's connection too, when no call is left in it.

// succeed notes that the site's caller is reached by the session's connection from now on.
func (s *session) succeed(st *site) {
	now := s.call.Conn()
	if old := st.caller.Swap(now); old != nil && old != now {
		old.CloseIdle()
	}
}

// succeeded reports whether another call has taken the place of this one.
func (s *session) succeeded() bool {
	st := s.site.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Is(s.why, errReplaced) || st != nil && st.caller.Load() != s.call.Conn()
}
