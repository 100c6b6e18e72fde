package bench

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// An openVPN is a pair of OpenVPN processes, one at each site, that bridge the
// interface called lan at both by TAP interfaces: a Linux bridge, as OpenVPN's
// manual has it for protocols other than IP.
type openVPN struct {
	lan  string
	port int
	args []string            // of both ends
	ends map[string][]string // and of each, by the site's name
}

// openVPNBest is what its manual advises for speed over UDP. A TAP interface's queue
// holds 500 or 1000 frames, by version, without being told.
var openVPNBest = []string{"--fast-io", "--sndbuf", "4194304", "--rcvbuf", "4194304", "--txqueuelen", "1000", "--mssfix", "0"}

// openVPNClear has no keys at all, so no packet number and no check of anything: the
// least that OpenVPN can do for a frame.
func openVPNClear(lan string) openVPN {
	return openVPN{lan: lan, port: 50001, args: []string{"--cipher", "none", "--auth", "none"}}
}

// openVPNSealed has TLS and the cipher that our own daemons use between them.
func openVPNSealed(lan string) openVPN {
	return openVPN{
		lan: lan, port: 50002,
		args: []string{"--data-ciphers", "AES-256-GCM", "--cipher", "AES-256-GCM", "--ca", "ca.pem", "--reneg-sec", "0"},
		ends: map[string][]string{
			"site-a": {"--tls-server", "--dh", "none", "--cert", "a-aead.pem", "--key", "a-aead.key"},
			"site-b": {"--tls-client", "--cert", "b-aead.pem", "--key", "b-aead.key"},
		},
	}
}

// start starts both ends, and returns their processes. They run until the test ends.
func (o openVPN) start(w *lab.World) (pids [2]int) {
	w.T.Helper()
	return [2]int{o.startAt(w, w.SiteA, lab.WANA, lab.WANB), o.startAt(w, w.SiteB, lab.WANB, lab.WANA)}
}

func (o openVPN) startAt(w *lab.World, site *netlab.Namespace, us, peer string) (pid int) {
	w.T.Helper()
	tap := "tap-" + o.lan
	w.IP(site, "tuntap", "add", "dev", tap, "mode", "tap")
	site.Up(tap)
	site.Bridge("br-"+o.lan, o.lan, tap)
	args := slices.Concat([]string{
		"--cd", w.Dir, "--dev", tap, "--dev-type", "tap", "--mode", "p2p", "--proto", "udp4", "--local", us, "--remote", peer,
		"--port", fmt.Sprint(o.port), "--ping", "10", "--ping-restart", "120", "--verb", "1",
	}, openVPNBest, o.args, o.ends[site.Name()])
	cmd := site.Command("openvpn", args...)
	log := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if w.T.Failed() {
			w.T.Logf("OpenVPN at %s, %s:\n%s", site.Name(), o.lan, log)
		}
	})
	return cmd.Process.Pid
}

// openVPNVersion returns the first words of what OpenVPN says of itself; empty: it is
// not installed.
func openVPNVersion() string {
	out, _ := exec.Command("openvpn", "--version").Output() // which exits with 1
	words := strings.Fields(string(out))
	return strings.Join(words[:min(2, len(words))], " ")
}
