package bridge

import (
	"net/netip"
	"slices"
	"sync"
)

// How many answered calls there may be whose peer has not authenticated yet: each
// costs a link's memory until its guard timer ends it, and each may make a guess
// when the delay for its address is over. Many branches may share the address of
// a NAT. A hub that starts is called by all of its branches at once, and may hold as
// many calls as it has branches, up to mostStrangers, also from one source, since all may
// be behind one NAT: whoever is pushed out has proved itself in vain, and calls again.
const (
	maxStrangers  = 256
	maxFromSource = 32
	mostStrangers = 4096
)

// strangerLimits returns how many there may be, in all and from one source.
func (d *Daemon) strangerLimits() (all, fromSource int) {
	n := d.expected()
	return max(maxStrangers, n), max(maxFromSource, n)
}

// expected is how many may call at once of those that are configured.
func (d *Daemon) expected() (n int) {
	for _, s := range d.config().Sites {
		switch {
		case s.Remote != nil:
			n += s.Remote.Limit
		case s.Answer:
			n++
		}
	}
	return min(n, mostStrangers)
}

// strangers are those calls. There is always room for a newcomer, whoever is
// there. Where one address has too many, the oldest of its own must go; where
// all have, the oldest of the address with the most of them. So one who only
// calls keeps nobody else out, and pushing out his own calls gains him nothing:
// a guess that waits is judged when its delay is over, or never.
type strangers struct {
	// knows, unless nil, tells the addresses from which peers have proved
	// themselves before. Who calls from many others pushes out none of these.
	knows func(netip.Addr) bool
	// limits, unless nil, tells how many there may be.
	limits func() (all, fromSource int)

	mu    sync.Mutex // guards calls
	calls []*session // oldest first
}

// enter lets s in, and returns who must go for it, if anyone.
func (l *strangers) enter(s *session) (out *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.crowdedBy(s.path.Remote); i >= 0 {
		out = l.calls[i]
		l.calls = slices.Delete(l.calls, i, i+1)
	}
	l.calls = append(l.calls, s)
	return out
}

// leave forgets s, which is known by now, or over. A second call does nothing.
func (l *strangers) leave(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.calls, s); i >= 0 {
		l.calls = slices.Delete(l.calls, i, i+1)
	}
}

// all returns them, the oldest first.
func (l *strangers) all() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

// waiting returns how many there are.
func (l *strangers) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)
}

// crowdedBy returns the call that must go for another one from addr, -1 for none.
func (l *strangers) crowdedBy(addr netip.Addr) int {
	most, mostFromSource := maxStrangers, maxFromSource
	if l.limits != nil {
		most, mostFromSource = l.limits()
	}
	count := map[netip.Addr]int{}
	for _, s := range l.calls {
		count[s.path.Remote]++
	}
	switch {
	case count[addr] >= mostFromSource:
		return slices.IndexFunc(l.calls, func(s *session) bool { return s.path.Remote == addr })
	case len(l.calls) < most:
		return -1
	}
	for known := range count {
		if l.knows != nil && l.knows(known) {
			count[known] = 0
		}
	}
	first := 0 // of equals: the one whose oldest is the oldest
	for i, s := range l.calls {
		if count[s.path.Remote] > count[l.calls[first].path.Remote] {
			first = i
		}
	}
	return first
}
