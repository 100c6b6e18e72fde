package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// demoProcesses lists the processes of the demo that starts with our marker.
func demoProcesses(t *testing.T, marker string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte(marker)) {
			pids = append(pids, file)
		}
	}
	return pids
}

func startDemo(t *testing.T, marker string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	netlab.New(t, "/dev/net/tun") // skips where the demo cannot run either
	out := new(bytes.Buffer)
	cmd := exec.Command(os.Getenv("LAB_BINARY"), "demo")
	cmd.Env = append(os.Environ(), marker)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func TestDemoShowsTheMainJob(t *testing.T) {
	const marker = "SITEBRIDGE_TEST_DEMO=whole"
	watch := lab.StartWatch()
	cmd, out := startDemo(t, marker)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	watch.Within(t, "the demo", 30*time.Second)
	for _, want := range []string{"pings host-b through the tunnel", "the WAN is cut", "protocol 0x0053", "All of it worked"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if left := demoProcesses(t, marker); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDemoLeavesNothingWhenItIsKilled(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		marker := "SITEBRIDGE_TEST_DEMO=" + s.String()
		cmd, out := startDemo(t, marker)
		lab.Wait(t, "the demo's daemons run", func() bool { return len(demoProcesses(t, marker)) >= 4 })
		cmd.Process.Signal(s)
		if err := cmd.Wait(); err == nil {
			t.Errorf("%v: a demo that was stopped half way says that it worked:\n%s", s, out)
		}
		lab.Wait(t, s.String()+": nothing is left", func() bool { return len(demoProcesses(t, marker)) == 0 })
	}
}
