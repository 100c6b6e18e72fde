package router

import (
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

// An Attachment describes a wire or link to Attach.
type Attachment struct {
	Name string
	Kind Kind
	// Network is the number of the wire. Zero: unknown yet on a LAN, whose
	// number is then learned; an unnumbered link otherwise.
	Network ipx.Network
	Learn   bool     // LAN: find Network out
	Node    ipx.Node // our own node there
	Peer    ipx.Node // Workstation: its node
	Ticks   uint16   // 1/18 s that a packet takes; zero: 1 for a LAN, 6 for a link
	MTU     int      // longest packet; zero: 1500
	Send    Interface
	// Gate is what may cross a link; nil: all.
	Gate *policy.Gate
	// NetBIOS says whether packets of type 20 come from here and go here.
	NetBIOS policy.Propagation
}

// An Attached is a wire or link in use.
type Attached struct {
	cfg     Attachment
	router  *Router
	network ipx.Network // this and node are guarded by router.mu; the fast path reads face
	node    ipx.Node
	face    atomic.Pointer[face]
	gate    *gate
	count   counters
	nodes   fastpath.Map[ipx.Node, *sighting] // LAN: stations heard
	claims  claims
	refused time.Time // Run: when the number that was found out was last refused

	// What belongs to the goroutine that calls Input.
	guess  fastpath.Guess
	sorter fastpath.Sorter[target]
	copies []*packet.Buffer // in sorter, to be given back
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

// Attach takes a wire or link into use. The error is a *DuplicateError when its
// number is another's.
func (r *Router) Attach(cfg Attachment) (*Attached, error) {
	if cfg.Ticks == 0 {
		cfg.Ticks = linkTicks
		if cfg.Kind == LAN {
			cfg.Ticks = lanTicks
		}
	}
	if cfg.MTU == 0 {
		cfg.MTU = ipx.MaxLen
	}
	if cfg.Network != ipx.ThisNetwork && !cfg.Network.Assignable() {
		return nil, fmt.Errorf("network %v cannot be the number of a wire", cfg.Network)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.free(cfg.Network, nil); err != nil {
		return nil, err
	}
	a := &Attached{cfg: cfg, router: r, network: cfg.Network, node: cfg.Node, gate: newGate(cfg.Gate)}
	r.attached = append(r.attached, a)
	if cfg.Kind == LAN {
		r.requests[a] = new(initiation)
		r.wake()
	}
	r.publish()
	return a, nil
}

// Detach takes the wire or link out of use, and what was learned from it. A
// second call does nothing.
func (a *Attached) Detach() {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attached = slices.DeleteFunc(r.attached, func(other *Attached) bool { return other == a })
	delete(r.requests, a)
	r.forget(a)
	a.face.Store(nil)
	r.publish()
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
	if n != a.network {
		a.network = n
		r.forget(a)
		r.publish()
	}
	return nil
}

// SetNode changes our own node, when an interface came back with another MAC
// address.
func (a *Attached) SetNode(node ipx.Node) {
	r := a.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if node != a.node {
		a.node = node
		r.publish()
	}
}

// Name returns the name that the attachment was given.
func (a *Attached) Name() string { return a.cfg.Name }

// Network returns the number of the wire or link, zero while it has none.
func (a *Attached) Network() ipx.Network {
	if f := a.face.Load(); f != nil {
		return f.network
	}
	return ipx.ThisNetwork
}

// wake makes Run look at its timers. When the queue is full it is awake anyhow.
func (r *Router) wake() {
	select {
	case r.queue <- arrival{}:
	default:
	}
}

// A WireInfo is what status shows of one attachment.
type WireInfo struct {
	Name    string      `json:"name"`
	Kind    Kind        `json:"kind"`
	Network ipx.Network `json:"network"`
	Learned bool        `json:"learned,omitempty"` // the number was found out
	Node    ipx.Node    `json:"node"`
	Ticks   uint16      `json:"ticks"`
	Claims  []Claim     `json:"claims,omitempty"` // other numbers heard there
	Stats   Stats       `json:"stats"`
}

// Wires lists the attachments in the order in which they were made.
func (r *Router) Wires() []WireInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	infos := make([]WireInfo, len(r.attached))
	for i, a := range r.attached {
		infos[i] = WireInfo{
			Name: a.cfg.Name, Kind: a.cfg.Kind, Node: a.node, Ticks: a.cfg.Ticks,
			Network: a.network, Learned: a.cfg.Learn && a.network != a.cfg.Network,
			Claims: a.claims.list(time.Now()), Stats: a.Stats(),
		}
	}
	return infos
}
