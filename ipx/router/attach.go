package router

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/fastpath"
	"sitebridge/ipx/policy"
)

// An Interface carries IPX packets without framing to the next node: one frame
// type of a LAN, or a PPP link, which ignores dst. It may change the packets in
// place and keeps none. Several goroutines call Send at once, and for a moment
// after Detach packets may still come.
type Interface interface {
	Send(dst ipx.Node, pkts []*packet.Buffer) error
}

// A Kind says what is at the other side of an attachment, and so whom it
// believes.
type Kind uint8

const (
	// LAN is one frame type of a wire with many stations. Routes and services
	// that its servers announce are learned.
	LAN Kind = iota
	// Link is a point-to-point link to another router. What comes from it must
	// come from a network behind it.
	Link
	// Workstation is a point-to-point link to one node, the only one that may
	// speak there.
	Workstation
)

var kinds = [...]string{"lan", "link", "workstation"}

// String returns the kind in one word.
func (k Kind) String() string { return kinds[k] }

// MarshalText is String, for JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Kind) UnmarshalText(text []byte) error {
	i := slices.Index(kinds[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no kind of attachment", text)
	}
	*k = Kind(i)
	return nil
}

// Ticks of an attachment that states none: 1 for a LAN, and for a link what
// Cisco routers take for a WAN.
const (
	lanTicks  = 1
	linkTicks = 6
)

// updatePeriod is how often everything is announced, when nothing else is said.
const updatePeriod = 60 * time.Second

// An Attachment describes a wire or link to Attach.
type Attachment struct {
	Name string
	Kind Kind
	// Site is whose link it is: what is behind it is held under this name, and
	// two attachments of one site are one neighbour.
	Site string
	// Network is the number of the wire. Zero: unknown yet on a LAN, whose
	// number is then learned; an unnumbered link otherwise.
	Network ipx.Network
	Learn   bool     // LAN: find Network out
	Node    ipx.Node // our own node there
	Peer    ipx.Node // Workstation: its node
	Ticks   uint16   // 1/18 s that a packet takes; zero: 1 for a LAN, 6 for a link
	MTU     int      // longest packet; zero: 1500
	Send    Interface

	Exchange Exchange
	Update   time.Duration // between full announcements; zero: 60 s
	Limits   policy.Limits // what is believed and told there
	Gate     *policy.Gate  // what may cross a link; nil: all
	// NetBIOS says whether packets of type 20 come from here and go here.
	NetBIOS policy.Propagation
	Nearest policy.Nearest
	// NearestDelay is how long Get Nearest Server waits for its answer, so that
	// others can be faster.
	NearestDelay time.Duration
	// NotNearest keeps the services behind it out of answers to Get Nearest Server.
	NotNearest bool
	// Hold is how long what is behind a link stays known after Detach.
	Hold time.Duration
	// Watchdog answers for the far end while it is held; nil: nobody does.
	Watchdog Watchdog
	Routes   []Route   // static, behind it
	Services []Service // static
}

// An Attached is a wire or link in use.
type Attached struct {
	cfg     Attachment
	router  *Router
	face    atomic.Pointer[face]
	gate    *gate
	count   counters
	nodes   fastpath.Map[ipx.Node, *sighting] // LAN: stations heard
	claims  claims
	idle    atomic.Bool // see SetIdle
	refused time.Time   // Run: when the number that was found out was last refused
	alone   []*Attached // it, and no other

	// What router.mu guards. The fast path reads face.
	network    ipx.Network
	node       ipx.Node
	ticks      uint16
	exchange   Exchange
	told       [bases]int  // candidates learned there
	shadowed   bool        // its peer told of a network that was our own
	memories   [bases]int  // those of them that were taken back since
	missed     [bases]bool // something that it told was not learned
	neighbours map[ipx.Node]*neighbour
	started    bool // its neighbours may have heard of something
	initiation initiation
	rip        stream[ipx.Network]
	sap        stream[serviceKey]
	changing   *triggering // with ExchangeTriggered
	asking     *collection // by Ask

	own Inlet // of who calls Input
}

// A face is what forwarding knows of an attachment. It does not change.
type face struct {
	at      *Attached
	kind    Kind
	network ipx.Network
	node    ipx.Node
	mtu     int
	out     Interface
}

// A target is where a packet leaves: by which face, to which node there.
type target struct {
	face *face
	node ipx.Node
}

// fill sets what an Attachment leaves out.
func (cfg *Attachment) fill() {
	if cfg.Ticks == 0 {
		cfg.Ticks = linkTicks
		if cfg.Kind == LAN {
			cfg.Ticks = lanTicks
		}
	}
	cfg.MTU = cmp.Or(cfg.MTU, ipx.MaxLen)
	cfg.Update = cmp.Or(cfg.Update, updatePeriod)
}

// Attach takes a wire or link into use. The error is a *DuplicateError when its
// number is another's.
func (r *Router) Attach(cfg Attachment) (*Attached, error) {
	cfg.fill()
	if cfg.Network != ipx.ThisNetwork && !cfg.Network.Assignable() {
		return nil, fmt.Errorf("network %v cannot be the number of a wire", cfg.Network)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.free(cfg.Network, nil); err != nil {
		return nil, err
	}
	a := &Attached{
		cfg: cfg, router: r, node: cfg.Node, ticks: cfg.Ticks, exchange: exchangeOf(&cfg), gate: newGate(cfg.Gate),
		neighbours: make(map[ipx.Node]*neighbour),
	}
	a.alone, a.own.Attached = []*Attached{a}, a
	now := time.Now()
	r.attached = append(r.attached, a)
	a.rename(cfg.Network, now)
	r.takeOver(a, now)
	r.setStatic(a, cfg.Routes, cfg.Services, now)
	r.publish()
	r.settle(now)
	a.start(now)
	return a, nil
}

// rename gives the wire its number, zero for none, of which the candidate is our
// own. r.mu is held; settle and publish must follow.
func (a *Attached) rename(n ipx.Network, now time.Time) {
	r := a.router
	if old := r.routes.entries[a.network]; old != nil {
		r.routes.remove(old, func(c *candidate) bool { return c.at == a && c.origin == originOwn })
	}
	if a.cfg.Kind == Link && a.network != ipx.ThisNetwork {
		r.retire(a.network, now)
	}
	a.network = n
	r.unshadow()
	if n != ipx.ThisNetwork {
		r.routes.tell(n, candidate{at: a, origin: originOwn, ticks: a.wireTicks()}, now)
		r.routes.remove(r.routes.entries[n], func(c *candidate) bool {
			if c.origin == originLearned && c.at != nil {
				c.at.shadowed = true
			}
			return c.origin == originLearned
		})
	}
	a.refresh()
}

// wireTicks is what we say of our own number: of a link's one more than the least, by
// which others can tell it from a LAN.
func (a *Attached) wireTicks() uint16 {
	if a.cfg.Kind == Link {
		return max(a.ticks, lanTicks+1)
	}
	return a.ticks
}

// unshadow lets the peers that told of one of our numbers be asked for it, now that
// it may be ours no longer. r.mu is held.
func (r *Router) unshadow() {
	for _, a := range r.attached {
		if a.shadowed {
			a.shadowed, a.missed[ofRoutes] = false, true
		}
	}
}

// refresh makes a new face. r.mu is held.
func (a *Attached) refresh() {
	a.face.Store(&face{at: a, kind: a.cfg.Kind, network: a.network, node: a.node, mtu: a.cfg.MTU, out: a.cfg.Send})
}

// Detach takes the wire or link out of use. What was known behind it is held for
// a while, if it was attached so, or forgotten. A second call does nothing.
func (a *Attached) Detach() {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.attached, a) {
		return
	}
	now := time.Now()
	r.attached = slices.DeleteFunc(r.attached, func(other *Attached) bool { return other == a })
	a.face.Store(nil)
	clear(r.nearest)
	if n := r.routes.entries[a.network]; n != nil {
		r.routes.remove(n, func(c *candidate) bool { return c.at == a && c.origin == originOwn })
	}
	if a.cfg.Kind == Link && a.network != ipx.ThisNetwork {
		r.retire(a.network, now)
	}
	r.unshadow()
	r.hold(a, now)
	r.publish()
	r.settle(now)
}

// SetNetwork changes the number of the wire or link. What was learned under the
// old one is forgotten.
func (a *Attached) SetNetwork(n ipx.Network) error {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.free(n, a); err != nil {
		return err
	}
	if n == a.network || a.face.Load() == nil {
		return nil
	}
	now := time.Now()
	r.forget(a)
	a.rename(n, now)
	r.publish()
	r.settle(now)
	a.start(now)
	return nil
}

// forget drops what was learned on a. r.mu is held; settle must follow.
func (r *Router) forget(a *Attached) {
	r.routes.each(func(_ *entry[ipx.Network], c *candidate) bool { return c.at != a || c.origin != originLearned })
	r.services.each(func(_ *entry[serviceKey], c *candidate) bool { return c.at != a || c.origin != originLearned })
	a.neighbours = make(map[ipx.Node]*neighbour)
}

// SetNode changes our own node, when an interface came back with another MAC
// address. The neighbours hear of it at once: they know us by it.
func (a *Attached) SetNode(node ipx.Node) {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if node != a.node && a.face.Load() != nil {
		a.node = node
		a.refresh()
		r.publish()
		a.start(time.Now())
	}
}

// SetTicks says how long the wire or link takes, once that was measured. Changes
// of ticks alone are told with the next full announcement, and at once to those who
// get none.
func (a *Attached) SetTicks(ticks uint16) {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if ticks = max(ticks, 1); ticks == a.ticks || a.face.Load() == nil {
		return
	}
	a.ticks = ticks
	now := time.Now()
	if a.network != ipx.ThisNetwork {
		r.routes.tell(a.network, candidate{at: a, origin: originOwn, ticks: a.wireTicks()}, now)
	}
	r.routes.each(func(e *entry[ipx.Network], c *candidate) bool {
		if news := max(c.said, a.floor()); c.at == a && c.origin == originLearned && c.ticks != news {
			c.ticks = news
			r.routes.touch(e)
		}
		return true
	})
	r.settle(now)
	if a.changing != nil {
		a.changing.retell(now)
	}
}

// SetIdle says whether a demand link is down because nobody needs it. What is behind
// it stays known as it was, watchdogs are answered as for a link that is held, and all
// else is still sent: its Interface keeps what is worth a call.
func (a *Attached) SetIdle(idle bool) { a.idle.Store(idle) }

// Name returns the name that the attachment was given.
func (a *Attached) Name() string { return a.cfg.Name }

// Network returns the number of the wire or link, zero while it has none.
func (a *Attached) Network() ipx.Network {
	if f := a.face.Load(); f != nil {
		return f.network
	}
	return ipx.ThisNetwork
}
