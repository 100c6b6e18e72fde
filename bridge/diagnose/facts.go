package diagnose

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"

	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/ip"
	"sitebridge/ppp"
)

// A World is where facts come from. Each method looks at one thing, changes nothing but
// what its comment says, and is over in the time that it is given.
type World interface {
	Setup() Setup
	// Names resolves what the site dials.
	Names(ctx context.Context) []Lookup
	// Ways asks the kernel how it would send to each address.
	Ways(to []netip.AddrPort) []Way
	// Reach opens TCP and a control connection to each address, and closes it again:
	// no call is made.
	Reach(ctx context.Context, to []netip.AddrPort) []Reach
	// Calls is what came to us.
	Calls() Calls
	// Try has the site dial now, unless it has a call, and watches that: it returns when
	// the site is up, when the call has ended, or when it is plain where it is stuck.
	Try(ctx context.Context) Attempt
	// Path sends pings of several sizes to the peer's address, and through the tunnel.
	Path(ctx context.Context, a Attempt) Path
	// Filter is the reverse path filter on the way to the first of the addresses.
	Filter() ip.Filter
	Kernel() Kernel
	IPX() IPX
	Certificates() Certificates
}

// A Setup is what is to be, and how the site stands.
type Setup struct {
	Site  string
	State string // the daemon's word; empty: no daemon runs
	// Reason is why it is not up, by the daemon; Since is when that came about.
	Reason   string
	Dials    bool // it dials
	Answers  bool // it takes calls
	Up       bool
	Call     bool // there is a call, up or not
	Stopped  bool // by its operator
	Idle     bool // it dials when there is traffic
	Pool     bool // many call it, each with a call of its own
	Callers  int  // who are there now
	NCPs     []string
	Required []string // of the NCPs
	Policy   string   // of encryption
	Methods  []string // of authentication
	IP       bool     // IP or IPv6 runs
	IPX      bool
	Unmarked bool // we may not mark sockets (CAP_NET_ADMIN): a full tunnel may catch our probes
	TLS      bool // certificates have a part in it
}

// A Lookup is what one host of `dial` resolves to.
type Lookup struct {
	Host  string
	Addrs []netip.AddrPort
	Err   error
}

// A Way is how the kernel sends to an address.
type Way struct {
	To netip.AddrPort
	ip.Way
	Err error
	// Tunnel is the site whose tunnel it would enter; empty: none.
	Tunnel string
}

// A Reach is what came of TCP and the control connection to one address.
type Reach struct {
	To      netip.AddrPort
	TCP     error // nil: it opened
	Control error // nil: that opened too
	Trip    time.Duration
	Peer    string // what it calls itself, escaped
	// Before says that nothing was tried: the site has a control connection already,
	// and Control is whether that still answers.
	Before bool
}

// Calls is what came to the addresses where calls are answered.
type Calls struct {
	Listen    []string // where
	Requests  uint64   // Start-Control-Connection-Requests
	Calls     uint64   // Outgoing-Call-Requests
	GRE       uint64   // packets, of all calls
	Strangers uint64   // calls whose caller did not show which site it is
	Last      time.Duration
	From      netip.Addr
	Reason    string // of the last one
	Malformed uint64 // control messages that are none
	// Waiting is the oldest call under way whose caller has not shown yet which site it is.
	Waiting WaitingCall
}

// A WaitingCall is a call whose caller is not known yet.
type WaitingCall struct {
	From netip.Addr    // not valid: there is none
	For  time.Duration // how long it has been there
	On   string        // what it waits for, in words
}

// An Attempt is one call of the site: the one that it has, or the last one.
type Attempt struct {
	Err         error // why there is no call, from the dial
	Call        bool  // there was one
	Live        bool  // and still is
	Up          bool
	Dialed      bool // by us
	Local, Peer netip.Addr
	For         time.Duration // that it has lasted
	GRE         gre.Stats
	UDP         uint16 // the port of UDP that its packets travel in; 0: GRE, IP protocol 47
	Carrier     string // why in that
	// NoUDP says why they do not travel in UDP though they should; empty: they do, or
	// should not.
	NoUDP    string
	Heard    bool       // anything of GRE came from the peer
	Stranger netip.Addr // GRE for the call came from here
	PPP      ppp.Status
	End      error  // why it ended
	Pending  string // what a live one waits for
	MTU      ip.Sum // of IP inside; zero: not known
	// ICMP is what routers said of our GRE, and of our UDP.
	ICMP []ICMP
}

// An ICMP is a message about GRE that we sent, or about UDP (RFC 792).
type ICMP struct {
	From       netip.Addr
	Type, Code uint8
	UDP        bool
}

// A Path is which packets get to the peer.
type Path struct {
	Peer     netip.Addr
	Believed int // the MTU by the kernel; 0: not known
	// Outer is the longest ping that was answered, in octets with its IP header; 0: none.
	// Small is whether a small one was.
	Outer int
	Small bool
	Tried int // the longest one sent
	Told  int // the MTU that a router told meanwhile; 0: none did
	Err   error
	// Inner is the same by LCP Echo-Requests through the tunnel, in octets of the outer
	// packet; InnerTried 0: not tried.
	Inner, InnerTried int
	Overhead          int // of the tunnel: Believed - Overhead fits inside
}

// A Kernel is the site's end in the kernel.
type Kernel struct {
	Device   ip.Device
	DevErr   error
	Local    netip.Addr // agreed on; not valid: none
	Peer     netip.Addr
	V4, V6   bool // which is up in the tunnel
	Routes   []ip.RouteState
	Rules    []string // of a full tunnel, that are missing
	Err      error    // netlink did not answer
	Settings []ip.Setting
	LANs     []ip.Device // others that have an address
	Sum      ip.Sum
	Stats    ip.Stats
}

// IPX is the IPX side.
type IPX struct {
	Routed   bool // else bridged
	LANs     []LAN
	Clashes  []Clash
	Exchange string // in words
	Learns   bool   // the peer is to tell what is behind it
	Open     bool   // IPXCP is up
	Behind   int    // networks known behind the peer
	Held     int    // of these, held: the link is lost
}

// A LAN is one wire that speaks IPX.
type LAN struct {
	Name, Device string
	Down         bool
	Frames       uint64   // heard, in all frame types
	Heard        string   // by frame type, in words
	Wrong        []string // frame types that are spoken and not set up
	Numbers      []string // who says another number
	Other        []string // other troubles
}

// A Clash is a number that two claim.
type Clash struct {
	Words  string
	Recent bool
}

// Certificates are all that have a part in the site.
type Certificates struct {
	Now      time.Time
	All      []Certificate
	Unlisted error // the revocation list cannot be used
}

// A Certificate, or a revocation list.
type Certificate struct {
	Name, Use string
	From, To  time.Time
}

// CertificateOf is a Certificate's dates.
func CertificateOf(c *x509.Certificate, name, use string) Certificate {
	return Certificate{name, use, c.NotBefore, c.NotAfter}
}

// A refusal by the control connection is told by its type.
type (
	versionError    = *control.VersionError
	startError      = *control.StartError
	callError       = *control.CallError
	malformedError  = *control.MalformedError
	unexpectedError = *control.UnexpectedError
)
