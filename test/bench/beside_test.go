package bench

import (
	"fmt"
	"os"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// A mode is how our daemons carry IPX.
type mode struct {
	name string
	a, b func() string // configurations
	trip func(w *lab.World, l *lane) *ipxTrip
}

var modes = []mode{
	{"routed", routedA, routedB, func(w *lab.World, l *lane) *ipxTrip {
		return newRoutedTrip(w, l.cable, laneFrame, l.ipxA, l.ipxB)
	}},
	{"bridged", bridgedA, bridgedB, func(_ *lab.World, l *lane) *ipxTrip {
		return l.line.newBridgedTrip(laneFrame)
	}},
}

// A lane is a way for IPX from host-a to host-b, which have an interface of their own
// for each: so nothing that waits for its turn sees what is not its.
type lane struct {
	name       string
	cable      string // the interface, at the hosts and the sites
	ipxA, ipxB ipx.Network
	line       *ipxLine
	trip       *ipxTrip
	ends       [2]int // the processes at site-a and site-b
}

// A tally is what was measured of one lane.
type tally struct {
	rates, loss []float64
	cpu         time.Duration // of both ends
	packets     int
}

func (l *lane) measure(t *testing.T, into *tally, length, flying int) {
	t.Helper()
	before := cpuTime(t, l.ends[0]) + cpuTime(t, l.ends[1])
	f := l.line.run(t, l.trip, length, flying, *slice/4)
	into.cpu += cpuTime(t, l.ends[0]) + cpuTime(t, l.ends[1]) - before
	into.packets += f.got
	into.rates = append(into.rates, f.rate())
	into.loss = append(into.loss, lost(f.sent, f.got))
}

func (m *tally) cost() float64 { return micro(m.cpu) / float64(max(m.packets, 1)) }

const laneFrame = ipx.Ethernet8022

// ours are the lanes of our daemons; lab.New has laid the first one's cable. The
// networks are those of lab.Config and of aeadRoute.
func ours() []*lane {
	return []*lane{
		{name: "clear", cable: "lan", ipxA: 0x10, ipxB: 0x20},
		{name: "aead", cable: aeadCable, ipxA: 0x12, ipxB: 0x22},
	}
}

const aeadCable = "aead"

// theirs are the lanes of OpenVPN, each beside that of ours with which it is compared.
func theirs() []*lane {
	return []*lane{{name: "OpenVPN, no cipher", cable: "o-clear"}, {name: "OpenVPN, AES-256-GCM", cable: "o-aead"}}
}

// newLanes starts our daemons and lays their lanes.
func newLanes(t *testing.T, m mode) (*lab.World, []*lane) {
	t.Helper()
	w := lab.New(t)
	lab.WriteIdentities(t, w.Dir, "a-aead", "b-aead")
	layCable(w, aeadCable)
	for _, ns := range []*netlab.Namespace{w.WAN, w.SiteA, w.SiteB} {
		bareBridges(ns)
	}
	a, b := w.Start(w.SiteA, m.a()), w.Start(w.SiteB, m.b())
	for _, of := range []string{"", "-aead"} {
		a.WaitUp("b" + of)
		b.WaitUp("a" + of)
	}
	lanes := ours()
	for _, l := range lanes {
		l.line = newIPXLine(w, l.cable)
		l.trip, l.ends = m.trip(w, l), [2]int{a.Pid(), b.Pid()}
		l.line.warm(t, l.trip)
	}
	return w, lanes
}

// addTheirs starts OpenVPN beside our daemons.
func addTheirs(w *lab.World) []*lane {
	w.T.Helper()
	lanes := theirs()
	for _, l := range lanes {
		layCable(w, l.cable)
	}
	lanes[0].ends = openVPNClear(lanes[0].cable).start(w)
	lanes[1].ends = openVPNSealed(lanes[1].cable).start(w)
	for _, l := range lanes {
		l.line = newIPXLine(w, l.cable)
		l.trip = l.line.newBridgedTrip(laneFrame)
		l.line.warm(w.T, l.trip)
	}
	return lanes
}

// bareBridges keeps iptables away from what a namespace's bridges carry, as everybody
// does who is after speed. The kernel asks only where its br_netfilter is loaded.
func bareBridges(ns *netlab.Namespace) {
	for _, table := range []string{"iptables", "ip6tables", "arptables"} {
		key := "net/bridge/bridge-nf-call-" + table
		if _, err := os.Stat("/proc/sys/" + key); err == nil {
			ns.Sysctl(key, "0")
		}
	}
}

func layCable(w *lab.World, name string) {
	w.T.Helper()
	w.Veth(w.HostA, name, w.SiteA, name)
	w.Veth(w.HostB, name, w.SiteB, name)
}

// TestBurstsWithoutLoss: a burst of 64 packets arrives whole, on every lane of ours and
// in every size, and so do several of them one upon the other. It runs in `make test`,
// where daemons have the race detector and are many times slower than the hosts.
func TestBurstsWithoutLoss(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			_, lanes := newLanes(t, m)
			for _, l := range lanes {
				for _, length := range laneLengths {
					for _, flying := range laneFlights {
						f := l.line.run(t, l.trip, length, flying, *slice)
						if f.got != f.sent {
							t.Errorf("%s: %d packets of %d octets arrived of %d, with %d bursts under way", l.name, f.got, length, f.sent, flying)
						}
					}
				}
			}
		})
	}
}

// What is measured: octets of an IPX packet, and bursts that may be under way.
var (
	laneLengths = []int{64, ipxLen, 1400}
	laneFlights = []int{1, 4}
)

// TestBesideOpenVPN measures the same frames through our daemons and through OpenVPN,
// in turn, in the same namespaces.
func TestBesideOpenVPN(t *testing.T) {
	if *part != "" && *part != "openvpn" {
		t.Skipf("only part %s was asked for", *part)
	}
	version := openVPNVersion()
	if version == "" {
		if os.Getenv("REQUIRE_PEERS") != "" || *out != "" {
			t.Fatal("openvpn is not installed: test/deps installs it")
		}
		t.Skip("openvpn is not installed: test/deps installs it")
	}
	var r report
	r.printf("IPX LAN to LAN beside %s with TAP interfaces, bursts of %d, packets per second, medians of %d;\n", version, burstLen, *rounds)
	r.printf("ratios round by round (least to most): clear to OpenVPN without a cipher, aead to OpenVPN with AES-256-GCM;\n")
	r.printf("CPU time of the processes at both sites for a packet\n")
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			w, lanes := newLanes(t, m)
			beside(t, &r, m.name, lanes, addTheirs(w))
		})
	}
	r.write(t)
}

// beside measures each lane of ours and its fellow of theirs, all in turn.
func beside(t *testing.T, r *report, mode string, ours, theirs []*lane) {
	t.Helper()
	for _, length := range laneLengths {
		for _, flying := range laneFlights {
			of := map[*lane]*tally{}
			for range *rounds {
				for i := range ours {
					for _, l := range []*lane{ours[i], theirs[i]} {
						if of[l] == nil {
							of[l] = new(tally)
						}
						l.measure(t, of[l], length, flying)
					}
				}
			}
			r.printf("  %-7s %4d octets, %d at once:", mode, length, flying)
			for i, l := range ours {
				r.compare(l, theirs[i], of[l], of[theirs[i]])
			}
			r.printf("\n")
		}
	}
}

func (r *report) compare(our, their *lane, ours, theirs *tally) {
	each := ratios(ours.rates, theirs.rates)
	r.printf("  %-5s %6.0f / %6.0f = %.2f (%s), CPU %.1f / %.1f us", our.name,
		median(ours.rates), median(theirs.rates), median(each), span(each), ours.cost(), theirs.cost())
	for i, m := range []*tally{ours, theirs} {
		if n := mean(m.loss); n > 0 {
			r.printf(", %s lost %.2f %%", []string{our.name, their.name}[i], n)
		}
	}
}

func span(v []float64) string {
	low, high := v[0], v[0]
	for _, x := range v {
		low, high = min(low, x), max(high, x)
	}
	return fmt.Sprintf("%.2f to %.2f", low, high)
}

func mean(v []float64) (sum float64) {
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}

func routedA() string {
	return lab.Config{
		IP: "none", Site: patient, Daemon: `certificate = "a-aead.pem"`,
		LAN:  `ethernet_802_2 = "00000010"`,
		More: aeadLAN(0x12) + aeadSite("b", "", certificate("a-aead")) + aeadRoute("b", 0x22),
	}.A()
}

func routedB() string {
	return lab.Config{
		IP: "none", Site: patient, Daemon: `certificate = "b-aead.pem"`,
		LAN:  `ethernet_802_2 = "00000020"`,
		More: aeadLAN(0x22) + aeadSite("a", lab.WANA, certificate("b-aead")) + aeadRoute("a", 0x12),
	}.B()
}

func bridgedA() string {
	return lab.Config{
		IP: "none", IPX: "none", Site: patient + "\nrequired = [\"ipx\"]", Daemon: `certificate = "a-aead.pem"`, LAN: "# bridged",
		More: aeadLAN(0) + segment("clear", "lan", "b") + segment("aead", aeadCable, "b-aead") + aeadSite("b", "", certificate("a-aead")),
	}.A()
}

func bridgedB() string {
	return lab.Config{
		IP: "none", IPX: "none", Site: patient + "\nrequired = [\"ipx\"]", Daemon: `certificate = "b-aead.pem"`, LAN: "# bridged",
		More: aeadLAN(0) + segment("clear", "lan", "a") + segment("aead", aeadCable, "a-aead") + aeadSite("a", lab.WANA, certificate("b-aead")),
	}.B()
}

func aeadLAN(network ipx.Network) string {
	frame := ""
	if network != 0 {
		frame = fmt.Sprintf("ethernet_802_2 = \"%08x\"", uint32(network))
	}
	return fmt.Sprintf("[lan.%[1]s]\ninterface = %[1]q\n%[2]s\n", aeadCable, frame)
}

func aeadSite(peer, dial, auth string) string {
	if dial != "" {
		dial = fmt.Sprintf("dial = [%q]", dial)
	}
	return fmt.Sprintf("[site.%[1]s-aead]\nrequired = [\"ipx\"]\n%[2]s\n%[3]s\n[site.%[1]s-aead.auth]\n%[4]s\n",
		peer, dial, patient, auth)
}

func aeadRoute(peer string, far ipx.Network) string {
	return fmt.Sprintf("[site.%s-aead.ipx]\nroutes = [\"%08x hops 1 ticks 7\"]\n", peer, uint32(far))
}

func segment(name, lan, site string) string {
	return fmt.Sprintf("[segment.%s]\nnetwork = \"00000000\"\nlans = [%q]\nsites = [%q]\n", name, lan, site)
}
