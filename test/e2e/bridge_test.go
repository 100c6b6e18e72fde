package e2e

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
	"sitebridge/ipx/port"
	"sitebridge/ipx/segment"
	"sitebridge/test/lab"
)

// A bridging is the configuration of a daemon whose links all belong to one
// segment.
type bridging struct {
	name    string
	dials   map[string]string // hosts by site
	answers []string          // sites
	lans    map[string]string // keys of [lan.NAME]; nil: "lan" on the interface of that name
	site    string            // keys of each site, beside what all have
	ipx     string            // keys of its ipx
	segment string            // keys of [segment.games] beside lans and sites
}

// text is what the daemon reads.
func (c bridging) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[daemon]\nname = %q\nstatus = \"STATUS\"\nmetrics = %q\n", c.name, metricsAt)
	if len(c.answers) > 0 {
		b.WriteString("listen = [\"0.0.0.0:1723\"]\n")
	}
	if c.lans == nil {
		c.lans = map[string]string{"lan": `interface = "lan"`}
	}
	var lans, sites []string
	for _, lan := range slices.Sorted(maps.Keys(c.lans)) {
		lans = append(lans, fmt.Sprintf("%q", lan))
		fmt.Fprintf(&b, "[lan.%s]\n%s\n", lan, c.lans[lan])
	}
	for _, site := range append(slices.Sorted(maps.Keys(c.dials)), c.answers...) {
		sites = append(sites, fmt.Sprintf("%q", site))
		way, secret := "answer = true", "secret_in_file"
		if host := c.dials[site]; host != "" {
			way, secret = fmt.Sprintf("dial = [%q]", host), "secret_out_file"
		}
		fmt.Fprintf(&b, "[site.%s]\n%s\nrequired = [\"ipx\"]\n%s\n", site, way, c.site)
		if !strings.Contains(c.site, "echo") {
			b.WriteString("echo = { interval = \"1s\", failures = 3 }\n")
		}
		fmt.Fprintf(&b, "[site.%s.auth]\nmethods = [\"mschapv2\"]\n%s = \"secret\"\n", site, secret)
		fmt.Fprintf(&b, "[site.%s.encryption]\npolicy = \"disabled\"\n[site.%s.ipx]\n%s\n", site, site, c.ipx)
	}
	fmt.Fprintf(&b, "[segment.games]\nlans = [%s]\nsites = [%s]\n%s\n", strings.Join(lans, ", "), strings.Join(sites, ", "), c.segment)
	if !strings.Contains(c.segment, "network") {
		b.WriteString("network = \"00000000\"\n")
	}
	return b.String()
}

// pair starts the daemons of the two sites of a world, a answering b, with the same
// keys but for their LANs, and waits until they are joined.
func pair(w *lab.World, a, b bridging) (atA, atB *lab.Daemon) {
	w.T.Helper()
	a.name, a.answers = "a", []string{"b"}
	b.name, b.dials = "b", map[string]string{"a": lab.WANA}
	atA, atB = w.Start(w.SiteA, a.text()), w.Start(w.SiteB, b.text())
	atA.WaitUp("b")
	atB.WaitUp("a")
	return atA, atB
}

// arcade is a LAN of emulators beside the real one.
func arcade(addr string) map[string]string {
	return map[string]string{"lan": `interface = "lan"`, "arcade": fmt.Sprintf("dosbox = \"%s:10213\"", addr)}
}

// emulators is where they connect.
func emulators(addr string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), 10213)
}

// answerPings has a tap answer the pings of IPXNET, so that players at emulators
// see a real machine.
func (x *tap) answerPings(t *testing.T, enc ipx.Encapsulation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.onPacket = func(f port.Frame) {
		h, kind, err := ipxnet.Read(f.Packet.Bytes())
		if err == nil && kind == ipxnet.Ping && f.Encap == enc {
			x.send(t, enc, f.Src, ipxnet.AppendPong(nil, h.Src.Node, x.port.MAC()))
		}
	}
}

// hearsFrom reports whether a packet of a node's came for dst.
func (x *tap) hearsFrom(from, dst ipx.Node) bool {
	return slices.ContainsFunc(x.heard(from), func(p heardPacket) bool {
		h, _, _ := ipx.Parse(p.pkt)
		return h.Dst.Node == dst
	})
}

// times is how often a packet was heard.
func (x *tap) times(pkt []byte) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.got {
		if bytes.Equal(p.pkt, pkt) {
			n++
		}
	}
	return n
}

// metrics is what a daemon answers who asks for its metrics.
func metrics(w *lab.World, d *lab.Daemon) string {
	w.T.Helper()
	conn := w.Dial(d.NS, metricsAt)
	fmt.Fprint(conn, "GET /metrics HTTP/1.0\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil {
		w.T.Fatal(err)
	}
	return string(answer)
}

// ready sends broadcasts of from until each of the taps has heard one, so that what
// is sent next finds everybody there.
func ready(t *testing.T, enc ipx.Encapsulation, from *tap, all ...*tap) {
	t.Helper()
	for i, x := range all {
		lab.Wait(t, fmt.Sprintf("tap %d hears", i), func() bool {
			from.send(t, enc, ipx.Broadcast, announce(from.port.MAC(), 200+i, 3))
			return len(x.heard(from.port.MAC())) > 0
		})
	}
}

// taps puts a tap on the LAN at each of the hosts.
func taps(w *lab.World, hosts ...*netlab.Namespace) (all []*tap) {
	w.T.Helper()
	for _, ns := range hosts {
		all = append(all, newTap(w, ns))
	}
	return all
}

// A segmentNow is how the daemon's only segment stands.
type segmentNow struct{ bridge.SegmentStatus }

func segmentStatus(t *testing.T, d *lab.Daemon) segmentNow {
	t.Helper()
	s, err := d.Status()
	if err != nil || len(s.Segments) != 1 {
		t.Fatalf("%s: segments %+v, %v", d.NS.Name(), s.Segments, err)
	}
	return segmentNow{s.Segments[0]}
}

// answered is how many watchdogs were answered for who cannot be reached.
func (s segmentNow) answered() (n uint64) {
	for _, p := range s.Ports {
		n += p.Stats.Answered
	}
	return n
}

// port returns the port of that name.
func (s segmentNow) port(t *testing.T, name string) segment.PortInfo {
	t.Helper()
	i := slices.IndexFunc(s.Ports, func(p segment.PortInfo) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("segment %s has no port %q: %+v", s.Name, name, s.Ports)
	}
	return s.Ports[i]
}

// blocked names the ports that are out of use.
func (s segmentNow) blocked() (names []string) {
	for _, p := range s.Ports {
		if !p.Blocked.IsZero() {
			names = append(names, p.Name)
		}
	}
	return names
}
