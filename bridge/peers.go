package bridge

import (
	"errors"
	"net/netip"
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
		for _, a := range addrs {
			all = append(all, a.Addr())
		}
	}
	return all
}

// peersOf notes where a site's peer is, and looks at every site's routes again
// when that is news.
func (d *Daemon) peersOf(st *site, addrs []netip.AddrPort) error {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	d.peerOf[st.cfg.Name] = addrs
	all := d.peersLocked()
	var errs []error
	for _, s := range d.sites {
		if s.ip != nil {
			errs = append(errs, s.ip.reroute(all))
		}
	}
	return errors.Join(errs...)
}

// calledFrom notes from where a site's peer called.
func (d *Daemon) calledFrom(st *site, from netip.Addr) error {
	return d.peersOf(st, []netip.AddrPort{netip.AddrPortFrom(from, 0)})
}
