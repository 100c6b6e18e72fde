package bridge

import (
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/clock"
	"sitebridge/internal/packet"
)

// What may wait for a call: a first packet of each of a few hosts, not a transfer.
const (
	maxHeldPackets = 64
	maxHeldOctets  = 64 << 10
	maxHeldTime    = 10 * time.Second
	// peerReady is how long a peer takes to make use of a network protocol that has
	// just come up: what comes before that it drops. pppd configures its interface
	// then, and with us the last acknowledgement is still in the queue.
	peerReady = 100 * time.Millisecond
)

// A carry takes packets to the peer, as ppp.Link.Send does.
type carry func(protocol uint16, pkts []*packet.Buffer, df bool) error

// A dormant is the link of a demand site as a network layer sees it, whether there is
// a call or not. While there is none, it keeps the first packets that count, and asks
// for a call; the call gets them first, in their order. It is safe for concurrent use.
type dormant struct {
	d      *demand
	counts func(pkt []byte) bool
	words  func(pkt []byte) Woken
	// complain tells the senders of packets that these go nowhere; nil: nobody is told.
	complain func([]*packet.Buffer)

	link atomic.Pointer[carry] // nil: there is no call
	mu   sync.Mutex            // guards what follows, and keeps the order when link is set
	soon *time.Timer           // runs when there is a call that is not used yet
	held []heldPacket
	size int // of held, in octets
	kept uint64
	drop DemandDrops
}

type heldPacket struct {
	pkt      *packet.Buffer // ours
	at       time.Time
	protocol uint16
	df       bool
}

// DemandDrops counts packets of a demand site that went no further, by reason.
type DemandDrops struct {
	// Ignored did not count, and there was no call.
	Ignored uint64 `json:"ignored"`
	// Overflow had to go for newer ones: too many waited.
	Overflow uint64 `json:"overflow"`
	// Expired waited too long.
	Expired uint64 `json:"expired"`
	// DialFailed waited for a call that did not come about.
	DialFailed uint64 `json:"dial_failed"`
	// OutsideHours came when the site may not dial.
	OutsideHours uint64 `json:"outside_hours"`
	// NoDial came for a site that only the peer can call.
	NoDial uint64 `json:"no_dial"`
	// Stopped came for a site that its operator stopped.
	Stopped uint64 `json:"stopped"`
	// LinkRefused were kept, and the call did not take them.
	LinkRefused uint64 `json:"link_refused"`
}

// Send carries packets, or keeps those that count.
func (w *dormant) Send(protocol uint16, pkts []*packet.Buffer, df bool) error {
	if c := w.link.Load(); c != nil {
		w.note(pkts)
		return (*c)(protocol, pkts, df)
	}
	w.mu.Lock()
	c := w.link.Load()
	if c == nil {
		w.keep(protocol, pkts, df)
	}
	w.mu.Unlock()
	if c == nil {
		return nil
	}
	w.note(pkts)
	return (*c)(protocol, pkts, df)
}

// note takes notice of packets that cross while there is a call. When something
// counted a moment ago, it does not look.
func (w *dormant) note(pkts []*packet.Buffer) {
	now := clock.Now()
	if now-w.d.traffic.Load() < int64(w.d.coarse) {
		return
	}
	for _, p := range pkts {
		if w.counts(p.Bytes()) {
			w.d.traffic.Store(now)
			return
		}
	}
}

// keep keeps packets for a call. w.mu is held.
func (w *dormant) keep(protocol uint16, pkts []*packet.Buffer, df bool) {
	now := time.Now()
	w.expire(now)
	asked := false
	for _, p := range pkts {
		if !w.counts(p.Bytes()) {
			w.drop.Ignored++
			continue
		}
		if len(w.held) == 0 {
			w.d.woke(w.words(p.Bytes()), now)
		}
		c := packet.Get()
		c.Set(p.Bytes())
		w.held = append(w.held, heldPacket{c, now, protocol, df})
		w.size += c.Len()
		w.kept++
		asked = true
	}
	for len(w.held) > maxHeldPackets || w.size > maxHeldOctets {
		w.forget(1, &w.drop.Overflow)
	}
	if asked {
		w.d.ask()
	}
}

// expire drops what has waited too long. w.mu is held.
func (w *dormant) expire(now time.Time) {
	n := 0
	for n < len(w.held) && now.Sub(w.held[n].at) >= maxHeldTime {
		n++
	}
	w.forget(n, &w.drop.Expired)
}

// forget drops the first n packets. w.mu is held.
func (w *dormant) forget(n int, why *uint64) {
	for _, h := range w.held[:n] {
		w.size -= h.pkt.Len()
		packet.Put(h.pkt)
	}
	*why += uint64(n)
	if w.held = w.held[n:]; len(w.held) == 0 {
		w.held = nil // an idle site holds no memory
	}
}

// connect gives w its call. What was kept waits for a moment more, and what comes
// meanwhile behind it.
func (w *dormant) connect(c carry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.soon != nil {
		w.soon.Stop()
	}
	if len(w.held) == 0 {
		w.open(c)
		return
	}
	var soon *time.Timer
	soon = time.AfterFunc(peerReady, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.soon == soon { // no disconnect came between
			w.open(c)
		}
	})
	w.soon = soon
}

// open lets packets to the call, which gets first what was kept. w.mu is held.
func (w *dormant) open(c carry) {
	w.soon = nil
	w.expire(time.Now())
	for _, h := range w.held {
		if c(h.protocol, []*packet.Buffer{h.pkt}, h.df) != nil {
			w.drop.LinkRefused++
		}
		packet.Put(h.pkt)
	}
	w.held, w.size = nil, 0
	w.link.Store(&c)
}

// disconnect takes the call away.
func (w *dormant) disconnect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.soon != nil {
		w.soon.Stop()
		w.soon = nil
	}
	w.link.Store(nil)
}

// giveUp drops all that was kept, for a reason, and tells the senders.
func (w *dormant) giveUp(why func(*DemandDrops) *uint64) {
	w.mu.Lock()
	held := w.held
	w.held, w.size = nil, 0
	*why(&w.drop) += uint64(len(held))
	w.mu.Unlock()
	if w.complain != nil && len(held) > 0 {
		pkts := make([]*packet.Buffer, len(held))
		for i, h := range held {
			pkts[i] = h.pkt
		}
		w.complain(pkts)
	}
	for _, h := range held {
		packet.Put(h.pkt)
	}
}

// waiting reports whether something is kept.
func (w *dormant) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expire(time.Now())
	return len(w.held) > 0
}
