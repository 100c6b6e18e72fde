package ppp

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ppp/fsm"
)

// ErrNotOpen is what Send returns while the network protocol is not up.
var ErrNotOpen = errors.New("ppp: network protocol is not open")

// queueLen is how many control packets may wait for Run. A peer that sends more
// than Run can take loses some, as on any line.
const queueLen = 64

// A Link is one end of a PPP link. Its methods may be called from any
// goroutine; what they share with Run is all here.
type Link struct {
	cfg   Config
	began time.Time // of the Link: what heard is counted from

	view     atomic.Pointer[view]
	status   atomic.Pointer[published]
	heard    atomic.Int64 // when the peer was last heard, in ns since began
	rtt      atomic.Int64 // of the last Echo-Reply, in ns
	counters counters

	queue     chan frame    // to Run; never closed
	outOfStep chan struct{} // to Run: the cipher waits for the peer; holds one
	unwanted  chan unwanted // to Run: layers to be closed; never closed
	sizes     chan *sized   // to Run: echoes of a size; never closed
	rulings   chan ruled    // to Run: answers to what an exchange has asked; never closed
	// sealing keeps encrypted packets in the order of their numbers.
	sealing sync.Mutex
	// What follows belongs to the caller of Receive: unknown limits what is queued
	// for a Protocol-Reject, sealed holds packets while they are decrypted.
	unknown limiter
	sealed  []*packet.Buffer

	closing, hungUp order
	broken          order // the cipher cannot go on
	unneeded        order // either of the first two was given
}

// An order is a message to Run that is given once, with a reason.
type order struct {
	once   sync.Once
	given  chan struct{} // closed by give, after reason was written
	reason string
}

func (o *order) give(reason string) {
	o.once.Do(func() {
		o.reason = reason
		close(o.given)
	})
}

// A frame is a packet for Run: a copy, from the pool, without frame header.
type frame struct {
	protocol uint16
	sealed   bool // it came encrypted
	*packet.Buffer
}

// NewLink makes a Link that does nothing until Run is called, but keeps control
// packets that come earlier.
func NewLink(cfg Config) *Link {
	l := &Link{
		cfg:     cfg.withDefaults(),
		began:   time.Now(),
		queue:   make(chan frame, queueLen),
		closing: order{given: make(chan struct{})},
		hungUp:  order{given: make(chan struct{})},
		broken:  order{given: make(chan struct{})},

		unneeded:  order{given: make(chan struct{})},
		outOfStep: make(chan struct{}, 1),
		unwanted:  make(chan unwanted, 8), // there are three layers
		sizes:     make(chan *sized),
		rulings:   make(chan ruled),
		unknown:   limiter{every: time.Second, burst: 8},
	}
	l.view.Store(&view{peerMRU: defaultMRU})
	l.status.Store(&published{Status: Status{LCP: fsm.Initial.String()}})
	return l
}

// Close ends the link with an orderly Terminate-Request that tells reason. Run
// returns when that is done. Only the first call counts.
func (l *Link) Close(reason string) {
	l.closing.give(reason)
	l.unneeded.give(reason)
}

// HangUp tells that the carrier is gone, and why. Run returns at once: there is
// nobody to say goodbye to. Only the first call counts.
func (l *Link) HangUp(reason string) {
	l.hungUp.give(reason)
	l.unneeded.give(reason)
}

// Unneeded is closed by Close and HangUp: whoever waits with Run for something need not
// wait any more.
func (l *Link) Unneeded() <-chan struct{} { return l.unneeded.given }

// An unwanted layer is to be closed.
type unwanted struct{ name, reason string }

// CloseLayer closes one network protocol by the name of its control protocol,
// such as "IPXCP", and lets the others go on. It is tried again later, as one
// that gave up. Of many orders at once some may be lost.
func (l *Link) CloseLayer(name, reason string) {
	select {
	case l.unwanted <- unwanted{name, reason}:
	default:
	}
}

// PeerMRU returns the longest packet, in octets of the information field, that
// the peer accepts.
func (l *Link) PeerMRU() int { return l.view.Load().peerMRU }

// hear notes that the peer is alive at now. 0 stays the mark of never.
func (l *Link) hear(now time.Time) { l.heard.Store(max(1, int64(now.Sub(l.began)))) }

func (l *Link) lastHeard() time.Time { return l.began.Add(time.Duration(l.heard.Load())) }
