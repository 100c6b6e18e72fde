package gre

import (
	"time"

	"sitebridge/internal/packet"
)

const (
	// maxAhead bounds how far one packet moves the receive window. A packet
	// further away, either way, is not believed until others confirm it: an
	// attacker who guessed the call ID must not make the peer's own packets
	// "late" by one forged number (RFC 2637 has no secret to stop him).
	maxAhead = 512
	// confirmations is how many packets in a row, each a little after the one
	// before and none inside the window between them, move the window far.
	confirmations = 4
	// settled is how long nothing may have come inside the window before it is
	// moved far back. A path that changes delivers old packets for a moment, in
	// a row; a peer that began its numbers anew goes on for ever.
	settled = time.Second
	// newBeginning is so far ahead that no loss explains it: the peer counts anew.
	newBeginning = 1 << 20
	// minFrame is the shortest PPP frame that can mean anything: with the
	// address, control and protocol fields compressed away as far as they go,
	// three octets behind the protocol are the least that any protocol has.
	minFrame = 4
)

// after reports whether sequence number a comes after b, across the wrap.
func after(a, b uint32) bool { return int32(a-b) > 0 }

// A window puts received packets into order (RFC 2637, section 4.3). It reads no
// clock and holds no lock. Frames that are due are appended to ready, in order;
// whoever delivered them calls recycle.
type window struct {
	size     int           // packets held back at most; 0: no reordering
	patience time.Duration // how long a packet is held back at most

	begun   bool
	last    uint32 // the highest number delivered or given up
	highest uint32 // the highest number received, which is what we acknowledge
	alive   time.Time
	far     struct { // the run of packets far from the window
		last uint32
		n    int
	}

	given   given  // up
	held    []slot // ring by number; nil until the first packet is held
	waiting int    // slots in use

	ready []*packet.Buffer
	owned []*packet.Buffer // those of ready that are our copies

	tally tally
}

// A slot holds one packet that came before its turn.
type slot struct {
	seq  uint32
	at   time.Time
	copy *packet.Buffer // nil: free
}

// A tally counts what became of packets since it was last collected.
type tally struct {
	packets, octets, lost, late, duplicate, reordered, held, far, resyncs, short, shed uint64
}

// init sets the limits, of a window that holds nothing.
func (w *window) init(packets int, patience time.Duration) {
	w.size, w.patience, w.held = packets, patience, nil
}

// accept takes the frame of packet seq, which it copies if it must wait. A nil frame has
// been dropped for want of time: nothing is delivered, and its number is not missed.
func (w *window) accept(seq uint32, frame *packet.Buffer, now time.Time) {
	if !w.begun { // any number may be the first
		w.begun, w.last, w.highest = true, seq-1, seq-1
		w.given.all()
	}
	ahead := int(int32(seq - w.last))
	if limit := max(maxAhead, w.size+1); ahead > limit || ahead < -limit {
		if !w.resync(seq, ahead < 0, now) {
			w.tally.far++
			return
		}
		ahead = 1
	}
	if ahead <= 0 || w.slot(seq).holds(seq) {
		if ahead <= 0 && w.given.late(seq, ahead) {
			w.tally.late++
		} else {
			w.tally.duplicate++
		}
		return
	}
	w.alive, w.far.n = now, 0
	switch {
	case frame == nil:
		w.tally.shed++
	case frame.Len() < minFrame: // its number counts all the same
		w.tally.short++
	}
	if after(seq, w.highest) {
		w.highest = seq
	} else {
		w.tally.reordered++
	}
	if ahead > w.size+1 { // the oldest gap is out of reach
		w.giveUp(seq - uint32(w.size) - 1)
	}
	if w.last+1 == seq {
		w.last = seq
		w.given.note(seq, false)
		w.emit(frame)
		w.drain()
		return
	}
	w.hold(seq, frame, now)
}

// resync decides about a packet far from the window and reports whether the
// window now stands right before it.
func (w *window) resync(seq uint32, back bool, now time.Time) bool {
	if step := seq - w.far.last; w.far.n > 0 && 0 < step && step <= uint32(w.size)+1 {
		w.far.n++
	} else {
		w.far.n = 1
	}
	w.far.last = seq
	if w.far.n < confirmations || back && now.Sub(w.alive) < settled {
		return false
	}
	w.flush()
	if gap := int32(seq - 1 - w.last); !back && gap < newBeginning {
		w.tally.lost += uint64(gap)
	}
	w.last, w.highest = seq-1, seq-1
	w.given.all()
	w.tally.resyncs++
	return true
}

// hold keeps a copy of frame until the gap before it is closed or given up.
func (w *window) hold(seq uint32, frame *packet.Buffer, now time.Time) {
	if w.held == nil {
		w.held = make([]slot, ringLen(w.size))
	}
	c := packet.Get()
	if frame != nil {
		c.Set(frame.Bytes())
	}
	*w.slot(seq) = slot{seq: seq, at: now, copy: c}
	w.waiting++
	w.tally.held++
}

// giveUp moves the window to number to, and on to the next gap.
func (w *window) giveUp(to uint32) {
	for after(to, w.last) {
		w.last++
		came := w.release(w.last)
		w.given.note(w.last, !came)
		if !came {
			w.tally.lost++
		}
	}
	w.drain()
}

// drain delivers what is held without a gap behind last.
func (w *window) drain() {
	for w.waiting > 0 && w.release(w.last+1) {
		w.last++
		w.given.note(w.last, false)
	}
}

// flush delivers all that is held, gaps or not.
func (w *window) flush() {
	if w.waiting > 0 {
		w.giveUp(w.highest)
	}
}

// release makes the copy of packet seq ready, if it is held.
func (w *window) release(seq uint32) bool {
	s := w.slot(seq)
	if !s.holds(seq) {
		return false
	}
	w.owned = append(w.owned, s.copy)
	w.emit(s.copy)
	s.copy = nil
	w.waiting--
	return true
}

func (w *window) emit(frame *packet.Buffer) {
	if frame == nil || frame.Len() < minFrame {
		return
	}
	w.tally.packets++
	w.tally.octets += uint64(frame.Len())
	w.ready = append(w.ready, frame)
}

// deadline returns when expire has something to do, if nothing else happens.
func (w *window) deadline() (at time.Time, ok bool) {
	if w.waiting == 0 {
		return at, false
	}
	for i := range w.held {
		if s := &w.held[i]; s.copy != nil && (!ok || s.at.Before(at)) {
			at, ok = s.at, true
		}
	}
	return at.Add(w.patience), ok
}

// expire gives up the gaps before each packet that has waited long enough.
func (w *window) expire(now time.Time) {
	if w.waiting == 0 {
		return
	}
	to := w.last
	for i := range w.held {
		s := &w.held[i]
		if s.copy != nil && now.Sub(s.at) >= w.patience && after(s.seq, to) {
			to = s.seq
		}
	}
	w.giveUp(to)
}

// recycle forgets the frames of ready after they were delivered.
func (w *window) recycle() {
	for _, b := range w.owned {
		packet.Put(b)
	}
	clear(w.owned)
	clear(w.ready)
	w.owned, w.ready = w.owned[:0], w.ready[:0]
}

// slot returns the slot for number seq, nil when nothing was ever held.
func (w *window) slot(seq uint32) *slot {
	if w.held == nil {
		return nil
	}
	return &w.held[seq&uint32(len(w.held)-1)]
}

func (s *slot) holds(seq uint32) bool { return s != nil && s.copy != nil && s.seq == seq }

// ringLen rounds up to a power of two: only those divide 2^32, so that the ring
// keeps its order across the wrap.
func ringLen(n int) int {
	r := 1
	for r < n {
		r *= 2
	}
	return r
}
