package router

import (
	"slices"
	"time"
)

const (
	// mourning is how long something lost is answered for as down, and how long a
	// link may still send packets from a network that its peer took back.
	mourning = 60 * time.Second
	// doubtful is how long, after something got worse or was lost, news of still
	// longer ways to it wait before they are believed.
	doubtful = 10 * time.Second
	// poisons is how many times a loss is announced.
	poisons = 3
	// poisonGap is how long after one another.
	poisonGap = 2 * time.Second
	// maxAlternatives bounds the candidates for one thing.
	maxAlternatives = 32
)

// A base holds what is known of networks, or of services, by their keys. It is
// pure: time is passed in, and what changed is found in its log. Changes are
// collected until settle.
type base[K comparable] struct {
	id      int // index into the counts of attachments and neighbours
	compare func(a, b K) int
	// usable says what a candidate needs besides being alive; nil: nothing.
	usable func(c *candidate) bool
	// also names one more attachment that split horizon keeps a candidate off.
	also func(c *candidate) *Attached
	// may reports whether the policy of an attachment lets it hear of e.
	may func(at *Attached, e *entry[K]) bool
	// limit is how many candidates an attachment may teach.
	limit func(at *Attached) int
	max   int // keys

	entries map[K]*entry[K]
	sorted  []*entry[K] // by key
	total   int         // candidates
	touched []*entry[K]
	log     changes[K]
	again   []repeat[K]
}

// An entry is one network or service, with all the ways in which it is known.
type entry[K comparable] struct {
	key  K
	ways []candidate // the one in use is the first
	// best is the one in use, as neighbours are told of it; when down, the last.
	best    candidate
	up      bool
	touched bool
	gone    bool      // no longer in the base
	down    time.Time // until when it is answered for as down
	// split are the attachments that are not told of it, since it was learned
	// there, in equally good ways.
	split []*Attached
	// retract are those of them that were told of it before: they are told that it
	// is down, or two routers could each take the other for a way.
	retract []*Attached
	last    [changeKinds]uint64 // of its changes in the log, by kind
	// A loop of routers shows by ways that get longer and longer. So after a way
	// got longer than floor, or was lost, we are in doubt for a while: candidates
	// that we had are used, but those that come up, or get longer still, wait.
	floor uint8
	doubt time.Time
}

// A repeat is a loss that is to be announced once more.
type repeat[K comparable] struct {
	e    *entry[K]
	seq  uint64 // nothing happened since
	left int
	due  time.Time
}

func newBase[K comparable](id, limit int, compare func(a, b K) int) *base[K] {
	return &base[K]{id: id, compare: compare, max: limit, entries: make(map[K]*entry[K])}
}

// tell takes up one candidate, or news of one. It reports false when there was
// no room.
func (b *base[K]) tell(k K, news candidate, now time.Time) bool {
	e := b.entries[k]
	if e != nil {
		if i := slices.IndexFunc(e.ways, func(c candidate) bool { return c.sameTeller(&news) }); i >= 0 {
			b.update(e, i, news, now)
			return true
		}
	}
	if news.origin == originLearned {
		if news.hops >= infinity {
			return true // of no interest
		}
		if !b.room(e, &news) {
			return false
		}
	}
	if e == nil {
		e = b.create(k)
	}
	b.add(e, news, now)
	return true
}

// update replaces what a teller said before.
func (b *base[K]) update(e *entry[K], i int, news candidate, now time.Time) {
	old := &e.ways[i]
	switch {
	case news.hops >= infinity && old.hops >= infinity:
		return
	case news.hops >= infinity:
		b.takeBack(e, i, now)
		return
	case old.sameNews(&news):
		old.said, old.expires = news.said, news.expires
		return
	case old.hops >= infinity && !b.mayTeach(&news):
		return
	case old.hops < infinity && news.hops <= old.hops:
		news.waits = old.waits
	default:
		news.waits = e.wait(&news, now)
	}
	b.account(old, -1)
	*old = news
	b.account(old, 1)
	b.touch(e)
}

// wait returns until when news have to wait.
func (e *entry[K]) wait(news *candidate, now time.Time) time.Time {
	if news.origin == originLearned && now.Before(e.doubt) && news.hops > e.floor {
		return now.Add(doubtful)
	}
	return time.Time{}
}

// takeBack keeps a candidate as a memory only: what is behind a link may send a
// little longer.
func (b *base[K]) takeBack(e *entry[K], i int, now time.Time) {
	b.account(&e.ways[i], -1)
	e.ways[i].hops, e.ways[i].expires = infinity, now.Add(mourning)
	b.account(&e.ways[i], 1)
	b.touch(e)
}

// room reports whether one more learned candidate may come: for e, nil if it is
// a new thing. What is known already is never pushed out, but of the ways to one
// thing a better one takes the place of the worst.
func (b *base[K]) room(e *entry[K], news *candidate) bool {
	switch {
	case !b.mayTeach(news):
		return false
	case e == nil && len(b.entries) >= b.max, b.total >= 4*b.max:
		news.at.missed[b.id] = true
		return false
	case e == nil || len(e.ways) < maxAlternatives:
		return true
	}
	worst := &e.ways[len(e.ways)-1]
	for i := range e.ways[1:] {
		if c := &e.ways[1+i]; c.compare(worst) > 0 {
			worst = c
		}
	}
	if worst.origin != originLearned || news.compare(worst) >= 0 {
		return false
	}
	b.remove(e, func(c *candidate) bool { return c == worst })
	return true
}

// mayTeach reports whether the teller of news has not used up its share. What it
// took back does not count against that, or a change of all that it has would find
// no room; as much again is remembered of that.
func (b *base[K]) mayTeach(news *candidate) bool {
	a, limit := news.at, b.limit(news.at)
	if news.at.cfg.Kind == LAN && (news.by.told[b.id] >= (limit+1)/2 || news.by.memories[b.id] >= (limit+1)/2) {
		return false
	}
	if a.told[b.id] >= limit || a.memories[b.id] >= limit {
		a.missed[b.id] = true
		return false
	}
	return true
}

// hasRoom reports whether at may teach something new.
func (b *base[K]) hasRoom(at *Attached) bool {
	limit := b.limit(at)
	return at.told[b.id] < limit && at.memories[b.id] < limit && len(b.entries) < b.max && b.total < 4*b.max
}

func (b *base[K]) create(k K) *entry[K] {
	e := &entry[K]{key: k}
	b.entries[k] = e
	i, _ := slices.BinarySearchFunc(b.sorted, k, b.byKey)
	b.sorted = slices.Insert(b.sorted, i, e)
	return e
}

func (b *base[K]) byKey(e *entry[K], k K) int { return b.compare(e.key, k) }

func (b *base[K]) add(e *entry[K], c candidate, now time.Time) {
	c.waits = e.wait(&c, now)
	if e.ways == nil {
		e.ways = make([]candidate, 0, 1) // mostly there is one
	}
	e.ways = append(e.ways, c)
	b.account(&c, 1)
	b.touch(e)
}

// account keeps the counts on which the limits rest.
func (b *base[K]) account(c *candidate, n int) {
	b.total += n
	switch {
	case c.origin != originLearned || c.at == nil:
	case c.hops >= infinity:
		c.at.memories[b.id] += n
		c.by.memories[b.id] += n
	default:
		c.at.told[b.id] += n
		c.by.told[b.id] += n
	}
}

// remove takes away the candidates of e that which names.
func (b *base[K]) remove(e *entry[K], which func(c *candidate) bool) {
	kept := e.ways[:0]
	for i := range e.ways {
		if c := &e.ways[i]; which(c) {
			b.account(c, -1)
			b.touch(e)
			continue
		}
		kept = append(kept, e.ways[i])
	}
	clear(e.ways[len(kept):])
	e.ways = kept
}

// each lets change work on every candidate; it returns false for one to remove.
func (b *base[K]) each(change func(e *entry[K], c *candidate) bool) {
	for _, e := range b.sorted {
		b.remove(e, func(c *candidate) bool { return !change(e, c) })
	}
}

func (b *base[K]) touch(e *entry[K]) {
	if !e.touched {
		e.touched = true
		b.touched = append(b.touched, e)
	}
}
