package faults

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge"
	"sitebridge/test/lab"
)

// TestMemoryLimit: the daemon may have no more memory than it has, and needs more. Its
// runtime ends it, as the kernel does that ends what a cgroup has too much; who starts it
// again is the service manager, and here the test.
func TestMemoryLimit(t *testing.T) {
	if os.Getenv("LAB_NO_RACE") == "" {
		return // with the race detector it did not end in two minutes; why is not known
	}
	t.Parallel()
	tr := begin(t, user())
	tr.b.Doomed = true
	limitMemory(t, tr.b)
	since := time.Now()
	asked := tr.probe.asked(since)
	tr.wait("the call goes on", func() bool { return tr.probe.asked(since) > asked+20 })
	if _, missing := tr.probe.missing(since); missing > 0 {
		t.Errorf("%d questions were not answered while the daemon needed no more", missing)
	}
	tr.fault("memory limit reached (RLIMIT_DATA), started again")
	devour(t, tr.b)
	died := lastWords(tr.b.Log())
	if died == "" {
		t.Error("the log does not say why the daemon ended")
	}
	tr.told(tr.a, "b")
	tr.row.sees = fmt.Sprintf("`%s` in the log, and goroutines; at the peer %s", died, tr.row.sees)
	tr.b.Kill()
	tr.heal(func() { tr.b = tr.Start(tr.SiteB, tr.conf.B()) })
	tr.recovered()
}

// limitMemory lets a daemon keep what it has, and map no more.
func limitMemory(t *testing.T, d *lab.Daemon) {
	t.Helper()
	if err := unix.Prlimit(d.Pid(), unix.RLIMIT_DATA, &unix.Rlimit{}, nil); err != nil {
		t.Fatal(err)
	}
}

// devour has more and more follow what a daemon tells, each of which costs it memory,
// until it ends.
func devour(t *testing.T, d *lab.Daemon) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience)
	defer cancel()
	for {
		select {
		case <-d.Ended():
			return
		case <-ctx.Done():
			t.Fatal("the daemon lives on without memory")
		default:
		}
		if all, err := (bridge.Client{Socket: d.Socket}).Stream(ctx, "/v1/events"); err == nil {
			defer all.Close()
		}
	}
}

// lastWords is what the runtime writes first: it is no line of the log.
func lastWords(log string) string {
	for line := range strings.Lines(log) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "time=") {
			return line
		}
	}
	return ""
}
