package bridge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/radius"
	"sitebridge/ip"
	"sitebridge/ipx"
	"sitebridge/ipx/cipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
	"sitebridge/ipx/segment"
	"sitebridge/ipx/watchdog"
	"sitebridge/ppp"
)

// A Status is how everything stands: what `sitebridge status --json` prints.
type Status struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Warnings []string  `json:"warnings,omitempty"`
	// Certificates are those that will expire one day: our own, and the CAs.
	Certificates []identity.Info `json:"certificates,omitempty"`
	Sites        []SiteStatus    `json:"sites"`
	LANs         []LANStatus     `json:"lans,omitempty"`
	Segments     []SegmentStatus `json:"segments,omitempty"`
	IPX          router.Tally    `json:"ipx"`          // how much is known
	Stations     int             `json:"ipx_stations"` // heard by the router; those of segments stand there
	// Clashes are numbers of IPX that two claim.
	Clashes []router.Clash `json:"clashes,omitempty"`
	GRE     gre.MuxStats   `json:"gre"` // of all calls together
	// Strangers are calls whose peer did not show which site it is.
	Strangers Strangers `json:"strangers"`
	// Guard tells who is slowed down for wrong proofs.
	Guard GuardStatus `json:"guard"`
	// RADIUS is how its servers stand; nil: it is not asked.
	RADIUS *radius.Status `json:"radius,omitempty"`
	// Sockets is what the sockets below dropped.
	Sockets gre.RawStats `json:"gre_sockets"`
	// UDP is likewise of those of the daemon's UDP port; nil: it has none.
	UDP *gre.UDPStats `json:"udp_sockets,omitempty"`
	// UDPPort is where the daemon listens for tunnels in UDP; 0: nowhere.
	UDPPort   uint16           `json:"udp_port,omitempty"`
	Process   ProcessStatus    `json:"process"`
	Listeners []ListenerStatus `json:"listeners,omitempty"`
	// Hooks are the programs that are run for events.
	Hooks []HookStatus `json:"hooks,omitempty"`
}

// Only leaves out all but the site called name.
func (s *Status) Only(name string) error {
	var known []string
	for _, site := range s.Sites {
		if site.Name == name {
			s.Sites, s.LANs, s.Segments = []SiteStatus{site}, nil, nil
			return nil
		}
		known = append(known, site.Name)
	}
	return noSite(name, known)
}

// A ListenerStatus is what one of our addresses for calls has seen.
type ListenerStatus struct {
	Address string `json:"address"`
	control.ListenerStats
}

// A SiteStatus is how one site stands.
type SiteStatus struct {
	Name  string    `json:"name"`
	State State     `json:"state"`
	Since time.Time `json:"since"`
	// Reason says in words why the site is not up.
	Reason  string    `json:"reason,omitempty"`
	NextTry time.Time `json:"next_try,omitzero"`
	Dials   uint64    `json:"dials"`
	Ups     uint64    `json:"ups"`
	Refused uint64    `json:"calls_refused"`
	Ends    Ends      `json:"ends"` // of calls and tries, by what was wrong
	// AuthMethods are those that the site allows, strongest first.
	AuthMethods []string `json:"auth_methods"`
	Tunnel      *Tunnel  `json:"tunnel,omitempty"`
	// Pool and Callers are of a site that many call; it has no tunnel.
	Pool    *PoolStatus    `json:"pool,omitempty"`
	Callers []CallerStatus `json:"callers,omitempty"`
	IP      *IPStatus      `json:"ip,omitempty"`
	IPX     *IPXStatus     `json:"ipx,omitempty"`
	// Watchdogs counts those that we answered for hosts behind the peer.
	Watchdogs *watchdog.Stats `json:"watchdogs,omitempty"`
	// Demand is about a site that is up only while somebody needs it.
	Demand *DemandStatus `json:"demand,omitempty"`
}

// A Tunnel is one call with its link.
type Tunnel struct {
	Dialed     bool       `json:"dialed"` // by us
	Began      time.Time  `json:"began"`
	Local      netip.Addr `json:"local"`
	Interface  string     `json:"interface,omitempty"` // by which its packets leave
	Peer       netip.Addr `json:"peer"`
	PeerHost   string     `json:"peer_host"`   // what it calls itself, escaped
	PeerVendor string     `json:"peer_vendor"` // likewise
	CallID     uint16     `json:"call_id"`
	PeerCallID uint16     `json:"peer_call_id"`
	// Carrier is what its packets travel in: "udp" or "gre", IP protocol 47. Empty: the
	// caller has not chosen yet.
	Carrier       string `json:"carrier,omitempty"`
	CarrierReason string `json:"carrier_reason,omitempty"` // why in that, in words
	PeerPort      uint16 `json:"peer_udp_port,omitempty"`
	// Control counts the messages of the control connection.
	Control control.Stats `json:"control"`
	GRE     gre.Stats     `json:"gre"`
	LastGRE time.Time     `json:"last_gre,omitzero"`
	PPP     ppp.Status    `json:"ppp"`
}

// An IPStatus is a site's end in the kernel.
type IPStatus struct {
	Device string         `json:"device"`
	Local  netip.Addr     `json:"local,omitzero"`
	Peer   netip.Addr     `json:"peer,omitzero"`
	Routes []netip.Prefix `json:"routes"`
	MTU    int            `json:"mtu,omitempty"`
	MTUSum string         `json:"mtu_sum,omitempty"` // how it came about
	Stats  ip.Stats       `json:"stats"`
}

// An IPXStatus is what IPXCP agreed on, or IPXWAN after it.
type IPXStatus struct {
	Network    ipx.Network `json:"network"` // 0: unnumbered
	Local      ipx.Node    `json:"local"`
	Peer       ipx.Node    `json:"peer"`
	PeerRouter string      `json:"peer_router,omitempty"` // its name, escaped
	Segment    string      `json:"segment,omitempty"`     // bridged: its counters are the segment's
	IPXWAN     bool        `json:"ipxwan,omitempty"`      // the ends agreed by it
	// Exchange is how networks and services are exchanged: the configuration's word,
	// and what became of it when the peer does not do that.
	Exchange string `json:"exchange,omitempty"`
	Ticks    uint16 `json:"ticks,omitempty"` // to the peer, 1/18 s
	// Compression counts what header compression did; nil: there is none.
	Compression *cipx.Stats `json:"compression,omitempty"`
	// Share is what was learned from the peer, and how much may be.
	Share *router.Share `json:"share,omitempty"`
	// Stats counts what the router had to do with the link.
	Stats *router.Stats `json:"stats,omitempty"`
}

// A LANStatus is what is known of one LAN.
type LANStatus struct {
	Name   string            `json:"name"`
	Device string            `json:"device"`
	MAC    ipx.Node          `json:"mac"`
	Up     bool              `json:"up"`
	Wires  []router.WireInfo `json:"wires,omitempty"` // its routed frame types
	Stats  port.Stats        `json:"stats"`
	Heard  port.Heard        `json:"heard"`
	// DOSBox is who is connected, where emulators connect.
	DOSBox *DOSBoxStatus `json:"dosbox,omitempty"`
	// Trouble says in words what is wrong with the wire; empty: nothing is.
	Trouble []string `json:"trouble,omitempty"`
}

// A DOSBoxStatus is a server for emulators.
type DOSBoxStatus struct {
	Address netip.AddrPort      `json:"address"`
	Clients []port.DOSBoxClient `json:"clients,omitempty"`
}

// A SegmentStatus is one bridged network.
type SegmentStatus struct {
	Name     string                `json:"name"`
	Network  ipx.Network           `json:"network"`
	Stations []segment.StationInfo `json:"stations,omitempty"`
	Networks []segment.NetworkInfo `json:"networks,omitempty"` // beyond it, by routers on its wires
	Ports    []segment.PortInfo    `json:"ports"`
	// Troubles are loops and the like.
	Troubles []segment.Trouble `json:"troubles,omitempty"`
}

// Status tells how everything stands now.
func (d *Daemon) Status() Status {
	s := Status{
		Name:    d.config().Daemon.Name,
		Version: d.version,
		Started: d.started,
		GRE:     d.mux.Stats(),

		Certificates: d.certificates(time.Now()),
		Strangers:    d.refused.snapshot(),
		Guard:        d.guard.snapshot(time.Now()),
		Process:      process(),
	}
	if d.radius != nil {
		now := d.radius.Status()
		s.RADIUS = &now
	}
	if d.sockets != nil {
		s.Sockets = d.sockets.Stats()
	}
	if d.udp != nil {
		stats := d.udp.Stats()
		s.UDP, s.UDPPort = &stats, d.udp.Port()
	}
	for _, e := range d.allEars() {
		s.Listeners = append(s.Listeners, ListenerStatus{e.at.String(), e.Stats()})
	}
	for _, w := range d.config().Warnings() {
		s.Warnings = append(s.Warnings, w.String())
	}
	if keys := d.awaiting.Load(); keys != nil {
		for _, key := range *keys {
			s.Warnings = append(s.Warnings, key+" was changed in the file, and only a restart of the daemon takes that over")
		}
	}
	for _, m := range d.missing() {
		s.Warnings = append(s.Warnings, m.String())
	}
	s.Hooks = d.hooks.status(d.config().Daemon.Hooks)
	for _, h := range s.Hooks {
		if w := h.warning(); w != "" {
			s.Warnings = append(s.Warnings, w)
		}
	}
	for _, st := range d.allSites() {
		s.Sites = append(s.Sites, st.status())
	}
	wires := d.ipx.router.Wires()
	for _, l := range d.ipx.allLANs() {
		s.LANs = append(s.LANs, l.status(wires))
	}
	for _, c := range d.config().Segments {
		seg := d.ipx.segment(c.Name)
		if seg == nil { // it is being exchanged
			continue
		}
		s.Segments = append(s.Segments, SegmentStatus{c.Name, c.Network, seg.Stations(), seg.Networks(), seg.Ports(), seg.Troubles()})
	}
	s.IPX, s.Stations, s.Clashes = d.ipx.router.Tally(), d.ipx.router.Stations(), d.ipx.router.Clashes()
	return s
}

func (s *site) status() SiteStatus {
	v := s.supervisor.snapshot()
	out := SiteStatus{
		Name: s.cfg.Name, State: v.State, Since: v.Since, Reason: v.Reason,
		NextTry: v.NextTry, Dials: v.Dials, Ups: v.Ups, Refused: v.Refused, Ends: v.Ends,
	}
	for _, m := range s.cfg.Auth.Methods {
		out.AuthMethods = append(out.AuthMethods, m.String())
	}
	if s.ip != nil {
		out.IP = s.ip.status()
	}
	if s.remotes != nil {
		s.remotes.tell(&out)
	}
	if s.watchdog != nil {
		stats := s.watchdog.Stats()
		out.Watchdogs = &stats
	}
	if s.demand != nil {
		out.Demand = s.demand.status()
	}
	if cur, ok := v.Current.(*session); ok {
		out.Tunnel = cur.status()
		if hint := cur.suspicion(); hint != "" {
			out.Reason = hint
		} else if dead := cur.refused(s.ncpNames()); dead != "" && v.State != StateUp {
			out.Reason = dead
		}
		if n := cur.nets.Load(); n != nil && n.ipx != nil {
			out.IPX = n.ipx.status()
		}
	}
	return out
}

func (s *session) status() *Tunnel {
	peer := s.call.Conn().Peer()
	t := &Tunnel{
		Dialed: s.outgoing, Began: s.began,
		Local: s.path.Local, Interface: s.device(), Peer: s.path.Remote,
		PeerHost: peer.Host.String(), PeerVendor: peer.Vendor.WithoutToken().String(),
		CallID: s.call.ID(), PeerCallID: s.call.PeerID(),
		Control: s.call.Conn().Stats(), GRE: s.channel.Stats(), LastGRE: s.channel.LastReceive(),
		PPP: s.link.Status(),
	}
	if st := s.site.Load(); st != nil && t.PPP.Phase < ppp.PhaseNetwork {
		t.PPP.Encryption.Policy = policyOf(st.cfg.Encryption.Policy).String() // the link learns it later
	}
	if c := s.carrier.Load(); c != nil {
		t.Carrier, t.CarrierReason, t.PeerPort = string(c.transport), c.why, s.channel.Path().Port
	}
	return t
}

// refused says which of the required network protocols the link will not have, while
// another one keeps it alive, and why.
func (s *session) refused(required []string) string {
	var dead []string
	for _, n := range s.link.Status().NCPs {
		if !n.Opened && n.Reason != "" && slices.Contains(required, n.Name) {
			dead = append(dead, n.Name+": "+n.Reason)
		}
	}
	return strings.Join(dead, "; ")
}

func (p *ipPlane) status() *IPStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &IPStatus{
		Device: p.site.cfg.Device, Local: p.addrs.Local, Peer: p.addrs.Peer,
		Routes: p.cfg.Routes, Stats: p.dev.Load().Stats(),
	}
	if p.owner != nil {
		s.MTU, s.MTUSum = p.sum.InnerMTU, p.sum.String()
	}
	return s
}

func (l *ipxLink) status() *IPXStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	routed := l.routed.Load()
	if routed == nil && l.bridged.Load() == nil {
		return nil
	}
	s := &IPXStatus{
		Network: l.agreed.network, Local: l.agreed.local, Peer: l.agreed.peer, PeerRouter: l.agreed.peerName,
		IPXWAN: l.agreed.byWAN,
	}
	if c := l.codec.Load(); c != nil {
		stats := c.Stats()
		s.Compression = &stats
	}
	if seg := l.n.st.cfg.Segment; seg != nil {
		s.Segment = seg.Name
	}
	if routed != nil {
		info := routed.Info()
		s.Exchange, s.Ticks, s.Share, s.Stats = exchangeWords(l.n.st.cfg.IPX.Exchange, info.Exchange), info.Ticks, &info.Share, &info.Stats
	}
	return s
}

// exchangeWords is the configuration's word, and what became of it. The router
// itself exchanges nothing where what is behind the peer stands in a file.
func exchangeWords(wanted config.IPXExchange, is string) string {
	switch {
	case wanted == config.ExchangeAutoStatic && is == string(config.ExchangeStatic):
		return string(wanted)
	case is == string(config.ExchangeStatic) && wanted != config.ExchangeStatic:
		return fmt.Sprintf("%s, agreed on %s by IPXWAN", wanted, is)
	}
	return is
}

func (l *lan) status(wires []router.WireInfo) LANStatus {
	s := LANStatus{
		Name: l.name, Device: l.port.Name(), MAC: l.port.MAC(), Up: l.port.Up(),
		Stats: l.port.Stats(), Heard: l.port.Heard(),
	}
	if host, ok := l.port.(port.DOSBoxHost); ok {
		s.DOSBox = &DOSBoxStatus{host.Address(), host.Clients()}
	}
	for _, w := range wires {
		for _, a := range l.routed {
			if a != nil && a.Name() == w.Name {
				s.Wires = append(s.Wires, w)
			}
		}
	}
	s.Trouble = trouble(s, l.used(), time.Now())
	return s
}

// used tells which frame types of the LAN are routed or bridged.
func (l *lan) used() (used frameTypes) {
	for e := range used {
		used[e] = l.routed[e] != nil || l.bridged[e] != nil
	}
	return used
}
