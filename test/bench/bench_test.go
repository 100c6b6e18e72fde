// Package bench measures two whole daemons, from a LAN host at one site to a
// LAN host at the other, side by side with plain routing over the same wires:
//
//	host-a --lan-- site-a ==wan==[switch]==wan== site-b --lan-- host-b
//
// Two addresses of the hosts are routed straight over the WAN; three pairs have a
// tunnel each between the same two daemons, in clear and encrypted. IPX, which nothing
// else routes, is measured beside OpenVPN, which bridges it.
//
// Only ratios of one run mean something. Without -slice this is a test that the
// benchmark itself still works, and takes as little time as it can.
package bench

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

var (
	slice   = flag.Duration("slice", 50*time.Millisecond, "how long one measurement takes")
	rounds  = flag.Int("rounds", 1, "how often each measurement is made")
	out     = flag.String("out", "", "file for the report; default: the test's log")
	part    = flag.String("part", "", "the only part to run: tcp, udp, latency, ipx or openvpn")
	hold    = flag.Duration("hold", 0, "how long one stream is kept up, for a look at the daemons by other tools")
	through = flag.String("through", inClear.name, "the tunnel of that stream: clear, mppe-128 or aead")
)

func TestMain(m *testing.M) {
	if lab.Quick("^$") {
		os.Exit(m.Run())
	}
	lab.Main(m)
}

// A bench is a world with both daemons up, and the report on it.
type bench struct {
	*lab.World
	a, b *lab.Daemon
	report
}

// A report is what a test of this package has to say.
type report struct{ text strings.Builder }

func (r *report) printf(format string, args ...any) { fmt.Fprintf(&r.text, format, args...) }

// write puts the report behind those of other tests, or into the log.
func (r *report) write(t *testing.T) {
	t.Helper()
	if *out == "" {
		t.Log("\n" + r.text.String())
		return
	}
	f, err := os.OpenFile(*out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(r.text.String()); err != nil {
		t.Fatal(err)
	}
}

func newBench(t *testing.T) *bench {
	w := lab.New(t)
	lab.WriteIdentities(t, w.Dir, authenticated.at("a"), authenticated.at("b"))
	for _, way := range []way{mppe, authenticated, plain} { // the world has those of inClear
		w.HostA.Addr("lan", way.a+"/24")
		w.HostB.Addr("lan", way.b+"/24")
		w.SiteA.Addr("lan", router(way.a)+"/24")
		w.SiteB.Addr("lan", router(way.b)+"/24")
	}
	w.SiteA.Route(network(plain.b), lab.WANB)
	w.SiteB.Route(network(plain.a), lab.WANA)
	b := &bench{World: w, a: w.Start(w.SiteA, configA()), b: w.Start(w.SiteB, configB())}
	for _, way := range tunnels {
		b.mustBe(way, b.a.WaitUp(way.at("b")))
		b.mustBe(way, b.b.WaitUp(way.at("a")))
	}
	for _, way := range append([]way{plain}, tunnels...) { // neighbours are known from now on
		w.WantPing(w.HostA, way.b, "-I", way.a)
	}
	return b
}

// mustBe fails the benchmark when a site is not protected as its way says.
func (b *bench) mustBe(w way, s bridge.SiteStatus) {
	b.T.Helper()
	if s.Tunnel == nil || s.Tunnel.PPP.Encryption.Method != w.method {
		b.T.Fatalf("site %s is up, and its encryption is not %s", s.Name, w.method)
	}
}

// use prepares the WAN for a way.
func (b *bench) use(w way) {
	b.T.Helper()
	for _, site := range []*netlab.Namespace{b.SiteA, b.SiteB} {
		if err := segmentation(site, "wan", !w.bare); err != nil {
			b.T.Fatal(err)
		}
	}
}

// crossed returns how many packets and octets have come out of these tunnels, at
// both ends together.
func (b *bench) crossed(ways ...way) (packets, octets uint64) {
	b.T.Helper()
	for _, w := range ways {
		for _, s := range []bridge.SiteStatus{standing(b.a, w.at("b")), standing(b.b, w.at("a"))} {
			if s.IP == nil {
				b.T.Fatalf("the tunnel of site %s has ended: %s", s.Name, s.Reason)
			}
			packets += s.IP.Stats.PacketsIn
			octets += s.IP.Stats.OctetsIn
		}
	}
	return packets, octets
}

// standing returns how a site stands, however long the daemon takes to answer.
func standing(d *lab.Daemon, site string) bridge.SiteStatus {
	return d.WaitSite(site, "answers", func(bridge.SiteStatus) bool { return true })
}

func TestThroughTwoDaemons(t *testing.T) {
	if *part == "openvpn" {
		t.Skip("only part openvpn was asked for")
	}
	b := newBench(t)
	if *hold > 0 {
		b.holdStream()
		return
	}
	b.printf("MTU of the tunnels:")
	for _, w := range tunnels {
		b.printf(" %s %d", w.name, b.a.Site(w.at("b")).IP.MTU)
	}
	b.printf("\n")
	for _, p := range []struct {
		name string
		run  func()
	}{{"tcp", b.streams}, {"udp", b.datagrams}, {"latency", b.roundTrips}, {"ipx", b.ipx}} {
		if *part == "" || *part == p.name {
			p.run()
		}
	}
	b.write(t)
}

// ratio is the median of the ratios, round by round.
func ratio(ours, measure []float64) float64 { return median(ratios(ours, measure)) }

func ratios(ours, measure []float64) (r []float64) {
	for i := range ours {
		r = append(r, ours[i]/measure[i])
	}
	return r
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func spread(v []float64) string {
	return fmt.Sprintf("%6.0f (%.0f to %.0f)", median(v), slices.Min(v), slices.Max(v))
}
