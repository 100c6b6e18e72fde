package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Veth lays a cable between two hosts, which may be the same one: what goes
// into one end comes out of the other. Both ends are up.
func (l *Lab) Veth(a *Namespace, aName string, b *Namespace, bName string) {
	l.helper()
	what := fmt.Sprintf("veth %s.%s - %s.%s", a.name, aName, b.name, bName)
	l.step(what, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = aName
		return a.handle.LinkAdd(&netlink.Veth{
			LinkAttrs:     attrs,
			PeerName:      bName,
			PeerNamespace: netlink.NsFd(b.file.Fd()),
		})
	})
	a.Up(aName)
	b.Up(bName)
}

// Bridge makes a switch inside the host and plugs in the interfaces named. It
// forwards at once: it runs no spanning tree.
func (ns *Namespace) Bridge(name string, ports ...string) {
	ns.lab.helper()
	ns.step("bridge "+name, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		bridge := &netlink.Bridge{LinkAttrs: attrs}
		if err := ns.handle.LinkAdd(bridge); err != nil {
			return err
		}
		for _, port := range ports {
			link, err := ns.handle.LinkByName(port)
			if err != nil {
				return err
			}
			if err := ns.handle.LinkSetMaster(link, bridge); err != nil {
				return err
			}
		}
		return nil
	})
	ns.Up(name)
}

// Up brings an interface up.
func (ns *Namespace) Up(name string) {
	ns.lab.helper()
	ns.link("up", name, ns.handle.LinkSetUp)
}

// Down takes an interface down. Its routes go with it.
func (ns *Namespace) Down(name string) {
	ns.lab.helper()
	ns.link("down", name, ns.handle.LinkSetDown)
}

// Delete removes an interface; of a veth, both ends.
func (ns *Namespace) Delete(name string) {
	ns.lab.helper()
	ns.link("delete", name, ns.handle.LinkDel)
}

// MTU sets the largest packet that an interface takes.
func (ns *Namespace) MTU(name string, mtu int) {
	ns.lab.helper()
	ns.link(fmt.Sprint("mtu ", mtu), name, func(link netlink.Link) error {
		return ns.handle.LinkSetMTU(link, mtu)
	})
}

// MAC gives an interface the hardware address.
func (ns *Namespace) MAC(name, mac string) {
	ns.lab.helper()
	ns.link("mac "+mac, name, func(link netlink.Link) error {
		addr, err := net.ParseMAC(mac)
		if err != nil {
			return err
		}
		return ns.handle.LinkSetHardwareAddr(link, addr)
	})
}

// Addr gives an interface an address, as in "192.0.2.1/24". When it returns, the
// host takes packets for the address, if the interface is up at both ends.
func (ns *Namespace) Addr(name, prefix string) {
	ns.lab.helper()
	ns.link("address "+prefix, name, func(link netlink.Link) error {
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		if addr.IP.To4() != nil {
			return ns.handle.AddrAdd(link, addr)
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := ns.handle.AddrAdd(link, addr); err != nil {
			return err
		}
		return ns.waitLocal(link, addr.IP)
	})
}

// waitLocal waits until the kernel knows an IPv6 address as its own: it makes
// the local route in a work queue (addrconf_dad_work), and until then would
// forward packets for it.
func (ns *Namespace) waitLocal(link netlink.Link, ip net.IP) error {
	const running = unix.IFF_UP | unix.IFF_RUNNING
	for deadline := time.Now().Add(5 * time.Second); link.Attrs().RawFlags&running == running; runtime.Gosched() {
		routes, err := ns.handle.RouteListFiltered(unix.AF_INET6,
			&netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Dst: &net.IPNet{IP: ip, Mask: net.CIDRMask(128, 128)}},
			netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE|netlink.RT_FILTER_DST)
		if err == nil && len(routes) > 0 {
			break
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("%v is not usable after 5 s", ip), err)
		}
	}
	return nil
}

// Route sends what is for dst (a prefix, or "default") to the gateway via.
func (ns *Namespace) Route(dst, via string) {
	ns.lab.helper()
	ns.step(fmt.Sprintf("route %s via %s", dst, via), func() error {
		gateway, err := netip.ParseAddr(via)
		if err != nil {
			return err
		}
		route := &netlink.Route{Gw: gateway.AsSlice()}
		if dst != "default" {
			if route.Dst, err = netlink.ParseIPNet(dst); err != nil {
				return err
			}
		}
		return ns.handle.RouteAdd(route)
	})
}

// link does something to the interface of that name.
func (ns *Namespace) link(what, name string, do func(netlink.Link) error) {
	ns.lab.helper()
	ns.step(name+": "+what, func() error {
		link, err := ns.handle.LinkByName(name)
		if err != nil {
			return err
		}
		return do(link)
	})
}
