package gre

import (
	"net/netip"
	"sync"
)

// A Network joins any number of Memories: packets go by their address, and by their
// port when they are UDP.
type Network struct {
	mu      sync.Mutex // guards all below
	hosts   map[netip.AddrPort]*Memory
	outside map[netip.AddrPort]netip.AddrPort // of what is behind a NAT
	inside  map[netip.AddrPort]netip.AddrPort
}

// Attach returns a new Memory for raw GRE that owns the addresses. It sends from the
// first.
func (n *Network) Attach(addrs ...netip.Addr) *Memory { return n.attach(0, addrs) }

// AttachUDP returns a new Memory for GRE in UDP that owns one port of the addresses.
func (n *Network) AttachUDP(port uint16, addrs ...netip.Addr) *Memory { return n.attach(port, addrs) }

func (n *Network) attach(port uint16, addrs []netip.Addr) *Memory {
	m := newMemory(netip.AddrPortFrom(addrs[0], port))
	m.route = n.route
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		n.hosts = make(map[netip.AddrPort]*Memory)
	}
	for _, a := range addrs {
		n.hosts[netip.AddrPortFrom(a, port)] = m
	}
	return m
}

// Translate puts a NAT before an address and port: what leaves from inside seems to come
// from outside from now on, and what is sent to outside comes in. What an earlier call
// said of the same inside is forgotten, as when a NAT has begun anew. Port 0 is raw GRE.
func (n *Network) Translate(inside, outside netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outside == nil {
		n.outside, n.inside = make(map[netip.AddrPort]netip.AddrPort), make(map[netip.AddrPort]netip.AddrPort)
	}
	delete(n.inside, n.outside[inside])
	n.outside[inside], n.inside[outside] = outside, inside
}

func (n *Network) route(from, to netip.AddrPort) (*Memory, Path) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if outside, ok := n.outside[from]; ok {
		from = outside
	}
	if inside, ok := n.inside[to]; ok {
		to = inside
	}
	return n.hosts[to], pathTo(from, to)
}
