package bench

import (
	"os"

	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// A mode is how our daemons carry IPX.
type mode struct {
	name string
	a, b func() string // configurations
	trip func(w *lab.World, l *lane) *ipxTrip
	// What is measured of it, with one burst under way, and with four.
	alone, four, loss, cpu *quantity
}

var modes = []*mode{
	{name: "routed", a: routedA, b: routedB, trip: func(w *lab.World, l *lane) *ipxTrip {
		return newRoutedTrip(w, l.cable, laneFrame, l.ipxA, l.ipxB)
	}, alone: routedAlone, four: routedFour, loss: routedLoss, cpu: routedCPU},
	{name: "bridged", a: bridgedA, b: bridgedB, trip: func(_ *lab.World, l *lane) *ipxTrip {
		return l.line.newBridgedTrip(laneFrame)
	}, alone: bridgedAlone, four: bridgedFour, loss: bridgedLoss, cpu: bridgedCPU},
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

const laneFrame = ipx.Ethernet8022

// ours are the lanes of our daemons; the world has laid the first one's cable. The
// networks are those of lab.Config and of aeadRoute.
func ours() []*lane {
	return []*lane{
		{name: "IPX clear", cable: "lan", ipxA: 0x10, ipxB: 0x20},
		{name: "IPX AEAD", cable: aeadCable, ipxA: 0x12, ipxB: 0x22},
	}
}

const aeadCable = "aead"

// theirs are the lanes of OpenVPN, each beside that of ours with which it is compared.
func theirs() []*lane {
	return []*lane{{name: openVPNNone, cable: "o-clear"}, {name: openVPNGCM, cable: "o-aead"}}
}

// newLanes starts our daemons and lays their lanes.
func newLanes(w *lab.World, m *mode) []*lane {
	w.T.Helper()
	lab.WriteIdentities(w.T, w.Dir, "a", "b", "a-aead", "b-aead") // the name tells which site calls
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
		l.line.warm(w.T, l.trip)
	}
	return lanes
}

// addTheirs starts OpenVPN beside our daemons.
func addTheirs(w *lab.World) []*lane {
	w.T.Helper()
	lanes := theirs()
	for _, l := range lanes {
		layCable(w, l.cable)
	}
	lanes[0].ends = openVPNClear.bridge(w, lanes[0].cable, 50001)
	lanes[1].ends = openVPNSealed("AES-256-GCM").bridge(w, lanes[1].cable, 50002)
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
