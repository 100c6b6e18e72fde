// Package fault decides what a bad line does to each frame: lose it, hold it back,
// change it, send it twice. It reads no clock and opens no socket: the time is
// passed in, and every chance is drawn from a seed, so that a failure can be
// repeated. internal/netlab carries the frames.
//
// What is no IP, such as ARP, passes as on a good line: a bad WAN is between the
// routers, and not on the cable to the first of them.
package fault

import (
	"math/rand/v2"
	"time"
)

// Faults is what is wrong with one direction of a line. The zero Faults is a good
// line. They are looked at in the order in which they stand here.
type Faults struct {
	Block Kinds // what does not pass at all
	// MTU is the longest IP packet; 0: any. A longer one is cut where it may be,
	// and else dropped, of which its sender is told (RFC 1191), but for a Silent line.
	MTU    int
	Silent bool
	Loss   float64 // the chance of each packet to be lost
	Burst  Burst   // losses that come together
	// Rate is bits a second; 0: no limit. What would wait for its turn longer than
	// Queue is dropped; 0: 100 ms.
	Rate  int
	Queue time.Duration
	// Delay is how long a packet is under way, Jitter by how much that is less or
	// more. Neither changes the order.
	Delay, Jitter time.Duration
	// Reorder is the chance of a packet to come Late later than it would, behind those
	// that were sent after it; 0: 5 ms.
	Reorder   float64
	Late      time.Duration
	Corrupt   float64 // the chance of one bit to be turned, behind the IP header
	Duplicate float64 // the chance to come twice
}

// Burst is the model of Gilbert and Elliott: a line that is good at times and bad
// at others. In the bad state it loses packets.
type Burst struct {
	Begin float64 // the chance to turn bad at a packet; 0: never
	End   float64 // the chance to turn good; 1/End is a burst's mean length
	Loss  float64 // the chance to be lost while it is bad; 0: all are
}

// A Delivery is a frame and when it comes out of the line. Back is one that
// returns to where the first came from.
type Delivery struct {
	At    time.Time
	Frame []byte
	Back  bool
}

// Stats counts what became of the frames.
type Stats struct {
	Seen       [kinds]uint64 // by Kind, before anything happened to them
	Delivered  uint64        // came out, each fragment and copy by itself
	Blocked    uint64
	TooLong    uint64
	Cut        uint64 // into fragments
	Lost       uint64
	LostBursts uint64 // lost in bursts
	Overflowed uint64
	Late       uint64
	Corrupted  uint64
	Duplicated uint64
}

// Each fault draws from a stream of its own, so that one more fault does not change
// what the others do.
const (
	ofLoss = iota
	ofBurst
	ofJitter
	ofReorder
	ofCorrupt
	ofDuplicate
	streams
)

const (
	defaultQueue = 100 * time.Millisecond
	defaultLate  = 5 * time.Millisecond
)

// A Line is one direction. It is not safe for use by several goroutines.
type Line struct {
	faults Faults
	chance [streams]*rand.Rand
	bad    bool      // Burst's state
	free   time.Time // Rate: when all that was accepted is sent
	last   time.Time // when the latest packet that keeps its order comes out
	stats  Stats
}

// NewLine returns a good line, which will draw its chances from the seed.
func NewLine(seed uint64) *Line {
	l := new(Line)
	for i := range l.chance {
		l.chance[i] = rand.New(rand.NewPCG(seed, uint64(i)))
	}
	return l
}

// Set changes what is wrong. What is under way stays so.
func (l *Line) Set(f Faults) { l.faults = f }

// Faults returns what is wrong now.
func (l *Line) Faults() Faults { return l.faults }

// Stats returns what became of the frames so far.
func (l *Line) Stats() Stats { return l.stats }

// Pass puts an Ethernet frame into the line and returns what comes out, and when.
// That may be the same octets.
func (l *Line) Pass(now time.Time, frame []byte) []Delivery {
	kind := KindOf(frame)
	l.stats.Seen[kind]++
	f := &l.faults
	switch {
	case kind == NotIP:
		return l.deliver(now, frame, nil)
	case f.Block.Has(kind):
		l.stats.Blocked++
		return nil
	case f.MTU > 0 && len(frame)-etherLen > f.MTU && ipLen(frame) > f.MTU:
		return l.tooLong(now, frame)
	}
	return l.one(now, frame, nil)
}

// tooLong is what happens to a packet that is longer than the MTU.
func (l *Line) tooLong(now time.Time, frame []byte) (out []Delivery) {
	if !mayCut(frame) {
		l.stats.TooLong++
		if back := needsCut(frame, l.faults.MTU); back != nil && !l.faults.Silent {
			out = []Delivery{{At: now, Frame: back, Back: true}}
		}
		return out
	}
	l.stats.Cut++
	for _, piece := range cut(frame, l.faults.MTU) {
		out = l.one(now, piece, out)
	}
	return out
}

// one decides about one packet that fits, and appends what comes out to out.
func (l *Line) one(now time.Time, frame []byte, out []Delivery) []Delivery {
	f := &l.faults
	switch {
	case l.hit(ofLoss, f.Loss):
		l.stats.Lost++
		return out
	case l.inBurst():
		l.stats.LostBursts++
		return out
	}
	at, ok := l.turn(now, len(frame))
	if !ok {
		l.stats.Overflowed++
		return out
	}
	at = l.order(at.Add(f.Delay + l.jitter()))
	whole := frame
	if l.hit(ofCorrupt, f.Corrupt) {
		l.stats.Corrupted++
		frame = turnBit(frame, l.chance[ofCorrupt])
	}
	out = l.deliver(at, frame, out)
	if l.hit(ofDuplicate, f.Duplicate) {
		l.stats.Duplicated++
		out = l.deliver(at, append([]byte(nil), whole...), out)
	}
	return out
}

func (l *Line) deliver(at time.Time, frame []byte, out []Delivery) []Delivery {
	l.stats.Delivered++
	return append(out, Delivery{At: at, Frame: frame})
}

// hit draws whether something with that chance happens. It draws also for a chance
// of 0, so that a fault that ends does not change what others like it do later.
func (l *Line) hit(stream int, chance float64) bool {
	return l.chance[stream].Float64() < chance
}

// inBurst moves between the two states of Burst, and draws whether the packet is lost.
func (l *Line) inBurst() bool {
	b, change := &l.faults.Burst, l.chance[ofBurst].Float64()
	switch {
	case b.Begin == 0:
		l.bad = false
	case l.bad && change < b.End, !l.bad && change < b.Begin:
		l.bad = !l.bad
	}
	return l.bad && (b.Loss == 0 || l.hit(ofBurst, b.Loss))
}

// turn is when a packet of n octets has left a line of limited rate.
func (l *Line) turn(now time.Time, n int) (at time.Time, ok bool) {
	f := &l.faults
	if f.Rate == 0 {
		return now, true
	}
	queue := f.Queue
	if queue == 0 {
		queue = defaultQueue
	}
	begin := now
	if l.free.After(now) {
		begin = l.free
	}
	if begin.Sub(now) > queue {
		return at, false
	}
	l.free = begin.Add(time.Duration(int64(n) * 8 * int64(time.Second) / int64(f.Rate)))
	return l.free, true
}

func (l *Line) jitter() time.Duration {
	return time.Duration((2*l.chance[ofJitter].Float64() - 1) * float64(l.faults.Jitter))
}

// order lets a packet come out behind those before it, or Late.
func (l *Line) order(at time.Time) time.Time {
	if at.Before(l.last) {
		at = l.last
	}
	if l.hit(ofReorder, l.faults.Reorder) {
		l.stats.Late++
		late := l.faults.Late
		if late == 0 {
			late = defaultLate
		}
		return at.Add(late)
	}
	l.last = at
	return at
}
