package ip

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A proxyKey is what the kernel answers for on a wire.
type proxyKey struct {
	link int
	addr netip.Addr
}

// ProxyARP has the kernel answer on the wire of a device for an IPv4 address that is
// reached another way (RFC 1027). It does so where the device forwards. The entry
// bears our mark, as our routes do (NDA_PROTOCOL, Linux 5.2), by which CleanStale
// finds it; one that somebody else made is not touched.
func (h *Host) ProxyARP(device string, addr netip.Addr) (remove func() error, err error) {
	link, err := h.nl.LinkByName(device)
	if err != nil {
		return nil, fmt.Errorf("proxy ARP on %s: %w", device, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	key := proxyKey{link.Attrs().Index, addr.Unmap()}
	all, err := h.proxies()
	if err != nil {
		return nil, err
	}
	if protocol, there := all[key]; there && protocol != ProtoLive {
		return func() error { return nil }, nil // it does already what we want
	}
	if err := h.proxy(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, key); err != nil {
		return nil, fmt.Errorf("proxy ARP for %v on %s: %w", addr, device, err)
	}
	return h.locked(func() error { return h.unproxy(key) }), nil
}

// unproxy takes an entry away, which may be gone with its device.
func (h *Host) unproxy(key proxyKey) error {
	err := ignore(h.proxy(unix.RTM_DELNEIGH, 0, key), unix.ENOENT, unix.ENODEV)
	if err != nil {
		return fmt.Errorf("end proxy ARP for %v: %w", key.addr, err)
	}
	return nil
}

// proxy adds or deletes an entry. The netlink package does not know its mark.
func (h *Host) proxy(what, flags int, key proxyKey) error {
	req := h.request(what, flags|unix.NLM_F_ACK)
	req.AddData(&netlink.Ndmsg{Family: unix.AF_INET, Index: uint32(key.link), Flags: netlink.NTF_PROXY})
	req.AddData(nl.NewRtAttr(netlink.NDA_DST, key.addr.AsSlice()))
	req.AddData(nl.NewRtAttr(netlink.NDA_PROTOCOL, []byte{byte(ProtoLive)}))
	_, err := h.nl.Execute(req, unix.NETLINK_ROUTE, 0)
	return err
}

// proxies lists all entries for IPv4, with who made them; 0: it does not say.
func (h *Host) proxies() (map[proxyKey]netlink.RouteProtocol, error) {
	req := h.request(unix.RTM_GETNEIGH, unix.NLM_F_DUMP)
	req.AddData(&netlink.Ndmsg{Family: unix.AF_INET, Flags: netlink.NTF_PROXY})
	msgs, err := h.nl.Execute(req, unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH)
	if err != nil {
		return nil, fmt.Errorf("list proxy ARP: %w", err)
	}
	all := map[proxyKey]netlink.RouteProtocol{}
	for _, m := range msgs {
		if key, protocol, ok := parseProxy(m); ok {
			all[key] = protocol
		}
	}
	return all, nil
}

// parseProxy reads an entry, if it is one of proxy ARP (struct ndmsg of rtnetlink(7)).
func parseProxy(m []byte) (key proxyKey, protocol netlink.RouteProtocol, ok bool) {
	if len(m) < unix.SizeofNdMsg || m[flagsOfNeighbour]&netlink.NTF_PROXY == 0 {
		return key, 0, false
	}
	key.link = int(nl.NativeEndian().Uint32(m[4:]))
	for kind, value := range attributes(m[unix.SizeofNdMsg:]) {
		switch {
		case kind == netlink.NDA_DST:
			addr, isAddr := netip.AddrFromSlice(value)
			key.addr, ok = addr.Unmap(), isAddr
		case kind == netlink.NDA_PROTOCOL && len(value) > 0:
			protocol = netlink.RouteProtocol(value[0])
		}
	}
	return key, protocol, ok
}

// flagsOfNeighbour is where ndm_flags stands.
const flagsOfNeighbour = 10

// cleanProxies deletes the entries that bear our mark. h.mu is held.
func (h *Host) cleanProxies() error {
	all, err := h.proxies()
	errs := []error{err}
	for key, protocol := range all {
		if protocol == ProtoLive {
			errs = append(errs, h.unproxy(key))
		}
	}
	return errors.Join(errs...)
}

// request is a question on the Host's own socket, which stays with its namespace.
func (h *Host) request(what, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(what, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: h.own}
	return req
}
