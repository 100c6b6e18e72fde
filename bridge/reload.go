package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"sitebridge/bridge/config"
)

// Reload takes over the configuration that load reads: it is checked whole, and only
// what differs is touched. The tunnels of other sites run on. After an error nothing
// has changed, or what was changed has been put back; the error says so where that
// failed.
func (d *Daemon) Reload(load func() (*config.Config, error)) (config.Difference, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	next, diff, err := d.compare(load)
	if err != nil {
		d.log.Error("the configuration was read anew and is not taken over: nothing has changed", "error", err)
		return diff, err
	}
	old := d.config()
	for _, line := range diff.Lines() {
		d.log.Info("the configuration was read anew", "change", line)
	}
	r := &reload{d: d, old: old, next: next.After(old), diff: diff}
	if err := r.run(d.run.under); err != nil {
		d.log.Error("the new configuration is not taken over", "error", err)
		return diff, err
	}
	d.awaiting.Store(&diff.Restart)
	d.log.Info("the configuration is taken over", "changes", len(diff.Lines()))
	d.emit(Event{Kind: EventReloaded, Numbers: map[string]int64{"changes": int64(len(diff.Lines()))}})
	d.warnAnew(old)
	return diff, nil
}

// Compare tells what Reload would change, and changes nothing.
func (d *Daemon) Compare(load func() (*config.Config, error)) (config.Difference, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	_, diff, err := d.compare(load)
	return diff, err
}

// compare reads a configuration and compares it with ours. reloading is held.
func (d *Daemon) compare(load func() (*config.Config, error)) (*config.Config, config.Difference, error) {
	if d.stopping {
		return nil, config.Difference{}, errStopping
	}
	next, err := load()
	if err != nil {
		return nil, config.Difference{}, err
	}
	return next, config.Diff(d.config(), next), nil
}

// reloadNoMore refuses to reload from now on; nothing is being exchanged when it
// returns.
func (d *Daemon) reloadNoMore() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.stopping = true
}

// ReloadFile is Reload from the file that the daemon was started with.
func (d *Daemon) ReloadFile() (config.Difference, error) { return d.Reload(d.load) }

// warnAnew tells of what the old configuration had not to be warned of.
func (d *Daemon) warnAnew(old *config.Config) {
	known := old.Warnings()
	for _, w := range d.config().Warnings() {
		if !slices.Contains(known, w) {
			d.log.Warn("configuration", "warning", w)
		}
	}
}

// reloadAPI answers POST /v1/reload, with the difference or with what is wrong. With
// ?dry-run nothing is taken over.
func (d *Daemon) reloadAPI(w http.ResponseWriter, r *http.Request) {
	do := d.Reload
	if r.URL.Query().Has("dry-run") {
		do = d.Compare
	}
	diff, err := do(d.load)
	if faults, ok := errors.AsType[*config.Faults](err); ok {
		refuseFaults(w, faults)
		return
	}
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	answer(w, diff)
}

// A reload puts one configuration in the place of another. The daemon's reloading is
// held meanwhile.
type reload struct {
	d         *Daemon
	old, next *config.Config // what is carried out, and what is to be
	diff      config.Difference

	going []*site // those that end, to begin anew or not
	pieces
	opened pieces // by open
}

// run does it. Calls that come meanwhile are answered afterwards, as the
// configuration then says.
func (r *reload) run(ctx context.Context) error {
	d := r.d
	r.part()
	if err := r.lookForInterfaces(); err != nil {
		return err
	}
	doors, err := d.openDoors(ctx, r.next)
	if err != nil {
		return err
	}
	defer d.holdCalls()()
	r.sendStrangersAway()
	r.sayFarewell()
	r.stopSites()
	release := r.holdRoutes()
	err = r.closeGoing()
	cfg := r.next
	if e := r.open(ctx, r.next, false); e != nil {
		err = errors.Join(e, r.putBack(ctx), doors.back(ctx))
		cfg = r.old
	} else if err != nil {
		d.log.Warn("not all was undone of what the old configuration had", "error", err)
		err = nil
	}
	r.begin(cfg)
	if cfg == r.next {
		r.keepUp()
		doors.change(r.next)
	}
	if e := release(); e != nil {
		d.log.Warn("routes not removed", "error", e)
	}
	return err
}

// part decides which sites, LANs and segments end.
func (r *reload) part() {
	r.pieces = pieces{sites: map[string]*site{}, lans: map[string]*lan{}}
	for _, s := range r.d.allSites() {
		if r.siteGoes(s) {
			r.going = append(r.going, s)
		} else {
			r.sites[s.cfg.Name] = s
		}
	}
	r.partIPX()
}

// siteGoes reports whether a site cannot stay as it is.
func (r *reload) siteGoes(s *site) bool {
	name := s.cfg.Name
	if slices.Contains(r.diff.Sites.Removed, name) {
		return true
	}
	if seg := s.cfg.Segment; seg != nil && r.segmentGoes(seg.Name) {
		return true
	}
	c := r.diff.Sites.Change(name)
	switch {
	case c == nil, c.OnlyLearned():
		return false
	case c.OnlyProofs():
		return s.remotes == nil && tries(s.supervisor.snapshot().State)
	}
	return true
}

// tries reports whether a site in that state is about to prove itself, or waits after it
// could not: it begins anew, and at once, where that may turn out otherwise now.
func tries(s State) bool { return s == StateDialing || s == StateNegotiating || s == StateWaiting }

// stopSites ends the sites that do not stay, in order.
func (r *reload) stopSites() {
	for _, s := range r.going {
		why := errChanged
		if r.next.Site(s.cfg.Name) == nil {
			why = errRemoved
		}
		s.stop(why)
	}
	farewells(r.going)
}

// holdRoutes keeps unreachable, while a site is begun anew, what stays behind it:
// nothing of it must leave by the default route.
func (r *reload) holdRoutes() (release func() error) {
	var undo []func() error
	for _, s := range r.going {
		next := r.next.Site(s.cfg.Name)
		if s.ip == nil || next == nil || next.IP == nil {
			continue
		}
		held, err := s.ip.hold(next.IP.Routes)
		if err != nil {
			s.log.Warn("routes are not held while the site is begun anew", "error", err)
		}
		undo = append(undo, held...)
	}
	return func() error { return undoAll(&undo) }
}

// closeGoing takes away what the parts that end have on the host.
func (r *reload) closeGoing() error {
	var errs []error
	for _, s := range r.going {
		errs = append(errs, s.closeStopped())
		if next := r.next.Site(s.cfg.Name); next == nil || next.IPX == nil || segmentOf(next) != segmentOf(s.cfg) {
			r.d.ipx.forget(s.cfg)
		}
	}
	return errors.Join(append(errs, r.closeLANs())...)
}

func segmentOf(s *config.Site) string {
	if s.Segment == nil {
		return ""
	}
	return s.Segment.Name
}

// open opens what cfg has and is not there. An error leaves the rest unopened, but
// when all that can be is to come back.
func (r *reload) open(ctx context.Context, cfg *config.Config, all bool) error {
	r.opened = pieces{sites: map[string]*site{}, lans: map[string]*lan{}}
	r.takeSegments(cfg)
	var errs []error
	for _, c := range cfg.LANs {
		if len(errs) > 0 && !all {
			break
		}
		if r.lans[c.Name] != nil {
			continue
		}
		l, err := r.d.ipx.openLAN(ctx, c, cfg.Segments, all || r.hadInterface(c))
		if err != nil {
			errs = append(errs, fmt.Errorf("lan.%s: %w", c.Name, err))
			continue
		}
		r.opened.lans[c.Name] = l
	}
	for _, c := range cfg.Sites {
		if len(errs) > 0 && !all {
			break
		}
		if r.sites[c.Name] != nil {
			continue
		}
		s, err := r.openSite(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("site.%s: %w", c.Name, err))
			continue
		}
		r.opened.sites[c.Name] = s
	}
	return errors.Join(errs...)
}

// openSite opens a site, which remembers of an earlier one of its name what the
// operator wanted and where the peer answered.
func (r *reload) openSite(c *config.Site) (*site, error) {
	s, err := r.d.openSite(c)
	if err != nil {
		return nil, err
	}
	for _, old := range r.going {
		if old.cfg.Name == c.Name {
			s.supervisor.stopped = old.supervisor.snapshot().State == StateStopped
			s.lastGood.Store(old.lastGood.Load())
		}
	}
	return s, nil
}

// putBack opens again what the old configuration had, after something of the new one
// could not be opened.
func (r *reload) putBack(ctx context.Context) error {
	var errs []error
	for _, s := range r.opened.sites {
		errs = append(errs, s.close())
	}
	for _, l := range r.opened.lans {
		errs = append(errs, l.stop(false))
	}
	if err := errors.Join(append(errs, r.open(ctx, r.old, true))...); err != nil {
		return fmt.Errorf("and the old configuration is not whole again: %w", err)
	}
	return nil
}

// begin makes cfg the daemon's, and starts what was opened for it.
func (r *reload) begin(cfg *config.Config) {
	d := r.d
	var sites []*site
	for _, c := range cfg.Sites {
		if s := r.sites[c.Name]; s != nil {
			sites = append(sites, s)
		} else if s := r.opened.sites[c.Name]; s != nil {
			sites = append(sites, s)
		}
	}
	d.configured.Store(cfg)
	d.setSites(sites)
	d.boards.keep(sites)
	if err := d.reroute(); err != nil {
		d.log.Warn("routes are not as they should be", "error", err)
	}
	r.beginLANs(cfg)
	for _, s := range sites {
		if r.opened.sites[s.cfg.Name] == s {
			d.startSite(s)
		}
	}
}

// keepUp has sites that stay use what they need no new tunnel for.
func (r *reload) keepUp() {
	for name, s := range r.sites {
		c := r.diff.Sites.Change(name)
		if c != nil && c.OnlyProofs() {
			s.recheck()
		}
		if c == nil || !c.OnlyLearned() {
			continue
		}
		x := r.next.Site(name).IPX
		s.use(learned{x.LearnedRoutes, x.LearnedServices})
	}
}
