package ip

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What follows only looks: for `sitebridge diagnose`.

// A Way is how the kernel sends to an address.
type Way struct {
	Device          string
	Source, Gateway netip.Addr // Gateway is not valid on the same wire
}

// Way looks up how packets with our Mark get to an address. from is the address that
// they leave from, and device the interface; without a value the kernel chooses. The
// errors are those of the kernel: EACCES for a route of the type prohibit, EINVAL for a
// blackhole, EHOSTUNREACH for unreachable, ENETUNREACH for no route at all.
func (h *Host) Way(from netip.Addr, device string, to netip.Addr) (Way, error) {
	if from.IsValid() && !h.has(from) {
		return Way{}, unix.EADDRNOTAVAIL
	}
	w, err := h.way(&netlink.RouteGetOptions{Mark: Mark, SrcAddr: from.AsSlice(), Oif: device}, to)
	if err == nil && from.IsValid() {
		w.Source = from // what was asked for is not answered
	}
	return w, err
}

func (h *Host) way(options *netlink.RouteGetOptions, to netip.Addr) (Way, error) {
	routes, err := h.nl.RouteGetWithOptions(to.AsSlice(), options)
	var gone netlink.LinkNotFoundError
	switch {
	case errors.As(err, &gone):
		return Way{}, unix.ENODEV
	case err != nil:
		return Way{}, err
	case len(routes) == 0:
		return Way{}, unix.ENETUNREACH
	}
	r := routes[0]
	w := Way{Device: h.name(r.LinkIndex)}
	w.Source, _ = netip.AddrFromSlice(r.Src)
	w.Gateway, _ = netip.AddrFromSlice(r.Gw)
	w.Source, w.Gateway = w.Source.Unmap(), w.Gateway.Unmap()
	return w, nil
}

func (h *Host) has(a netip.Addr) bool {
	list, err := h.nl.AddrList(nil, family(a))
	return err != nil || slices.ContainsFunc(list, func(l netlink.Addr) bool {
		have, _ := netip.AddrFromSlice(l.IP)
		return have.Unmap() == a
	})
}

func (h *Host) name(index int) string {
	link, err := h.nl.LinkByIndex(index)
	if err != nil {
		return fmt.Sprintf("interface %d", index)
	}
	return link.Attrs().Name
}

// A Device is an interface.
type Device struct {
	Name  string
	Up    bool
	MTU   int
	Addrs []netip.Addr
}

// Device returns how an interface is set up.
func (h *Host) Device(name string) (Device, error) {
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return Device{Name: name}, err
	}
	return h.device(link)
}

func (h *Host) device(link netlink.Link) (Device, error) {
	d := Device{Name: link.Attrs().Name, Up: link.Attrs().RawFlags&unix.IFF_UP != 0, MTU: link.Attrs().MTU}
	list, err := h.nl.AddrList(link, netlink.FAMILY_ALL)
	for _, l := range list {
		if a, ok := netip.AddrFromSlice(l.IP); ok {
			d.Addrs = append(d.Addrs, a.Unmap())
		}
	}
	return d, err
}

// Neighbours lists the interfaces on which this host has addresses that others can use,
// but for loopback and tunnels.
func (h *Host) Neighbours() ([]Device, error) {
	links, err := h.nl.LinkList()
	if err != nil {
		return nil, err
	}
	var all []Device
	for _, link := range links {
		if link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0 || link.Type() == "tuntap" {
			continue
		}
		d, err := h.device(link)
		if err == nil && slices.ContainsFunc(d.Addrs, func(a netip.Addr) bool { return a.IsGlobalUnicast() }) {
			all = append(all, d)
		}
	}
	return all, nil
}

// A RouteState is what the kernel has for one prefix behind a peer.
type RouteState struct {
	Dst         netip.Prefix
	Live        bool // our route into the tunnel
	Unreachable bool // our route of the worst metric
	// Winner is the device of the route with the best metric to just this prefix, or the
	// kind of a route without one, such as "blackhole"; empty: there is none.
	Winner string
	// Longer are routes of others to parts of it, but for those to the host's own wires.
	Longer []string
}

// RouteStates looks at the routes to what is behind the peer of a tunnel.
func (h *Host) RouteStates(device string, dst []netip.Prefix) ([]RouteState, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	routes := map[int][]netlink.Route{}
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := h.nl.RouteListFiltered(fam, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if ignore(err, unix.EAFNOSUPPORT) != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		routes[fam] = list
	}
	index := 0
	if link, err := h.nl.LinkByName(device); err == nil {
		index = link.Attrs().Index
	}
	var all []RouteState
	for _, p := range dst {
		p = unmap(p).Masked()
		all = append(all, h.routeState(p, index, routes[family(p.Addr())]))
	}
	return all, nil
}

func (h *Host) routeState(dst netip.Prefix, index int, routes []netlink.Route) RouteState {
	s, best := RouteState{Dst: dst}, worstMetric
	for i := range routes {
		r := &routes[i]
		if r.Table != h.table(dst) {
			continue
		}
		p := prefixOf(r.Dst, family(dst.Addr()))
		switch {
		case p == dst:
			s.Live = s.Live || r.Protocol == ProtoLive && r.LinkIndex == index
			s.Unreachable = s.Unreachable || r.Protocol == ProtoUnreachable
			if r.Priority < best {
				best, s.Winner = r.Priority, h.target(r)
			}
		case dst.Contains(p.Addr()) && p.Bits() > dst.Bits() && foreign(r):
			s.Longer = append(s.Longer, fmt.Sprintf("%v by %s", p, h.target(r)))
		}
	}
	return s
}

// foreign tells routes that others made by hand or by protocol, as the kernel makes
// those of its own wires.
func foreign(r *netlink.Route) bool {
	return r.Protocol != ProtoLive && r.Protocol != ProtoUnreachable && r.Protocol != unix.RTPROT_KERNEL
}

// target is where a route leads.
func (h *Host) target(r *netlink.Route) string {
	switch kind(r) {
	case unix.RTN_BLACKHOLE:
		return "blackhole"
	case unix.RTN_UNREACHABLE:
		return "unreachable"
	case unix.RTN_PROHIBIT:
		return "prohibit"
	}
	return h.name(r.LinkIndex)
}

// MissingRules lists the rules that Restore would put back, in the words of ip-rule(8).
func (h *Host) MissingRules() ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var missing []string
	for key := range h.rules {
		there, err := h.nl.RuleList(key.family)
		if err != nil {
			return nil, fmt.Errorf("list rules: %w", err)
		}
		for _, want := range rulesOf(key) {
			same := func(have netlink.Rule) bool {
				return have.Priority == want.Priority && have.Table == want.Table && have.Mark == want.Mark && (want.Dst == nil || have.Dst.String() == want.Dst.String())
			}
			if !slices.ContainsFunc(there, same) {
				missing = append(missing, ruleWords(want))
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}

func ruleWords(r *netlink.Rule) string {
	words := strconv.Itoa(r.Priority) + ":"
	if r.Dst != nil {
		words += " to " + r.Dst.String()
	}
	if r.Mark != 0 {
		words += fmt.Sprintf(" not fwmark %#x", r.Mark)
	}
	return fmt.Sprintf("%s lookup %d", words, r.Table)
}

// A Filter is the reverse path filter as it stands before a peer
// (Documentation/networking/ip-sysctl.rst, rp_filter).
type Filter struct {
	Peer   netip.Addr
	Device string // by which its packets come
	Mode   int    // 0: none, 1: strict, 2: loose
	// Back is the device by which the filter finds the way back to it; empty: none. It
	// looks the way up without our mark (fib_validate_source in net/ipv4/fib_frontend.c).
	Back string
}

// Filter looks at the reverse path filter for packets of a peer to local that come in by
// device.
func (h *Host) Filter(local, peer netip.Addr, device string) Filter {
	f := Filter{Peer: peer, Device: device}
	for _, conf := range []string{"all", device} {
		f.Mode = max(f.Mode, setting("ipv4/conf/"+conf+"/rp_filter"))
	}
	if w, err := h.way(&netlink.RouteGetOptions{SrcAddr: local.AsSlice()}, peer); err == nil {
		f.Back = w.Device
	}
	return f
}

// setting reads a number of the calling thread's network namespace; 0 where it cannot.
func setting(key string) int {
	b, err := os.ReadFile("/proc/sys/net/" + key)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}
