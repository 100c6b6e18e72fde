package config

import "sitebridge/ipx"

// readLANs reads each [lan.NAME].
func (d *draft) readLANs(tables []*table) {
	d.lanAt = map[*LAN]*table{}
	for _, t := range tables {
		l := &LAN{
			Name:      tableName(t),
			Interface: read(t, "interface", "", device),
			TAP:       read(t, "tap", "", device),
		}
		switch {
		case t.has("interface") && t.has("tap"):
			t.at("tap").fault("a LAN has either an interface or a tap", "leave one out")
		case !t.has("interface") && !t.has("tap"):
			t.fault("no interface", `write interface = "eth1", or tap = "ipx0" for a port that we make`)
		}
		for e := range ipx.Encapsulation(ipx.Encapsulations) {
			if !t.has(e.String()) {
				continue
			}
			if f := read(t, e.String(), Frame{}, frameNetwork); f != (Frame{}) {
				f.Encapsulation = e
				l.Frames = append(l.Frames, f)
			}
		}
		t.unknown()
		d.LANs = append(d.LANs, l)
		d.lanAt[l] = t
	}
}

// tableName checks the name that a table gives to a LAN, segment or site, which
// then stands in messages.
func tableName(t *table) string {
	if _, wrong := name(t.name()); wrong != nil {
		t.wrong(wrong)
	}
	return printable(t.name())
}
