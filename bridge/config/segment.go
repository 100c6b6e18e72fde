package config

import (
	"fmt"
	"time"
)

// Bounds of what a segment learns and passes on.
const (
	defaultStations   = 4096
	maxStations       = 1 << 20
	defaultAgeing     = 300 * time.Second
	defaultBroadcasts = 500 // a hundred players of a game that sends five a second
	maxBroadcasts     = 1_000_000
	defaultStormBlock = 30 * time.Second
)

// readSegments reads each [segment.NAME]. LANs and sites are there already.
func (d *draft) readSegments(tables []*table) {
	d.segmentAt = map[*Segment]*table{}
	for _, t := range tables {
		s := &Segment{
			Name:         tableName(t),
			Network:      read(t, "network", 0, segmentNetwork),
			StationLimit: read(t, "station_limit", defaultStations, number(1, maxStations)),
			Ageing:       read(t, "ageing", defaultAgeing, duration(10*time.Second, 24*time.Hour)),
			SplitHorizon: read(t, "split_horizon", false, flag),
			Broadcasts:   read(t, "broadcasts", defaultBroadcasts, number(0, maxBroadcasts)),
			StormBlock:   read(t, "storm_block", defaultStormBlock, duration(time.Second, time.Hour)),
		}
		if s.Broadcasts == 0 {
			s.Broadcasts = -1
		}
		if !t.has("network") {
			t.below("network").fault("missing", networkFix+`, or "00000000" for stations that know no number`)
		}
		d.Segments = append(d.Segments, s)
		d.segmentAt[s] = t
		for _, m := range readMembers(t) {
			d.takeLAN(t.at("lans"), s, m)
		}
		for _, site := range readList(t, "sites", text) {
			d.takeSite(t.at("sites"), s, site)
		}
		if len(s.LANs)+len(s.Sites) < 2 && t.at("lans").faultless() && t.at("sites").faultless() {
			t.fault("a segment joins two or more", `write lans = ["..."] and sites = ["..."]`)
		}
		t.unknown()
	}
}

// takeSite puts a site's link into s. Such a link does not route: a packet from
// it could not be told to be for the one or the other.
func (d *draft) takeSite(at place, s *Segment, siteName string) {
	site := d.Site(siteName)
	switch {
	case site == nil:
		at.fault(fmt.Sprintf("there is no site %s", show(siteName)), oneOfNames("site", d.Sites, func(s *Site) string { return s.Name }))
		return
	case site.Segment == s:
		at.fault(fmt.Sprintf("site %s stands there twice", siteName), "leave one out")
		return
	case site.Segment != nil:
		at.fault(fmt.Sprintf("site %s is in segment %s already", siteName, site.Segment.Name), "leave it out of one")
		return
	}
	site.Segment = s
	s.Sites = append(s.Sites, siteName)
	where := d.siteAt[site].ipx
	where.stray(fmt.Sprintf("the site is in segment %s, so its link bridges and does not route", s.Name),
		"leave it out, or take the site out of the segment", routingKeys...)
	site.IPX = readBridgedIPX(where, s)
}

// oneOfNames says which names there are, or which table to add.
func oneOfNames[T any](kind string, all []T, name func(T) string) string {
	if len(all) == 0 {
		return fmt.Sprintf("add a [%s.NAME]", kind)
	}
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = name(one)
	}
	return "write " + oneOf(names)
}
