package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
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

// What a hook leaves in the background ends with it, whether it holds the hook's output
// or not.
func TestHookLeavesNobodyBehind(t *testing.T) {
	for _, c := range []struct{ name, to string }{{"with its output", ""}, {"without", " >/dev/null 2>&1"}} {
		t.Run(c.name, func(t *testing.T) {
			pid := filepath.Join(t.TempDir(), "pid")
			log := ran(hook(t, `sleep 1000`+c.to+` & echo $! > `+pid), Event{Kind: EventUp})
			child, err := strconv.Atoi(strings.TrimSpace(string(mustRead(t, pid))))
			if err != nil {
				t.Fatal(err)
			}
			alive := func() bool {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child))
				return err == nil && !strings.Contains(string(b), "zombie")
			}
			for began := time.Now(); alive(); {
				if time.Since(began) > 5*time.Second {
					syscall.Kill(child, syscall.SIGKILL)
					t.Fatal("what the hook had started lives on")
				}
			}
			if log != "" {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

// Events for which a hook is not run are counted, and told of once.
func TestHookThatIsBehind(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := unix.Mkfifo(out, 0o600); err != nil {
		t.Fatal(err)
	}
	d := configured(&config.Config{Daemon: config.Daemon{Hooks: []string{hook(t, `echo $SITEBRIDGE_SEQ > `+out)}}})
	log := new(lockedLog)
	d.log = slog.New(slog.NewTextHandler(log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.runHooks(ctx) }() // each run waits until out is read
	const missed = 7
	for n := range uint64(1 + hookQueue + missed) {
		d.emit(Event{Kind: EventUp})
		q := func() *hookRunner { return d.hooks.of(d.config().Daemon.Hooks[0], d.log) }
		for q().runs.Load() == 0 || uint64(len(q().queue))+q().missed.Load() < n { // it has the event
			time.Sleep(time.Millisecond)
		}
	}
	s := d.hooks.status(d.config().Daemon.Hooks)[0]
	if s.Missed != missed || s.Runs != 1 || !strings.Contains(s.warning(), "was not run for 7 events") {
		t.Errorf("%+v: %s", s, s.warning())
	}
	if n := strings.Count(log.String(), "hook is not run for some events"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
	cancel()
	reading, err := os.OpenFile(out, os.O_RDWR, 0) // all that is left comes to its end
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A reader that was too slow goes on with what is still known, and tells how much is not.
func TestHooksAfterTooMuchAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		events int
		missed uint64
	}{{"all is known", 100, 0}, {"some is not", 4 + keptEvents + 5, 5}} {
		t.Run(c.name, func(t *testing.T) {
			d := configured(&config.Config{})
			d.log = discard
			_, reader := d.events.follow(0, 4)
			for range c.events {
				d.emit(Event{Kind: EventUp})
			}
			var last, told, gaps uint64
			reader = d.events.resume(reader, &last, func(e Event) {
				gaps += e.Seq - last - 1
				told++
				last = e.Seq
			})
			if gaps != c.missed || told != uint64(c.events)-c.missed {
				t.Errorf("told %d of %d, missed %d", told, c.events, gaps)
			}
			d.emit(Event{Kind: EventDown})
			if e := <-reader.queue; e.Seq != last+1 {
				t.Errorf("it goes on with event %d after %d", e.Seq, last)
			}
		})
	}
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
