package config

import (
	"fmt"
	"time"

	"sitebridge/ipx/policy"
)

// Defaults and bounds of IPX.
const (
	// defaultHold outlives a dead tunnel that is dialled anew: a client gives up a
	// server within seconds of its route going, and every router of the LAN would be
	// told twice. A second way is taken at once in any case.
	defaultHold   = time.Minute
	maxHold       = time.Hour
	defaultUpdate = time.Minute
	minUpdate     = 10 * time.Second
	maxUpdate     = time.Hour
	defaultSlots  = 64  // one for each conversation that is under way; fewer are filled anew too often
	maxSlots      = 255 // an octet numbers them (RFC 1553)
	// defaultLearned is half of what the router holds, so that no neighbour alone
	// fills it.
	defaultLearned = 8192
	maxLearned     = 16384
)

// Keys of [site.NAME.ipx] by what they are for.
var (
	// routingKeys say nothing about a link that bridges.
	routingKeys = []string{"network", "routes", "services", "workstation", "exchange", "update", "accept_networks", "announce_networks",
		"accept_services", "announce_services", "max_networks", "max_services", "nearest", "ipxwan", "file"}
	// learningKeys say what is learned from a neighbour.
	learningKeys = []string{"accept_networks", "accept_services", "max_networks", "max_services"}
)

// readIPX reads [site.NAME.ipx] of a link that routes.
func readIPX(t *table) *IPX {
	x := readCrossing(t, policy.PropagateOff)
	x.Network = readOwn(t, "network", 0, network)
	x.Routes = readList(t, "routes", ipxRoute)
	x.Services = readList(t, "services", ipxService)
	x.Workstation = read(t, "workstation", false, flag)
	x.Exchange = read(t, "exchange", x.usualExchange(), word(ExchangeStatic, ExchangeRIPSAP, ExchangeTriggered, ExchangeAutoStatic))
	x.Limits = readLimits(t)
	x.Update = read(t, "update", defaultUpdate, duration(minUpdate, maxUpdate))
	x.Nearest = read(t, "nearest", true, flag)
	x.IPXWAN = read(t, "ipxwan", false, flag)
	x.Learned = t.doc.beside(readOwn(t, "file", siteOf(t)+learnedSuffix, learnedPath))
	return x
}

// usualExchange is how what is behind a peer becomes known when the file does not
// say: who wrote routes means those, and who wrote none wants to be told.
func (x *IPX) usualExchange() IPXExchange {
	if x.Workstation || len(x.Routes)+len(x.Services) > 0 {
		return ExchangeStatic
	}
	return ExchangeTriggered
}

// siteOf is the name of the site that a table below it belongs to.
func siteOf(t *table) string { return t.key[len(t.key)-2] }

// readCrossing reads what crosses a link, in route and in bridge mode alike.
func readCrossing(t *table, netbios policy.Propagation) *IPX {
	x := &IPX{
		Gate:        readGate(t),
		NetBIOS:     read(t, "netbios", netbios, propagation),
		Hold:        read(t, "hold", defaultHold, duration(0, maxHold)),
		Watchdogs:   read(t, "watchdogs", false, flag),
		Compression: readCompression(t),
	}
	x.Gate.PassNetBIOS = x.NetBIOS != policy.PropagateOff
	if x.Watchdogs && x.Hold == 0 {
		x.Watchdogs = false
		if t.owns("watchdogs") || !t.owns("hold") { // a site's own hold = "0s" undoes what the defaults say
			t.at("watchdogs").fault(`watchdogs are answered for the time of hold, which is "0s"`, `write hold = "1m" too, or leave watchdogs out`)
		}
	}
	return x
}

// readBridgedIPX reads what the link of a site in a segment can have. What the
// defaults say about routing is for others.
func readBridgedIPX(t *table, s *Segment) *IPX {
	x := readCrossing(t, policy.PropagateOn)
	if x.NetBIOS == policy.PropagateReverse {
		if t.owns("netbios") {
			t.at("netbios").fault(fmt.Sprintf("%q goes by routes, and the site is in segment %s, which has none", x.NetBIOS, s.Name), `write "on" or "off"`)
		}
		x.NetBIOS = policy.PropagateOn
	}
	return x
}

// readCompression returns how many slots there are; 0: headers are not compressed.
func readCompression(t *table) int {
	const off, cipx = "off", "cipx"
	slots := read(t, "slots", defaultSlots, number(1, maxSlots))
	if read(t, "compression", off, word(off, cipx)) == cipx {
		return slots
	}
	if t.at("compression").faultless() {
		t.stray(`there are no slots without compression = "cipx"`, "leave it out, or write that", "slots")
	}
	return 0
}

// readGate reads what may cross a link. NetBIOS is left to netbios.
func readGate(t *table) policy.Gate {
	return policy.Gate{
		In:         readList(t, "filter_in", filterRule),
		Out:        readList(t, "filter_out", filterRule),
		PassSerial: read(t, "serial", false, flag),
		PassSNMP:   read(t, "snmp", false, flag),
		Duplicates: readList(t, "drop_duplicates", ipxSocket),
	}
}

// readLimits reads what a neighbour may tell us and be told.
func readLimits(t *table) policy.Limits {
	return policy.Limits{
		AcceptNetworks:   readList(t, "accept_networks", networkRange),
		AnnounceNetworks: readList(t, "announce_networks", networkRange),
		AcceptServices:   readList(t, "accept_services", servicePattern),
		AnnounceServices: readList(t, "announce_services", servicePattern),
		MaxNetworks:      read(t, "max_networks", defaultLearned, number(1, maxLearned)),
		MaxServices:      read(t, "max_services", defaultLearned, number(1, maxLearned)),
	}
}
