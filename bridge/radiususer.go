package bridge

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"sitebridge/bridge/config"
	"sitebridge/internal/radius"
	"sitebridge/ipx"
)

// radiusUser is what a server grants, as if it stood in a users file.
func radiusUser(name string, a radius.Answer) (*config.User, error) {
	u := &config.User{Name: name, Address: a.Address}
	for _, r := range a.Routes {
		if r.Gateway.IsValid() && r.Gateway != a.Address {
			return nil, fmt.Errorf("Framed-Route %v by %v: the only gateway behind a caller is the caller itself, 0.0.0.0", r.Network, r.Gateway)
		}
		u.Routes = append(u.Routes, r.Network)
	}
	if n := ipx.Network(a.IPXNetwork); n != 0 {
		if n > 0xFFFFFFFD {
			return nil, fmt.Errorf("Framed-IPX-Network %v is no number of a network", n)
		}
		u.IPXNetwork = n
	}
	return u, nil
}

// mayHave reports why a caller may not have what RADIUS grants it; nil: it may. What is
// ours, another caller's or another site's stays so. r.mu is held.
func (r *remotes) mayHave(now *config.Site, u *config.User) error {
	if u.Address.IsValid() {
		switch {
		case now.IP == nil:
			return errors.New("it is granted an address, and the site carries no IP")
		case r.reserved(now)[u.Address]:
			return fmt.Errorf("it is granted the address %v, which is ours or that of somebody else", u.Address)
		case now.IP.Pool.Contains(u.Address) && !config.Assignable(now.IP.Pool, u.Address):
			return fmt.Errorf("it is granted the address %v, which is that of the network or its broadcast", u.Address)
		}
	}
	for _, p := range u.Routes {
		if whose := r.whose(p); whose != "" {
			return fmt.Errorf("it is granted the network %v, which is %s", p, whose)
		}
	}
	return nil
}

// whose tells whose a network is in whole or in part; "": nobody's.
func (r *remotes) whose(p netip.Prefix) string {
	for _, s := range r.site.d.config().Sites {
		if s.IP == nil {
			continue
		}
		if s.Remote != nil {
			for _, u := range s.Remote.Users {
				if slices.ContainsFunc(u.Routes, p.Overlaps) {
					return fmt.Sprintf("behind the user %q", u.Name)
				}
			}
		}
		if s.IP.Pool.IsValid() && s.IP.Pool.Overlaps(p) {
			return "in the pool of site " + s.Name
		}
		if s.IP.Peer.IsValid() && p.Contains(s.IP.Peer) {
			return "the way to the peer of site " + s.Name
		}
		for _, other := range s.IP.Routes {
			if other.Overlaps(p) && other.Bits() > 0 {
				return "behind site " + s.Name
			}
		}
	}
	for _, m := range r.byName {
		if m.addr.IsValid() && p.Contains(m.addr) {
			return fmt.Sprintf("the way to the caller %q", escapeName(m.name))
		}
		if m.site.cfg.IP == nil {
			continue
		}
		for _, other := range m.site.cfg.IP.Routes {
			if other.Overlaps(p) {
				return fmt.Sprintf("behind the caller %q", escapeName(m.name))
			}
		}
	}
	return connected(p)
}

// connected tells of a network that this machine is on itself.
func connected(p netip.Prefix) string {
	local, _ := net.InterfaceAddrs() // without it we know the configured ones
	for _, l := range local {
		n, ok := l.(*net.IPNet)
		if !ok {
			continue
		}
		a, _ := netip.AddrFromSlice(n.IP)
		bits, _ := n.Mask.Size()
		if own := netip.PrefixFrom(a.Unmap(), bits).Masked(); own.IsValid() && own.Overlaps(p) {
			return fmt.Sprintf("on a wire of this machine, %v", own)
		}
	}
	return ""
}

// maxGranted is how many callers of RADIUS are remembered.
const maxGranted = 1024

// remember keeps what is behind a caller that RADIUS has granted, for when the caller is
// away: nobody else tells us then.
func (r *remotes) remember(m *remote) {
	if m.granted == nil {
		return
	}
	r.mu.Lock()
	if _, known := r.granted[m.name]; len(m.user.Routes) == 0 {
		delete(r.granted, m.name)
	} else if known || len(r.granted) < maxGranted {
		if r.granted == nil {
			r.granted = map[string]*config.User{}
		}
		r.granted[m.name] = m.user
	}
	r.mu.Unlock()
	r.keepIn(r.current())
}

// users are all that we know of: those of the file, and those that RADIUS has told us of.
func (r *remotes) users(now *config.Site) map[string]*config.User {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !now.Remote.Radius || len(r.granted) == 0 {
		return now.Remote.Users
	}
	all := maps.Clone(r.granted)
	maps.Copy(all, now.Remote.Users)
	return all
}
