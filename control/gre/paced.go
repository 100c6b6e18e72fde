package gre

import (
	"time"

	"sitebridge/internal/packet"
)

// maxQueue is how many frames wait for room in the peer's window.
const maxQueue = 2 * packet.BatchLen

// A queue holds our copies of frames, in order.
type queue struct {
	frames []*packet.Buffer
	df     []bool // of each frame
}

// add reports false when the queue is full.
func (q *queue) add(frame *packet.Buffer, df bool) bool {
	if len(q.frames) == maxQueue {
		return false
	}
	b := packet.Get()
	b.Set(frame.Bytes())
	q.frames, q.df = append(q.frames, b), append(q.df, df)
	return true
}

// run returns how many frames at the front, at most limit, share their df.
func (q *queue) run(limit int) int {
	n := 1
	for n < min(limit, len(q.df)) && q.df[n] == q.df[0] {
		n++
	}
	return n
}

// drop takes n frames off the front.
func (q *queue) drop(n int) {
	for _, b := range q.frames[:n] {
		packet.Put(b)
	}
	rest := copy(q.frames, q.frames[n:])
	copy(q.df, q.df[n:])
	clear(q.frames[rest:])
	q.frames, q.df = q.frames[:rest], q.df[:rest]
}

// paced sends what the peer's window has room for (RFC 2637, section 4.2) and
// queues the rest, behind what is queued already.
func (c *Channel) paced(frames []*packet.Buffer, df bool) error {
	now := time.Now()
	c.drain(now)
	var err error
	if len(c.tx.queue.frames) == 0 {
		n := min(len(frames), c.flow.room(now))
		err = c.transmit(frames[:n], df, now)
		frames = frames[n:]
	}
	for i, frame := range frames {
		if !c.tx.queue.add(frame, df) {
			c.counters.windowFull.Add(uint64(len(frames) - i))
			break
		}
	}
	c.drain(now) // sets the alarm, too
	return err
}

// drain sends from the queue while there is room, then sets the alarm for what
// is left. What fails is counted: its sender is not there any more to be told.
func (c *Channel) drain(now time.Time) {
	q := &c.tx.queue
	for len(q.frames) > 0 {
		room := c.flow.room(now)
		if room == 0 {
			break
		}
		n := q.run(room)
		_ = c.transmit(q.frames[:n], q.df[0], now)
		q.drop(n)
	}
	if at, flying := c.flow.timeout(); flying && len(q.frames) > 0 {
		c.tx.alarm.set(at, now)
	}
}

// resume is drain for the receive loop, when the peer has acknowledged something.
func (c *Channel) resume(now time.Time) {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if !c.tx.closed {
		c.drain(now)
	}
}

// txAlarm runs when the peer may have let the pacer's time-out pass.
func (c *Channel) txAlarm() {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	c.tx.alarm.rang()
	if !c.tx.closed {
		c.drain(time.Now())
	}
}
