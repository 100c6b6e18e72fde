package bridge

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"sitebridge/ip"
)

// peers lists every address that a peer of ours is known to have, in order. Packets to
// them must not enter a tunnel.
func (d *Daemon) peers() []netip.Addr {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	return d.peersLocked()
}

func (d *Daemon) peersLocked() []netip.Addr {
	var all []netip.Addr
	for _, addrs := range d.peerOf {
		for _, a := range addrs {
			all = append(all, a.Unmap())
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// peersOf notes where a site's peer is, and looks at every site's routes again:
// a route that covers a peer must not catch the tunnel's own packets. Nothing is noted
// for a call or a dial that is over: its site may have another one by now, elsewhere.
func (d *Daemon) peersOf(st *site, addrs []netip.Addr, over func() bool) error {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	if over() {
		return nil
	}
	if slices.Equal(d.peerOf[st.cfg.Name], addrs) || addrs == nil && d.hasCaller(st.cfg.Name) {
		return nil
	}
	concerned := slices.Concat(d.peerOf[st.cfg.Name], addrs)
	d.peerOf[st.cfg.Name] = addrs
	if len(addrs) == 0 {
		delete(d.peerOf, st.cfg.Name)
	}
	if !d.unsettled && !slices.ContainsFunc(concerned, d.routesCover) {
		d.tellPools() // else no route leads there, as for the thousand branches of a hub
		return nil
	}
	err := d.rerouteAll()
	if err != nil {
		delete(d.peerOf, st.cfg.Name) // so that the next dial tries again
	}
	return err
}

// tellPools lets sites with a pool know where the peers are: a caller may bring a route
// that leads to one. peersMu is held.
func (d *Daemon) tellPools() {
	var all []netip.Addr
	for _, s := range d.allSites() {
		if s.remotes == nil {
			continue
		}
		if all == nil {
			all = d.peersLocked()
		}
		s.remotes.ip.know(all)
	}
}

// rerouteAll looks at every site's routes again. peersMu is held.
func (d *Daemon) rerouteAll() error {
	all := d.peersLocked()
	errs := []error{d.protectPeers(all)}
	for _, s := range d.allSites() {
		switch {
		case s.ip != nil:
			errs = append(errs, s.ip.reroute(all))
		case s.remotes != nil:
			errs = append(errs, s.remotes.ip.reroute(all))
		}
	}
	err := errors.Join(errs...)
	d.unsettled = err != nil
	return err
}

func never() bool { return false }

// reroute looks at all routes and peers again, after sites came and went.
func (d *Daemon) reroute() error {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	for name := range d.peerOf {
		if d.site(name) == nil && !d.hasCaller(name) {
			delete(d.peerOf, name)
		}
	}
	return d.rerouteAll()
}

// hasCaller reports whether a site with a pool has a call of that name now: a caller's
// name has that of its site in front. Whoever takes the place of a call has its name.
func (d *Daemon) hasCaller(name string) bool {
	of, _, ok := strings.Cut(name, "/")
	if !ok {
		return false
	}
	st := d.site(of)
	return st != nil && st.remotes != nil && slices.ContainsFunc(st.remotes.present(), func(m *remote) bool { return m.site.cfg.Name == name })
}

// protectPeers lets the peers that lie inside of some site's routes reach us
// past the kernel's reverse path filter. peersMu is held.
func (d *Daemon) protectPeers(all []netip.Addr) error {
	covered := map[netip.Addr]bool{}
	for _, s := range d.allSites() {
		for _, a := range s.inside(all) {
			covered[a] = true
		}
	}
	var errs []error
	for addr, undo := range d.protected {
		if !covered[addr] {
			delete(d.protected, addr)
			errs = append(errs, undo())
		}
	}
	for addr := range covered {
		if d.protected[addr] != nil {
			continue
		}
		undo, err := d.host.ProtectPeer(addr)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.protected[addr] = undo
	}
	return errors.Join(errs...)
}

// inside returns those of all, which is in order, to which a route of the site leads.
func (s *site) inside(all []netip.Addr) (in []netip.Addr) {
	if s.remotes != nil {
		return slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !s.remotes.ip.covers(a) })
	}
	if s.ip == nil {
		return nil
	}
	for _, r := range s.ip.cfg.Routes {
		in = append(in, ip.Inside(r, all)...)
	}
	return in
}

// routesCover reports whether a route of ours leads to an address.
func (d *Daemon) routesCover(addr netip.Addr) bool {
	for _, s := range d.allSites() {
		if s.remotes != nil && s.remotes.ip.covers(addr) {
			return true
		}
		if s.ip != nil && slices.ContainsFunc(s.ip.cfg.Routes, func(r netip.Prefix) bool { return r.Contains(addr.Unmap()) }) {
			return true
		}
	}
	return false
}

// unprotectPeers undoes protectPeers.
func (d *Daemon) unprotectPeers() error {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	return d.protectPeers(nil)
}
