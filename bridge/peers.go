package bridge

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// peers lists every address that a peer of ours is known to have. Packets to
// them must not enter a tunnel.
func (d *Daemon) peers() []netip.Addr {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	return d.peersLocked()
}

func (d *Daemon) peersLocked() []netip.Addr {
	var all []netip.Addr
	for _, addrs := range d.peerOf {
		all = append(all, addrs...)
	}
	return all
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
	d.peerOf[st.cfg.Name] = addrs
	if len(addrs) == 0 {
		delete(d.peerOf, st.cfg.Name)
	}
	err := d.rerouteAll()
	if err != nil {
		delete(d.peerOf, st.cfg.Name) // so that the next dial tries again
	}
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

// rerouteAll looks at all routes with the peers that are known now. peersMu is held.
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
	return errors.Join(errs...)
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
	var errs []error
	for addr, undo := range d.protected {
		if !slices.Contains(all, addr) || !d.routesCover(addr) {
			delete(d.protected, addr)
			errs = append(errs, undo())
		}
	}
	for _, addr := range all {
		if d.protected[addr] != nil || !d.routesCover(addr) {
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

func (d *Daemon) routesCover(addr netip.Addr) bool {
	for _, s := range d.allSites() {
		if s.remotes != nil && s.remotes.ip.covers(addr) {
			return true
		}
		if s.ip != nil && slices.ContainsFunc(s.ip.cfg.Routes, func(r netip.Prefix) bool { return r.Contains(addr) }) {
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
