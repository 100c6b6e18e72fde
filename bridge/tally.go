package bridge

import (
	"container/list"
	"time"
)

// A tally counts something by key, for so many keys at most. A newcomer to a
// full tally takes the place of the key with the lowest count, the stalest of
// those: many keys do not push out one with a high count.
type tally[K comparable] struct {
	max  int
	keep time.Duration // of quiet, after which a key is forgotten; zero: never
	// inherit has a newcomer go on from the count of the key that it pushed out.
	// Counts are then too high and never too low: who has more keys than there
	// are places cannot begin anew with each (Space-Saving, of Metwally, Agrawal
	// and El Abbadi, 2005).
	inherit bool

	all   map[K]*list.Element
	ranks [topRank + 1]list.List // of *record[K] by count, the stalest first
}

// topRank is the count from which one is as high as another.
const topRank = 9

// A record is what a tally knows of a key.
type record[K comparable] struct {
	key   K
	count int
	last  time.Time // when it was last counted
}

func (r *record[K]) rank() int { return min(r.count, topRank) }

func newTally[K comparable](max int, keep time.Duration, inherit bool) tally[K] {
	return tally[K]{max: max, keep: keep, inherit: inherit, all: make(map[K]*list.Element)}
}

// of returns what is known of a key, the zero record when that is nothing.
func (t *tally[K]) of(now time.Time, key K) record[K] {
	if e, ok := t.all[key]; ok {
		if r := e.Value.(*record[K]); !t.forgotten(now, r) {
			return *r
		}
	}
	return record[K]{}
}

// add counts one more for a key.
func (t *tally[K]) add(now time.Time, key K) {
	t.forget(now)
	r := t.of(now, key)
	if e, ok := t.all[key]; ok {
		t.remove(e)
	} else if len(t.all) >= t.max {
		out := t.remove(t.lowest())
		if t.inherit {
			r.count = out.rank()
		}
	}
	t.place(&record[K]{key, r.count + 1, now})
}

// sub takes n from the count of a key, which is forgotten when none is left.
func (t *tally[K]) sub(key K, n int) {
	e, ok := t.all[key]
	if !ok || n == 0 {
		return
	}
	if r := t.remove(e); r.count > n {
		r.count -= n
		t.place(r)
	}
}

// each calls fn for every key that is not forgotten, in no order.
func (t *tally[K]) each(now time.Time, fn func(record[K])) {
	for _, e := range t.all {
		if r := e.Value.(*record[K]); !t.forgotten(now, r) {
			fn(*r)
		}
	}
}

func (t *tally[K]) forgotten(now time.Time, r *record[K]) bool {
	return t.keep > 0 && now.Sub(r.last) >= t.keep
}

// forget makes room. What sub has moved may be late to go; of knows better.
func (t *tally[K]) forget(now time.Time) {
	for i := range t.ranks {
		for e := t.ranks[i].Front(); e != nil && t.forgotten(now, e.Value.(*record[K])); e = t.ranks[i].Front() {
			t.remove(e)
		}
	}
}

// lowest returns who goes first; the tally is not empty.
func (t *tally[K]) lowest() *list.Element {
	rank := 0
	for t.ranks[rank].Len() == 0 {
		rank++
	}
	return t.ranks[rank].Front()
}

func (t *tally[K]) place(r *record[K]) {
	t.all[r.key] = t.ranks[r.rank()].PushBack(r)
}

func (t *tally[K]) remove(e *list.Element) *record[K] {
	r := e.Value.(*record[K])
	t.ranks[r.rank()].Remove(e)
	delete(t.all, r.key)
	return r
}
