package ip

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// worstMetric is the metric of unreachable routes: any other route to the same
// prefix wins over it.
const worstMetric = 1<<32 - 1

// A routeKey is what the kernel allows one route of.
type routeKey struct {
	dst    netip.Prefix
	table  int
	metric int
}

// InstallUnreachable makes the prefixes unreachable for as long as nothing
// better is known, so that what is meant for a branch never leaks to the
// default route while its tunnel is down. Several sites may install the same
// prefix; the last remove takes it away.
func (h *Host) InstallUnreachable(dst []netip.Prefix) (remove func() error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	remove, err = doAll(dst, h.holdUnreachable)
	return h.locked(remove), err
}

// locked wraps an undo that needs h.mu.
func (h *Host) locked(undo func() error) func() error {
	if undo == nil {
		return nil
	}
	return func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		return undo()
	}
}

// unreachableRoute is the route that a key of Host.unreachable stands for.
func unreachableRoute(key routeKey) *netlink.Route {
	return &netlink.Route{
		Dst:      ipNet(key.dst),
		Type:     unix.RTN_UNREACHABLE,
		Table:    key.table,
		Priority: key.metric,
		Protocol: ProtoUnreachable,
	}
}

// Restore puts back the rules and the unreachable routes that somebody else took
// away: a restart of systemd-networkd removes rules that it does not know, and a
// full tunnel would then carry itself. Within a second of the last time it does nothing:
// every site asks for it.
func (h *Host) Restore() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.restored) < keptFor {
		return nil
	}
	h.restored = now
	errs := []error{h.look(now)}
	for key := range h.rules {
		for _, r := range rulesOf(key) {
			_, err := h.addRule(r)
			errs = append(errs, err)
		}
	}
	for key := range h.unreachable {
		if !h.kept.routes[keptRoute{key, 0}] {
			errs = append(errs, h.addRoute(unreachableRoute(key), key))
		}
	}
	return errors.Join(errs...)
}

func (h *Host) holdUnreachable(dst netip.Prefix) (undo func() error, err error) {
	dst = unmap(dst).Masked()
	key := routeKey{dst, h.table(dst), worstMetric}
	route := unreachableRoute(key)
	if h.unreachable[key] == 0 {
		if err := h.addRoute(route, key); err != nil {
			return nil, err
		}
	}
	h.unreachable[key]++
	return func() error {
		if h.unreachable[key]--; h.unreachable[key] > 0 {
			return nil
		}
		delete(h.unreachable, key)
		return h.deleteRoute(route)
	}, nil
}

// InstallLive routes the prefixes into the interface. Among sites that reach
// the same prefix the lowest metric wins. src, when valid, is the source address
// of what the host itself sends there.
func (h *Host) InstallLive(dev *Interface, dst []netip.Prefix, metric uint32, src netip.Addr) (remove func() error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	remove, err = doAll(dst, func(dst netip.Prefix) (func() error, error) {
		dst = unmap(dst).Masked()
		key := h.liveKey(dst, metric)
		route := &netlink.Route{
			LinkIndex: dev.Index(),
			Dst:       ipNet(dst),
			Table:     key.table,
			Priority:  key.metric,
			Protocol:  ProtoLive,
		}
		if dst.Addr().Is4() {
			route.Scope = netlink.SCOPE_LINK // no gateway
		}
		if src.IsValid() && src.Is4() == dst.Addr().Is4() {
			route.Src = src.AsSlice()
		}
		seen := keptRoute{key, dev.Index()}
		err := h.addRoute(route, key)
		if err == nil {
			h.see(seen)
		}
		return func() error { delete(h.kept.routes, seen); return h.deleteRoute(route) }, err
	})
	return h.locked(remove), err
}

// liveKey is the key of a route into a tunnel.
func (h *Host) liveKey(dst netip.Prefix, metric uint32) routeKey {
	key := routeKey{dst, h.table(dst), int(metric)}
	if dst.Addr().Is6() && metric == 0 {
		key.metric = 1024 // what the kernel makes of 0 (IP6_RT_PRIO_USER)
	}
	return key
}

// addRoute adds a route. One of ours that is there already is success; one of
// somebody else's is not touched.
func (h *Host) addRoute(route *netlink.Route, key routeKey) error {
	err := h.nl.RouteAdd(route)
	if !errors.Is(err, unix.EEXIST) {
		if err != nil {
			err = fmt.Errorf("add route to %v: %w", key.dst, err)
		}
		return err
	}
	there, err := h.routesAt(key)
	if err != nil {
		return err
	}
	for _, r := range there {
		sameWay := r.LinkIndex == route.LinkIndex || route.Type == unix.RTN_UNREACHABLE
		if r.Protocol == route.Protocol && r.Type == kind(route) && sameWay {
			return nil
		}
	}
	if len(there) == 0 {
		return fmt.Errorf("add route to %v: %w", key.dst, unix.EEXIST) // it went meanwhile
	}
	return fmt.Errorf("add route to %v: another one with metric %d is there already: %v", key.dst, key.metric, there[0])
}

// kind returns a route's type, of which the kernel's default is unicast.
func kind(r *netlink.Route) int {
	if r.Type == unix.RTN_UNSPEC {
		return unix.RTN_UNICAST
	}
	return r.Type
}

// deleteRoute deletes a route, which may be gone with its interface.
func (h *Host) deleteRoute(route *netlink.Route) error {
	if err := ignore(h.nl.RouteDel(route), unix.ESRCH, unix.ENODEV); err != nil {
		return fmt.Errorf("delete route to %v: %w", route.Dst, err)
	}
	return nil
}

// routesAt lists the routes that have the key.
func (h *Host) routesAt(key routeKey) ([]netlink.Route, error) {
	fam := family(key.dst.Addr())
	list, err := h.nl.RouteListFiltered(fam, &netlink.Route{Table: key.table}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var at []netlink.Route
	for _, r := range list {
		if prefixOf(r.Dst, fam) == key.dst && r.Priority == key.metric {
			at = append(at, r)
		}
	}
	return at, nil
}

// CleanStale deletes the routes, rules and entries of proxy ARP that carry our marks. At the start of
// the daemon they are the remains of one that crashed.
func (h *Host) CleanStale() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	errs := []error{h.cleanProxies()}
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		for _, proto := range []netlink.RouteProtocol{ProtoUnreachable, ProtoLive} {
			list, err := h.nl.RouteListFiltered(fam, &netlink.Route{Protocol: proto}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
			errs = append(errs, ignore(err, unix.EAFNOSUPPORT))
			for i := range list {
				errs = append(errs, h.deleteRoute(&list[i]))
			}
		}
		rules, err := h.nl.RuleList(fam)
		errs = append(errs, ignore(err, unix.EAFNOSUPPORT)) // a kernel without IPv6 has none of it
		for i := range rules {
			if rules[i].Protocol == uint8(ProtoLive) {
				rules[i].Family = fam
				errs = append(errs, ignore(h.nl.RuleDel(&rules[i]), unix.ENOENT))
			}
		}
	}
	return errors.Join(errs...)
}
