package router

import "sort"

// changes is what happened to the entries of a base, in order. Each stream reads
// it at its own pace: what changed twice before a stream came to it is told once.
type changes[K comparable] struct {
	list []change[K]
	seq  uint64 // of the last one
}

// A change is news of one entry. An entry's older changes count for nothing.
type change[K comparable] struct {
	e   *entry[K]
	seq uint64
	// bad news are only of interest to those who are told that it is down.
	bad bool
	// repeated ones were told before, and may have been lost.
	repeated bool
}

func (c *changes[K]) add(e *entry[K], bad bool) {
	c.seq++
	e.seq = c.seq
	c.list = append(c.list, change[K]{e: e, seq: c.seq, bad: bad})
}

// again adds bad news once more.
func (c *changes[K]) again(e *entry[K]) {
	c.add(e, true)
	c.list[len(c.list)-1].repeated = true
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
	if len(c.list) <= 2*entries+1000 {
		return
	}
	kept := make([]change[K], 0, entries)
	for _, n := range c.list {
		if n.e.seq == n.seq && !n.e.gone {
			kept = append(kept, n)
		}
	}
	c.list = kept
}
