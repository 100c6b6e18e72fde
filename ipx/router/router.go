// Package router is route mode: it forwards IPX packets between wires and links
// by network number, and answers those who ask for networks and services.
//
// Forwarding runs in the goroutine of whoever received the packets, against an
// immutable table behind an atomic pointer: no lock, no allocation, one call
// per output and batch. What is for the router itself, RIP, SAP and pings, is
// copied to a bounded queue for the one goroutine that owns the conversation,
// Run.
//
// The router knows static routes and services, given by SetRoutes and
// SetServices, and those that local servers and routers announce on LANs. It
// answers from both. It announces nothing on its own.
//
// The rules are those of Novell's "IPX Router Specification" (part
// 107-000029-001), where the peers named in the comments do not force others.
package router

import (
	"context"
	"fmt"
	"log/slog"
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
	Log             *slog.Logger // nil: none
}

// queueLen is how many packets may wait for Run; what comes on top is dropped
// and counted.
const queueLen = 256

// A Router forwards IPX packets. All methods are safe for concurrent use.
type Router struct {
	log    *slog.Logger
	table  atomic.Pointer[table] // never nil; replaced by publish
	queue  chan arrival          // to Run; never closed
	pingID atomic.Uint32

	mu       sync.Mutex // guards what follows; never held while a packet is sent
	internal ipx.Network
	attached []*Attached               // in the order of Attach
	routes   map[string][]Route        // static, by owner
	services map[string][]Service      // static, by owner
	learned  map[ipx.Network]*learned  // from RIP on LANs
	offered  map[serviceKey]*offered   // from SAP on LANs
	rhythm   map[neighbour]*rhythm     // how often neighbours announce
	sockets  map[ipx.Socket]*Socket    // opened by the daemon itself
	requests map[*Attached]*initiation // requests for all still to be sent
}

// An arrival is something that Run must look at.
type arrival struct {
	at     *Attached
	pkt    *packet.Buffer // ours to give back; nil: Network was found out
	number ipx.Network    // what packets on at agree its number is
}

// New returns a router without wires. It forwards from its first Attach on, and
// answers while Run runs.
func New(cfg Config) *Router {
	r := &Router{
		log:      cfg.Log,
		queue:    make(chan arrival, queueLen),
		internal: cfg.InternalNetwork,
		routes:   make(map[string][]Route),
		services: make(map[string][]Service),
		learned:  make(map[ipx.Network]*learned),
		offered:  make(map[serviceKey]*offered),
		rhythm:   make(map[neighbour]*rhythm),
		sockets:  make(map[ipx.Socket]*Socket),
		requests: make(map[*Attached]*initiation),
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.publish()
	return r
}

// Run answers requests, learns and forgets until ctx ends. One Run at a time.
func (r *Router) Run(ctx context.Context) error {
	o := newOwner(r)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-r.queue:
			o.arrived(a)
		case <-timer.C:
			o.tick()
		}
		timer.Reset(o.pause())
	}
}

// InUse reports whether n is the number of a wire, of the inside of the router
// or of a network it knows the way to: a link must not be given it.
func (r *Router) InUse(n ipx.Network) bool {
	_, used := r.table.Load().routes[n]
	return used
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
	for _, other := range r.attached {
		if other != a && other.network == n {
			return &DuplicateError{n, other.cfg.Name}
		}
	}
	return nil
}
