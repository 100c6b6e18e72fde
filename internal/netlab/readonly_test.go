package netlab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadOnlyCommand(t *testing.T) {
	_, west, _ := pair(t)
	dir := t.TempDir()
	write := func(path string) (string, error) {
		out, err := west.Command("/bin/sh", "-c", "echo 1 >"+path).ReadOnly(dir).CombinedOutput()
		return string(out), err
	}
	beside := filepath.Join(filepath.Dir(dir), "file")
	for _, path := range []string{"/netlab-test", "/tmp/netlab-test", beside, "/dev/netlab-test", "/proc/sys/net/ipv4/ip_forward", "/proc/self/comm"} {
		if out, err := write(path); err == nil || !strings.Contains(out, "Read-only file system") {
			t.Errorf("write to %s: %v, want that it is read-only\n%s", path, err, out)
		}
	}
	for _, path := range []string{filepath.Join(dir, "file"), "/dev/null"} {
		if out, err := write(path); err != nil {
			t.Errorf("write to %s: %v\n%s", path, err, out)
		}
	}
	// Others see nothing of that.
	if err := os.WriteFile(beside, nil, 0o600); err != nil {
		t.Error(err)
	}
	out, err := west.Command("/bin/sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward").CombinedOutput()
	if err != nil {
		t.Errorf("an ordinary command of the same host: %v\n%s", err, out)
	}
}

// The thread that started the process waits for it, so the death signal comes with
// the end of the lab and not before.
func TestReadOnlyCommandLivesAsLongAsTheLab(t *testing.T) {
	lab, west, _ := pair(t)
	sleep := west.Command("/bin/sleep", "1000").ReadOnly()
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := west.Command("/bin/sh", "-c", fmt.Sprintf("kill -0 %d && tr '\\0' ' ' </proc/%d/cmdline", sleep.Process.Pid, sleep.Process.Pid)).CombinedOutput()
	if err != nil || string(out) != "/bin/sleep 1000 " {
		t.Errorf("%v\n%s", err, out)
	}
	lab.Close()
	sleep.Wait()
	if s := sleep.ProcessState.String(); s != "signal: killed" {
		t.Errorf("the process ended by %q, want it killed with the lab", s)
	}
	if err := west.Command("/bin/true").ReadOnly().Start(); err == nil {
		t.Error("a closed lab started a process")
	}
}
