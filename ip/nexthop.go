package ip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A NextHop is how packets with our Mark leave by an Ethernet interface.
type NextHop struct {
	Device   int
	To, From [6]byte // hardware addresses
	MTU      int     // of the path as far as the host knows, at most the interface's
}

// NextHop looks up how packets leave from local for remote, by the interface device
// unless it is 0. The error says why there is no such way, or why one that does without
// the host's IP layer would not be the same: more than one route, an encapsulation, IPsec,
// an interface other than Ethernet, a neighbour whose hardware address is not known.
func (h *Host) NextHop(local, remote netip.Addr, device int) (NextHop, error) {
	r, err := h.onlyRoute(&netlink.RouteGetOptions{Mark: Mark, SrcAddr: local.AsSlice(), OifIndex: device}, remote)
	if err != nil {
		return NextHop{}, fmt.Errorf("way to %v: %w", remote, err)
	}
	if err := h.noIPsec(); err != nil {
		return NextHop{}, err
	}
	link, err := h.nl.LinkByIndex(r.LinkIndex)
	if err != nil {
		return NextHop{}, fmt.Errorf("interface %d: %w", r.LinkIndex, err)
	}
	a := link.Attrs()
	if a.EncapType != "ether" || len(a.HardwareAddr) != 6 || a.MasterIndex != 0 || !carries(link) {
		return NextHop{}, fmt.Errorf("interface %s is not an Ethernet interface that is up and a part of no other", a.Name)
	}
	to := remote
	if gateway, ok := netip.AddrFromSlice(r.Gw); ok {
		to = gateway.Unmap()
	}
	hop := NextHop{Device: a.Index, From: [6]byte(a.HardwareAddr), MTU: a.MTU}
	if r.MTU > 0 {
		hop.MTU = min(hop.MTU, r.MTU)
	}
	hop.To, err = h.neighbour(a.Index, to)
	return hop, err
}

// onlyRoute asks twice: which route it is that the kernel finds, and what comes of it.
func (h *Host) onlyRoute(options *netlink.RouteGetOptions, to netip.Addr) (r netlink.Route, err error) {
	for _, options.FIBMatch = range []bool{true, false} {
		routes, err := h.nl.RouteGetWithOptions(to.AsSlice(), options)
		if err != nil {
			return r, err
		}
		if len(routes) != 1 || routes[0].Type != unix.RTN_UNICAST || len(routes[0].MultiPath) > 0 || routes[0].Encap != nil || routes[0].Via != nil {
			return r, errors.New("no plain route by one interface")
		}
		r = routes[0]
	}
	return r, nil
}

// noIPsec fails when the host has a policy for what it sends: it might be for GRE. It
// asks in the namespace of the process, which is the daemon's.
func (h *Host) noIPsec() error {
	policies, err := list(h.nl, func() ([]netlink.XfrmPolicy, error) { return netlink.XfrmPolicyList(unix.AF_INET) })
	if ignore(err, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT) != nil {
		return fmt.Errorf("list IPsec policies: %w", err)
	}
	if slices.ContainsFunc(policies, func(p netlink.XfrmPolicy) bool { return p.Dir == netlink.XFRM_DIR_OUT }) {
		return errors.New("the host has IPsec policies")
	}
	return nil
}

// neighbour returns the hardware address that the kernel would send to.
func (h *Host) neighbour(device int, a netip.Addr) (to [6]byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	req := h.request(unix.RTM_GETNEIGH, 0)
	req.AddData(&netlink.Ndmsg{Family: unix.AF_INET, Index: uint32(device)})
	req.AddData(nl.NewRtAttr(unix.NDA_DST, a.AsSlice()))
	answer, err := h.nl.Execute(req, unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH)
	if err != nil {
		return to, fmt.Errorf("neighbour %v: %w", a, err)
	}
	const known = netlink.NUD_PERMANENT | netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE
	for _, m := range answer {
		n, err := netlink.NeighDeserialize(m)
		if err == nil && n.State&known != 0 && len(n.HardwareAddr) == 6 {
			return [6]byte(n.HardwareAddr), nil
		}
	}
	return to, fmt.Errorf("neighbour %v: its hardware address is not known", a)
}

// A HopWatch tells at once when what NextHop said may not hold any more. It is a Watch
// without patience that listens for neighbours, too.
type HopWatch struct {
	f   *os.File
	buf []byte
}

// OpenHopWatch listens to the kernel of the calling thread's network namespace.
func OpenHopWatch() (*HopWatch, error) {
	f, err := listenNetlink(unix.RTMGRP_LINK | unix.RTMGRP_NEIGH | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | rulesGroup)
	if err != nil {
		return nil, err
	}
	return &HopWatch{f: f, buf: make([]byte, 1<<16)}, nil
}

// Close ends the HopWatch, and a Next that waits.
func (w *HopWatch) Close() error { return w.f.Close() }

// Next waits until something changes or ctx ends. Only one goroutine may wait.
func (w *HopWatch) Next(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { w.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := w.f.Read(w.buf)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, unix.ENOBUFS): // more than there was room for
		return fmt.Errorf("listen to the host's network: %w", err)
	}
	return nil
}
