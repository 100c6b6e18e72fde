package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Defaults of a site.
const (
	pptpPort        = 1723
	devicePrefix    = "sb-"
	defaultEcho     = 10 * time.Second
	defaultFailures = 3
	defaultPackets  = 32
	defaultHoldBack = 30 * time.Millisecond
)

// readSites reads each [site.NAME], with [defaults] behind it.
func (d *draft) readSites(tables []*table, defaults *table) {
	d.siteAt, d.userAt = map[*Site]*siteTables{}, map[*User]place{}
	for _, t := range tables {
		t.defaults = defaults
		at := &siteTables{site: t, auth: t.sub("auth"), encryption: t.sub("encryption"), ip: t.sub("ip"), ipx: t.sub("ipx")}
		s := d.readSite(at)
		s.Remote = d.readRemote(s, at)
		s.Auth = d.readAuth(s, at.auth)
		s.Encryption = readEncryption(s, at)
		if at.ip.present {
			s.IP = readIP(at.ip, s.Remote)
		}
		if at.ipx.present {
			s.IPX = readIPX(at.ipx)
		}
		s.Demand = readDemand(at)
		d.Sites = append(d.Sites, s)
		d.siteAt[s] = at
		at.unknown()
	}
	if len(tables) == 0 {
		d.daemonAt.doc.whole().fault("there is no site", "add a [site.NAME] for each peer")
		return
	}
}

// unknown reports what is unknown in the site's own tables.
func (at *siteTables) unknown() {
	for _, t := range []*table{at.site, at.auth, at.encryption, at.ip, at.ipx} {
		t.unknown()
	}
}

// unknownBelow reports what is unknown in the defaults, and whole tables of them
// that are for no site.
func (t *table) unknownBelow() {
	t.unknown()
	for key, sub := range t.subs {
		if len(sub.values) > 0 && len(sub.known) == 0 {
			sub.fault("no site has such a table", fmt.Sprintf("add [site.NAME.%s], if empty, to those that it is for", key))
			continue
		}
		sub.unknownBelow()
	}
}

// readSite reads the keys of the site's own table.
func (d *draft) readSite(at *siteTables) *Site {
	t := at.site
	s := &Site{
		Name:     tableName(t),
		Dial:     readOwnList(t, "dial", endpoint),
		Source:   read(t, "source", Source{}, source),
		Device:   readOwn(t, "device", "", device),
		Required: readList(t, "required", word(ProtocolIP, ProtocolIPv6, ProtocolIPX)),
		MTU:      read(t, "mtu", 0, number(576, 1500)),
	}
	s.Transport = readTransport(t)
	d.readAnswer(s, t)
	if !t.owns("device") {
		s.Device = devicePrefix + s.Name
		if _, wrong := device(s.Device); wrong != nil {
			t.below("device").fault(fmt.Sprintf("the default, %q, is too long for an interface", s.Device),
				fmt.Sprintf("write a name of at most %d letters", maxDevice))
		}
	}
	echo := t.sub("echo")
	s.Echo = Echo{
		Interval: read(echo, "interval", defaultEcho, duration(time.Second, time.Hour)),
		Failures: read(echo, "failures", defaultFailures, number(1, 100)),
		LCP:      read(echo, "lcp", true, flag),
	}
	echo.unknown()
	reorder := t.sub("reorder")
	s.Reorder = Reorder{
		Packets: read(reorder, "packets", defaultPackets, number(0, 1024)),
		Time:    read(reorder, "time", defaultHoldBack, duration(time.Millisecond, time.Second)),
	}
	reorder.unknown()
	return s
}

// readAnswer decides whether the site takes calls.
func (d *draft) readAnswer(s *Site, t *table) {
	dials, listens := t.owns("dial"), d.daemonAt.has("listen")
	s.Answer = read(t, "answer", listens, flag)
	switch {
	case s.Answer && !listens:
		t.at("answer").fault("nothing listens for calls", `write listen = ["0.0.0.0:1723"] in [daemon], or leave answer out`)
	case !s.Answer && !dials:
		t.below("dial").fault("the site neither dials nor can be called",
			`write dial = ["host.example.net"], or listen = ["0.0.0.0:1723"] in [daemon] and no answer = false`)
	case dials && t.below("dial").faultless() && len(s.Dial) == 0:
		t.below("dial").fault("no address to dial", `write dial = ["host.example.net"], or leave it out to wait for a call`)
	}
}

// endpoint parses "host" or "host:port".
func endpoint(raw any) (Endpoint, *mistake) {
	wrong := notA(raw, "a host to dial", `write a name or an IPv4 address, as in "branch1.example.net" or "192.0.2.1:1723"`)
	s, _ := raw.(string)
	e := Endpoint{Host: s, Port: pptpPort}
	if host, port, ok := strings.Cut(s, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Endpoint{}, wrong
		}
		e = Endpoint{host, uint16(n)}
	}
	if !isHost(e.Host) {
		return Endpoint{}, wrong
	}
	return e, nil
}

// isHost reports whether s is an IPv4 address of a host or a DNS name.
func isHost(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	if last := labels[len(labels)-1]; last != "" && last[0] >= '0' && last[0] <= '9' {
		_, wrong := ipv4(s)
		return wrong == nil
	}
	odd := func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", r)
	}
	bad := func(label string) bool {
		return label == "" || len(label) > 63 || strings.ContainsFunc(label, odd)
	}
	return len(s) <= 253 && !slices.ContainsFunc(labels, bad)
}

// source parses an address or else the name of an interface.
func source(raw any) (Source, *mistake) {
	text, _ := raw.(string)
	if _, err := netip.ParseAddr(text); err == nil {
		a, wrong := ipv4(raw)
		return Source{Address: a}, wrong
	}
	i, wrong := device(raw)
	if wrong != nil {
		return Source{}, notA(raw, "an uplink", `write an IPv4 address of ours, as in "192.0.2.10", or an interface, as in "eth0"`)
	}
	return Source{Interface: i}, nil
}
