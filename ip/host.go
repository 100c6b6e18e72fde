package ip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Host is the routing of one network namespace as the daemon changes it. All
// sites of a daemon share one, because they may share what they install: two
// sites with a prefix in common hold one unreachable route.
type Host struct {
	nl  *kernel
	own *nl.SocketHandle // for what nl does not know; mu is held while it is used

	mu          sync.Mutex           // guards what follows, and the order of changes
	unreachable map[routeKey]int     // how many sites hold it
	protected   map[netip.Prefix]int // likewise
	rules       map[ruleKey]*heldRules
	kept        kept      // of our routes, when somebody looked last
	restored    time.Time // when Restore last did its work
}

// OpenHost returns the Host of the calling thread's network namespace. It stays
// with that, whatever thread uses it.
func OpenHost() (*Host, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	own, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	// The kernel then answers what was asked for, and not all that it has. One before 4.20
	// does not know that.
	unix.SetsockoptInt(own.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	return &Host{
		nl:          newKernel(handle),
		own:         &nl.SocketHandle{Socket: own},
		unreachable: map[routeKey]int{},
		protected:   map[netip.Prefix]int{},
		rules:       map[ruleKey]*heldRules{},
	}, nil
}

// Close closes the Host's sockets. It undoes nothing.
func (h *Host) Close() {
	h.nl.Close()
	h.own.Close()
}

// undoAll returns a function that undoes steps in reverse order, once.
func undoAll(steps []func() error) func() error {
	return sync.OnceValue(func() error {
		var errs []error
		for i := len(steps) - 1; i >= 0; i-- {
			errs = append(errs, steps[i]())
		}
		return errors.Join(errs...)
	})
}

// doAll does do for each of list. It returns one undo for all, or has already
// undone what it did when it fails.
func doAll[T any](list []T, do func(T) (undo func() error, err error)) (func() error, error) {
	var steps []func() error
	for _, item := range list {
		undo, err := do(item)
		if err != nil {
			return nil, errors.Join(err, undoAll(steps)())
		}
		steps = append(steps, undo)
	}
	return undoAll(steps), nil
}

// ignore turns an error that says the state is already as wanted into success.
func ignore(err error, already ...error) error {
	for _, a := range already {
		if errors.Is(err, a) {
			return nil
		}
	}
	return err
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefixOf is ipNet's way back. The kernel's nil is a default route.
func prefixOf(n *net.IPNet, fam int) netip.Prefix {
	if n == nil {
		if fam == unix.AF_INET {
			return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	a, _ := netip.AddrFromSlice(n.IP)
	if fam == unix.AF_INET {
		a = a.Unmap()
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a, bits)
}
