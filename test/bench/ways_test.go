package bench

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// A way is how packets cross the WAN. The hosts have a pair of addresses for each, and
// which pair is used decides it.
type way struct {
	name string

	// A tunnel of our daemons has a carrier ("gre" or "udp") and an encryption.
	carrier, method string

	// Another program is started by start. missing says why it cannot be, if it cannot.
	start   func(b *bench, w *way)
	missing func() string

	bare bool // the WAN's wires take no TCP segments of more than one packet

	a, b    string    // addresses of host-a and host-b
	devices [2]string // the tunnel's interfaces at site-a and site-b; empty: there are none
	pids    [2]int    // and its processes
}

// allWays is every way, in the order in which they take turns: ours and another.
func allWays() []*way {
	return []*way{
		{name: "UDP clear", carrier: "udp", method: "none"},
		{name: wireGuard, start: startWireGuard, missing: wireGuardMissing},
		{name: "UDP AEAD", carrier: "udp", method: "aead"},
		{name: openVPNGCM, start: openVPNSealed("AES-256-GCM").route, missing: openVPNMissing},
		{name: "GRE clear", carrier: "gre", method: "none"},
		{name: openVPNNone, start: openVPNClear.route, missing: openVPNMissing},
		{name: "GRE AEAD", carrier: "gre", method: "aead"},
		{name: tinc, start: startTinc, missing: tincMissing},
		{name: "GRE MPPE-128", carrier: "gre", method: "mppe-128"},
		{name: openVPNCBC, start: openVPNSealed("AES-256-CBC").route, missing: openVPNMissing},
		{name: plain, start: startPlain},
		// The kernel hands 64 KiB of a TCP stream from namespace to namespace as if
		// it were one packet, which no real wire takes. This is without.
		{name: plainPackets, start: startPlain, bare: true},
	}
}

// Names of the ways with which ours are compared.
const (
	wireGuard    = "wireguard-go"
	openVPNNone  = "OpenVPN none"
	openVPNCBC   = "OpenVPN CBC"
	openVPNGCM   = "OpenVPN GCM"
	tinc         = "tinc"
	plain        = "plain"
	plainPackets = "plain, 1500"
)

// waysHere is the ways that can be measured, with their addresses. When somebody wants to
// know, none may be missing.
func waysHere(t *testing.T) (here []*way) {
	t.Helper()
	for i, w := range allWays() {
		w.a, w.b = fmt.Sprintf("10.%d.0.2", 11+2*i), fmt.Sprintf("10.%d.0.2", 12+2*i)
		why := ""
		if w.missing != nil {
			why = w.missing()
		}
		switch {
		case why == "":
			here = append(here, w)
		case earnest():
			t.Fatalf("%s: %s: test/bench/run has it", w.name, why)
		default:
			t.Logf("without %s: %s", w.name, why)
		}
	}
	return here
}

// ours reports whether a way is a tunnel of our daemons.
func (w *way) ours() bool { return w.carrier != "" }

// tunnels are the ways that are not straight over the WAN.
func (b *bench) tunnels() (tunnels []*way) {
	for _, w := range b.ways {
		if w.devices != [2]string{} {
			tunnels = append(tunnels, w)
		}
	}
	return tunnels
}

// way returns the way of that name; nil: it is not measured.
func (b *bench) way(name string) *way {
	i := slices.IndexFunc(b.ways, func(w *way) bool { return w.name == name })
	if i < 0 {
		return nil
	}
	return b.ways[i]
}

// network returns the LAN that an address is on, and router the site's address there.
func network(addr string) string {
	return netip.PrefixFrom(netip.MustParseAddr(addr), 24).Masked().String()
}

func router(addr string) string { return netip.MustParseAddr(addr).Prev().String() }
