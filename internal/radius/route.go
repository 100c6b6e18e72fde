package radius

import (
	"fmt"
	"net/netip"
	"strings"
)

// A FramedRoute is a network behind a caller (RFC 2865, section 5.22).
type FramedRoute struct {
	Network netip.Prefix
	Gateway netip.Addr // not valid: the caller
}

// takeRoute reads "10.7.0.0/24 10.255.1.5 1": a network, a gateway, metrics. The last
// two may be missing; metrics mean nothing here.
func (a *Answer) takeRoute(text string) error {
	if len(a.Routes) >= maxRoutes {
		return fmt.Errorf("more than %d Framed-Routes", maxRoutes)
	}
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return fmt.Errorf("Framed-Route %q is empty", text)
	}
	var r FramedRoute
	var err error
	if r.Network, err = network(fields[0]); err != nil {
		return fmt.Errorf("Framed-Route %q: %w", text, err)
	}
	if len(fields) > 1 {
		gateway, err := netip.ParseAddr(fields[1])
		if err != nil || !gateway.Is4() {
			return fmt.Errorf("Framed-Route %q: the second word is no IPv4 address of a gateway", text)
		}
		if !gateway.IsUnspecified() {
			r.Gateway = gateway
		}
	}
	a.Routes = append(a.Routes, r)
	return nil
}

// network reads one with its length, or an address whose class tells it. The way to
// everywhere is never behind a caller.
func network(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if addr, e := netip.ParseAddr(text); e == nil && addr.Is4() {
		p, err = netip.PrefixFrom(addr, classBits(addr)), nil
	}
	switch {
	case err != nil || !p.Addr().Is4():
		return p, fmt.Errorf("the first word is no IPv4 network, such as 10.7.0.0/24")
	case p != p.Masked():
		return p, fmt.Errorf("bits are set behind the length of the network: write %v", p.Masked())
	case p.Bits() < 8:
		return p, fmt.Errorf("the network is too much to be behind one caller: its length must be 8 or more")
	case p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.Addr().As4()[0] == 0 || p.Addr().As4()[0] >= 240:
		return p, fmt.Errorf("there are no hosts in that network")
	}
	return p, nil
}

// classBits is the length that a network without one has.
func classBits(a netip.Addr) int {
	switch first := a.As4()[0]; {
	case first < 128:
		return 8
	case first < 192:
		return 16
	}
	return 24
}
