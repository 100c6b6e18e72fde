package bridge

import (
	"sync/atomic"

	"sitebridge/bridge/config"
	"sitebridge/internal/packet"
	"sitebridge/ppp"
	"sitebridge/ppp/fsm"
	"sitebridge/ppp/ipcp"
	"sitebridge/ppp/ipv6cp"
	"sitebridge/ppp/ipxcp"
)

// The protocol numbers of packets inside PPP.
const (
	protocolIPv4 = 0x0021
	protocolIPv6 = 0x0057
	protocolIPX  = 0x002b
)

// networks is what runs over one session's link: the network control protocols,
// and what they open at the site.
type networks struct {
	s      *session
	st     *site
	closed atomic.Bool // nothing of the site may be touched any more
	ncps   []ppp.NCP
	ip     ipEnd    // nil: no IP
	ipx    *ipxLink // nil: no IPX
}

// An ncp is a control protocol joined with where its packets go.
type ncp struct {
	fsm.Protocol
	data    []uint16
	deliver func(protocol uint16, pkts []*packet.Buffer)
}

func (n *ncp) Data() []uint16                                 { return n.data }
func (n *ncp) Deliver(protocol uint16, pkts []*packet.Buffer) { n.deliver(protocol, pkts) }

func newNetworks(s *session, st *site) *networks {
	n := &networks{s: s, st: st, ip: st.end()}
	if st.cfg.Runs(config.ProtocolIP) {
		n.add(n.ipcp(), protocolIPv4, st.noticing(n.ip.deliver))
	}
	if st.cfg.Runs(config.ProtocolIPv6) {
		n.add(n.ipv6cp(), protocolIPv6, st.noticing(n.ip.deliver))
	}
	if st.cfg.Runs(config.ProtocolIPX) {
		n.ipx = newIPXLink(n)
		n.add(ipxcp.New(n.ipx.config()), protocolIPX, n.ipx.deliver)
	}
	return n
}

func (n *networks) add(p fsm.Protocol, data uint16, deliver func(uint16, []*packet.Buffer)) {
	n.ncps = append(n.ncps, &ncp{p, []uint16{data}, deliver})
}

// network is what the link is told to run.
func (n *networks) network() ppp.Network {
	e := n.st.cfg.Echo
	return ppp.Network{
		NCPs:     n.ncps,
		Required: n.st.ncpNames(),
		Echo:     ppp.Echo{Interval: e.Interval, Failures: e.Failures, Off: !e.LCP},
	}
}

// down takes everything of the site out of this link's hands, once.
func (n *networks) down() {
	if n.closed.Swap(true) {
		return
	}
	if n.ip != nil {
		n.ip.down(n, true, true)
	}
	if n.ipx != nil {
		n.ipx.detach()
	}
}

func (n *networks) ipcp() *ipcp.Protocol {
	c := n.st.cfg.IP
	cfg := ipcp.Config{
		AcceptAddress: c.Mode == config.FromPeer,
		Unnumbered:    c.Mode == config.Unnumbered,
		Peer:          c.Peer,
		Up:            func(r ipcp.Result) error { return n.ip.up4(n, r) },
		Down:          func() { n.ip.down(n, true, false) },
		DNS:           c.DNS,
		NBNS:          c.NBNS,
		Log:           n.s.log,
	}
	if c.Mode == config.Static {
		cfg.Address = c.Address
	}
	return ipcp.New(cfg)
}

func (n *networks) ipv6cp() *ipv6cp.Protocol {
	return ipv6cp.New(ipv6cp.Config{
		Identifier: n.st.ip.id,
		Up:         func(r ipv6cp.Result) error { return n.ip.up6(n, r) },
		Down:       func() { n.ip.down(n, false, true) },
	})
}
