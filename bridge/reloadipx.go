package bridge

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"sitebridge/bridge/config"
	"sitebridge/ipx/segment"
)

// pieces are sites and LANs by name.
type pieces struct {
	sites map[string]*site
	lans  map[string]*lan
}

// partIPX decides which LANs end.
func (r *reload) partIPX() {
	for _, l := range r.d.ipx.allLANs() {
		if !r.lanGoes(l.name) {
			r.lans[l.name] = l
		}
	}
}

// hadInterface reports whether a LAN was on that interface before: it may be away for a
// while.
func (r *reload) hadInterface(c *config.LAN) bool {
	was := r.old.LAN(c.Name)
	return was != nil && was.Interface == c.Interface
}

// lookForInterfaces finds out what would be missing, before anything has ended.
func (r *reload) lookForInterfaces() error {
	var errs []error
	for _, c := range r.next.LANs {
		if c.Interface == "" || r.lans[c.Name] != nil || r.hadInterface(c) {
			continue
		}
		if _, err := net.InterfaceByName(c.Interface); err != nil {
			errs = append(errs, fmt.Errorf("lan.%s.interface: %s: %w: `ip link` lists those that are there", c.Name, c.Interface, plain(err)))
		}
	}
	return errors.Join(errs...)
}

// segmentGoes reports whether a segment cannot stay. Who belongs to it may change.
func (r *reload) segmentGoes(name string) bool {
	if slices.Contains(r.diff.Segments.Removed, name) {
		return true
	}
	c := r.diff.Segments.Change(name)
	return c != nil && slices.ContainsFunc(c.Keys, func(key string) bool { return key != "sites" && key != "lans" })
}

// lanGoes reports whether a LAN cannot stay: it has changed, or what bridges it.
func (r *reload) lanGoes(name string) bool {
	was, is := parts(r.old, name), parts(r.next, name)
	return r.diff.LANs.Touched(name) || !slices.Equal(was, is) ||
		slices.ContainsFunc(r.old.Segments, func(s *config.Segment) bool { return onLAN(s, name) != nil && r.segmentGoes(s.Name) })
}

// parts tells which segments have what of a LAN.
func parts(c *config.Config, lan string) (all []string) {
	for _, s := range c.Segments {
		if p := onLAN(s, lan); p != nil {
			all = append(all, fmt.Sprint(s.Name, p.Frames))
		}
	}
	return all
}

func onLAN(s *config.Segment, lan string) *config.SegmentLAN {
	for i := range s.LANs {
		if s.LANs[i].LAN.Name == lan {
			return &s.LANs[i]
		}
	}
	return nil
}

// sayFarewell tells the peers of sites that go for good what is gone with them.
func (r *reload) sayFarewell() {
	var telling sync.WaitGroup
	for _, s := range r.going {
		if r.next.Site(s.cfg.Name) != nil {
			continue
		}
		if at, err := s.routedLink(); err == nil {
			telling.Go(func() { at.Farewell(farewellTime) })
		}
	}
	telling.Wait()
}

// closeLANs ends the LANs that do not stay.
func (r *reload) closeLANs() error {
	var errs []error
	for _, l := range r.d.ipx.allLANs() {
		if r.lans[l.name] == nil {
			errs = append(errs, l.stop(r.next.LAN(l.name) == nil))
		}
	}
	return errors.Join(errs...)
}

// takeSegments gives the plane the LANs that stay, and the segments of cfg: new ones
// where they do not stay.
func (r *reload) takeSegments(cfg *config.Config) {
	p := r.d.ipx
	there, all := p.allSegments(), map[string]*segment.Segment{}
	for _, c := range cfg.Segments {
		if all[c.Name] = there[c.Name]; all[c.Name] == nil || r.segmentGoes(c.Name) {
			all[c.Name] = p.newSegment(c)
		}
	}
	p.take(slices.Collect(maps.Values(r.lans)), all)
}

// beginLANs makes the LANs of cfg the plane's, and runs those that were opened.
func (r *reload) beginLANs(cfg *config.Config) {
	var lans []*lan
	for _, c := range cfg.LANs {
		if l := r.lans[c.Name]; l != nil {
			lans = append(lans, l)
		} else if l := r.opened.lans[c.Name]; l != nil {
			lans = append(lans, l)
			l.start(r.d.run.under, r.d.run.group)
		}
	}
	r.d.ipx.take(lans, r.d.ipx.allSegments())
}
