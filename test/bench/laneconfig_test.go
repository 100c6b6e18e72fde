package bench

import (
	"fmt"

	"sitebridge/ipx"
	"sitebridge/test/lab"
)

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

func certificate(us string) string { return fmt.Sprintf("name = %q\nca = \"ca.pem\"", us) }
