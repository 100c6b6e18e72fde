package bridge

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
)

// hook writes a program for a test, and returns its path.
func hook(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// A lockedLog is one that several goroutines write.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// ran runs a hook for events and returns what the log says.
func ran(path string, all ...Event) string {
	log := new(lockedLog)
	h := newHookRunner(path, slog.New(slog.NewTextHandler(log, nil)))
	for _, e := range all {
		h.run(e)
	}
	h.finish()
	return log.String()
}

// Row A17: what a hook gets is an environment of its own, and nothing that a peer wrote is
// anything but text there.
func TestAttackA17HookEnvironment(t *testing.T) {
	t.Setenv("OUR_OWN", "hush")
	out := filepath.Join(t.TempDir(), "out")
	path := hook(t, `env > `+out+`; printf '%s\n' "$#" >> `+out)
	log := ran(path, Event{Seq: 7, Time: time.Unix(1, 0).UTC(), Kind: EventDown, Site: "b", Peer: netip.MustParseAddr("192.0.2.2"),
		Reason: `peer says "$(touch /tmp/x); rm -rf /"`, Numbers: map[string]int64{"up_seconds": 5}})
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err, log)
	}
	for _, want := range []string{"SITEBRIDGE_EVENT=down\n", "SITEBRIDGE_SEQ=7\n", "SITEBRIDGE_SITE=b\n", "SITEBRIDGE_PEER=192.0.2.2\n", "SITEBRIDGE_TIME=1970-01-01T00:00:01Z\n",
		`SITEBRIDGE_REASON=peer says "$(touch /tmp/x); rm -rf /"` + "\n", "SITEBRIDGE_UP_SECONDS=5\n", "\n0\n"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the hook does not see %q:\n%s", want, b)
		}
	}
	if strings.Contains(string(b), "hush") {
		t.Error("the hook sees our environment")
	}
}

// Rows H2 and H5: a hook has no capability, no way to one, and no file of ours.
func TestAttackH5HookHasNoCapabilities(t *testing.T) {
	secret, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	if _, err := unix.FcntlInt(secret.Fd(), unix.F_SETFD, 0); err != nil { // one that somebody forgot to close
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	log := ran(hook(t, `{ cat /proc/$$/status; ls -l /proc/$$/fd; } > `+out), Event{Kind: EventUp})
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err, log)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"} {
		if !regexp.MustCompile(`(?m)^` + set + `:\s+0+$`).Match(b) {
			t.Errorf("%s is not empty:\n%s", set, regexp.MustCompile(`(?m)^Cap.*$`).FindAllString(string(b), -1))
		}
	}
	if !regexp.MustCompile(`(?m)^NoNewPrivs:\s+1$`).Match(b) {
		t.Error("no_new_privs is not set")
	}
	if strings.Contains(string(b), "/etc/passwd") {
		t.Errorf("the hook has a file of ours:\n%s", b)
	}
}

func TestHookOutputIsEscaped(t *testing.T) {
	log := ran(hook(t, `printf 'one\033[31m\ntwo\n'; for i in 1 2 3 4 5 6 7 8; do echo more >&2; done; exit 3`), Event{Kind: EventUp, Site: "b"})
	if !strings.Contains(log, `line=one\x1b[31m`) || strings.Count(log, "hook says") != hookLines || !strings.Contains(log, `reason="exit status 3"`) {
		t.Errorf("the log:\n%s", log)
	}
}

// A hook that hangs is killed with what it has started, and those after it are run.
func TestHookThatHangs(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	log := new(lockedLog)
	h := newHookRunner(hook(t, `sleep 1000 & echo $! > `+pid+`; wait`), slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	h.quick = ctx
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.run(Event{Kind: EventUp})
	}()
	var child int
	for child == 0 {
		b, _ := os.ReadFile(pid)
		if n := len(b); n > 1 && b[n-1] == '\n' {
			for _, c := range b[:n-1] {
				child = child*10 + int(c-'0')
			}
		}
	}
	cancel()
	<-done
	gone := func() bool {
		b, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(mustRead(t, pid))), "status"))
		return err != nil || strings.Contains(string(b), "zombie")
	}
	for began := time.Now(); !gone(); {
		if time.Since(began) > 10*time.Second {
			syscall.Kill(child, syscall.SIGKILL)
			t.Fatal("what the hook had started lives on")
		}
	}
	if !strings.Contains(log.String(), "was killed") {
		t.Errorf("the log:\n%s", log)
	}
	h.finish()
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Row H2: it is looked at again before each run.
func TestAttackH2HookIsCheckedBeforeEachRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	path := hook(t, "touch "+out)
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	log := ran(path, Event{Kind: EventUp})
	if _, err := os.Stat(out); err == nil || !strings.Contains(log, "hook is not run") || !strings.Contains(log, "its mode is 0777") {
		t.Errorf("it has run; the log:\n%s", log)
	}
}

// A daemon runs its hooks for what happens, in order, and the last ones when it ends.
func TestDaemonRunsHooks(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	d := configured(&config.Config{Daemon: config.Daemon{Hooks: []string{hook(t, `echo $SITEBRIDGE_EVENT $SITEBRIDGE_SEQ >> `+out)}}})
	d.log = slog.New(slog.DiscardHandler)
	d.emit(Event{Kind: EventStarted})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.runHooks(ctx) }()
	d.emit(Event{Kind: EventUp})
	d.emit(Event{Kind: EventStopped})
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		if b, _ := os.ReadFile(out); strings.Contains(string(b), "stopped 3") {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := string(mustRead(t, out)); got != "started 1\nup 2\nstopped 3\n" {
		t.Errorf("it ran for %q", got)
	}
}

// The helper is no command for people.
func TestHookHelperWantsAPath(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "/proc/self/exe", HookHelper).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "for the daemon itself") {
		t.Errorf("%v: %s", err, out)
	}
}

// Hooks that hang hold the daemon's end up for the time of one, however many there are.
func TestHooksEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := map[string]*hookRunner{}
		for _, path := range []string{"/a", "/b", "/c"} {
			h := &hookRunner{path: path, queue: make(chan Event)}
			h.quick, h.hurry = context.WithCancel(t.Context())
			h.done.Go(func() { <-h.quick.Done() })
			all[path] = h
		}
		began := time.Now()
		if finishHooks(all); time.Since(began) != lastHookTime {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}
