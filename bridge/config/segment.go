package config

import (
	"fmt"
	"slices"
	"time"

	"sitebridge/ipx"
)

// Bounds of what a segment learns.
const (
	defaultStations = 4096
	maxStations     = 1 << 20
	defaultAgeing   = 300 * time.Second
)

// readSegments reads each [segment.NAME]. LANs and sites are there already.
func (d *draft) readSegments(tables []*table) {
	d.segmentAt = map[*Segment]*table{}
	for _, t := range tables {
		checkTableName(t)
		s := &Segment{
			Name:         t.name(),
			Network:      read(t, "network", 0, segmentNetwork),
			StationLimit: read(t, "station_limit", defaultStations, number(1, maxStations)),
			Ageing:       read(t, "ageing", defaultAgeing, duration(10*time.Second, 24*time.Hour)),
		}
		if !t.has("network") {
			t.below("network").fault("missing", networkFix+`, or "00000000" for stations that know no number`)
		}
		for _, m := range readMembers(t) {
			if l := d.takeFrames(t, s, m); l != nil {
				s.LANs = append(s.LANs, *l)
			}
		}
		for _, site := range readList(t, "sites", text) {
			d.takeSite(t, s, site)
		}
		if len(s.LANs)+len(s.Sites) < 2 && t.at("lans").faultless() && t.at("sites").faultless() {
			t.fault("a segment joins two or more", `write lans = ["..."] and sites = ["..."]`)
		}
		t.unknown()
		d.Segments = append(d.Segments, s)
		d.segmentAt[s] = t
	}
}

// A member is an element of a segment's lans.
type member struct {
	lan    string
	frames []ipx.Encapsulation // empty: not written
}

// readMembers reads lans: names, or tables that name frame types too.
func readMembers(t *table) (members []member) {
	v, ok := t.get("lans")
	if !ok {
		return nil
	}
	for _, raw := range elements(v) {
		keys, isTable := raw.(map[string]any)
		if !isTable {
			if lan, wrong := text(raw); wrong != nil {
				v.fault(show(raw)+" is not a LAN", `write its name, or { lan = "...", frame = "..." }`)
			} else {
				members = append(members, member{lan: lan})
			}
			continue
		}
		m := &table{place: v.place, values: keys, present: true, known: map[string]bool{}}
		one := member{lan: read(m, "lan", "", text)}
		if frame, ok := m.get("frame"); ok {
			for _, raw := range elements(frame) {
				if e, wrong := encapsulation(raw); wrong != nil {
					frame.wrong(wrong)
				} else if slices.Contains(one.frames, e) {
					frame.fault(show(raw)+" stands there twice", "leave one out")
				} else {
					one.frames = append(one.frames, e)
				}
			}
		}
		if !m.has("lan") {
			v.fault("a table without lan", `write { lan = "...", frame = "..." }`)
		} else if one.lan != "" {
			members = append(members, one)
		}
		m.unknown()
	}
	return members
}

// elements returns a list, or one value as a list of it.
func elements(v value) []any {
	switch raw := v.raw.(type) {
	case []any:
		return raw
	case []map[string]any:
		list := make([]any, len(raw))
		for i := range raw {
			list[i] = raw[i]
		}
		return list
	}
	return []any{v.raw}
}

// takeFrames decides which frame types of a LAN belong to s: those that the
// member names; else those that the LAN gives the number of s; else all that the
// LAN does not route. They are not routed then.
func (d *draft) takeFrames(t *table, s *Segment, m member) *SegmentLAN {
	at := t.at("lans")
	l := d.LAN(m.lan)
	if l == nil {
		at.fault(fmt.Sprintf("there is no LAN %s", show(m.lan)), oneOfNames("lan", d.LANs, func(l *LAN) string { return l.Name }))
		return nil
	}
	number := func(e ipx.Encapsulation) (Frame, bool) {
		i := slices.IndexFunc(l.Frames, func(f Frame) bool { return f.Encapsulation == e })
		if i < 0 {
			return Frame{}, false
		}
		return l.Frames[i], true
	}
	same := func(e ipx.Encapsulation) bool {
		f, routed := number(e)
		return routed && s.Network != 0 && f.Network == s.Network
	}
	free := func(e ipx.Encapsulation) bool { _, routed := number(e); return !routed && d.taker(l, e) == nil }
	frames := m.frames
	for _, suits := range []func(ipx.Encapsulation) bool{same, free} {
		for e := range ipx.Encapsulation(ipx.Encapsulations) {
			if len(m.frames) == 0 && suits(e) {
				frames = append(frames, e)
			}
		}
		if len(frames) > 0 {
			break
		}
	}
	if len(frames) == 0 {
		at.fault(fmt.Sprintf("LAN %s routes all its frame types", l.Name),
			fmt.Sprintf(`take one out of [lan.%s] and write { lan = %q, frame = "..." }`, l.Name, l.Name))
		return nil
	}
	for _, e := range frames {
		f, routed := number(e)
		switch other := d.taker(l, e); {
		case other != nil:
			at.fault(fmt.Sprintf("%s on LAN %s is in segment %s already", e, l.Name, other.Name), "leave it out of one")
		case slices.ContainsFunc(s.LANs, func(sl SegmentLAN) bool { return sl.LAN == l && slices.Contains(sl.Frames, e) }):
			at.fault(fmt.Sprintf("%s on LAN %s stands there twice", e, l.Name), "leave one out")
		case routed && !same(e):
			at.fault(fmt.Sprintf("%s on LAN %s is routed there as %s: one frame type on one wire is either bridged or routed", e, l.Name, f.number()),
				fmt.Sprintf("take %s out of [lan.%s], or name another frame", e, l.Name))
		}
	}
	l.Frames = slices.DeleteFunc(l.Frames, func(f Frame) bool { return slices.Contains(frames, f.Encapsulation) })
	return &SegmentLAN{LAN: l, Frames: frames}
}

func (f Frame) number() string {
	if f.Learn {
		return show(learn)
	}
	return f.Network.String()
}

// taker returns the segment, of those read, that has the frame type of l.
func (d *draft) taker(l *LAN, e ipx.Encapsulation) *Segment {
	for _, s := range d.Segments {
		for _, sl := range s.LANs {
			if sl.LAN == l && slices.Contains(sl.Frames, e) {
				return s
			}
		}
	}
	return nil
}

// takeSite puts a site's link into s. Such a link does not route: a packet from
// it could not be told to be for the one or the other.
func (d *draft) takeSite(t *table, s *Segment, siteName string) {
	at := t.at("sites")
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
	for _, key := range []string{"network", "routes", "services", "workstation"} {
		if where.owns(key) {
			where.below(key).fault(fmt.Sprintf("the site is in segment %s, so its link bridges and does not route", s.Name),
				"leave it out, or take the site out of the segment")
		}
	}
	if site.IPX == nil {
		site.IPX = &IPX{Hold: defaultHold}
	}
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
