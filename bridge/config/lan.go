package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// maxNearestDelay is a client's patience: it asks again after about that time.
const maxNearestDelay = 2 * time.Second

// Keys of [lan.NAME] by what they are for.
var (
	// routedKeys are for frame types that are routed.
	routedKeys = []string{"exchange", "update", "netbios", "nearest", "nearest_delay", "accept_networks", "announce_networks",
		"accept_services", "announce_services", "max_networks", "max_services"}
	// bridgedKeys are for those that a segment bridges.
	bridgedKeys = []string{"allow", "deny", "stations"}
)

// readLANs reads each [lan.NAME].
func (d *draft) readLANs(tables []*table) {
	d.lanAt = map[*LAN]*table{}
	for _, t := range tables {
		l := readLAN(t)
		t.unknown()
		d.LANs = append(d.LANs, l)
		d.lanAt[l] = t
	}
}

func readLAN(t *table) *LAN {
	l := &LAN{
		Name:         tableName(t),
		Interface:    read(t, "interface", "", device),
		TAP:          read(t, "tap", "", device),
		DOSBox:       readDOSBox(t),
		Exchange:     read(t, "exchange", ExchangeRIPSAP, word(ExchangeRIPSAP, ExchangeStatic)),
		Update:       read(t, "update", defaultUpdate, duration(minUpdate, maxUpdate)),
		NetBIOS:      read(t, "netbios", policy.PropagateOn, propagation),
		Nearest:      read(t, "nearest", policy.NearestAuto, nearest),
		NearestDelay: read(t, "nearest_delay", 0, duration(0, maxNearestDelay)),
		Limits:       readLimits(t),
		Allow:        readList(t, "allow", station),
		Deny:         readList(t, "deny", station),
		Stations:     readStations(t.sub("stations")),
	}
	t.agreeOnPort()
	l.Frames = readRoutedFrames(t, l)
	return l
}

// agreeOnPort checks that a LAN is one thing.
func (t *table) agreeOnPort() {
	kinds := slices.DeleteFunc([]string{"interface", "tap", "dosbox"}, func(key string) bool { return !t.has(key) })
	switch len(kinds) {
	case 0:
		t.fault("no interface", `write interface = "eth1", or tap = "ipx0" for a port that we make, or dosbox = "127.0.0.1:10213" for emulators`)
	case 1:
	default:
		t.at(kinds[len(kinds)-1]).fault("a LAN has one of interface, tap and dosbox, and this one has "+strings.Join(kinds, " and "), "leave all but one out")
	}
}

// readRoutedFrames reads the number of each frame type that is routed.
func readRoutedFrames(t *table, l *LAN) (frames []Frame) {
	if l.DOSBox != nil {
		return readDOSBoxNetwork(t)
	}
	t.stray("each frame type has a network number of its own", `write ethernet_802_2 = "00000010", or another frame type`, "network")
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		if !t.has(e.String()) {
			continue
		}
		if f := read(t, e.String(), Frame{}, frameNetwork); f != (Frame{}) {
			f.Encapsulation = e
			frames = append(frames, f)
		}
	}
	return frames
}

// readStations reads the frame types of stations that need a fixed one.
func readStations(t *table) map[ipx.Node]ipx.Encapsulation {
	if len(t.values) == 0 {
		return nil
	}
	stations := map[ipx.Node]ipx.Encapsulation{}
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		n, wrong := station(key)
		v, _ := t.own(key)
		if wrong != nil {
			v.wrong(wrong)
			continue
		}
		if _, twice := stations[n]; twice {
			v.fault(fmt.Sprintf("station %s stands there twice", n), "leave one out")
		}
		stations[n] = checked(v, 0, encapsulation)
	}
	return stations
}

// frames are the frame types that there can be on the wire.
func (l *LAN) frames() []ipx.Encapsulation {
	if l.DOSBox != nil {
		return []ipx.Encapsulation{dosboxEncapsulation}
	}
	var all []ipx.Encapsulation
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		all = append(all, e)
	}
	return all
}

// key is what the number of a frame type stands at.
func (l *LAN) key(e ipx.Encapsulation) string {
	if l.DOSBox != nil {
		return "network"
	}
	return e.String()
}

// agreeOnLAN checks a LAN's keys by whether it routes and bridges.
func (d *draft) agreeOnLAN(l *LAN, here numbers) {
	t := d.lanAt[l]
	routes := slices.ContainsFunc(l.frames(), func(e ipx.Encapsulation) bool { return t.has(l.key(e)) })
	if !routes {
		t.stray("nothing is routed on this LAN", "leave it out, or give a frame type a network number", routedKeys...)
	}
	if l.Exchange == ExchangeStatic && t.at("exchange").faultless() {
		t.stray(`with exchange = "static" nothing is learned and announced`, `leave it out, or write exchange = "rip-sap"`, slices.Concat(learningKeys, []string{"update"})...)
	}
	if !routes || l.Exchange == ExchangeStatic {
		l.Update = 0
		learnNothing(&l.Limits)
	}
	t.agreeOnLimits(&l.Limits, here)
	d.agreeOnBridging(l)
	if !routes && l.DOSBox == nil && !d.bridges(l) && d.segmentsFaultless() && t.sound() {
		t.fault("nothing is done with this LAN: it has no frame type, and no segment has it",
			`write ethernet_802_2 = "00000010", or another frame type, or name it in the lans of a segment`)
	}
}

// agreeOnBridging checks what concerns the frame types that a segment bridges.
func (d *draft) agreeOnBridging(l *LAN) {
	t := d.lanAt[l]
	if !d.bridges(l) {
		if d.segmentsFaultless() {
			t.stray("no segment has this LAN", "leave it out, or name the LAN in the lans of a segment", bridgedKeys...)
		}
		return
	}
	for i, n := range l.Deny {
		if slices.Contains(l.Allow, n) || slices.Contains(l.Deny[:i], n) {
			t.at("deny").fault(fmt.Sprintf("station %s stands there and in allow, or twice", n), "leave one out")
		}
	}
	if !t.at("stations").faultless() {
		return
	}
	for _, n := range slices.SortedFunc(maps.Keys(l.Stations), func(a, b ipx.Node) int { return slices.Compare(a[:], b[:]) }) {
		if e := l.Stations[n]; d.taker(l, e) == nil {
			t.at("stations").fault(fmt.Sprintf("station %s: no segment has %s on this LAN", n, e), fmt.Sprintf("write %s, or leave the station out", oneOf(d.bridgedFrames(l))))
		}
	}
}

// bridgedFrames are the frame types of a LAN that a segment has.
func (d *draft) bridgedFrames(l *LAN) (names []string) {
	for _, e := range l.frames() {
		if d.taker(l, e) != nil {
			names = append(names, e.String())
		}
	}
	return names
}

// segmentsFaultless reports whether it is known which LANs bridge.
func (d *draft) segmentsFaultless() bool {
	for _, t := range d.segmentAt {
		if !t.at("lans").faultless() {
			return false
		}
	}
	return true
}

// bridges reports whether a segment has the LAN.
func (d *draft) bridges(l *LAN) bool {
	return slices.ContainsFunc(d.Segments, func(s *Segment) bool {
		return slices.ContainsFunc(s.LANs, func(sl SegmentLAN) bool { return sl.LAN == l })
	})
}

// tableName checks the name that a table gives to a LAN, segment or site, which
// then stands in messages.
func tableName(t *table) string {
	if _, wrong := name(t.name()); wrong != nil {
		t.wrong(wrong)
	}
	return printable(t.name())
}
