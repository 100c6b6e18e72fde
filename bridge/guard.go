package bridge

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"sitebridge/ppp/auth"
)

// How much guessing costs. The delays count from the last wrong proof, so that a
// peer which is set up wrong, and tries again every few minutes, never waits.
const (
	freeProofs     = 3                      // wrong ones, before anybody waits
	firstForSource = time.Second            // then doubled
	mostForSource  = time.Minute            //
	firstForName   = 250 * time.Millisecond // then doubled
	mostForName    = time.Second            // the good peer itself waits for this one
	guardMemory    = time.Hour              // of quiet, after which wrong proofs are forgotten

	maxSources = 8192
	maxNames   = 1024
	maxPairs   = 8192
	maxKnown   = 1024 // peers, and where they call from
)

// A guard slows down who guesses secrets through TCP 1723. It counts wrong proofs
// by the address that they come from and by the name that they claim. Proofs that
// wait count as wrong ones, so that many calls guess no faster than one.
//
// An address waits ever longer. A name waits a second at most for whoever has not
// been wrong there: thousands of addresses that guess at it must not keep its peer
// out. All that go on guessing at it are judged one after the other, one a second.
// And a peer that has proved its name from an address before waits there only for
// what was wrong of that name since, and not for what others do at its name, or
// behind the same NAT. It stands in no queue either, which somebody behind its NAT
// could keep full.
type guard struct {
	mu      sync.Mutex // guards what follows
	sources tally[netip.Addr]
	names   tally[string]
	pairs   tally[pair]
	known   tally[pair]       // that were right
	homes   tally[netip.Addr] // where peers were met
	held    map[*caller]held
	wrong   uint64
	delayed uint64
}

// A pair is a name as claimed from an address.
type pair struct {
	source netip.Addr
	name   string
}

func newGuard() *guard {
	return &guard{
		sources: newTally[netip.Addr](maxSources, guardMemory, true),
		names:   newTally[string](maxNames, guardMemory, false),
		pairs:   newTally[pair](maxPairs, guardMemory, false),
		known:   newTally[pair](maxKnown, 0, false),
		homes:   newTally[netip.Addr](maxKnown, 0, false),
		held:    make(map[*caller]held),
	}
}

// source returns the guard as one call from addr sees it.
func (g *guard) source(addr netip.Addr) *caller { return &caller{g: g, from: addr} }

// A caller is an [auth.Guard] for one call. It holds one proof at a time.
type caller struct {
	g    *guard
	from netip.Addr
	over bool
}

var _ auth.Guard = (*caller)(nil)

// Delay implements [auth.Guard]. A proof that waited before is void.
func (c *caller) Delay(name string) time.Duration {
	g, now := c.g, time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.held, c)
	h := g.hold(now, pair{c.from, name})
	if !c.over {
		g.held[c] = h
	}
	d := h.due.Sub(now)
	if d > 0 {
		g.delayed++
	}
	return d
}

// Judged implements [auth.Guard].
func (c *caller) Judged(name string, right bool) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	delete(c.g.held, c)
	c.g.judged(time.Now(), pair{c.from, name}, right)
}

// gone tells that the call is over: what waited will not be judged.
func (c *caller) gone() {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	c.over = true
	delete(c.g.held, c)
}

// hold works out how long a proof of p must wait before it is judged.
func (g *guard) hold(now time.Time, p pair) held {
	source, name, both := g.queues(now, p)
	own := g.pairs.of(now, p)
	own.count += both
	if g.known.of(now, p).count > 0 {
		return held{p, now.Add(rest(now, own, firstForSource, mostForSource)), now}
	}
	named := g.names.of(now, p.name)
	if own.count >= freeProofs {
		named = behind(named, name)
	}
	turn := rest(now, named, firstForName, mostForName)
	wait := rest(now, behind(g.sources.of(now, p.source), source), firstForSource, mostForSource)
	return held{p, now.Add(max(wait, turn)), now.Add(turn)}
}

// rest returns what is left of a delay that begins with the last wrong proof, is
// doubled with each, and is most in the end.
func rest[K comparable](now time.Time, r record[K], first, most time.Duration) time.Duration {
	if r.count < freeProofs {
		return 0
	}
	whole := min(first<<min(r.count-freeProofs, topRank), most)
	return max(whole-now.Sub(r.last), 0)
}

// judged counts a wrong proof. A right one takes back those of its pair only:
// who owns one name may not guess at another for free.
func (g *guard) judged(now time.Time, p pair, right bool) {
	if !right {
		g.wrong++
		g.sources.add(now, p.source)
		g.names.add(now, p.name)
		g.pairs.add(now, p)
		return
	}
	was := g.pairs.of(now, p).count
	g.pairs.sub(p, was)
	g.sources.sub(p.source, was)
	g.names.sub(p.name, was)
	g.known.add(now, p)
}

// met tells that a peer has proved itself from addr, by whatever method.
func (g *guard) met(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.homes.add(time.Now(), addr)
}

// knows reports whether a peer has been met at addr.
func (g *guard) knows(addr netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.homes.of(time.Now(), addr).count > 0
}

// A GuardStatus tells who is slowed down for wrong proofs.
type GuardStatus struct {
	Wrong   uint64 `json:"wrong_proofs"`
	Delayed uint64 `json:"delayed_proofs"`
	// Sources and Names are how many are slowed down now: further proofs wait.
	Sources int `json:"sources_slowed"`
	Names   int `json:"names_slowed"`
	// The worst of them.
	WorstSources []Guesser `json:"worst_sources,omitempty"`
	WorstNames   []Guesser `json:"worst_names,omitempty"`
}

// A Guesser is a source of wrong proofs, or a name that they claimed.
type Guesser struct {
	Who   string    `json:"who"` // an address, or a name, escaped
	Wrong int       `json:"wrong_proofs"`
	Last  time.Time `json:"last"`
}

// worstShown is how many of the worst a GuardStatus names.
const worstShown = 5

func (g *guard) snapshot(now time.Time) GuardStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := GuardStatus{Wrong: g.wrong, Delayed: g.delayed}
	s.Sources, s.WorstSources = worst(now, &g.sources, netip.Addr.String)
	s.Names, s.WorstNames = worst(now, &g.names, escapeName)
	return s
}

// worst counts the keys that are slowed down, and returns the worst of them.
func worst[K comparable](now time.Time, t *tally[K], show func(K) string) (slowed int, top []Guesser) {
	var all []record[K]
	t.each(now, func(r record[K]) {
		if r.count >= freeProofs {
			all = append(all, r)
		}
	})
	slices.SortFunc(all, func(a, b record[K]) int {
		return cmp.Or(cmp.Compare(b.count, a.count), b.last.Compare(a.last))
	})
	for _, r := range all[:min(len(all), worstShown)] {
		top = append(top, Guesser{show(r.key), r.count, r.last})
	}
	return len(all), top
}

// escapeName makes a name from the wire fit for a log or a terminal.
func escapeName(name string) string {
	const shown = 64
	cut := name
	if len(cut) > shown {
		cut = cut[:shown]
	}
	q := strconv.QuoteToASCII(cut)
	q = q[1 : len(q)-1]
	if cut != name {
		q += "..."
	}
	return q
}
