// Package thrift gives memory back to the host that nothing needs any more. The runtime
// keeps as much as its heap may grow by until the next collection, which is as much again
// as there is in use: a hub that has just taken a thousand calls would go on holding what
// their handshakes took.
package thrift

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// interval is how often Run looks.
	interval = 5 * time.Second
	// A collection of its own is worth its time where at least so many octets (a daemon of a
	// few sites has 6 MiB in use, and holds twice that after a fault), and so much
	// of what is in use, come free.
	minSpare  = 4 << 20
	spareOver = 4 // spare > used / spareOver
	// calm is how much may be allocated from one look to the next, as a part of what is in
	// use: who has work to do will want the memory in a moment.
	calmOver = 8
)

// Run looks until ctx ends.
func Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var k keeper
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if k.idle(look()) {
				debug.FreeOSMemory()
			}
		}
	}
}

// A use is what the runtime says of its memory, in octets.
type use struct {
	live      uint64 // what the last collection has found to be in use
	held      uint64 // taken from the host for the heap, and not given back
	allocated uint64 // in all, ever
}

// look asks the runtime, which stops nothing for it.
func look() use {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(s)
	return use{
		live:      s[0].Value.Uint64(),
		held:      s[1].Value.Uint64() + s[2].Value.Uint64() + s[3].Value.Uint64(),
		allocated: s[4].Value.Uint64(),
	}
}

// A keeper decides when memory is given back.
type keeper struct {
	before uint64 // allocated, at the last look
}

// idle reports whether much is held that nothing needs, and nobody is about to.
func (k *keeper) idle(u use) bool {
	grown := u.allocated - k.before
	k.before = u.allocated
	spare := max(u.held, u.live) - u.live
	return spare >= minSpare && spare > u.live/spareOver && grown < u.live/calmOver
}
