package frr

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// bird runs BIRD with a configuration, to which nothing is added but that OSPF notices
// things in seconds.
func bird(t *testing.T, ns *netlab.Namespace, config string) {
	t.Helper()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "bird.conf"), filepath.Join(dir, "ctl")
	config = strings.Replace(config, `interface "lan";`, `interface "lan" { hello 1; dead 3; wait 2; retransmit 2; };`, 1)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := ns.Command("bird", "-p", "-c", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("bird -p: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := ns.Command("bird", "-f", "-c", file, "-s", socket)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // it is killed in the end
		close(ended)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := ns.Command("birdc", "-s", socket, "show", "route", "all").CombinedOutput()
			said, _ := os.ReadFile(log.Name())
			t.Logf("BIRD on %s: %s\n%s", ns.Name(), said, out)
		}
		cmd.Process.Kill()
		<-ended
		log.Close()
	})
}

// TestHandOverByBIRD is TestHandOverToOSPF with BIRD.
func TestHandOverByBIRD(t *testing.T) {
	need(t, "bird")
	t.Parallel()
	const tunnel, hub1, hub2, nowhere = "sb-branch", lab.LANA, lanHub2, "unreachable"
	w := layWorld(t)
	bird(t, w.SiteA, documented(t, "a hub with BIRD"))
	bird(t, w.hub2, documented(t, "a hub with BIRD"))
	bird(t, w.far, documented(t, "a router with BIRD"))
	w.branch = w.Start(w.SiteB, branchConfig)
	w.branch.WaitUp("hub")
	w.wantWays("up at hub 1", tunnel, hub1, hub1)
	w.WantPing(w.far, lab.AddrB)
	w.wantUnreachableBelow(w.SiteA)
	w.wantUnreachableBelow(w.hub2)

	w.branch.Run("down", "hub")
	w.wantWays("down", nowhere, nowhere, "")
	w.branch.Run("up", "hub")
	w.branch.WaitUp("hub")
	w.wantWays("up again", tunnel, hub1, hub1)
	w.WantPing(w.far, lab.AddrB)

	w.Unplug("site-a") // the hub stays on its LAN
	w.wantWays("moved to hub 2", hub2, tunnel, hub2)
	w.WantPing(w.far, lab.AddrB)
}
