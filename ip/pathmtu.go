package ip

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
)

// PathMTU returns the longest packet that the way to remote takes as far as the
// host knows: what routers have told it (RFC 1191), else the outgoing
// interface's MTU. local, when valid, is the source address, and device, unless it is 0,
// the outgoing interface. The way is that of packets with our Mark, outside of all
// tunnels.
func (h *Host) PathMTU(local, remote netip.Addr, device int) (int, error) {
	options := &netlink.RouteGetOptions{Mark: Mark, OifIndex: device}
	if local.IsValid() && !local.IsUnspecified() {
		options.SrcAddr = local.AsSlice()
	}
	routes, err := h.nl.RouteGetWithOptions(remote.AsSlice(), options)
	if err != nil {
		return 0, fmt.Errorf("path to %v: %w", remote, err)
	}
	if len(routes) == 0 {
		return 0, fmt.Errorf("path to %v: no route", remote)
	}
	if mtu := routes[0].MTU; mtu > 0 {
		return mtu, nil
	}
	link, err := h.nl.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return 0, fmt.Errorf("path to %v: %w", remote, err)
	}
	return min(link.Attrs().MTU, 65535), nil
}

const (
	outerIPLen  = ipv4HeaderLen
	outerUDPLen = 8
	outerGRELen = 16 // enhanced GRE with sequence and acknowledgement (RFC 2637, section 4.1)
)

// A Sum is how the MTU inside a tunnel comes about.
type Sum struct {
	Path     int // longest packet on the way to the peer
	IP, GRE  int // headers around the PPP frame
	UDP      int // likewise; 0: GRE is right behind IP
	PPP      int // framing, and encryption
	PeerMRU  int // longest PPP payload that the peer takes; 0: not known
	InnerMTU int // what is left
}

// InnerMTU works out the longest packet that passes a tunnel without being
// fragmented: over a path of outer octets, with so much PPP overhead, to a peer
// that takes peerMRU octets (0: any).
func InnerMTU(outer, overhead, peerMRU int) Sum {
	return Sum{Path: outer, IP: outerIPLen, GRE: outerGRELen, PPP: overhead, PeerMRU: peerMRU}.summed()
}

// InUDP is the sum for a tunnel whose GRE travels in UDP.
func (s Sum) InUDP() Sum {
	s.UDP = outerUDPLen
	return s.summed()
}

// Around is what is around a packet of the tunnel.
func (s Sum) Around() int { return s.IP + s.UDP + s.GRE + s.PPP }

// summed works InnerMTU out.
func (s Sum) summed() Sum {
	s.InnerMTU = max(s.fits(), 0)
	if s.PeerMRU > 0 {
		s.InnerMTU = min(s.InnerMTU, s.PeerMRU)
	}
	return s
}

func (s Sum) fits() int { return s.Path - s.Around() }

// String shows the addends: "1500 - 20 IP - 16 GRE - 4 PPP = 1460". Whoever
// sets InnerMTU himself has that shown too.
func (s Sum) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d - %d IP - ", s.Path, s.IP)
	if s.UDP > 0 {
		fmt.Fprintf(&b, "%d UDP - ", s.UDP)
	}
	fmt.Fprintf(&b, "%d GRE - %d PPP = %d", s.GRE, s.PPP, s.fits())
	if s.PeerMRU > 0 && s.PeerMRU < s.fits() {
		fmt.Fprintf(&b, ", peer takes %d", s.PeerMRU)
	}
	if s.InnerMTU != s.summed().InnerMTU {
		fmt.Fprintf(&b, ", set to %d", s.InnerMTU)
	}
	return b.String()
}
