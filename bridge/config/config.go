package config

import (
	"crypto/sha256"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"sitebridge/bridge/identity"
	"sitebridge/internal/secret"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
	"sitebridge/ppp/auth"
)

// A Config is a checked configuration. It is read only: several goroutines may
// share it.
type Config struct {
	Path     string   // of the file, as given
	Files    []string // all that were read for it: the file itself, then the included ones, then what was learned; not the secrets
	Daemon   Daemon
	Listen   Listen
	Radius   *Radius    // nil: nobody is asked about callers
	LANs     []*LAN     // by name
	Segments []*Segment // by name
	Sites    []*Site    // by name

	// notes are what reading found that is no fault and that Warnings tells.
	notes []Warning
	// ours are the IPX networks that are here, by what they are.
	ours numbers
}

// A Daemon is what concerns the whole daemon.
type Daemon struct {
	Name      string           // our name to every peer
	Listen    []netip.AddrPort // where calls are answered: IPv4; empty: we only dial
	UDP       uint16           // the port of tunnels whose packets travel in UDP; 0: none do
	GREBypass bool             // raw GRE is sent past the host's own IP layer
	Status    string           // path of the control socket
	// InternalNetwork is our IPX network number inside; 0: we have none.
	InternalNetwork ipx.Network
	// Metrics is where metrics can be read: on loopback, if the file does not say
	// that others may. Not valid: nowhere.
	Metrics netip.AddrPort
	// Hooks are programs that run for each event; CheckHook has passed them.
	Hooks []string
	// Web is where the status page can be read, likewise.
	Web netip.AddrPort
	// Identity is the certificate that we prove ourselves with by EAP-TLS; nil: we
	// have none, and no site allows EAP-TLS.
	Identity        *identity.Own
	CertificatePath string // of its file; empty: none
}

// A Listen is what all answering sites have in common. Until a caller has proved
// its name we do not know which site it is.
type Listen struct {
	// Methods is the union of what the answering sites allow, strongest first.
	// After authentication the method must also be in the site's own list.
	Methods []auth.Method
}

// A LAN is a wire that speaks IPX: exactly one of Interface, TAP and DOSBox is
// set.
type LAN struct {
	Name      string
	Interface string  // an Ethernet interface that exists
	TAP       string  // an interface that we make, for virtual machines
	DOSBox    *DOSBox // an IPXNET server: its one frame type is ipx.EthernetII
	// Frames are the frame types that are routed, in the order of
	// ipx.Encapsulation. Those that a Segment bridges are not among them.
	Frames []Frame

	// What follows is for the frame types that are routed.

	Exchange     IPXExchange   // ExchangeRIPSAP; or ExchangeStatic: who asks is answered, and no more
	Update       time.Duration // period of full updates
	NetBIOS      policy.Propagation
	Nearest      policy.Nearest // how Get Nearest Server is answered
	NearestDelay time.Duration  // and how late
	Limits       policy.Limits

	// What follows is for those that a Segment bridges.

	Allow, Deny []ipx.Node // Ethernet addresses that are heard, Allow empty: all; and that are not
	// Stations are spoken to in the frame type that stands here, whatever they
	// speak. Nil: none are.
	Stations map[ipx.Node]ipx.Encapsulation
}

// A DOSBox is where emulators connect by IPXNET.
type DOSBox struct {
	Listen  netip.AddrPort // UDP
	Clients int            // at most
	Rate    int            // packets a second from one client, at most
}

// Device is the name of the interface, whichever it is; empty for DOSBox.
func (l *LAN) Device() string {
	if l.TAP != "" {
		return l.TAP
	}
	return l.Interface
}

// A Frame is one frame type on a LAN: a routed network of its own.
type Frame struct {
	Encapsulation ipx.Encapsulation
	Network       ipx.Network // 0 when Learn
	Learn         bool        // take the number that servers on the wire use
}

// A Segment is one IPX network number on wires of several sites: bridge mode.
type Segment struct {
	Name    string
	Network ipx.Network // 0 is allowed: stations that know no number
	LANs    []SegmentLAN
	Sites   []string // whose links belong to the segment
	// StationLimit bounds the stations that are learned on one port.
	StationLimit int
	// Ageing is how long a silent station stays known.
	Ageing time.Duration
	// SplitHorizon keeps what one site sends from the other sites.
	SplitHorizon bool
	// Broadcasts bounds those that are taken in on one port in a second. Negative:
	// nothing does.
	Broadcasts int
	// StormBlock is how long a port stays shut on which our own packets came back.
	StormBlock time.Duration
}

// A SegmentLAN is the part of a Segment that is on one of our wires.
type SegmentLAN struct {
	LAN *LAN
	// Frames are the frame types that belong to the segment there. The first one
	// is spoken as long as no station is known.
	Frames []ipx.Encapsulation
}

// A Site is one peer and the tunnel to it.
type Site struct {
	Name   string
	Dial   []Endpoint // tried in turn; empty: we wait for its call
	Answer bool       // whether we take its calls
	Source Source     // what our own packets of the tunnel leave from
	Device string     // the name of the TUN interface
	// Required are the network protocols that must be up for the site to count
	// as up. Never empty.
	Required   []Protocol
	Demand     *Demand // nil: the tunnel is kept up
	Echo       Echo
	Reorder    Reorder
	Transport  Transport // never empty
	MTU        int       // of IP in the tunnel; 0: worked out from the path
	Auth       Auth
	Encryption Encryption
	IP         *IP     // nil: no IP in the tunnel
	IPX        *IPX    // nil: no IPX in the tunnel
	Remote     *Remote // not nil: many callers, and not one peer
	// Segment is the segment whose packets cross the link; nil: IPX is routed.
	// IPX is then not nil, and says nothing about routes.
	Segment *Segment
}

// Runs reports whether the site's link negotiates p.
func (s *Site) Runs(p Protocol) bool {
	switch p {
	case ProtocolIP:
		return s.IP != nil
	case ProtocolIPv6:
		return s.IP != nil && s.IP.IPv6
	case ProtocolIPX:
		return s.IPX != nil
	}
	return false
}

// An Endpoint is where a peer answers PPTP. The host is resolved anew for each
// dial.
type Endpoint struct {
	Host string // a name or an IPv4 address
	Port uint16
}

func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// A Source binds a site to one uplink: at most one of the two is set, none lets
// the kernel choose.
type Source struct {
	Address   netip.Addr
	Interface string
}

// A Protocol is a network protocol by the word of the configuration.
type Protocol string

// The protocols that Required may list.
const (
	ProtocolIP   Protocol = "ip" // version 4
	ProtocolIPv6 Protocol = "ipv6"
	ProtocolIPX  Protocol = "ipx"
)

// An Echo is how a silent peer is found out. Control and LCP echoes are sent only
// while nothing arrives.
type Echo struct {
	Interval time.Duration
	Failures int  // unanswered in a row, until the tunnel counts as lost
	LCP      bool // false: only the control connection is probed
}

// A Reorder bounds how GRE packets that arrived early are held back.
type Reorder struct {
	Packets int // 0: none is held back
	Time    time.Duration
}

// An Auth is who proves what to whom. With EAP-TLS both ends prove themselves by
// certificates. With the others the dialler proves itself with SecretOut, and the
// answerer asks for SecretIn; with PAP and CHAP both directions that have a secret
// are asked.
type Auth struct {
	Methods   []auth.Method     // strongest first; never empty
	Name      string            // our own name there
	PeerName  string            // the name that the peer must prove
	SecretOut secret.Secret     // empty: none, or no method has a use for it
	SecretIn  secret.Secret     // the same
	Trust     *identity.Trust   // whose certificate is the peer's; nil: EAP-TLS is not allowed
	Revoked   [sha256.Size]byte // of the revocation lists that Trust names, as they were read; zero: none
	OldTLS13  bool              // whether the peer's TLS 1.3 is that of pppd 2.4.9
}

// Allows reports whether the site allows m.
func (a Auth) Allows(m auth.Method) bool { return slices.Contains(a.Methods, m) }

// An Encryption is how a link is protected.
type Encryption struct {
	Policy   Policy
	Methods  []Cipher // strongest first; empty when Policy is PolicyDisabled, and only then
	Stateful bool     // whether stateful MPPE is taken from a peer that has no other
}

// Allows reports whether the site allows c.
func (e Encryption) Allows(c Cipher) bool { return slices.Contains(e.Methods, c) }

// A Policy says how much the link must be protected.
type Policy string

// The policies.
const (
	PolicyRequired  Policy = "required"  // nothing crosses the link before it is encrypted
	PolicyPreferred Policy = "preferred" // we ask for it, and go on without
	PolicyPermitted Policy = "permitted" // we do not ask, and take it from a peer that does
	PolicyDisabled  Policy = "disabled"  // nothing is encrypted
)

// A Cipher is a way to encrypt by the word of the configuration.
type Cipher string

// The ciphers.
const (
	AEAD    Cipher = "aead"     // our own authenticated encryption, by ECP
	MPPE128 Cipher = "mppe-128" // MPPE with keys of 128 bits, by CCP (RFC 3078)
)

// An AddressMode says where our own IPv4 address in the tunnel comes from.
type AddressMode uint8

// The modes.
const (
	Unnumbered AddressMode = iota // the link has no addresses of its own
	FromPeer                      // the peer assigns it
	Static                        // IP.Address
)

func (m AddressMode) String() string {
	switch m {
	case Unnumbered:
		return "unnumbered"
	case FromPeer:
		return "from-peer"
	}
	return "static"
}

// An IP is the network layer for IPv4 and IPv6 of a site.
type IP struct {
	Mode    AddressMode
	Address netip.Addr // ours; set when Mode is Static
	// Peer is the peer's address; Pool is what callers get theirs from. At most one is
	// set; with none the peer says which address it has.
	Peer   netip.Addr
	Pool   netip.Prefix
	Routes []netip.Prefix // what is behind the peer: nothing else is accepted from it; IPv4 and IPv6
	Metric uint32         // of its routes
	DNS    []netip.Addr   // told to a peer that asks; at most two, as IPCP has it
	NBNS   []netip.Addr   // the same for NetBIOS name servers
	IPv6   bool           // whether IPv6 runs: link-local addresses, by IPV6CP
	// TellRoutes and Domain are told to callers of a pool that ask by DHCPINFORM.
	TellRoutes []netip.Prefix
	Domain     string
}

// An IPX is the network layer for IPX of a site.
type IPX struct {
	Gate policy.Gate // what may cross the link; PassNetBIOS follows NetBIOS
	// NetBIOS says whether packets of type 20 cross; never PropagateReverse in a
	// segment.
	NetBIOS policy.Propagation
	// Hold is how long what is behind the peer stays known when the link is lost.
	Hold time.Duration
	// Watchdogs are answered for the peer's side while the link is lost and Hold is
	// not over, or while it is idle. Hold is not 0 then.
	Watchdogs bool
	// Compression is how many slots CIPX has; 0: headers are not compressed.
	Compression int

	// What follows is for a link that routes: in a segment it is zero.

	Network     ipx.Network  // of the link itself; 0: unnumbered
	Routes      []IPXRoute   // what is behind the peer, besides what is learned from it
	Services    []IPXService // told to our LANs as if the peer had announced them
	Workstation bool         // the peer is one host, which gets a node number; Exchange is ExchangeStatic
	Exchange    IPXExchange
	Limits      policy.Limits
	Update      time.Duration // period of full updates; set with ExchangeRIPSAP and ExchangeTriggered
	Nearest     bool          // whether the peer's servers are named in answers to Get Nearest Server
	IPXWAN      bool          // whether IPXWAN runs with a peer that wants it

	// Learned is the path of the file that keeps what an update learned; set with
	// ExchangeAutoStatic, and only then. LearnedRoutes and LearnedServices are what
	// it holds, without what is in Routes and Services, what Limits do not accept,
	// and what is ours.
	Learned         string
	LearnedRoutes   []IPXRoute
	LearnedServices []IPXService
}

// Learns reports whether the peer is asked what is behind it.
func (x *IPX) Learns() bool { return x.Exchange != "" && x.Exchange != ExchangeStatic }

// An IPXExchange is how networks and services are exchanged with a neighbour, by
// the word of the configuration.
type IPXExchange string

// The exchanges.
const (
	ExchangeStatic     IPXExchange = "static"      // nothing is announced or learned; who asks is answered
	ExchangeRIPSAP     IPXExchange = "rip-sap"     // periodic RIP and SAP
	ExchangeTriggered  IPXExchange = "triggered"   // RFC 2091: changes alone
	ExchangeAutoStatic IPXExchange = "auto-static" // static, and learned once, when asked to
)

// An IPXRoute is a network behind the peer.
type IPXRoute struct {
	Network ipx.Network
	Hops    uint8
	Ticks   uint16
}

// An IPXService is a server behind the peer.
type IPXService struct {
	Type    uint16
	Name    string // as it was written, at most 47 octets
	Address ipx.Addr
	Hops    uint8
}

// Site finds a site by its name; nil: there is none.
func (c *Config) Site(name string) *Site {
	for _, s := range c.Sites {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Caller finds the answering site whose peer, or one of whose users, proves itself
// by name; nil: there is none.
func (c *Config) Caller(name string) *Site {
	for _, s := range c.Sites {
		if s.Answer && (s.Remote == nil && s.Auth.PeerName == name || s.Remote.User(name) != nil) {
			return s
		}
	}
	return nil
}

// Callers lists the answering sites that allow m. By EAP-TLS the one whose Trust
// takes the certificate is the one that calls.
func (c *Config) Callers(m auth.Method) []*Site {
	var callers []*Site
	for _, s := range c.Sites {
		if s.Answer && s.Auth.Allows(m) {
			callers = append(callers, s)
		}
	}
	return callers
}

// LAN finds a LAN by its name; nil: there is none.
func (c *Config) LAN(name string) *LAN {
	for _, l := range c.LANs {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// OwnNames lists the names under which we prove ourselves, each once. A peer
// that answers under one of them sends us our own words back.
func (c *Config) OwnNames() []string {
	names := []string{c.Daemon.Name}
	seen := map[string]bool{c.Daemon.Name: true}
	for _, s := range c.Sites {
		if !seen[s.Auth.Name] {
			seen[s.Auth.Name] = true
			names = append(names, s.Auth.Name)
		}
	}
	return names
}
