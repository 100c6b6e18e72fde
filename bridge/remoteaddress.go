package bridge

import (
	"fmt"
	"net"
	"net/netip"

	"sitebridge/bridge/config"
)

// maxRemembered is how many callers' addresses are remembered: names that only a CA
// knows could be any number.
const maxRemembered = 8192

// lastAddresses remembers who had which address, so that a caller gets its own again.
type lastAddresses struct {
	limit int
	addr  map[string]netip.Addr
	name  map[netip.Addr]string
}

// keep notes that a name has an address, and nobody else.
func (l *lastAddresses) keep(name string, a netip.Addr) {
	if l.addr == nil || len(l.addr) >= l.limit {
		l.addr, l.name = map[string]netip.Addr{}, map[netip.Addr]string{}
	}
	if other, ok := l.name[a]; ok {
		delete(l.addr, other)
	}
	if old, ok := l.addr[name]; ok {
		delete(l.name, old)
	}
	l.addr[name], l.name[a] = a, name
}

// address finds the address of a caller: its own, the one that it had last, one that
// nobody had, or else one that nobody has now. r.mu is held.
func (r *remotes) address(now *config.Site, name string, user *config.User) (netip.Addr, error) {
	if user != nil && user.Address.IsValid() {
		if other := r.byAddr[user.Address]; other != nil {
			return netip.Addr{}, fmt.Errorf("its address %v is that of the caller %q until that one is gone", user.Address, other.name)
		}
		return user.Address, nil
	}
	taken := r.reserved(now)
	free := func(a netip.Addr) bool {
		return config.Assignable(now.IP.Pool, a) && !taken[a] && r.byAddr[a] == nil
	}
	if a, ok := r.last.addr[name]; ok && free(a) {
		return a, nil
	}
	var second netip.Addr
	for a := now.IP.Pool.Masked().Addr(); now.IP.Pool.Contains(a); a = a.Next() {
		switch _, remembered := r.last.name[a]; {
		case !free(a):
		case !remembered:
			return a, nil
		case !second.IsValid():
			second = a
		}
	}
	if second.IsValid() {
		return second, nil
	}
	return second, fmt.Errorf("all addresses of the pool %v are in use", now.IP.Pool)
}

// reserved are the addresses that no caller gets from the pool: our own, other
// peers', and those of users.
func (r *remotes) reserved(now *config.Site) map[netip.Addr]bool {
	taken := map[netip.Addr]bool{}
	for _, s := range r.site.d.config().Sites {
		if s.IP != nil {
			taken[s.IP.Address], taken[s.IP.Peer] = true, true
		}
		if s.Remote != nil {
			for _, u := range s.Remote.Users {
				taken[u.Address] = true
			}
		}
	}
	local, _ := net.InterfaceAddrs() // without it we know the configured ones
	for _, l := range local {
		if n, ok := l.(*net.IPNet); ok {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				taken[a.Unmap()] = true
			}
		}
	}
	return taken
}
