package config

import (
	"net/netip"
	"slices"
)

const defaultStatus = "/run/sitebridge/sitebridge.sock"

// readDaemon reads [daemon].
func (d *draft) readDaemon(t *table) {
	d.Daemon = Daemon{
		Name:            read(t, "name", "", name),
		Listen:          readList(t, "listen", listenAddress),
		Status:          t.doc.beside(read(t, "status", defaultStatus, text)),
		InternalNetwork: read(t, "ipx_internal_network", 0, network),
	}
	if !t.has("name") {
		t.below("name").fault("missing", `write the name that peers know us by, as in name = "hq"`)
	}
	if t.has("listen") && len(d.Daemon.Listen) == 0 && t.at("listen").faultless() {
		t.at("listen").fault("no address to answer on", `write listen = ["0.0.0.0:1723"], or leave it out to only dial`)
	}
	for i, a := range d.Daemon.Listen {
		if slices.Contains(d.Daemon.Listen[:i], a) {
			t.at("listen").fault(show(a.String())+" stands there twice", "leave one out")
		}
	}
	t.laterKeys("leave it out, and use sitebridge status --json", "metrics")
	t.laterKeys(`leave it out; it belongs to "eap-tls"`, "certificate", "key")
	t.unknown()
}

// listenAddress parses where calls are answered. PPTP's data travels in GRE over
// IPv4, so there is nothing to answer on IPv6.
func listenAddress(raw any) (netip.AddrPort, *mistake) {
	text, _ := raw.(string)
	a, err := netip.ParseAddrPort(text)
	if err != nil || !a.Addr().Is4() || a.Addr().IsMulticast() || a.Port() == 0 {
		return netip.AddrPort{}, notA(raw, "an IPv4 address with a port", `write it as in "0.0.0.0:1723"`)
	}
	return a, nil
}
