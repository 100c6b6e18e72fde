package ip

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An Uplink is how the kernel sends packets that carry our Mark to somebody outside of
// the tunnels. The zero Uplink is none.
type Uplink struct {
	Way
	Up bool // the interface is up and has a carrier
}

// ErrNoWay says that the kernel knows no way to an address.
var ErrNoWay = errors.New("no way")

// Usable reports whether there is such a way and its wire is plugged in.
func (u Uplink) Usable() bool { return u.Device != "" && u.Up }

// Uplink looks up how packets get to remote: from the address local, unless that is
// invalid, and by the interface device, unless that is empty. ErrNoWay says that there
// is none; any other error, that the kernel did not tell.
func (h *Host) Uplink(remote, local netip.Addr, device string) (Uplink, error) {
	w, err := h.way(&netlink.RouteGetOptions{Mark: Mark, SrcAddr: local.AsSlice(), Oif: device}, remote)
	if err != nil {
		return Uplink{}, noUplink(remote, err)
	}
	if !w.Source.IsValid() {
		w.Source = local
	}
	link, err := h.nl.LinkByName(w.Device)
	if err != nil {
		return Uplink{}, fmt.Errorf("interface %s: %w", w.Device, err)
	}
	return Uplink{w, carries(link)}, nil
}

// noUplink tells the kernel's words for a destination without a route, with a route that
// forbids it (ip-route(8), unreachable, prohibit, blackhole), or for a source or an
// interface that is not there, from its failure to answer.
func noUplink(a netip.Addr, err error) error {
	if ignore(err, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.ENETDOWN, unix.ENODEV) == nil {
		return fmt.Errorf("%w to %v: %w", ErrNoWay, a, err)
	}
	return fmt.Errorf("look up the way to %v: %w", a, err)
}

// carries reports whether an interface is up and has a carrier.
func carries(link netlink.Link) bool {
	const want = unix.IFF_UP | unix.IFF_LOWER_UP
	return link.Attrs().RawFlags&want == want
}

// Home tells which interface has an address of this host, and whether that is up.
// The device is empty when none has it.
func (h *Host) Home(a netip.Addr) (device string, up bool, err error) {
	routes, err := h.nl.RouteGetWithOptions(a.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true, Mark: Mark})
	if err != nil {
		return "", false, ignore(noUplink(a, err), ErrNoWay)
	}
	if len(routes) == 0 || routes[0].Type != unix.RTN_LOCAL {
		return "", false, nil
	}
	link, err := h.nl.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return "", false, fmt.Errorf("home of %v: %w", a, err)
	}
	return link.Attrs().Name, carries(link), nil
}
