package bridge

import (
	"slices"
	"sync"
	"time"
)

// A chore is something that a session has to do now and then. Chores are bits.
type chore uint8

const (
	choreHint    chore = 1 << iota // suspect the carrier, when nothing has come in
	choreMTU                       // look what fits the path
	choreKeep                      // put back what somebody took from the kernel
	choreLocate                    // find out how far the peer is
	choreAstray                    // our end of the path is lost
	choreExpired                   // a certificate may be past its date

	// choreRound is what is done from time to time.
	choreRound = choreMTU | choreKeep | choreLocate
)

// chores are done one after the other by a goroutine that begins with the first and ends
// with the last: a hub has thousands of sessions, and a goroutine that waits holds 4 KiB
// of stack. What is asked for twice before it is begun is done once.
type chores struct {
	do func(chore) // of one or more

	mu      sync.Mutex // guards what follows
	due     chore
	working bool
	closed  bool
	alarms  []alarm
	running sync.WaitGroup
}

// An alarm asks for chores.
type alarm struct {
	what chore
	*time.Timer
}

// ask has chores done. It does not wait, and may be called from any goroutine.
func (c *chores) ask(what chore) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.due |= what
	if !c.working {
		c.working = true
		c.running.Go(c.work)
	}
}

// after asks for chores when so much time has passed, and no longer when it was told to
// before.
func (c *chores) after(d time.Duration, what chore) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.alarms, func(a alarm) bool { return a.what == what })
	switch {
	case c.closed:
	case i >= 0:
		c.alarms[i].Reset(d)
	default:
		c.alarms = append(c.alarms, alarm{what, time.AfterFunc(d, func() { c.ask(what) })})
	}
}

func (c *chores) work() {
	for due := c.next(); due != 0; due = c.next() {
		c.do(due)
	}
}

// next takes what is due; 0: nothing, and the goroutine ends.
func (c *chores) next() chore {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := c.due
	c.due = 0
	if c.closed {
		due = 0
	}
	c.working = due != 0
	return due
}

// close lets nothing more begin, and returns when nothing is being done any more.
func (c *chores) close() {
	c.mu.Lock()
	c.closed = true
	for _, a := range c.alarms {
		a.Stop()
	}
	c.mu.Unlock()
	c.running.Wait()
}
