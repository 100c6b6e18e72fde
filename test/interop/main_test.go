// Package interop proves the daemon against what is out there: Debian's own
// pppd with pptp-linux, which calls us, and with pptpd, which we call. They run
// in a User-Mode Linux guest (umlpeer/README.md); Wireshark's dissector judges
// every capture.
//
//	guest 192.0.2.1 or .2 --tap-- br0 192.0.2.254 [hq: sitebridge]
//	                              lan0 10.1.0.1 -- lan1 10.1.0.2 [host: an IP and IPX station]
package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sitebridge/internal/netlab"
	shared "sitebridge/test/lab"
)

const (
	insideMark = "INTEROP_INSIDE" // set in the test that runs in namespaces of its own
	workDir    = "INTEROP_DIR"    // where it finds the daemon, and keeps what it makes
)

// unable is why the tests cannot run here.
var unable error

// TestMain builds the daemon, and runs the tests in namespaces that take every
// guest, interface and process with them, also when the tests are killed.
func TestMain(m *testing.M) {
	if shared.Quick("^$") { // booting a guest is not quick
		os.Exit(m.Run())
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	if os.Getenv(insideMark) == "" {
		if unable = missing(); unable != nil {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "interop")
		if err == nil {
			defer os.RemoveAll(dir)
			err = build(filepath.Join(dir, "sitebridge"))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			return 1
		}
		os.Setenv(workDir, dir)
	}
	code, inside, err := netlab.Enter(insideMark)
	switch {
	case err != nil:
		unable = err
		return m.Run()
	case !inside:
		return code
	}
	if err := ownNamespaceNames(); err != nil {
		unable = err
	}
	return m.Run()
}

// build makes the daemon, which tells of data races and then fails.
func build(to string) error {
	out, err := exec.Command("go", "build", "-race", "-o", to, "sitebridge/cmd/sitebridge").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return nil
}

// missing says what the tests need and this machine does not have.
func missing() error {
	if os.Geteuid() != 0 {
		return errors.New("the peers' guest needs root")
	}
	var errs []error
	for _, program := range []string{"linux.uml", "pppd", "pptp", "pptpd", "tshark", "python3", "gcc", "ip", "nsenter", "modprobe", "ping"} {
		if _, err := exec.LookPath(program); err != nil {
			errs = append(errs, fmt.Errorf("%w (test/deps installs it)", err))
		}
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return errors.Join(append(errs, err)...)
}

// needPeers skips the test where the peers cannot run, or fails it where they
// must.
func needPeers(t *testing.T) {
	t.Helper()
	if unable == nil {
		return
	}
	if v := os.Getenv("REQUIRE_PEERS"); v != "" && v != "0" {
		t.Fatalf("the real peers are required (REQUIRE_PEERS): %v", unable)
	}
	t.Skipf("no real peers: %v", unable)
}
