package bench

import (
	"fmt"
	"strings"

	"sitebridge/test/lab"
)

// patient is said of every site: a flood beside a tunnel leaves it no time.
const patient = `echo = { interval = "10s", failures = 3 }`

// startOurs starts a daemon at each site, with all of our tunnels between them.
func (b *bench) startOurs() {
	b.T.Helper()
	b.a = b.Start(b.SiteA, daemonConfig("a", "b", lab.WANB, b.ways))
	b.b = b.Start(b.SiteB, daemonConfig("b", "a", lab.WANA, b.ways))
	for _, w := range b.ways {
		if !w.ours() {
			continue
		}
		for i, d := range []*lab.Daemon{b.a, b.b} {
			s := d.WaitUp(w.at([]string{"b", "a"}[i]))
			if s.Tunnel == nil || s.Tunnel.PPP.Encryption.Method != w.method || s.Tunnel.Carrier != w.carrier {
				b.T.Fatalf("site %s is up, and not by %s with encryption %s", s.Name, w.carrier, w.method)
			}
			w.devices[i], w.pids[i] = s.IP.Device, d.Pid()
		}
	}
}

// at returns the name of the way's site at the daemon whose peer is "a" or "b".
func (w *way) at(peer string) string {
	return peer + "-" + strings.ToLower(strings.ReplaceAll(w.name, " ", "-"))
}

// daemonConfig is the configuration of a daemon.
func daemonConfig(us, peer, peerAddr string, ways []*way) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[daemon]\nname = %q\nstatus = \"STATUS\"\nlisten = [\"0.0.0.0:1723\"]\ncertificate = \"%s.pem\"\ngre_bypass = %t\n", us, us, *bypass)
	for _, w := range ways {
		if w.ours() {
			b.WriteString(w.config(us, peer, peerAddr))
		}
	}
	return b.String()
}

// config is a tunnel's site. The name in a certificate decides which site calls, and a
// daemon has one certificate: so the tunnels of one carrier are dialled by "b", and those
// of the other one by "a".
func (w *way) config(us, peer, peerAddr string) string {
	dial, far := us == "b", w.a
	if us == "a" {
		far = w.b
	}
	if w.carrier == "udp" {
		dial = !dial
	}
	return fmt.Sprintf(`
[site.%[1]s]
device = "%[3]s-%[8]s"
transport = %[3]q
%[2]s
%[4]s
[site.%[1]s.auth]
%[5]s
[site.%[1]s.encryption]
policy = %[6]q
[site.%[1]s.ip]
routes = [%[7]q]
`, w.at(peer), patient, w.carrier, calls(dial, peerAddr), w.auth(us, peer, dial), w.policy(), network(far), w.method)
}

func calls(dial bool, peerAddr string) string {
	if !dial {
		return ""
	}
	return fmt.Sprintf("dial = [%q]\nanswer = false", peerAddr)
}

// auth is how the ends prove themselves, by which the encryption gets its keys.
func (w *way) auth(us, peer string, dial bool) string {
	switch {
	case w.method == "aead":
		return fmt.Sprintf("ca = \"ca.pem\"\npeer_name = %q", peer)
	case dial:
		return fmt.Sprintf("methods = [\"mschapv2\"]\nname = %q\nsecret_out_file = \"secret\"", w.at(us))
	}
	return "methods = [\"mschapv2\"]\nsecret_in_file = \"secret\""
}

func (w *way) policy() string {
	if w.method == "none" {
		return "disabled"
	}
	return "required"
}
