package config

import (
	"strings"
	"testing"
)

func TestFaultsOfUDP(t *testing.T) {
	const site = "dial = [\"b1.example.net\"]\n"
	runFaults(t, strings.Replace(good, "[lan.office]", "udp = 0\n[lan.office]", 1), func(d dir) {
		d.secret("out", "one secret")
		d.secret("in", "another")
	}, []faultCase{
		{"auto without a port", site, site + "transport = \"auto\"\n", nil},
		{"no port", site, site + "transport = \"udp\"\n", []string{
			`:10: site.b1.transport: the daemon has no port for UDP: daemon.udp is 0: write transport = "auto", or a port in daemon.udp, as in udp = 4754`}},
		{"too many ports", "udp = 0", "udp = 65536", []string{`:4: daemon.udp: 65536 is not a number that fits: write 0 to 65535, without quotes`}},
		{"a port in quotes", "udp = 0", `udp = "4754"`, []string{`:4: daemon.udp: "4754" is not a number that fits: write 0 to 65535, without quotes`}},
		{"a port that is taken", "udp = 0\n", "[lan.games]\ndosbox = \"0.0.0.0:4754\"\nnetwork = \"00000077\"\n", []string{
			`:5: lan.games.dosbox: port 4754 is that of the tunnels, daemon.udp: write another port`}},
	})
}

// Nobody has proved who calls when it is told of UDP: what it calls itself finds its site.
func TestOffersUDP(t *testing.T) {
	site := func(name string, tr Transport) *Site {
		return &Site{Name: name, Answer: true, Transport: tr, Auth: Auth{PeerName: name}}
	}
	some := []*Site{site("a", TransportAuto), site("b", TransportGRE), site("c", TransportUDP)}
	for _, c := range []struct {
		name   string
		port   uint16
		sites  []*Site
		caller string
		want   bool
	}{
		{"auto", 4754, some, "a", true},
		{"GRE", 4754, some, "b", false},
		{"UDP", 4754, some, "c", true},
		{"a stranger", 4754, some, "x", true},
		{"a stranger, and all want GRE", 4754, some[1:2], "x", false},
		{"no port", 0, some, "a", false},
		{"nobody answers", 4754, []*Site{{Name: "a", Transport: TransportAuto}}, "a", false},
	} {
		cfg := &Config{Daemon: Daemon{UDP: c.port}, Sites: c.sites}
		if got := cfg.OffersUDP(c.caller); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
