// Package router is route mode: it forwards IPX packets between wires and links
// by network number, and tells neighbours of networks and services by RIP and
// SAP.
//
// Forwarding runs in the goroutine of whoever received the packets, against
// tables behind atomic pointers: no lock, no allocation, one call per output and
// batch. (Where watchdogs are answered, NCP and SPX of that link take the lock of its
// table of sessions.) What is for the router itself, RIP, SAP and pings, is copied to a
// bounded queue for the one goroutine that owns the conversation, Run.
//
// A network or service may be known in several ways: as our own, by
// configuration, or by what neighbours announce on LANs and links. All are
// remembered, the best is used and announced, and when it goes the next best
// takes its place at once. What is behind a link that went can be held for a
// while.
//
// The rules are those of Novell's "IPX Router Specification" (part
// 107-000029-001), where the peers named in the comments do not force others.
package router

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
)

// Config is what a router is made of.
type Config struct {
	// InternalNetwork is a network inside the router itself, on which it is
	// node 000000000001; zero for none. Packets of type 20 cross unnumbered
	// links only when there is one.
	InternalNetwork ipx.Network
	// MaxNetworks and MaxServices bound what is known in all; zero: 16384.
	MaxNetworks, MaxServices int
	Log                      *slog.Logger // nil: none
}

const (
	// queueLen is how many packets may wait for Run; what comes on top is dropped
	// and counted.
	queueLen = 512
	// defaultMax bounds each table.
	defaultMax = 16384
	// formerly is how long a link's number is remembered after it went, and
	// maxFormer how many are.
	formerly  = 30 * time.Minute
	maxFormer = 1024
	// defaultLearned bounds what one attachment teaches.
	defaultLearned = 8192
)

// The two bases count what they hold for each attachment under these.
const (
	ofRoutes = iota
	ofServices
	bases
)

// A Router forwards IPX packets. All methods are safe for concurrent use.
type Router struct {
	log    *slog.Logger
	table  atomic.Pointer[table] // never nil; replaced by publish
	ways   forwarding
	queue  chan arrival // to Run; never closed
	pingID atomic.Uint32

	mu       sync.Mutex // guards what follows; never held while a packet is sent
	internal ipx.Network
	attached []*Attached // in the order of Attach
	routes   *base[ipx.Network]
	services *base[serviceKey]
	servers  index                     // services by the network that they are on
	holds    map[string]*holding       // by site
	former   map[ipx.Network]time.Time // numbers that links had, and when they went
	sockets  map[ipx.Socket]*Socket    // opened by the daemon itself
	clashes  map[clashKey]*clash
	nearest  map[nearestKey]*nearestChoice
	version  uint64   // of the tables; nearest rests on it
	outbox   []saying // for Run to send
}

// An arrival is something that Run must look at.
type arrival struct {
	at     *Attached
	pkt    *packet.Buffer // ours to give back; nil: Network was found out
	number ipx.Network    // what packets on at agree its number is; zero: our own RIP or SAP came back
	forged ipx.Addr       // whom a packet claimed to be from that is known elsewhere; zero: none
}

// New returns a router without wires. It forwards from its first Attach on, and
// answers while Run runs.
func New(cfg Config) *Router {
	r := &Router{
		log: cfg.Log,

		queue:    make(chan arrival, queueLen),
		internal: cfg.InternalNetwork,
		routes:   newBase(ofRoutes, cmp.Or(cfg.MaxNetworks, defaultMax), cmp.Compare[ipx.Network]),
		services: newBase(ofServices, cmp.Or(cfg.MaxServices, defaultMax), serviceKey.compare),
		holds:    make(map[string]*holding),
		former:   make(map[ipx.Network]time.Time),
		sockets:  make(map[ipx.Socket]*Socket),
		clashes:  make(map[clashKey]*clash),
		nearest:  make(map[nearestKey]*nearestChoice),
	}
	r.ways.factor = rand.Uint64() | 1
	r.routes.may = mayHearOfRoute
	r.routes.limit = func(a *Attached) int { return cmp.Or(a.cfg.Limits.MaxNetworks, defaultLearned) }
	r.services.may = mayHearOfService
	r.services.limit = func(a *Attached) int { return cmp.Or(a.cfg.Limits.MaxServices, defaultLearned) }
	r.services.usable = func(c *candidate) bool { return r.reach(c.addr.Network) != nil }
	r.services.also = func(c *candidate) *Attached { return r.reach(c.addr.Network).best.at }
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.internal != ipx.ThisNetwork {
		now := time.Now()
		r.routes.tell(r.internal, candidate{origin: originOwn, ticks: 1}, now)
		r.settle(now)
	}
	r.publish()
	return r
}

// reach returns the way to a network, the default route if no better is known,
// and nil if there is none. r.mu is held.
func (r *Router) reach(n ipx.Network) *entry[ipx.Network] {
	if e := r.routes.entries[n]; e != nil && e.up {
		return e
	}
	if e := r.routes.entries[ipx.DefaultRoute]; e != nil && e.up {
		return e
	}
	return nil
}

// settle makes changes of the bases effective: routes first, then the services
// that need them, then what forwarding knows. r.mu is held.
func (r *Router) settle(now time.Time) {
	if len(r.routes.touched)+len(r.services.touched) == 0 {
		return
	}
	r.version++
	before := r.routes.log.seq + r.services.log.seq
	r.routes.settle(now, func(e *entry[ipx.Network], was candidate, wasUp bool) {
		if e.up != wasUp || e.up && e.best.at != was.at {
			r.touchServices(e.key)
		}
		r.redirect(e)
	})
	r.services.settle(now, func(e *entry[serviceKey], _ candidate, _ bool) { r.servers.update(e) })
	if r.routes.log.seq+r.services.log.seq != before {
		r.wake()
	}
}

// redirect tells forwarding of e, if that makes a difference there.
func (r *Router) redirect(e *entry[ipx.Network]) {
	h, old := hopOf(e), r.ways.get(e.key)
	switch known := h.up || len(h.behind) > 0; {
	case !known && old != nil:
		r.ways.set(e.key, nil)
	case known && (old == nil || !h.same(old)):
		r.ways.set(e.key, &h)
	}
}

// touchServices has the services on n looked at again: the way there changed.
func (r *Router) touchServices(n ipx.Network) {
	if n == ipx.DefaultRoute { // it may lead to any
		for _, e := range r.services.sorted {
			r.services.touch(e)
		}
		return
	}
	r.servers.each(n, func(e *entry[serviceKey]) bool { r.services.touch(e); return true })
}

// Run answers requests, learns and forgets until ctx ends. Then it tells all
// neighbours that what they reach through us is down, for two seconds at most.
// One Run at a time.
func (r *Router) Run(ctx context.Context) error {
	o := newOwner(r)
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for {
		select {
		case <-done:
			done = nil
			o.leave()
			o.tick() // most have said all with the first packet
		case a := <-r.queue:
			o.arrived(a)
			o.post()
		case <-timer.C:
			o.tick()
		}
		if o.left() {
			return nil
		}
		timer.Reset(o.pause())
	}
}

// InUse reports whether n is the number of a wire, of the inside of the router
// or of a network it knows the way to: a link must not be given it. But one that
// was a link's of ours until lately may be so again: its other end may not have
// noticed yet, and tells of it by third parties. It must look like a link's still:
// told by neighbours alone, not next to them as their LANs are, and without
// services. (A LAN farther away that took the number since cannot be told from it.)
func (r *Router) InUse(n ipx.Network) bool {
	if h := r.ways.get(n); h == nil || !h.up {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.routes.entries[n]
	if e == nil || !e.up {
		return false
	}
	if time.Since(r.former[n]) > formerly {
		return true
	}
	if r.servers.each(n, func(*entry[serviceKey]) bool { return false }) {
		return true
	}
	return slices.ContainsFunc(e.ways, func(c candidate) bool {
		return c.origin != originLearned || c.hops <= 1 && c.by.isAttached(c.said)
	})
}

// retire remembers that n was the number of a link. r.mu is held.
func (r *Router) retire(n ipx.Network, now time.Time) {
	maps.DeleteFunc(r.former, func(_ ipx.Network, last time.Time) bool { return now.Sub(last) > formerly })
	if len(r.former) < maxFormer {
		r.former[n] = now
	}
}

// A DuplicateError refuses a network number that one of our wires has already.
// One number names one wire in the whole internetwork.
type DuplicateError struct {
	Network ipx.Network
	Name    string // of the attachment that has it
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("network %v is already that of %s: give each wire and link a number of its own", e.Network, e.Name)
}

// free reports, as a *DuplicateError, whether an attachment other than a has
// network n. r.mu is held.
func (r *Router) free(n ipx.Network, a *Attached) error {
	if n == ipx.ThisNetwork {
		return nil
	}
	if n == r.internal {
		return &DuplicateError{n, "the router's internal network"}
	}
	i := slices.IndexFunc(r.attached, func(other *Attached) bool { return other != a && other.network == n })
	if i >= 0 {
		return &DuplicateError{n, r.attached[i].cfg.Name}
	}
	return nil
}

// ours returns the entry of n if it is our own: nobody tells us of it. r.mu is
// held.
func (r *Router) ours(n ipx.Network) *entry[ipx.Network] {
	if e := r.routes.entries[n]; e != nil && e.up && e.best.origin == originOwn {
		return e
	}
	return nil
}

// wake makes Run look at its timers. When the queue is full it is awake anyhow.
func (r *Router) wake() {
	select {
	case r.queue <- arrival{}:
	default:
	}
}
