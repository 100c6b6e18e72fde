package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/ip"
)

// A kernel tells the ways to our peers outside of the tunnels.
type kernel interface {
	// Uplink is how packets get to remote, from an address and by an interface if those
	// are given.
	Uplink(remote, local netip.Addr, device string) (ip.Uplink, error)
	// Home is the interface that has an address; empty: none.
	Home(a netip.Addr) (device string, up bool, err error)
}

// watchUplinks has each site look at the way to its peer when the host's network has
// changed, until ctx ends. Each looks in its own goroutine, so that nobody waits for one
// that is busy.
func (d *Daemon) watchUplinks(ctx context.Context) error {
	for {
		if err := d.uplinks.Next(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		d.uplinksChanged()
	}
}

func (d *Daemon) uplinksChanged() {
	for _, s := range d.allSites() {
		s.supervisor.uplinkChanged()
		if s.remotes == nil {
			continue
		}
		for _, m := range s.remotes.present() {
			m.uplinkChanged()
		}
	}
}

// uplinkChanged wakes the loop to look at the way to its peer.
func (s *supervisor) uplinkChanged() {
	select {
	case s.uplink <- struct{}{}:
	default:
	}
}

// An uplink is what a session knows of the host's side of its path.
type uplink struct {
	// before is how a call to the peer left when this one was made, with nothing said
	// about where from. Several ways of equal worth may not all have our source.
	before ip.Uplink
	device atomic.Pointer[string] // by which our packets leave; nil: not known
	once   sync.Once              // it was lost
}

// begin notes how the path is when the call is made.
func (u *uplink) begin(k kernel, path gre.Path, source config.Source) {
	if k == nil {
		return
	}
	if way, err := k.Uplink(path.Remote, path.Local, source.Interface); err == nil {
		u.device.Store(&way.Device)
	}
	if source == (config.Source{}) {
		u.before, _ = k.Uplink(path.Remote, netip.Addr{}, "") // none: nothing to compare with
	}
}

// bind has a call that we have answered leave by the interface of its site, which nobody
// knew before the caller proved who it is. Until the site has the call nobody else looks
// at the path.
func (s *session) bind(st *site) (err error) {
	if s.path.Device, err = st.sourceDevice(); err == nil {
		s.channel.SetDevice(s.path.Device)
	}
	return err
}

// device is the interface by which the session's packets leave, as far as it is known.
func (s *session) device() string {
	if d := s.uplink.device.Load(); d != nil {
		return *d
	}
	return ""
}

// lost says why the host can no longer send what the session sends. Whoever hears it
// closes the session.
func (s *session) lost() error {
	st := s.site.Load()
	if st == nil || s.d.kernel == nil {
		return nil
	}
	// A way that has changed may be narrower, and what has changed may be a route of ours
	// that somebody took.
	s.chores.ask(choreMTU | choreKeep)
	var why error
	if s.outgoing || s.path.Device != 0 {
		why = s.uplink.lostCall(s.d.kernel, s.path, st.cfg.Source)
	} else {
		why = s.uplink.lostHome(s.d.kernel, s.path)
	}
	if why != nil {
		s.uplink.once.Do(func() { s.chores.ask(choreAstray) })
	}
	return why
}

// lostHome looks at a path that the peer has chosen: it is lost with our address, or with
// the interface that has it when the peer is reached by no other.
func (u *uplink) lostHome(k kernel, path gre.Path) error {
	home, up, err := k.Home(path.Local)
	switch {
	case err != nil:
		return nil // the kernel did not tell; the echoes will
	case home == "":
		return noAddress(path.Local)
	}
	way, err := k.Uplink(path.Remote, path.Local, "")
	if err == nil {
		u.device.Store(&way.Device)
	}
	if !up && (errors.Is(err, ip.ErrNoWay) || err == nil && way.Device == home) {
		return isDown(home, path.Remote)
	}
	return nil
}

// lostCall looks at a path that we have chosen: it is lost too when a call would go
// another way now.
func (u *uplink) lostCall(k kernel, path gre.Path, source config.Source) error {
	home, up, err := k.Home(path.Local)
	switch {
	case err != nil:
		return nil
	case home == "":
		return noAddress(path.Local)
	}
	way, err := k.Uplink(path.Remote, path.Local, source.Interface)
	switch {
	case errors.Is(err, ip.ErrNoWay) && !up:
		return isDown(home, path.Remote) // which has taken the route with it
	case errors.Is(err, ip.ErrNoWay):
		return err
	case err != nil:
		return nil
	}
	u.device.Store(&way.Device)
	if !way.Up {
		return isDown(way.Device, path.Remote)
	}
	if source != (config.Source{}) {
		return nil // the operator has chosen
	}
	now, err := k.Uplink(path.Remote, netip.Addr{}, "")
	if err == nil && now.Usable() && now != u.before && now.Source != path.Local {
		return fmt.Errorf("the route to %v now leaves by %s with source %v, the call came from %v", path.Remote, now.Device, now.Source, path.Local)
	}
	return nil
}

func noAddress(a netip.Addr) error {
	return fmt.Errorf("%v is no longer an address of this host", a)
}

func isDown(device string, peer netip.Addr) error {
	return fmt.Errorf("interface %s, by which %v was reached, is down or has no carrier", device, peer)
}

// An outlook is how a site's peer is reached, by address; the zero Uplink: not at all.
type outlook map[netip.Addr]ip.Uplink

// anywhere is nobody's address (RFC 1112, section 4), to which nothing leads but a
// default route.
var anywhere = netip.AddrFrom4([4]byte{240, 0, 0, 1})

// outlook looks at the addresses that the peer is known to have, and at the default
// route where that must be asked for by name.
func (s *site) outlook() outlook {
	if s.d.kernel == nil {
		return nil
	}
	o := outlook{}
	for _, a := range s.d.peersNear(s) {
		o[a], _ = s.d.kernel.Uplink(a, s.cfg.Source.Address, s.cfg.Source.Interface)
	}
	return o
}

// peersNear lists where a site's peer is, and whom to reach to find out.
func (d *Daemon) peersNear(s *site) []netip.Addr {
	d.peersMu.Lock()
	defer d.peersMu.Unlock()
	all := slices.Clone(d.peerOf[s.cfg.Name])
	named := func(e config.Endpoint) bool { _, err := netip.ParseAddr(e.Host); return err != nil }
	if len(all) == 0 || slices.ContainsFunc(s.cfg.Dial, named) {
		all = append(all, anywhere)
	}
	return all
}

// brighter reports whether o has a way that then had not.
func (o outlook) brighter(then outlook) bool {
	for a, way := range o {
		if was, known := then[a]; known && way.Usable() && way != was {
			return true
		}
	}
	return false
}

// A prospect is what the next dial of a site has to hope for.
type prospect struct {
	began time.Time // the last dial
	seen  outlook   // then, or at a worse moment since
	hurry bool      // a way that appears ends the wait
}

// hostChanged looks what a change of the host's network means for the site: a tunnel
// whose path is lost is given up at once and dialled anew, and a dial that waits for a way,
// or is under way on another one, begins when there is one.
func (l *siteLoop) hostChanged() {
	if l.cur != nil {
		if why := l.cur.lost(); why != nil {
			l.s.log.Warn("site down", "reason", why)
			l.drop(why)
			l.hurry = true
			l.dialSoon()
		}
		return
	}
	if !l.enabled || l.s.dial == nil || !l.hurry || l.unwanted() {
		return
	}
	now := l.s.outlook()
	if !now.brighter(l.seen) {
		l.seen = now
		return
	}
	l.stopDialing()
	l.s.set(func(v *view) { v.State = StateWaiting })
	l.dialSoon()
}

// dialSoon dials now, unless the last dial has only just begun: a route that comes and
// goes must not have us call without a pause.
func (l *siteLoop) dialSoon() {
	if !l.enabled || l.s.dial == nil {
		return
	}
	wait := max(0, minWait-time.Since(l.began))
	l.backOff(wait) // traffic for a demand site must not begin a dial beside this one
	l.s.set(func(v *view) { v.NextTry = time.Now().Add(wait) })
}
