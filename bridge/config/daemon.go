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
		UDP:             uint16(read(t, "udp", defaultUDP, number(0, 65535))),
		GREBypass:       read(t, "gre_bypass", false, flag),
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
	d.readHooks(t)
	d.Daemon.Metrics = d.readReaders(t, "metrics", "the metrics", 9723)
	d.Daemon.Web = d.readReaders(t, "web", "the status page", 8723)
	if at := d.Daemon.Web; at.IsValid() && at == d.Daemon.Metrics {
		t.at("web").fault(show(at.String())+" is where metrics are read", `write another port, as in "127.0.0.1:8723"`)
	}
	d.readIdentity(t)
	t.unknown()
}

// readReaders reads where metrics or the status page can be read. They name our peers and
// tell how much each sends, so that other machines see them only where the file says so.
func (d *draft) readReaders(t *table, key, what string, port uint16) netip.AddrPort {
	example := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	at := read(t, key, netip.AddrPort{}, readersAddress(example))
	public := read(t, key+"_public", false, flag)
	if at.IsValid() && !at.Addr().IsLoopback() && !public {
		t.at(key).fault(fmt.Sprintf("other machines could read %s at %q, and with that the names of our peers", what, at),
			fmt.Sprintf("write an address of loopback, as in %q, or %s_public = true to agree to that", example, key))
	}
	return at
}

// readersAddress parses an address with a port.
func readersAddress(example netip.AddrPort) func(any) (netip.AddrPort, *mistake) {
	return func(raw any) (netip.AddrPort, *mistake) {
		text, _ := raw.(string)
		a, err := netip.ParseAddrPort(text)
		if err != nil || a.Addr().Is4In6() || a.Addr().IsMulticast() || a.Port() == 0 {
			return netip.AddrPort{}, notA(raw, "an address with a port", fmt.Sprintf(`write it as in %q or "[::1]:%d"`, example, example.Port()))
		}
		return a, nil
	}
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
