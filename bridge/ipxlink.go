package bridge

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/cipx"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/segment"
	"sitebridge/ppp/ipxcp"
)

// An ipxLink is one session's link as a wire of the IPX plane: routed, or a port
// of a segment.
type ipxLink struct {
	n     *networks
	plane *ipxPlane

	mu     sync.Mutex // guards agreed, and the order of up and detach
	agreed agreement

	// At most one of these is set, while the link carries IPX.
	routed  atomic.Pointer[router.Attached]
	bridged atomic.Pointer[segment.Port]
	wire    atomic.Pointer[wirePlace] // on that of many callers
	// codec compresses headers; nil: they are not. sending is held from the
	// compression of a packet until the link has it: the peer needs their order.
	codec   atomic.Pointer[cipx.Codec]
	sending sync.Mutex
	// wan takes IPXWAN's packets; nil: it is off, or the link is down. It changes
	// under mu alone.
	wan atomic.Pointer[wan]
}

// An agreement is what the ends of a link know of each other, by IPXCP or by
// IPXWAN.
type agreement struct {
	network     ipx.Network
	local, peer ipx.Node
	peerName    string
	byWAN       bool // by IPXWAN
	static      bool // no RIP and SAP is to cross, whatever the configuration says
}

func newIPXLink(n *networks) *ipxLink { return &ipxLink{n: n, plane: n.s.d.ipx} }

// config is what the link's IPXCP is to agree on.
func (l *ipxLink) config() ipxcp.Config {
	c := l.n.st.cfg
	cfg := ipxcp.Config{
		Network:     c.IPX.Network,
		Unnumbered:  c.IPX.Network == ipx.ThisNetwork,
		Workstation: c.IPX.Workstation,
		RouterName:  c.Auth.Name,
		IPXWAN:      c.IPX.IPXWAN,
		Slots:       c.IPX.Compression,
		Up:          l.up,
		Down:        l.detach,
		Log:         l.n.s.log,
	}
	if c.Segment == nil {
		cfg.InUse = l.inUse
	}
	if w := l.remoteWire(); w != nil {
		cfg.Node, cfg.AssignNode = w.node, l.n.st.remote.nodeOf
		cfg.InUse = func(n ipx.Network) bool { return n != w.network && l.inUse(n) }
	}
	return cfg
}

// inUse refuses a link number that is already another wire's, or that of a
// network we know the way to.
func (l *ipxLink) inUse(n ipx.Network) bool {
	if a := l.n.st.idle.Load(); a != nil && n != ipx.ThisNetwork && a.Network() == n {
		return false // it is that of this link, which is there without a call
	}
	return l.plane.router.InUse(n)
}

// up is IPXCP's this-layer-up, on the link's goroutine.
func (l *ipxLink) up(r ipxcp.Result) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n.closed.Load() {
		return errReplaced
	}
	l.compress(r)
	got := agreement{network: r.Network, local: r.Local, peer: r.Peer, peerName: r.PeerName}
	switch {
	case r.NeedsIPXWAN:
		l.startWAN(got, true)
		return nil
	case r.MayIPXWAN:
		l.startWAN(got, false) // the peer says when
	}
	return l.attach(got)
}

// compress takes up what the ends agreed about headers: each direction by itself.
func (l *ipxLink) compress(r ipxcp.Result) {
	if r.Send.Slots > 0 || r.Receive.Slots > 0 {
		l.codec.Store(cipx.NewCodec(
			// The number of the slot stays in, though the peer may do without: after
			// a loss, of which GRE says nothing, it would take another slot's header.
			cipx.Config{Slots: r.Send.Slots, MTU: l.n.s.link.MaxPacket()},
			cipx.Config{Slots: r.Receive.Slots, CompressSlotID: r.Receive.CompressSlotID},
		))
	}
}

// attach joins the link with the router or its segment. mu is held.
func (l *ipxLink) attach(got agreement) error {
	l.agreed = got
	st := l.n.st
	if w := l.remoteWire(); w != nil {
		return l.joinWire(w, got)
	}
	if seg := st.cfg.Segment; seg != nil {
		cfg := segment.LinkConfig{
			Name: st.cfg.Name, Link: bridgedLink{l}, MTU: l.n.s.link.MaxPacket(),
			Gate: &st.cfg.IPX.Gate, Hold: st.cfg.IPX.Hold,
		}
		if st.watchdog != nil {
			cfg.Watchdog = st.watchdog
		}
		l.bridged.Store(l.plane.segment(seg.Name).AttachLink(cfg))
		l.n.s.log.Info("IPX up, bridged", "segment", seg.Name)
		return nil
	}
	a, err := l.join(got)
	if err != nil {
		return fmt.Errorf("IPX network of the link: %w", err)
	}
	l.routed.Store(a)
	st.connectIPX(l)
	l.n.s.log.Info("IPX up", "network", got.network, "node", got.local, "peer_node", got.peer, "peer_router", got.peerName, "exchange", st.cfg.IPX.Exchange)
	return nil
}

// join attaches the link to the router, where a demand site is already.
func (l *ipxLink) join(got agreement) (*router.Attached, error) {
	st := l.n.st
	if st.demand != nil {
		return st.wakeIPX(got)
	}
	return l.plane.router.Attach(st.attachment(got, min(l.n.s.link.MaxPacket(), ipx.MaxLen), routedLink{l}))
}

// attachment is the site's link as the router is to have it.
func (s *site) attachment(got agreement, mtu int, send router.Interface) router.Attachment {
	x := s.cfg.IPX
	a := router.Attachment{
		Name:       s.cfg.Name,
		Site:       s.cfg.Name,
		Kind:       router.Link,
		Network:    got.network,
		Node:       got.local,
		Peer:       got.peer,
		Ticks:      s.ticks.last(),
		MTU:        mtu,
		Send:       send,
		Exchange:   exchanges[x.Exchange],
		Update:     x.Update,
		Limits:     x.Limits,
		Gate:       &x.Gate,
		NetBIOS:    x.NetBIOS,
		NotNearest: !x.Nearest,
		Hold:       x.Hold,
	}
	if s.watchdog != nil {
		a.Watchdog = s.watchdog
	}
	if got.static {
		a.Exchange = router.ExchangeStatic
	}
	a.Routes, a.Services = s.behind()
	if x.Workstation {
		a.Kind = router.Workstation
	}
	return a
}

// exchanges are the words of the configuration. What auto-static has learned
// stands in a file, so its router takes nothing from the peer by itself.
var exchanges = map[config.IPXExchange]router.Exchange{
	config.ExchangeStatic:     router.ExchangeStatic,
	config.ExchangeAutoStatic: router.ExchangeStatic,
	config.ExchangeRIPSAP:     router.ExchangeRIPSAP,
	config.ExchangeTriggered:  router.ExchangeTriggered,
}

// detach is IPXCP's this-layer-down, and the end of the link.
func (l *ipxLink) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopWAN()
	l.n.st.watchdog.Alive(l.n.s.link.Status().LastHeard)
	l.release()
	l.sending.Lock()
	defer l.sending.Unlock()
	l.codec.Store(nil) // and with it all slots (RFC 1553)
}

// release takes the link out of the router's or the segment's hands. mu is held.
func (l *ipxLink) release() {
	if a := l.routed.Swap(nil); a != nil {
		if st := l.n.st; st.demand != nil {
			st.sleepIPX(a)
		} else {
			a.Detach()
		}
	}
	if p := l.bridged.Swap(nil); p != nil {
		p.Detach()
	}
	if w := l.wire.Swap(nil); w != nil {
		w.leave(l)
	}
}

// deliver takes packets from the link.
func (l *ipxLink) deliver(_ uint16, pkts []*packet.Buffer) {
	if c := l.codec.Load(); c != nil {
		pkts = c.In(pkts, l.reply)
	}
	if w := l.wan.Load(); w != nil {
		pkts = w.take(pkts)
	}
	if a := l.routed.Load(); a != nil {
		l.n.st.input(a, pkts)
	} else if p := l.bridged.Load(); p != nil {
		p.InputPackets(pkts)
	} else if w := l.wire.Load(); w != nil {
		w.input(pkts)
	}
}

// send carries packets to the peer. IPX cannot be cut, so the outer packet may
// be.
func (l *ipxLink) send(pkts []*packet.Buffer) error {
	if l.codec.Load() == nil {
		return l.n.s.link.Send(protocolIPX, pkts, false)
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	if c := l.codec.Load(); c != nil { // no slot of an earlier opening
		c.Out(pkts)
	}
	return l.n.s.link.Send(protocolIPX, pkts, false)
}

// reply carries a packet of the compression's own, which is not compressed.
func (l *ipxLink) reply(p *packet.Buffer) {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.n.s.link.Send(protocolIPX, []*packet.Buffer{p}, false) // a lost one is asked for again
}

// routedLink and bridgedLink are the link as the router and as a segment see it.
type (
	routedLink  struct{ l *ipxLink }
	bridgedLink struct{ l *ipxLink }
)

func (r routedLink) Send(_ ipx.Node, pkts []*packet.Buffer) error { return r.l.send(pkts) }
func (b bridgedLink) Send(pkts []*packet.Buffer) error            { return b.l.send(pkts) }

// located keeps the ticks of the link to its round trip, zero for an unknown one,
// which was measured through the link or beside it.
func (l *ipxLink) located(roundTrip time.Duration, beside bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.routed.Load(); a != nil {
		if n, news := l.n.st.ticks.measured(roundTrip, beside); news {
			a.SetTicks(n)
		}
	}
}

// behind is what the configuration says of the networks and servers of a site:
// what stands in sites.toml, and what was learned into the file.
func (s *site) behind() (routes []router.Route, services []router.Service) {
	x, known := s.cfg.IPX, s.learned.Load()
	for _, r := range slices.Concat(x.Routes, known.routes) {
		routes = append(routes, router.Route{Network: r.Network, Hops: r.Hops, Ticks: r.Ticks})
	}
	for _, v := range slices.Concat(x.Services, known.services) {
		services = append(services, serviceOf(v))
	}
	return routes, services
}

func serviceOf(s config.IPXService) router.Service {
	return router.Service{Type: sap.ServiceType(s.Type), Name: s.Name, Addr: s.Address, Hops: uint16(s.Hops)}
}
