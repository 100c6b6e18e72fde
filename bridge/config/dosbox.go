package config

import (
	"fmt"
	"net/netip"

	"sitebridge/ipx"
)

// Bounds of a DOSBox wire.
const (
	defaultClients    = 64
	maxClients        = 1024
	defaultClientRate = 1000
	maxClientRate     = 100_000
)

// dosboxEncapsulation is how the packets of emulators look to us: they have no
// frames at all.
const dosboxEncapsulation = ipx.EthernetII

// readDOSBox reads where emulators connect; nil: nowhere.
func readDOSBox(t *table) *DOSBox {
	b := &DOSBox{
		Listen:  read(t, "dosbox", netip.AddrPort{}, dosboxAddress),
		Clients: read(t, "dosbox_clients", defaultClients, number(1, maxClients)),
		Rate:    read(t, "dosbox_rate", defaultClientRate, number(1, maxClientRate)),
	}
	if !t.has("dosbox") {
		t.stray("it is for a LAN of emulators", `write dosbox = "127.0.0.1:10213" too, or leave it out`, "dosbox_clients", "dosbox_rate")
		return nil
	}
	return b
}

// readDOSBoxNetwork reads the number of the wire, which has one frame type and no
// server to learn it from.
func readDOSBoxNetwork(t *table) []Frame {
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		t.stray("a LAN of emulators has no Ethernet frames", `write network = "000000D0" to route it, or name it in a segment`, e.String())
	}
	t.stray("a LAN of emulators has no Ethernet frames", "leave it out", "stations")
	if n := read(t, "network", 0, network); n != 0 {
		return []Frame{{Encapsulation: dosboxEncapsulation, Network: n}}
	}
	return nil
}

// dosboxAddress parses where emulators connect. Most of them know IPv4 alone.
func dosboxAddress(raw any) (netip.AddrPort, *mistake) {
	text, _ := raw.(string)
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Addr().Is4In6() || a.Addr().IsMulticast() || a.Addr().Zone() != "" || a.Port() == 0 {
		return netip.AddrPort{}, notA(raw, "an address with a port", `write it as in "127.0.0.1:10213"`)
	}
	return a, nil
}

// agreeOnDOSBox checks that no two LANs are at one address, and that each is of use.
func (d *draft) agreeOnDOSBox() {
	var taken []*LAN
	for _, l := range d.LANs {
		if l.DOSBox == nil {
			continue
		}
		t := d.lanAt[l]
		for _, other := range taken {
			if meet(l.DOSBox.Listen, other.DOSBox.Listen) {
				t.at("dosbox").fault(fmt.Sprintf("%q is taken by %s", l.DOSBox.Listen, d.lanAt[other].at("dosbox")), "write another port")
			}
		}
		if l.DOSBox.Listen.Port() == d.Daemon.UDP && l.DOSBox.Listen.Addr().Is4() && t.at("dosbox").faultless() {
			t.at("dosbox").fault(fmt.Sprintf("port %d is that of the tunnels, daemon.udp", d.Daemon.UDP), "write another port")
		}
		taken = append(taken, l)
		if len(l.Frames) == 0 && !d.bridges(l) && d.segmentsFaultless() &&
			t.at("network").faultless() && t.at("dosbox").faultless() {
			t.below("network").fault("missing, and no segment has this LAN", networkFix+", or name the LAN in a segment")
		}
	}
}

// meet reports whether two sockets cannot have these addresses.
func meet(a, b netip.AddrPort) bool {
	return a.IsValid() && a.Port() == b.Port() && a.Addr().Is4() == b.Addr().Is4() &&
		(a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

// openDOSBox tells of emulators that may come from other machines.
func (c *Config) openDOSBox() []string {
	var all []string
	for _, l := range c.LANs {
		if l.DOSBox != nil && !l.DOSBox.Listen.Addr().IsLoopback() {
			all = append(all, fmt.Sprintf("LAN %s takes emulators at %s from other machines, and they have no secret to prove: who reaches it is on the LAN", l.Name, l.DOSBox.Listen))
		}
	}
	return all
}
