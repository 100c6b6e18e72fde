package config

import (
	"fmt"
	"slices"

	"sitebridge/ipx"
)

// A member is an element of a segment's lans: a name, or a table that names frame
// types too.
type member struct {
	lan    string
	frames []ipx.Encapsulation // empty: not written
}

// readMembers reads the lans of a segment.
func readMembers(t *table) (members []member) {
	v, ok := t.get("lans")
	if !ok {
		return nil
	}
	for _, raw := range elements(v) {
		if keys, isTable := raw.(map[string]any); isTable {
			members = append(members, readMember(v.place, keys)...)
		} else if lan, wrong := text(raw); wrong != nil {
			v.fault(show(raw)+" is not a LAN", `write its name, or { lan = "...", frame = "..." }`)
		} else {
			members = append(members, member{lan: lan})
		}
	}
	return members
}

// readMember reads { lan = "...", frame = "..." }. It returns none when it could
// not.
func readMember(at place, keys map[string]any) []member {
	t := &table{place: at, values: keys, known: map[string]bool{}}
	m := member{lan: read(t, "lan", "", text), frames: readFrames(t)}
	if !t.has("lan") {
		at.fault("a table without lan", `write { lan = "...", frame = "..." }`)
	}
	t.unknown()
	if m.lan == "" {
		return nil
	}
	return []member{m}
}

// readFrames reads frame: one frame type, or a list of them.
func readFrames(t *table) (frames []ipx.Encapsulation) {
	v, ok := t.get("frame")
	if !ok {
		return nil
	}
	for _, raw := range elements(v) {
		e, wrong := encapsulation(raw)
		switch {
		case wrong != nil:
			v.wrong(wrong)
		case slices.Contains(frames, e):
			v.fault(show(raw)+" stands there twice", "leave one out")
		default:
			frames = append(frames, e)
		}
	}
	return frames
}

// takeLAN puts frame types of a LAN into s. They are not routed then.
func (d *draft) takeLAN(at place, s *Segment, m member) {
	l := d.LAN(m.lan)
	if l == nil {
		at.fault("there is no LAN "+show(m.lan), oneOfNames("lan", d.LANs, func(l *LAN) string { return l.Name }))
		return
	}
	frames := m.frames
	for _, e := range frames {
		if !slices.Contains(l.frames(), e) {
			at.fault(fmt.Sprintf("LAN %s is one of emulators, and has no %s", l.Name, e), "leave frame out")
			return
		}
	}
	if len(frames) == 0 {
		frames = d.framesFor(s, l)
	}
	if len(frames) == 0 {
		at.fault(fmt.Sprintf("LAN %s has no frame type left: all are routed, or in a segment", l.Name),
			fmt.Sprintf("take one out of [lan.%s]", l.Name))
	}
	for _, e := range frames {
		f, routed := l.frame(e)
		if other := d.taker(l, e); other != nil {
			at.fault(fmt.Sprintf("%s on LAN %s is in segment %s already", e, l.Name, other.Name), "leave it out of one")
		} else if routed && !f.isOf(s) {
			at.fault(fmt.Sprintf("%s on LAN %s is routed there as %s: one frame type on one wire is either bridged or routed", e, l.Name, f.number()),
				fmt.Sprintf("take %s out of [lan.%s], or name another frame", l.key(e), l.Name))
		}
	}
	s.LANs = append(s.LANs, SegmentLAN{LAN: l, Frames: frames})
	l.Frames = slices.DeleteFunc(l.Frames, func(f Frame) bool { return slices.Contains(frames, f.Encapsulation) })
}

// framesFor chooses the frame types of l for s where none is named: those that
// have its number; else all that are neither routed nor in a segment.
func (d *draft) framesFor(s *Segment, l *LAN) []ipx.Encapsulation {
	var same, free []ipx.Encapsulation
	for _, e := range l.frames() {
		f, routed := l.frame(e)
		switch {
		case routed && f.isOf(s):
			same = append(same, e)
		case !routed && d.taker(l, e) == nil:
			free = append(free, e)
		}
	}
	if len(same) > 0 {
		return same
	}
	return free
}

// taker returns the segment that has the frame type of l; nil: none has.
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

// frame finds the frame type among those that are routed.
func (l *LAN) frame(e ipx.Encapsulation) (f Frame, routed bool) {
	for _, f := range l.Frames {
		if f.Encapsulation == e {
			return f, true
		}
	}
	return Frame{}, false
}

// isOf reports whether a frame type has the number of a segment: it is then the
// segment's, and not routed. 0 is no number.
func (f Frame) isOf(s *Segment) bool { return s.Network != 0 && f.Network == s.Network }

// number is what stands in the file.
func (f Frame) number() string {
	if f.Learn {
		return show(learn)
	}
	return f.Network.String()
}
