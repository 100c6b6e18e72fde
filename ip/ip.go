// Package ip is the tunnel's end in the kernel: a TUN interface per site, its
// addresses, the routes of what is behind the peer, and what must happen to
// every packet on the way between the interface and the link.
//
//	out   the kernel routes a packet to the TUN; Run reads it, tells the sender
//	      when it is too big, clamps the MSS of a SYN and hands it to the link
//	in    the link hands packets to Deliver, which drops those whose source is
//	      not behind the peer, clamps, and writes them to the TUN
//
// The package leaves to others what carries the packets (PPP, which is only a
// Link here) and when a site is up (the supervisor). Every change it makes to
// the host comes with its undo, and is found again after a crash by the mark it
// carries: ProtoUnreachable and ProtoLive on routes and rules.
package ip

import "github.com/vishvananda/netlink"

// Mark is the socket mark (socket(7), SO_MARK) of our control and carrier
// sockets. Packets that carry it are kept out of the tunnels; see
// Host.ProtectMarked.
const Mark uint32 = 0x5b1d

// The route protocol numbers that tell our routes from everybody else's
// (rtnetlink(7), rtm_protocol). Linux's rt_protos leaves both unassigned; the
// two kinds are told apart so that `ip route show proto 172` is the list of what
// must never leak.
const (
	// ProtoUnreachable marks the permanent unreachable route of a site's prefix.
	ProtoUnreachable netlink.RouteProtocol = 172
	// ProtoLive marks a route into a tunnel, and our policy rules.
	ProtoLive netlink.RouteProtocol = 173
)

// The PPP protocol numbers of what a Link carries for us (RFC 1332 and RFC 5072,
// section 2 of each).
const (
	ProtocolIPv4 uint16 = 0x0021
	ProtocolIPv6 uint16 = 0x0057
)

// minIPv6MTU is what every IPv6 link must carry (RFC 8200, section 5).
const minIPv6MTU = 1280
