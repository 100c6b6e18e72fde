// Package bench measures two whole daemons, from a LAN host at one site to a LAN host at
// the other, side by side with the programs that users would take instead, and with plain
// routing, over the same wires:
//
//	host-a --lan-- site-a ==wan==[switch]==wan== site-b --lan-- host-b
//
// Every way from host to host (ways_test.go) has a pair of addresses of its own, and all
// are up at once and take turns. IPX, which nothing else routes, has worlds of its own
// beside OpenVPN, which bridges it.
//
// Only ratios of one run mean something. Without -slice this is a test that the benchmark
// itself still works, and takes as little time as it can; then what is not installed is
// left out.
package bench

import (
	"flag"
	"os"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

var (
	slice    = flag.Duration("slice", 50*time.Millisecond, "how long one measurement takes")
	rounds   = flag.Int("rounds", 1, "how often each measurement is made")
	out      = flag.String("out", "", "file for the report; default: the test's log")
	part     = flag.String("part", "", "the only part to run: tcp, small, latency, ipx, profile or sizes; default: all but the last two")
	profiles = flag.String("profiles", "", "directory for the daemons' profiles, in part profile")
	hold     = flag.Duration("hold", 0, "how long one stream is kept up, for a look at the processes by other tools")
	bypass   = flag.Bool("bypass", true, "have our daemons send raw GRE past the host's IP layer (daemon.gre_bypass)")
	through  = flag.String("through", "GRE clear", "the way of that stream")
)

func TestMain(m *testing.M) {
	if lab.Quick("^$") {
		os.Exit(m.Run())
	}
	lab.Main(m)
}

// earnest reports whether somebody wants to know, and this is no test.
func earnest() bool { return *out != "" || *hold > 0 }

// TestBeside measures all parts, and writes one table of what it got.
func TestBeside(t *testing.T) {
	got := newTable()
	if *part != "ipx" {
		t.Run("ip", func(t *testing.T) { measureIP(t, got) })
	}
	if *part == "" || *part == "ipx" {
		t.Run("ipx", func(t *testing.T) { measureIPX(t, got) })
	}
	got.write(t)
}

// A bench is a world with both daemons and all peers up.
type bench struct {
	*lab.World
	a, b *lab.Daemon
	ways []*way
	*table
}

func newBench(t *testing.T, into *table) *bench {
	w := lab.Unjudged(t)
	bareBridges(w.WAN)
	b := &bench{World: w, ways: waysHere(t), table: into}
	for _, way := range b.ways {
		w.HostA.Addr("lan", way.a+"/24")
		w.HostB.Addr("lan", way.b+"/24")
		w.SiteA.Addr("lan", router(way.a)+"/24")
		w.SiteB.Addr("lan", router(way.b)+"/24")
	}
	b.startOurs()
	for _, way := range b.ways {
		if way.start != nil {
			way.start(b, way)
		}
	}
	for _, way := range b.ways { // neighbours are known from now on
		w.WantPing(w.HostA, way.b, "-I", way.a)
	}
	return b
}

func measureIP(t *testing.T, into *table) {
	b := newBench(t, into)
	if *hold > 0 {
		b.holdStream()
		return
	}
	b.versions()
	b.buffers()
	for _, p := range []struct {
		name string
		run  func()
	}{{"tcp", b.streams}, {"small", b.datagrams}, {"latency", b.roundTrips}} {
		if *part == "" || *part == p.name {
			p.run()
		}
	}
	switch *part {
	case "profile":
		b.profile()
	case "sizes":
		b.sizes()
	}
}

// sites are site-a and site-b, in the order of what a way has two of.
func (b *bench) sites() [2]*netlab.Namespace { return [2]*netlab.Namespace{b.SiteA, b.SiteB} }

// use prepares the WAN for a way.
func (b *bench) use(w *way) {
	b.T.Helper()
	for _, site := range b.sites() {
		if err := segmentation(site, "wan", !w.bare); err != nil {
			b.T.Fatal(err)
		}
	}
}
