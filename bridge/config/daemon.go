package config

import (
	"fmt"
	"net/netip"
	"slices"
)

const defaultStatus = "/run/sitebridge/sitebridge.sock"

// ControlSocket returns daemon.status of the configuration at path. Nothing else there
// is checked: who may ask the daemon need not be able to read its secrets.
func ControlSocket(path string) (string, error) {
	faults := new(Faults)
	socket := readStatus(readDocument(path, faults).table().sub("daemon"))
	if len(*faults) > 0 {
		return "", faults
	}
	return socket, nil
}

func readStatus(t *table) string { return t.doc.beside(read(t, "status", defaultStatus, text)) }

// readDaemon reads [daemon].
func (d *draft) readDaemon(t *table) {
	d.Daemon = Daemon{
		Name:            read(t, "name", "", name),
		Listen:          readList(t, "listen", listenAddress),
		Status:          readStatus(t),
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
	d.readMetrics(t)
	d.readHooks(t)
	d.readIdentity(t)
	t.unknown()
}

// readMetrics reads where metrics can be read. They name our peers and tell how
// much each sends, so that other machines see them only where the file says so.
func (d *draft) readMetrics(t *table) {
	d.Daemon.Metrics = read(t, "metrics", netip.AddrPort{}, metricsAddress)
	public := read(t, "metrics_public", false, flag)
	if a := d.Daemon.Metrics; a.IsValid() && !a.Addr().IsLoopback() && !public {
		t.at("metrics").fault(fmt.Sprintf("other machines could read the metrics at %q, which name our peers", a),
			`write an address of loopback, as in "127.0.0.1:9723", or metrics_public = true to agree to that`)
	}
}

// metricsAddress parses where metrics can be read.
func metricsAddress(raw any) (netip.AddrPort, *mistake) {
	text, _ := raw.(string)
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Addr().Is4In6() || a.Addr().IsMulticast() || a.Port() == 0 {
		return netip.AddrPort{}, notA(raw, "an address with a port", `write it as in "127.0.0.1:9723" or "[::1]:9723"`)
	}
	return a, nil
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
