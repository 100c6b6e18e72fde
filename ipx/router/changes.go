package router

import "sort"

// changes is what happened to the entries of a base, in order. Each stream reads
// it at its own pace: what changed twice before a stream came to it is told once.
type changes[K comparable] struct {
	list []change[K]
	seq  uint64 // of the last one
}

// A kind says who must hear of a change.
type kind uint8

const (
	// fresh is news for everybody.
	fresh kind = iota
	// repeated was told before, and may have been lost: for those who acknowledge
	// nothing.
	repeated
	// slight is what full announcements tell soon enough: for those who get none.
	slight
	changeKinds
)

// A change is news of one entry.
type change[K comparable] struct {
	e    *entry[K]
	seq  uint64
	kind kind
	// bad news are only of interest to those who are told that it is down.
	bad bool
}

func (c *changes[K]) add(e *entry[K], k kind, bad bool) {
	c.seq++
	e.last[k] = c.seq
	c.list = append(c.list, change[K]{e, c.seq, k, bad})
}

// counts reports whether there is nothing newer. What is repeated, or slight, takes
// nothing from what a slow stream has still to tell.
func (n *change[K]) counts() bool {
	return !n.e.gone && n.seq == n.e.last[n.kind] && n.seq >= n.e.last[fresh]
}

// after returns the index of the first change that comes after seq.
func (c *changes[K]) after(seq uint64) int {
	return sort.Search(len(c.list), func(i int) bool { return c.list[i].seq > seq })
}

// trim forgets what every stream has read, and what no longer counts.
func (c *changes[K]) trim(read uint64, entries int) {
	if i := c.after(read); i == len(c.list) {
		c.list = nil
	} else if i > len(c.list)/2 {
		c.list = append([]change[K](nil), c.list[i:]...)
	}
	if len(c.list) <= int(changeKinds)*entries+1000 {
		return
	}
	kept := make([]change[K], 0, entries)
	for _, n := range c.list {
		if n.counts() {
			kept = append(kept, n)
		}
	}
	c.list = kept
}
