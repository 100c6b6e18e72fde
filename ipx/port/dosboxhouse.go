package port

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/ipx"
)

const (
	// silence is how long a client may say nothing. An emulator answers pings by
	// itself, so who is silent for so long is gone. If it is not, its next packet
	// brings it back.
	silence = 10 * time.Minute
	// keepalive is how long a client is silent before it is pinged, and how often.
	// The pings also keep the way back open through a NAT.
	keepalive = 30 * time.Second

	// A newcomer that says nothing by itself is pinged. Not at once: a client whose
	// reply was lost waits for it for 5 s, and would take the ping for it.
	firstPing  = 6 * time.Second
	secondPing = 15 * time.Second
	patience   = 30 * time.Second
	// newcomerPings is how many pings a newcomer gets: with the reply, three times
	// what it has sent, which may have come from a forged address (as RFC 9000,
	// section 8.1 has it for QUIC).
	newcomerPings = 2
	maxNewcomers  = 64

	// refusedGrace: an ICMP error that follows so soon on a client's packet is not
	// believed.
	refusedGrace = time.Second

	// Registrations from one address, or from a few that share a place.
	registrationEvery = time.Second
	registrationBurst = 16
	registrationSlots = 1024
)

// A house is the clients of a DOSBox port. Its methods are steps: they are told
// the time and send nothing. One goroutine calls them, but for those that say
// otherwise.
//
// A client's node is a keyed hash of its address and port. So it has the same one
// whenever it registers; clients of several ports do not clash, wherever they
// are; and nobody knows it who did not get our reply. A registration, which
// anybody can forge, therefore takes no room in the house. Who then speaks under
// the right node moves in, and so does a client that had been given up.
type house struct {
	mac        ipx.Node
	limit      int
	every      time.Duration // between two packets of one client, on average
	burst      int
	began      time.Time
	key        [32]byte
	seed       maphash.Seed
	registered [registrationSlots]bucket // by address, hashed
	clients    atomic.Pointer[roster]    // read by any goroutine

	mu        sync.Mutex // guards newcomers
	newcomers []*newcomer
}

// A roster is the clients at one time. It is not changed once it can be seen.
type roster struct {
	byAddr map[netip.AddrPort]*client
	byNode map[ipx.Node]*client
	all    []*client // in the order of their coming
}

// A client is an emulator that has proved to be where it says.
type client struct {
	addr  netip.AddrPort
	node  ipx.Node
	path  atomic.Pointer[path]
	since time.Time

	packets atomic.Uint64
	last    atomic.Int64 // when it spoke, since house.began
	// What follows belongs to the goroutine of the house.
	rate   bucket
	pinged time.Duration
}

// A newcomer has registered and not spoken yet. It gets nothing but pings.
type newcomer struct {
	addr  netip.AddrPort
	path  *path
	since time.Duration
	pings int
}

func newHouse(mac ipx.Node, limit, rate int, now time.Time) *house {
	h := &house{
		mac: mac, limit: limit,
		every: time.Second / time.Duration(rate), burst: max(rate/4, 64),
		began: now.Add(-time.Hour), // before it, buckets were full
		seed:  maphash.MakeSeed(),
	}
	rand.Read(h.key[:])
	h.clients.Store(&roster{})
	return h
}

func (h *house) since(now time.Time) time.Duration { return now.Sub(h.began) }

// node returns the address of a client on the wire.
func (h *house) node(addr netip.AddrPort) (n ipx.Node) {
	var b [len(h.key) + 18]byte
	at := copy(b[:], h.key[:])
	ip := addr.Addr().As16()
	at += copy(b[at:], ip[:])
	binary.BigEndian.PutUint16(b[at:], addr.Port())
	sum := sha256.Sum256(b[:])
	copy(n[:], sum[:])
	return local(n)
}

// local makes a node one that nobody has bought, and of one station (IEEE 802,
// locally administered, individual).
func local(n ipx.Node) ipx.Node {
	n[0] = n[0]&^1 | 2
	return n
}

// register takes a registration and returns the node to reply with. A reason
// other than 0 says why there is no reply. After the reply comes expect.
func (h *house) register(from netip.AddrPort, p *path, now time.Time) (ipx.Node, ipx.DropReason) {
	t, r := h.since(now), h.clients.Load()
	if !h.slot(from.Addr()).take(t, registrationEvery, registrationBurst) {
		return ipx.Node{}, dropRegistrationRate
	}
	if c := r.byAddr[from]; c != nil {
		c.path.Store(p)
		return c.node, 0
	}
	if len(r.all) >= h.limit {
		return ipx.Node{}, dropHouseFull
	}
	node := h.node(from)
	if node == h.mac || r.byNode[node] != nil { // a chance of 1 in 2^40
		return ipx.Node{}, dropHouseFull
	}
	return node, 0
}

// slot is where registrations from an address are counted. An IPv6 host has a
// network of 64 bits to itself.
func (h *house) slot(addr netip.Addr) *bucket {
	ip := addr.As16()
	b := ip[:]
	if !addr.Is4() {
		b = b[:8]
	}
	return &h.registered[maphash.Bytes(h.seed, b)%registrationSlots]
}

// expect notes a newcomer, in the place of the oldest when there are too many:
// that one is no longer pinged, and can still move in. Until now nothing else was
// sent to it, since it takes the first that it gets for the reply.
func (h *house) expect(addr netip.AddrPort, p *path, now time.Time) {
	if h.clients.Load().byAddr[addr] != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newcomers = slices.DeleteFunc(h.newcomers, func(n *newcomer) bool { return n.addr == addr })
	if len(h.newcomers) >= maxNewcomers {
		h.newcomers = slices.Delete(h.newcomers, 0, 1)
	}
	h.newcomers = append(h.newcomers, &newcomer{addr: addr, path: p, since: h.since(now)})
}

// pingable returns the ways to those newcomers that may have one more ping, and
// counts it. Any goroutine may call it.
func (h *house) pingable(into []*path) []*path {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.newcomers {
		if n.pings < newcomerPings {
			n.pings++
			into = append(into, n.path)
		}
	}
	return into
}

// sender returns the client that a packet is from: one that is here, or one that
// moves in by it.
func (h *house) sender(from netip.AddrPort, src ipx.Node, p func() *path, now time.Time) (*client, ipx.DropReason) {
	r, t := h.clients.Load(), h.since(now)
	c := r.byAddr[from]
	switch {
	case c == nil && src != h.node(from):
		return nil, dropNotRegistered
	case c == nil && len(r.all) >= h.limit:
		return nil, dropHouseFull
	case c == nil:
		c = h.admit(from, src, p(), now)
	case src != c.node:
		return nil, dropForeignNode
	}
	if !c.rate.take(t, h.every, h.burst) {
		return nil, dropClientRate
	}
	c.last.Store(int64(t))
	c.packets.Add(1)
	return c, 0
}

func (h *house) admit(addr netip.AddrPort, node ipx.Node, p *path, now time.Time) *client {
	c := &client{addr: addr, node: node, since: now}
	c.path.Store(p)
	h.replace(func(all []*client) []*client { return append(all, c) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newcomers = slices.DeleteFunc(h.newcomers, func(n *newcomer) bool { return n.addr == addr })
	return c
}

// replace makes a roster of what change makes of the clients.
func (h *house) replace(change func(all []*client) []*client) {
	r := &roster{all: change(slices.Clone(h.clients.Load().all))}
	r.byAddr = make(map[netip.AddrPort]*client, len(r.all))
	r.byNode = make(map[ipx.Node]*client, len(r.all))
	for _, c := range r.all {
		r.byAddr[c.addr], r.byNode[c.node] = c, c
	}
	h.clients.Store(r)
}

// leave takes clients out for whom gone holds, and returns them.
func (h *house) leave(gone func(*client) bool) (left []*client) {
	for _, c := range h.clients.Load().all {
		if gone(c) {
			left = append(left, c)
		}
	}
	if left != nil {
		h.replace(func(all []*client) []*client {
			return slices.DeleteFunc(all, func(c *client) bool { return slices.Contains(left, c) })
		})
	}
	return left
}

// tick is called every second. It returns who has left and who is to be pinged.
func (h *house) tick(now time.Time) (left []*client, ping []*path) {
	t := h.since(now)
	left = h.leave(func(c *client) bool { return t-c.heard() >= silence })
	for _, c := range h.clients.Load().all {
		if t-max(c.heard(), c.pinged) >= keepalive {
			c.pinged = t
			ping = append(ping, c.path.Load())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.newcomers = slices.DeleteFunc(h.newcomers, func(n *newcomer) bool { return t-n.since >= patience })
	for _, n := range h.newcomers {
		if n.duePing(t) {
			n.pings++
			ping = append(ping, n.path)
		}
	}
	return left, ping
}

func (n *newcomer) duePing(t time.Duration) bool {
	switch n.pings {
	case 0:
		return t-n.since >= firstPing
	case 1:
		return t-n.since >= secondPing
	}
	return false
}

func (c *client) heard() time.Duration { return time.Duration(c.last.Load()) }

// refused takes the word of a client's host that nobody listens there: the
// emulator has ended, which none says itself.
func (h *house) refused(addr netip.AddrPort, now time.Time) (left []*client) {
	t := h.since(now)
	return h.leave(func(c *client) bool { return c.addr == addr && t-c.heard() >= refusedGrace })
}

// A DOSBoxClient is an emulator that is connected to a port.
type DOSBoxClient struct {
	Node    ipx.Node       `json:"node"`
	Address netip.AddrPort `json:"address"`
	Since   time.Time      `json:"since"`
	Last    time.Time      `json:"last"`    // when it spoke
	Packets uint64         `json:"packets"` // from it
}

// list may be called by any goroutine.
func (h *house) list() []DOSBoxClient {
	var list []DOSBoxClient
	for _, c := range h.clients.Load().all {
		list = append(list, DOSBoxClient{c.node, c.addr, c.since, h.began.Add(c.heard()), c.packets.Load()})
	}
	return list
}

// A bucket limits how often something happens: it holds burst tokens, and gets one
// more in every interval. It is its own history: the time at which it was, or
// would have been, empty.
type bucket struct{ empty time.Duration }

func (b *bucket) take(now, every time.Duration, burst int) bool {
	empty := max(b.empty, now-every*time.Duration(burst)) + every
	if empty > now {
		return false
	}
	b.empty = empty
	return true
}
