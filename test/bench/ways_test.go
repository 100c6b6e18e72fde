package bench

import (
	"fmt"
	"net/netip"

	"sitebridge/ipx"
	"sitebridge/test/lab"
)

// A way is a pair of addresses of host-a and host-b. Which pair is used decides
// how packets cross the WAN.
type way struct {
	name   string
	method string // what protects the tunnel; empty: there is none
	suffix string // of the names of the tunnel's sites
	a, b   string
	bare   bool // the WAN's wires take no TCP segments of more than one packet

	// The IPX networks that the tunnel joins, and their frame type.
	frame      ipx.Encapsulation
	ipxA, ipxB ipx.Network
}

var (
	inClear = way{
		name: "clear", method: "none",
		a: lab.AddrA, b: lab.AddrB,
		frame: ipx.Ethernet8022, ipxA: 0x10, ipxB: 0x20,
	}
	mppe = way{
		name: "mppe-128", method: "mppe-128", suffix: "-mppe",
		a: "10.5.0.2", b: "10.6.0.2",
		frame: ipx.EthernetII, ipxA: 0x11, ipxB: 0x21,
	}
	authenticated = way{
		name: "aead", method: "aead", suffix: "-aead",
		a: "10.7.0.2", b: "10.8.0.2",
		frame: ipx.EthernetSNAP, ipxA: 0x12, ipxB: 0x22,
	}
	plain = way{name: "plain", a: "10.3.0.2", b: "10.4.0.2"}
	// The kernel hands 64 KiB of a TCP stream from namespace to namespace as if
	// it were one packet, which no real wire takes. This is without.
	packetwise = way{name: "plain, packets of 1500", a: plain.a, b: plain.b, bare: true}

	tunnels = []way{inClear, mppe, authenticated}
)

// at returns the name of the way's site at a daemon, "a" or "b".
func (w way) at(daemon string) string { return daemon + w.suffix }

// network returns the LAN that an address is on, and router the site's address there.
func network(addr string) string {
	return netip.PrefixFrom(netip.MustParseAddr(addr), 24).Masked().String()
}

func router(addr string) string { return netip.MustParseAddr(addr).Prev().String() }

// Both daemons have all three tunnels at once, so that they can take turns. They are
// patient, since a flood beside them leaves them no time.
const patient = `echo = { interval = "10s", failures = 3 }`

func configA() string {
	c := lab.Config{
		Site:   patient,
		Daemon: `certificate = "a-aead.pem"`,
		LAN:    lan(inClear.ipxA, mppe.ipxA, authenticated.ipxA),
		More: site(mppe.at("b"), "", secret(mppe.at("a"), "in"), mppe.b, mppe.ipxB) +
			site(authenticated.at("b"), "", certificate(authenticated.at("a")), authenticated.b, authenticated.ipxB),
	}
	return c.A()
}

func configB() string {
	dial := fmt.Sprintf("dial = [%q]", lab.WANA)
	c := lab.Config{
		Site:   patient,
		Daemon: `certificate = "b-aead.pem"`,
		LAN:    lan(inClear.ipxB, mppe.ipxB, authenticated.ipxB),
		More: site(mppe.at("a"), dial, secret(mppe.at("b"), "out"), mppe.a, mppe.ipxA) +
			site(authenticated.at("a"), dial, certificate(authenticated.at("b")), authenticated.a, authenticated.ipxA),
	}
	return c.B()
}

func lan(inClear, mppe, authenticated ipx.Network) string {
	return fmt.Sprintf("ethernet_802_2 = \"%08x\"\nethernet_ii = \"%08x\"\nethernet_snap = \"%08x\"", uint32(inClear), uint32(mppe), uint32(authenticated))
}

func secret(us, direction string) string {
	return fmt.Sprintf("methods = [\"mschapv2\"]\nname = %q\nsecret_%s_file = \"secret\"", us, direction)
}

func certificate(us string) string { return fmt.Sprintf("name = %q\nca = \"ca.pem\"", us) }

// site is a peer that must encrypt, since nothing else is said.
func site(peer, dial, auth, addr string, far ipx.Network) string {
	return fmt.Sprintf(`
[site.%[1]s]
%[2]s
[site.%[1]s.auth]
%[3]s
[site.%[1]s.ip]
routes = [%[4]q]
[site.%[1]s.ipx]
routes = ["%08[5]x hops 1 ticks 7"]
`, peer, dial, auth, network(addr), uint32(far))
}
