package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sitebridge/test/lab"
)

func tincMissing() string { return notInstalled("tincd") }

// startTinc starts tinc 1.0 at both sites as it comes: it routes, by UDP, with AES-256-CBC
// and HMAC-SHA-256. It alone has no say in the size of its interfaces' queues.
func startTinc(b *bench, w *way) {
	b.T.Helper()
	names := []string{"a", "b"}
	var homes, hosts [2]string
	for i, name := range names {
		homes[i] = filepath.Join(b.Dir, "tinc-"+name)
		conf := fmt.Sprintf("Name = %s\nConnectTo = %s\nInterface = tinc\nAddressFamily = ipv4\nUDPRcvBuf = 4194304\nUDPSndBuf = 4194304\n", name, names[1-i])
		host := fmt.Sprintf("Address = %s\nSubnet = %s\n", []string{lab.WANA, lab.WANB}[i], network([]string{w.a, w.b}[i]))
		b.writeUnder(homes[i], "tinc.conf", conf)
		b.writeUnder(homes[i], "tinc-up", "#!/bin/sh\n")
		b.writeUnder(homes[i], "hosts/"+name, host)
		if out, err := exec.Command("tincd", "-c", homes[i], "-K").CombinedOutput(); err != nil {
			b.T.Fatalf("tincd -K: %v\n%s", err, out)
		}
		withKey, err := os.ReadFile(filepath.Join(homes[i], "hosts", name))
		if err != nil {
			b.T.Fatal(err)
		}
		hosts[i] = string(withKey)
	}
	for i, site := range b.sites() {
		b.writeUnder(homes[i], "hosts/"+names[1-i], hosts[1-i])
		w.devices[i] = "tinc"
		w.pids[i] = startPeer(b.World, site.Command("tincd", "-D", "-c", homes[i], "--pidfile="+filepath.Join(homes[i], "pid")))
		b.waitDevice(site, "tinc")
	}
	b.lead(w)
}

// writeUnder writes a file that may be run.
func (b *bench) writeUnder(dir, name, text string) {
	b.T.Helper()
	path := filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o755)
	}
	if err != nil {
		b.T.Fatal(err)
	}
}
