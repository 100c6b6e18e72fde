package tap

import (
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxKept is how many packets of negotiating a Board keeps: two or three attempts.
	maxKept = 96
	// moreKept is for how many more there is room when one more comes.
	moreKept = 16
	// maxBeginning is how much of each, in octets. Only certificates are longer.
	maxBeginning = 256
)

// A Board is where the packets of one site's calls can be seen. The zero Board is
// ready.
type Board struct {
	audience atomic.Pointer[audience] // nil: nobody looks; replaced, never changed

	mu     sync.Mutex // guards recent, changes of audience, and the order of what is negotiated
	recent []memo     // what was negotiated last, the oldest first
}

// An audience is those who look.
type audience struct {
	layers Layer // at these, taken together
	all    []*Looker
}

// A Looker is somebody who looks at a Board. Packets wait for it in a queue; those
// that find it full are lost to it, and counted.
type Looker struct {
	C      <-chan Packet // never closed
	board  *Board
	layers Layer
	talk   bool // only what is part of negotiating
	queue  chan Packet
	seen   atomic.Uint64
	lost   atomic.Uint64
}

// Watched reports whether somebody looks.
func (b *Board) Watched() bool { return b.audience.Load() != nil }

// Look begins to look at all packets of some layers.
func (b *Board) Look(layers Layer, queue int) *Looker {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.admit(layers, false, queue)
}

// LookBack begins to look at what is negotiated, and returns what was negotiated
// before: nothing is missing between the two.
func (b *Board) LookBack(queue int) ([]Packet, *Looker) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var recent []Packet
	for i := range b.recent {
		recent = append(recent, b.recent[i].packet())
	}
	return recent, b.admit(Control|Link, true, queue)
}

// admit adds one who looks. b.mu is held.
func (b *Board) admit(layers Layer, talk bool, queue int) *Looker {
	c := make(chan Packet, queue)
	l := &Looker{C: c, board: b, layers: layers, talk: talk, queue: c}
	var all []*Looker
	if a := b.audience.Load(); a != nil {
		all = a.all
	}
	b.seat(append(slices.Clip(all), l))
	return l
}

// seat puts an audience in the place of another. b.mu is held.
func (b *Board) seat(all []*Looker) {
	if len(all) == 0 {
		b.audience.Store(nil)
		return
	}
	a := &audience{all: all}
	for _, l := range all {
		if l.talk {
			continue // add shows it what is negotiated whether the layer is watched or not
		}
		a.layers |= l.layers
	}
	b.audience.Store(a)
}

// Close ends the looking.
func (l *Looker) Close() {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	if a := l.board.audience.Load(); a != nil {
		l.board.seat(slices.DeleteFunc(slices.Clone(a.all), func(o *Looker) bool { return o == l }))
	}
}

// Counts returns how many packets there were to see, and how many of them the queue
// had no room for.
func (l *Looker) Counts() (seen, lost uint64) { return l.seen.Load(), l.lost.Load() }

// add shows a packet that is part of negotiating, and keeps its beginning.
func (b *Board) add(p Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.show(p)
	if p.chatter() {
		return
	}
	if len(b.recent) == maxKept {
		b.recent = slices.Delete(b.recent, 0, 1)
	}
	if len(b.recent) == cap(b.recent) {
		b.recent = append(make([]memo, 0, cap(b.recent)+moreKept), b.recent...)
	}
	var like *ends
	if n := len(b.recent); n > 0 {
		like = b.recent[n-1].ends
	}
	p = p.beginning()
	b.recent = append(b.recent, remember(&p, like))
}

// show hands a packet to all who want it.
func (b *Board) show(p Packet) {
	a := b.audience.Load()
	if a == nil {
		return
	}
	for _, l := range a.all {
		if l.layers&p.Layer != 0 && (!l.talk || p.talk()) {
			l.take(p)
		}
	}
}

func (l *Looker) take(p Packet) {
	l.seen.Add(1)
	select {
	case l.queue <- p:
	default:
		l.lost.Add(1)
	}
}
