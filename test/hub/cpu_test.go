package hub

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const tick = 10 * time.Millisecond

// cpuTime returns how long a process has run, in user and in kernel mode
// (proc_pid_stat(5), fields 14 and 15). What the kernel does with a packet in a
// soft interrupt while the process runs counts as the process's.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything
	f := strings.Fields(rest)
	if len(f) < 13 {
		t.Fatalf("/proc/%d/stat: %q", pid, stat)
	}
	var sum time.Duration
	for _, field := range f[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * tick
	}
	return sum
}
