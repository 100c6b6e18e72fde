package ppp

// What an authenticated cipher says of where frames come from, for a carrier whose peer may
// move.

// Accepted is how many of the packets that Receive was given are proved to be the peer's,
// by a cipher that authenticates, and had not come before: whoever brought them speaks
// for the peer. MPPE proves nothing of the kind.
func (l *Link) Accepted() uint64 { return l.counters.accepted.Load() }

// Sealed reports whether a frame, as the carrier brings it, is one that such a cipher will
// judge.
func (l *Link) Sealed(frame []byte) bool {
	t := l.view.Load().tunnel
	if t == nil || !t.authentic {
		return false
	}
	protocol, _, ok := splitFrame(frame)
	return ok && protocol == t.data
}
