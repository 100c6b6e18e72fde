// Package bench measures two whole daemons, from a LAN host at one site to a
// LAN host at the other, side by side with plain routing over the same wires:
//
//	host-a --lan-- site-a ==wan==[switch]==wan== site-b --lan-- host-b
//
// Only ratios of one run mean something. Without -slice this is a test that the
// benchmark itself still works, and takes as little time as it can.
package bench

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

var (
	slice  = flag.Duration("slice", 50*time.Millisecond, "how long one measurement takes")
	rounds = flag.Int("rounds", 1, "how often each measurement is made")
	out    = flag.String("out", "", "file for the report; default: the test's log")
	part   = flag.String("part", "", "the only part to run: tcp, udp, latency or ipx")
	hold   = flag.Duration("hold", 0, "how long one stream is kept up, for a look at the daemons by other tools")
)

func TestMain(m *testing.M) {
	if lab.Quick("^$") {
		os.Exit(m.Run())
	}
	lab.Main(m)
}

// A way is a pair of addresses of host-a and host-b. Which pair is used decides
// how packets cross the WAN.
type way struct {
	name string
	a, b string
	bare bool // the WAN's wires take no TCP segments of more than one packet
}

var (
	tunnel = way{name: "tunnel", a: lab.AddrA, b: lab.AddrB}
	plain  = way{name: "plain", a: "10.3.0.2", b: "10.4.0.2"}
	// The kernel hands 64 KiB of a TCP stream from namespace to namespace as if
	// it were one packet, which no real wire takes. This is without.
	packetwise = way{name: "packetwise", a: plain.a, b: plain.b, bare: true}
)

// A bench is a world with both daemons up, and the report on it.
type bench struct {
	*lab.World
	a, b   *lab.Daemon
	report strings.Builder
}

func newBench(t *testing.T) *bench {
	w := lab.New(t)
	for _, s := range []struct {
		host, site *netlab.Namespace
		addr, gw   string
		far, via   string
	}{
		{w.HostA, w.SiteA, plain.a, "10.3.0.1", "10.4.0.0/24", lab.WANB},
		{w.HostB, w.SiteB, plain.b, "10.4.0.1", "10.3.0.0/24", lab.WANA},
	} {
		s.host.Addr("lan", s.addr+"/24")
		s.site.Addr("lan", s.gw+"/24")
		s.site.Route(s.far, s.via)
	}
	b := &bench{World: w, a: w.Start(w.SiteA, lab.Config{}.A()), b: w.Start(w.SiteB, lab.Config{}.B())}
	b.a.WaitUp("b")
	b.b.WaitUp("a")
	for _, way := range []way{tunnel, plain} { // neighbours are known from now on
		w.WantPing(w.HostA, way.b, "-I", way.a)
	}
	return b
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(&b.report, format, args...) }

// use prepares the WAN for a way.
func (b *bench) use(w way) {
	b.T.Helper()
	for _, site := range []*netlab.Namespace{b.SiteA, b.SiteB} {
		if err := segmentation(site, "wan", !w.bare); err != nil {
			b.T.Fatal(err)
		}
	}
}

// crossed returns how many packets and octets have come out of the tunnel, at
// both ends together.
func (b *bench) crossed() (packets, octets uint64) {
	for _, s := range []bridge.SiteStatus{b.a.Site("b"), b.b.Site("a")} {
		packets += s.IP.Stats.PacketsIn
		octets += s.IP.Stats.OctetsIn
	}
	return packets, octets
}

func TestThroughTwoDaemons(t *testing.T) {
	b := newBench(t)
	if *hold > 0 {
		b.holdStream()
		return
	}
	for _, p := range []struct {
		name string
		run  func()
	}{{"tcp", b.streams}, {"udp", b.datagrams}, {"latency", b.roundTrips}, {"ipx", b.ipx}} {
		if *part == "" || *part == p.name {
			p.run()
		}
	}
	if *out == "" {
		t.Log("\n" + b.report.String())
	} else if err := os.WriteFile(*out, []byte(b.report.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
