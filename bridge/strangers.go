package bridge

import (
	"net/netip"
	"slices"
	"sync"
)

// maxStrangers bounds answered calls whose peer has not authenticated yet: each
// costs a link's memory until its guard timer ends it.
const maxStrangers = 256

// strangers are those calls. There is always room for a newcomer: of the address
// with the most of them, the oldest must go, so that one who only calls keeps
// nobody else out.
type strangers struct {
	mu    sync.Mutex // guards calls
	calls []*session // oldest first
}

// enter lets s in, and returns who must go for it, if anyone.
func (l *strangers) enter(s *session) (out *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) >= maxStrangers {
		i := l.oldestOfMost()
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

func (l *strangers) oldestOfMost() int {
	count := map[netip.Addr]int{}
	for _, s := range l.calls {
		count[s.path.Remote]++
	}
	most := 0 // the first of equals is the one whose oldest is the oldest
	for i, s := range l.calls {
		if count[s.path.Remote] > count[l.calls[most].path.Remote] {
			most = i
		}
	}
	return most
}
