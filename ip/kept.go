package ip

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// keptFor is how long a look at our routes in the kernel counts as one of now. Each site
// looks after its own once a minute: a thousand of them share a look.
const keptFor = time.Second

// kept is which routes of ours the kernel had at a moment.
type kept struct {
	at     time.Time
	routes map[keptRoute]bool
}

// A keptRoute is a route into an interface, or, by index 0, to nowhere.
type keptRoute struct {
	routeKey
	index int
}

// HasLive reports whether the kernel still has a route of InstallLive. One that was
// taken away within the last second may be seen; so is each while the kernel does not
// tell, as in the middle of a storm of changes: there will be another look.
func (h *Host) HasLive(dev *Interface, dst netip.Prefix, metric uint32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.look(time.Now()) != nil || h.kept.routes[keptRoute{h.liveKey(unmap(dst).Masked(), metric), dev.Index()}]
}

// see notes a route that we have just installed, for who asks before the next look: it
// would be installed again. h.mu is held.
func (h *Host) see(r keptRoute) {
	if h.kept.routes != nil {
		h.kept.routes[r] = true
	}
}

// look brings kept up to date. h.mu is held.
func (h *Host) look(now time.Time) error {
	if now.Sub(h.kept.at) < keptFor {
		return nil
	}
	routes := map[keptRoute]bool{}
	for _, fam := range []int{unix.AF_INET, unix.AF_INET6} {
		for _, proto := range []netlink.RouteProtocol{ProtoUnreachable, ProtoLive} {
			if err := h.listRoutes(fam, proto, routes); err != nil {
				return fmt.Errorf("list routes: %w", err)
			}
		}
	}
	h.kept = kept{now, routes}
	return nil
}

// listRoutes adds the routes of a protocol to those known. The kernel leaves the others
// out, where it is not too old for that: there may be a hundred thousand.
func (h *Host) listRoutes(fam int, proto netlink.RouteProtocol, to map[keptRoute]bool) error {
	req := h.request(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(fam), Protocol: uint8(proto)}})
	err := h.nl.ExecuteIter(req, unix.NETLINK_ROUTE, unix.RTM_NEWROUTE, func(m []byte) bool {
		if r, ok := parseKept(fam, proto, m); ok {
			to[r] = true
		}
		return true
	})
	return ignore(err, unix.ENOENT) // no such routes, to a kernel that filters
}

// parseKept reads what tells one route from another (rtnetlink(7)), if it is one of the
// family and the protocol.
func parseKept(fam int, proto netlink.RouteProtocol, m []byte) (r keptRoute, ok bool) {
	if len(m) < unix.SizeofRtMsg {
		return r, false
	}
	msg := nl.DeserializeRtMsg(m)
	if int(msg.Family) != fam || msg.Protocol != uint8(proto) {
		return r, false
	}
	r.table = int(msg.Table)
	r.dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if fam == unix.AF_INET6 {
		r.dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	for kind, value := range attributes(m[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			if addr, ok := netip.AddrFromSlice(value); ok {
				r.dst = netip.PrefixFrom(addr, int(msg.Dst_len))
			}
		case unix.RTA_TABLE:
			r.table = number(value)
		case unix.RTA_PRIORITY:
			r.metric = number(value)
		case unix.RTA_OIF:
			r.index = number(value)
		}
	}
	if msg.Type == unix.RTN_UNREACHABLE {
		r.index = 0 // IPv6 names the loopback
	}
	return r, true
}

func number(value []byte) int {
	if len(value) < 4 {
		return 0
	}
	return int(nl.NativeEndian().Uint32(value))
}
