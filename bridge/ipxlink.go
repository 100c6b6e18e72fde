package bridge

import (
	"fmt"
	"sync"
	"sync/atomic"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
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

	mu     sync.Mutex // guards result, and the order of up and detach
	result ipxcp.Result
	// At most one of these is set, while IPXCP is open.
	routed  atomic.Pointer[router.Attached]
	bridged atomic.Pointer[segment.Port]
}

// routedFrames is one frame type of a LAN as the router sees it.
type routedFrames struct {
	port port.Port
	enc  ipx.Encapsulation
}

func (f routedFrames) Send(dst ipx.Node, pkts []*packet.Buffer) error {
	return f.port.Send(f.enc, dst, f.port.MAC(), pkts)
}

// A PPP link as the router and as a segment see it. IPX cannot be cut, so the
// outer packet may be.
type (
	routedLink  struct{ s *session }
	bridgedLink struct{ s *session }
)

func (l routedLink) Send(_ ipx.Node, pkts []*packet.Buffer) error {
	return l.s.link.Send(protocolIPX, pkts, false)
}

func (l bridgedLink) Send(pkts []*packet.Buffer) error {
	return l.s.link.Send(protocolIPX, pkts, false)
}

func newIPXLink(n *networks) (*ipxLink, error) {
	return &ipxLink{n: n, plane: n.s.d.ipx}, nil
}

// config is what the link's IPXCP is to agree on.
func (l *ipxLink) config() ipxcp.Config {
	c := l.n.st.cfg
	cfg := ipxcp.Config{
		Network:     c.IPX.Network,
		Unnumbered:  c.IPX.Network == ipx.ThisNetwork,
		Workstation: c.IPX.Workstation,
		RouterName:  c.Auth.Name,
		Up:          l.up,
		Down:        l.detach,
		Log:         l.n.s.log,
	}
	if c.Segment == nil {
		cfg.InUse = l.inUse
	}
	return cfg
}

// inUse refuses a link number that is already another wire's, or that of a
// network we know the way to.
func (l *ipxLink) inUse(n ipx.Network) bool { return l.plane.router.InUse(n) }

func (l *ipxLink) up(r ipxcp.Result) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n.closed.Load() {
		return errReplaced
	}
	l.result = r
	st := l.n.st
	if seg := st.cfg.Segment; seg != nil {
		l.bridged.Store(l.plane.segments[seg.Name].AttachLink(st.cfg.Name, bridgedLink{l.n.s}, l.n.s.link.MaxPacket()))
		l.n.s.log.Info("IPX up, bridged", "segment", seg.Name)
		return nil
	}
	kind := router.Link
	if st.cfg.IPX.Workstation {
		kind = router.Workstation
	}
	a, err := l.plane.router.Attach(router.Attachment{
		Name:    st.cfg.Name,
		Kind:    kind,
		Network: r.Network,
		Node:    r.Local,
		Peer:    r.Peer,
		MTU:     min(l.n.s.link.MaxPacket(), ipx.MaxLen),
		Send:    routedLink{l.n.s},
	})
	if err != nil {
		return fmt.Errorf("IPX network of the link: %w", err)
	}
	l.routed.Store(a)
	l.plane.setRoutes(st, a)
	l.n.s.log.Info("IPX up", "network", r.Network, "node", r.Local, "peer_node", r.Peer, "peer_router", r.PeerName)
	return nil
}

// detach is IPXCP's this-layer-down.
func (l *ipxLink) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.routed.Swap(nil); a != nil {
		l.plane.clearRoutes(l.n.st)
		a.Detach()
	}
	if p := l.bridged.Swap(nil); p != nil {
		p.Detach()
	}
}

// down is the end of the link.
func (l *ipxLink) down() { l.detach() }

// deliver takes packets from the link.
func (l *ipxLink) deliver(_ uint16, pkts []*packet.Buffer) {
	if a := l.routed.Load(); a != nil {
		a.InputPackets(pkts)
	} else if p := l.bridged.Load(); p != nil {
		p.InputPackets(pkts)
	}
}

// setRoutes tells the router what is behind a site whose link is up.
func (p *ipxPlane) setRoutes(st *site, via *router.Attached) {
	var routes []router.Route
	for _, r := range st.cfg.IPX.Routes {
		routes = append(routes, router.Route{Network: r.Network, Hops: r.Hops, Ticks: r.Ticks, Via: via})
	}
	p.router.SetRoutes(st.cfg.Name, routes)
	var services []router.Service
	for _, s := range st.cfg.IPX.Services {
		services = append(services, serviceOf(s))
	}
	p.router.SetServices(st.cfg.Name, services)
}

func (p *ipxPlane) clearRoutes(st *site) {
	p.router.SetRoutes(st.cfg.Name, nil)
	p.router.SetServices(st.cfg.Name, nil)
}

func serviceOf(s config.IPXService) router.Service {
	return router.Service{Type: sap.ServiceType(s.Type), Name: s.Name, Addr: s.Address, Hops: uint16(s.Hops)}
}
