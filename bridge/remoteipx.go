package bridge

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
)

// A remoteWire is the one IPX network that the callers of a site are on: what a LAN
// would be to them. The router has one attachment for all; callers reach each other
// through us.
type remoteWire struct {
	network  ipx.Network
	node     ipx.Node // ours, to all of them
	attached *router.Attached
	stations atomic.Pointer[map[ipx.Node]*ipxLink] // replaced, and never changed; never nil
	foreign  atomic.Uint64                         // packets with another sender than the caller

	changing sync.Mutex // held while stations is replaced
}

// A wirePlace is a caller's place on the wire. What it has belongs to the goroutine that
// receives from the caller: no caller waits for another.
type wirePlace struct {
	*remoteWire
	link  *ipxLink
	inlet *router.Inlet
	in    []router.In
}

func (w *remoteWire) place(l *ipxLink) *wirePlace {
	return &wirePlace{remoteWire: w, link: l, inlet: w.attached.Inlet()}
}

func openRemoteWire(s *site) (*remoteWire, error) {
	x := s.cfg.IPX
	w := &remoteWire{network: x.Network, node: ipx.Node{2, 0, 0, 0, 0, 1}}
	w.stations.Store(&map[ipx.Node]*ipxLink{})
	var err error
	w.attached, err = s.d.ipx.router.Attach(router.Attachment{
		Name: s.cfg.Name, Site: s.cfg.Name, Kind: router.LAN, Network: x.Network, Node: w.node,
		Ticks: remoteTicks, MTU: ipx.MaxLen, Send: w, Exchange: router.ExchangeStatic,
		Limits: x.Limits, Gate: &x.Gate, NetBIOS: x.NetBIOS,
	})
	if err != nil {
		return nil, fmt.Errorf("IPX network of the callers: %w", err)
	}
	return w, nil
}

// remoteTicks is how long the way to a caller is said to be: that of any line.
const remoteTicks = 6

func (w *remoteWire) close() { w.attached.Detach() }

// join puts a caller's link on the wire, with its node.
func (w *remoteWire) join(l *ipxLink, node ipx.Node) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	was := *w.stations.Load()
	if other := was[node]; node == w.node || other != nil && other != l {
		return fmt.Errorf("the node %v is on the network already: another caller has it", node)
	}
	next := maps.Clone(was)
	next[node] = l
	w.stations.Store(&next)
	return nil
}

// leave takes the link off the wire.
func (w *remoteWire) leave(l *ipxLink) {
	w.changing.Lock()
	defer w.changing.Unlock()
	next := maps.Clone(*w.stations.Load())
	maps.DeleteFunc(next, func(_ ipx.Node, other *ipxLink) bool { return other == l })
	w.stations.Store(&next)
}

// Send implements [router.Interface].
func (w *remoteWire) Send(dst ipx.Node, pkts []*packet.Buffer) error {
	stations := *w.stations.Load()
	if dst.IsGroup() {
		for _, p := range pkts {
			w.copies(stations, nil, p)
		}
		return nil
	}
	l := stations[dst]
	if l == nil {
		return errNoStation
	}
	return l.send(pkts)
}

var errNoStation = fmt.Errorf("no caller has the node")

// one holds a copy on its way.
type one [1]*packet.Buffer

var ones = sync.Pool{New: func() any { return new(one) }}

// copies sends a packet to all callers but the one that it came from. A link changes
// what it sends.
func (w *remoteWire) copies(stations map[ipx.Node]*ipxLink, from *ipxLink, p *packet.Buffer) {
	o := ones.Get().(*one)
	defer ones.Put(o)
	o[0] = packet.Get()
	defer packet.Put(o[0])
	for _, l := range stations {
		if l != from && o[0].Set(p.Bytes()) {
			l.send(o[:]) // one that cannot has its own counters
		}
	}
}

// input takes packets from the caller: to the router, or to other callers.
func (w *wirePlace) input(pkts []*packet.Buffer) {
	from := w.link
	stations := *w.stations.Load()
	w.in = w.in[:0]
	for n, p := range pkts {
		h, _, err := ipx.Parse(p.Bytes())
		if err != nil {
			w.in = append(w.in, router.In{Packet: p}) // the router counts why not
			continue
		}
		if stations[h.Src.Node] != from || h.Src.Network != w.network && h.Src.Network != ipx.ThisNetwork {
			w.foreign.Add(1)
			continue
		}
		here := h.Dst.Network == w.network || h.Dst.Network == ipx.ThisNetwork
		switch to := stations[h.Dst.Node]; {
		case here && h.Dst.Node.IsGroup():
			w.copies(stations, from, p)
			w.in = append(w.in, router.In{Packet: p, Dst: router.ToAll})
		case here && to != nil:
			to.send(pkts[n : n+1])
		default:
			w.in = append(w.in, router.In{Packet: p})
		}
	}
	w.inlet.Input(w.in)
	clear(w.in) // the packets are their owner's again
}

// remoteWire is where a caller's IPX is routed; nil: it is another link, or bridged.
func (l *ipxLink) remoteWire() *remoteWire {
	if m := l.n.st.remote; m != nil && !m.ownNetwork() {
		return m.all.wire
	}
	return nil
}

// joinWire puts a caller on its wire, if it has the network and the node that it was
// given. mu is held.
func (l *ipxLink) joinWire(w *remoteWire, got agreement) error {
	m := l.n.st.remote
	switch {
	case got.network != w.network:
		return fmt.Errorf("the caller wants to be on network %v, and not on %v", got.network, w.network)
	case m.user != nil && !m.user.Node.IsZero() && m.user.Node != got.peer:
		return fmt.Errorf("the caller wants to be node %v, and its ipx_node is %v", got.peer, m.user.Node)
	}
	if err := w.join(l, got.peer); err != nil {
		return err
	}
	m.mu.Lock()
	m.node = got.peer
	m.mu.Unlock()
	l.wire.Store(w.place(l))
	l.n.s.log.Info("IPX up", "network", w.network, "node", got.peer)
	return nil
}
