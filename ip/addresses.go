package ip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses are what IPCP and IPv6CP agreed on for an interface. What is not
// valid, or zero, is not there: a link may be unnumbered, or speak one of the
// two only.
type Addresses struct {
	Local, Peer     netip.Addr // IPv4 (RFC 1332, section 3.3)
	LocalID, PeerID uint64     // IPv6 interface identifiers (RFC 5072, section 4.1)
}

// linkLocal returns the link-local address with the interface identifier
// (RFC 5072, section 5).
func linkLocal(id uint64) netip.Addr {
	if id == 0 {
		return netip.Addr{}
	}
	b := [16]byte{0: 0xfe, 1: 0x80}
	binary.BigEndian.PutUint64(b[8:], id)
	return netip.AddrFrom16(b)
}

func (a Addresses) peer6() netip.Addr { return linkLocal(a.PeerID) }

// complain4 returns the address that tells senders on our side of packets too
// big. It is the peer's and not ours: the kernel takes a packet from outside
// that bears an address of its own for a forgery.
func (a Addresses) complain4() netip.Addr {
	if a.Peer.IsValid() {
		return a.Peer
	}
	return dummyAddress
}

// complain6 is the same for IPv6, where the kernel does not mind, and where the
// peer's link-local address would not get beyond this host: a global address of
// the host, if there is one.
func (h *Host) complain6(a Addresses) netip.Addr {
	list, err := h.nl.AddrList(nil, unix.AF_INET6)
	if err == nil {
		for _, l := range list {
			if addr, ok := netip.AddrFromSlice(l.IP); ok && addr.IsGlobalUnicast() {
				return addr
			}
		}
	}
	return a.peer6()
}

// want returns the kernel's form of the addresses.
func (a Addresses) want() []*netlink.Addr {
	var list []*netlink.Addr
	if a.Local.IsValid() {
		addr := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(a.Local, 32))}
		if a.Peer.IsValid() {
			addr.Peer = ipNet(netip.PrefixFrom(a.Peer, 32)) // comes with the route to it
		}
		list = append(list, addr)
	}
	if local := linkLocal(a.LocalID); local.IsValid() {
		// IPv6CP has made sure that it is unique on the link (RFC 5072, section 4.1).
		list = append(list, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(local, 64)), Flags: unix.IFA_F_NODAD})
	}
	return list
}

// Configure gives the interface its addresses, in place of those of an earlier
// Configure; what stays the same is not touched, so that sockets survive. The
// undo takes them away again. Call it before Up, which reads the peer's
// addresses for the source check.
func (i *Interface) Configure(a Addresses) (undo func() error, err error) {
	if a.Local.IsValid() && !a.Local.Is4() || a.Peer.IsValid() && !a.Peer.Is4() {
		return nil, fmt.Errorf("addresses %v and %v: want IPv4", a.Local, a.Peer)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	err = i.setAddresses(a.want())
	if err == nil && !a.Local.IsValid() && a.Peer.IsValid() {
		// Unnumbered, and no address lent to us: the peer is still a host behind
		// the interface.
		err = ignore(i.host.nl.RouteAdd(i.peerRoute(a.Peer)), unix.EEXIST)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set addresses of %s: %w", i.name, err), i.setAddresses(nil))
	}
	i.addresses = a
	return sync.OnceValue(func() error { return i.unconfigure(a) }), nil
}

// unconfigure takes the addresses away, unless others have taken their place.
func (i *Interface) unconfigure(a Addresses) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.addresses != a {
		return nil
	}
	i.addresses = Addresses{}
	if !a.Local.IsValid() && a.Peer.IsValid() {
		if err := ignore(i.host.nl.RouteDel(i.peerRoute(a.Peer)), unix.ESRCH, unix.ENODEV); err != nil {
			return err
		}
	}
	return i.setAddresses(nil)
}

func (i *Interface) peerRoute(peer netip.Addr) *netlink.Route {
	return &netlink.Route{
		LinkIndex: i.Index(),
		Dst:       ipNet(netip.PrefixFrom(peer, 32)),
		Scope:     netlink.SCOPE_LINK,
		Protocol:  ProtoLive,
	}
}

// setAddresses makes the addresses that we gave the interface those wanted. It asks the
// kernel for none: there is no list of one interface's, and that of a thousand is long.
func (i *Interface) setAddresses(want []*netlink.Addr) error {
	given := i.given
	i.given = nil
	for n, addr := range given {
		if containsAddr(want, addr) {
			i.given = append(i.given, addr)
			continue
		}
		if err := ignore(i.host.nl.AddrDel(i.link, addr), unix.EADDRNOTAVAIL, unix.ENODEV); err != nil {
			i.given = append(i.given, given[n:]...)
			return err
		}
	}
	for _, addr := range want {
		if err := ignore(i.host.nl.AddrAdd(i.link, addr), unix.EEXIST); err != nil {
			return fmt.Errorf("%v: %w", addr, err)
		}
		if !containsAddr(i.given, addr) {
			i.given = append(i.given, addr)
		}
	}
	return nil
}

func containsAddr(list []*netlink.Addr, a *netlink.Addr) bool {
	return slices.ContainsFunc(list, func(l *netlink.Addr) bool {
		return l.IPNet.String() == a.IPNet.String() && l.Peer.String() == a.Peer.String() // also of nil
	})
}
