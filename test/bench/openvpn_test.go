package bench

import (
	"fmt"
	"slices"
	"strings"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// An openVPN is a pair of OpenVPN processes, one at each site.
type openVPN struct {
	args []string            // of both ends
	ends map[string][]string // and of each, by the site's name
}

// openVPNBest is what its manual advises for speed over UDP. An interface's queue holds
// 500 or 1000 packets, by version, without being told. Its data channel in the kernel
// (DCO) is another thing than a program.
var openVPNBest = []string{"--fast-io", "--sndbuf", "4194304", "--rcvbuf", "4194304", "--txqueuelen", "1000", "--disable-dco"}

// openVPNClear has no keys at all, so no packet number and no check of anything: the
// least that OpenVPN can do for a packet.
var openVPNClear = openVPN{args: []string{"--cipher", "none", "--auth", "none"}}

// openVPNSealed has TLS and a cipher. AES-256-GCM is what our own daemons use between them.
func openVPNSealed(cipher string) openVPN {
	return openVPN{
		args: []string{"--data-ciphers", cipher, "--cipher", cipher, "--ca", "ca.pem", "--reneg-sec", "0"},
		ends: map[string][]string{
			"site-a": {"--tls-server", "--dh", "none", "--cert", "a.pem", "--key", "a.key"},
			"site-b": {"--tls-client", "--cert", "b.pem", "--key", "b.key"},
		},
	}
}

// route makes a way of it, by TUN interfaces.
func (o openVPN) route(b *bench, w *way) {
	b.T.Helper()
	dev := strings.ReplaceAll("ovpn-"+strings.ToLower(w.name[len("OpenVPN "):]), " ", "-")
	w.devices = [2]string{dev, dev}
	for _, site := range b.sites() {
		b.IP(site, "tuntap", "add", "dev", dev, "mode", "tun")
		site.Up(dev)
	}
	w.pids = o.start(b.World, dev, "tun", 50000+slices.Index(b.ways, w))
	b.lead(w)
}

// bridge bridges the interface called lan at both sites by TAP interfaces: a Linux
// bridge, as OpenVPN's manual has it for protocols other than IP.
func (o openVPN) bridge(w *lab.World, lan string, port int) (pids [2]int) {
	w.T.Helper()
	tap := "tap-" + lan
	for _, site := range []*netlab.Namespace{w.SiteA, w.SiteB} {
		w.IP(site, "tuntap", "add", "dev", tap, "mode", "tap")
		site.Up(tap)
		site.Bridge("br-"+lan, lan, tap)
	}
	o.args = append(slices.Clone(o.args), "--mssfix", "0")
	return o.start(w, tap, "tap", port)
}

// start starts both ends, and returns their processes. They run until the test ends.
func (o openVPN) start(w *lab.World, dev, kind string, port int) (pids [2]int) {
	w.T.Helper()
	for i, end := range []struct {
		site     *netlab.Namespace
		us, peer string
	}{{w.SiteA, lab.WANA, lab.WANB}, {w.SiteB, lab.WANB, lab.WANA}} {
		args := slices.Concat([]string{
			"--cd", w.Dir, "--dev", dev, "--dev-type", kind, "--mode", "p2p", "--proto", "udp4", "--local", end.us, "--remote", end.peer,
			"--port", fmt.Sprint(port), "--ping", "10", "--ping-restart", "120", "--verb", "1",
		}, openVPNBest, o.args, o.ends[end.site.Name()])
		pids[i] = startPeer(w, end.site.Command("openvpn", args...))
	}
	return pids
}

func openVPNMissing() string { return notInstalled("openvpn") }
