package bench

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"sitebridge/test/lab"
)

// wireGuardProgram is where test/bench/run has built wireguard-go.
func wireGuardProgram() string { return os.Getenv("WIREGUARD_GO") }

func wireGuardMissing() string {
	if wireGuardProgram() == "" {
		return "WIREGUARD_GO does not say where wireguard-go is"
	}
	return notInstalled(wireGuardProgram())
}

// wireGuardSockets is where wireguard-go takes its configuration. All benchmarks of a
// machine share it, so that names have to differ.
const wireGuardSockets = "/var/run/wireguard"

// startWireGuard starts wireguard-go at both sites as it comes, in the foreground.
func startWireGuard(b *bench, w *way) {
	b.T.Helper()
	var keys [2]*ecdh.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			b.T.Fatal(err)
		}
	}
	run := strings.ToLower(rand.Text()[:6])
	for i, site := range b.sites() {
		w.devices[i] = fmt.Sprintf("wg%s%c", run, 'a'+i)
		socket := filepath.Join(wireGuardSockets, w.devices[i]+".sock")
		w.pids[i] = startPeer(b.World, site.Command(wireGuardProgram(), "-f", w.devices[i]))
		b.T.Cleanup(func() { os.Remove(socket) })
		b.waitDevice(site, w.devices[i])
		peer := []string{lab.WANB, lab.WANA}[i]
		set := fmt.Sprintf("set=1\nprivate_key=%x\nlisten_port=51820\npublic_key=%x\nendpoint=%s:51820\nallowed_ip=0.0.0.0/0\n\n",
			keys[i].Bytes(), keys[1-i].PublicKey().Bytes(), peer)
		lab.Wait(b.T, "wireguard-go takes its configuration", func() bool { return configureWireGuard(socket, set) })
	}
	b.lead(w)
}

// configureWireGuard sends a command of wireguard-go's socket, and reports whether it
// worked (https://www.wireguard.com/xplatform/).
func configureWireGuard(socket, command string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false // not there yet
	}
	defer c.Close()
	if _, err := io.WriteString(c, command); err != nil {
		return false
	}
	answer := make([]byte, 64)
	n, _ := c.Read(answer)
	return strings.HasPrefix(string(answer[:n]), "errno=0\n")
}
