package control

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// A guest is one connection as the lobby sees it.
type guest struct {
	source  netip.Addr
	evict   func() // closes the connection; must not call the lobby
	arrival uint64 // the lower, the longer it has been vacant
	worth   worth
	busy    bool // it has a call
	evicted bool // no longer counted; about to end
}

// worth orders vacant guests: those worth least go first.
type worth uint8

const (
	ending  worth = iota + 1 // only its last words are still under way
	spent                    // its call is over, and hardly any peer makes another
	silent                   // no Start-Control-Connection-Request has come yet
	started                  // it has, so a call may come any moment
)

// A lobby knows all connections of a Listener and keeps them within Limits. It
// decides who must go for a newcomer: of the source that has the most vacant
// connections, the one worth least, and the oldest of those.
type lobby struct {
	limits Limits

	mu       sync.Mutex              // guards what follows, and the guests' flags
	total    int                     // guests, vacant and busy
	waiting  int                     // vacant guests
	vacant   map[netip.Addr][]*guest // the vacant ones by source, oldest first; no empty lists
	arrivals uint64                  // how often a guest became vacant
	evicted  uint64
	refused  uint64
}

func newLobby(limits Limits) *lobby {
	return &lobby{limits: limits, vacant: make(map[netip.Addr][]*guest)}
}

// enter lets g in, at the cost of another guest if need be. It reports false
// when all the places are taken by connections with calls.
func (l *lobby) enter(g *guest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.limits.Connections && !l.makeRoom(l.crowd()) {
		l.refused++
		return false
	}
	l.total++
	g.worth = silent
	l.seat(g)
	return true
}

// update keeps account of what g does: it has started, and has so many calls.
func (l *lobby) update(g *guest, calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.worth = started
	switch busy := calls > 0; {
	case busy == g.busy || g.evicted:
	case busy:
		g.busy = true
		l.unseat(g)
	default:
		g.busy, g.worth = false, spent
		l.seat(g)
	}
}

// finish keeps account of g's having nothing more to do than to say goodbye.
func (l *lobby) finish(g *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.worth = ending
}

// leave forgets g, which has ended.
func (l *lobby) leave(g *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.evicted {
		return
	}
	if !g.busy {
		l.unseat(g)
	}
	l.total--
}

// seat puts g among the vacant.
func (l *lobby) seat(g *guest) {
	switch {
	case len(l.vacant[g.source]) >= l.limits.VacantPerSource:
		l.makeRoom(g.source)
	case l.waiting >= l.limits.Vacant:
		l.makeRoom(l.crowd())
	}
	l.arrivals++
	g.arrival = l.arrivals
	l.vacant[g.source] = append(l.vacant[g.source], g)
	l.waiting++
}

// unseat takes g, which is there, from the vacant.
func (l *lobby) unseat(g *guest) {
	from := l.vacant[g.source]
	i := slices.Index(from, g)
	if from = slices.Delete(from, i, i+1); len(from) == 0 {
		delete(l.vacant, g.source)
	} else {
		l.vacant[g.source] = from
	}
	l.waiting--
}

// crowd returns the source with the most vacant guests, and among equals the one
// whose oldest is the oldest.
func (l *lobby) crowd() (source netip.Addr) {
	var most []*guest
	for addr, guests := range l.vacant {
		if len(guests) > len(most) || len(guests) == len(most) && guests[0].arrival < most[0].arrival {
			source, most = addr, guests
		}
	}
	return source
}

// makeRoom evicts a vacant guest of the source and reports whether there was one.
func (l *lobby) makeRoom(source netip.Addr) bool {
	guests := l.vacant[source]
	if len(guests) == 0 {
		return false
	}
	g := slices.MinFunc(guests, func(a, b *guest) int { return cmp.Compare(a.worth, b.worth) }) // the first of equals
	l.unseat(g)
	l.total--
	l.evicted++
	g.evicted = true
	g.evict()
	return true
}
