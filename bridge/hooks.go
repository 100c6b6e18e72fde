package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/internal/privilege"
)

const (
	// hookTime is how long a hook may take for one event.
	hookTime = 30 * time.Second
	// lastHookTime is how long all may take together when the daemon ends.
	lastHookTime = time.Second
	// hookQueue is how many events a hook may be behind.
	hookQueue = 64
	// hookLines is how much of a hook's output goes to the log.
	hookLines = 5
)

// HookHelper is the first argument by which this program makes a hook of itself. Who
// builds another program of this package calls BecomeHook for it.
const HookHelper = "hook-helper"

// BecomeHook executes the program that the arguments after HookHelper name, in the
// place of this process and without our capabilities. It returns only with an error.
func BecomeHook(args []string) error {
	if len(args) != 1 {
		return errors.New("this command is for the daemon itself")
	}
	return privilege.Bare(args[0], args, os.Environ())
}

// runHooks runs the hooks for events until ctx ends, each for one event at a time and
// in order.
func (d *Daemon) runHooks(ctx context.Context) error {
	known, reader := d.events.follow(0, hookQueue)
	defer func() { d.events.leave(reader) }()
	defer d.hooks.finish()
	var last uint64
	tell := func(e Event) {
		for _, path := range d.config().Daemon.Hooks {
			q := d.hooks.of(path, d.log)
			q.miss(e.Seq - last - 1)
			q.add(e)
		}
		last = e.Seq
	}
	for _, e := range known {
		tell(e)
	}
	for {
		select {
		case e := <-reader.queue:
			tell(e)
		case <-reader.over: // more at once than it takes to copy them
			reader = d.events.resume(reader, &last, tell)
		case <-ctx.Done():
			for len(reader.queue) > 0 {
				tell(<-reader.queue)
			}
			return nil
		}
	}
}

// hookDesk has those that run the hooks. The zero one is ready.
type hookDesk struct {
	mu     sync.Mutex // guards byPath
	byPath map[string]*hookRunner
}

// of returns the one of a hook.
func (h *hookDesk) of(path string, log *slog.Logger) *hookRunner {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.byPath[path]
	if q == nil {
		q = newHookRunner(path, log)
		if h.byPath == nil {
			h.byPath = map[string]*hookRunner{}
		}
		h.byPath[path] = q
	}
	return q
}

// finish ends all.
func (h *hookDesk) finish() {
	h.mu.Lock()
	all := maps.Clone(h.byPath)
	h.mu.Unlock()
	finishHooks(all)
}

// A HookStatus is what became of a hook's runs.
type HookStatus struct {
	Hook   string `json:"hook"`
	Runs   uint64 `json:"runs"`
	Failed uint64 `json:"failed"` // of these, and when it was not run because of what its file is
	Missed uint64 `json:"missed"` // events for which it was not run, since it was too far behind
}

// status tells of the hooks of the configuration.
func (h *hookDesk) status(paths []string) []HookStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []HookStatus
	for _, path := range paths {
		s := HookStatus{Hook: path}
		if q := h.byPath[path]; q != nil {
			s.Runs, s.Failed, s.Missed = q.runs.Load(), q.failed.Load(), q.missed.Load()
		}
		all = append(all, s)
	}
	return all
}

// warning tells of events that the hook has not seen.
func (s HookStatus) warning() string {
	if s.Missed == 0 {
		return ""
	}
	return fmt.Sprintf("the hook %s was not run for %d events since the daemon started: it takes too long for as many as there are", s.Hook, s.Missed)
}

// A hookRunner runs one hook.
type hookRunner struct {
	path  string
	log   *slog.Logger
	queue chan Event // closed by finish
	quick context.Context
	hurry context.CancelFunc
	done  sync.WaitGroup
	spell uint64 // events missed since the queue was full; only add uses it

	runs, failed, missed atomic.Uint64
}

func newHookRunner(path string, log *slog.Logger) *hookRunner {
	h := &hookRunner{path: path, log: log.With("hook", path), queue: make(chan Event, hookQueue)}
	h.quick, h.hurry = context.WithCancel(context.Background())
	h.done.Go(func() {
		var late uint64
		for e := range h.queue {
			if h.quick.Err() == nil {
				h.run(e)
			} else {
				late++
			}
		}
		if h.missed.Add(late); late > 0 {
			h.log.Warn("hook is not run for the last events", "missed", late, "reason", "the daemon ends")
		}
	})
	return h
}

// add has the hook run for an event, when those before it are done. It does not wait.
func (h *hookRunner) add(e Event) {
	select {
	case h.queue <- e:
		if h.spell > 0 {
			h.log.Warn("hook has missed events, and is run again", "missed", h.spell)
		}
		h.spell = 0
	default:
		h.miss(1)
	}
}

// miss notes events for which the hook is not run, and tells of the first.
func (h *hookRunner) miss(n uint64) {
	if n > 0 && h.spell == 0 {
		h.log.Warn("hook is not run for some events", "reason", fmt.Sprintf("it is %d behind", hookQueue))
	}
	h.spell += n
	h.missed.Add(n)
}

// finishHooks ends all at once: none may use up the time of the others, or the daemon's.
func finishHooks(all map[string]*hookRunner) {
	var ending sync.WaitGroup
	for _, h := range all {
		ending.Go(h.finish)
	}
	ending.Wait()
}

// finish lets the hook run for what has happened, not for long, and waits for it.
func (h *hookRunner) finish() {
	close(h.queue)
	timer := time.AfterFunc(lastHookTime, h.hurry)
	defer timer.Stop()
	h.done.Wait()
	h.hurry()
}

// run runs the hook for one event, and logs what became of it.
func (h *hookRunner) run(e Event) {
	if err := config.CheckHook(h.path); err != nil {
		h.failed.Add(1)
		h.log.Error("hook is not run", "event", e.Kind, "reason", err)
		return
	}
	ctx, cancel := context.WithTimeout(h.quick, hookTime)
	defer cancel()
	out := &firstLines{}
	h.runs.Add(1)
	err := runGroup(h.command(ctx, e, out))
	if err != nil {
		h.failed.Add(1)
	}
	switch {
	case ctx.Err() != nil && err != nil:
		h.log.Warn("hook took too long and was killed", "event", e.Kind, "site", e.Site)
	case err != nil:
		h.log.Warn("hook failed", "event", e.Kind, "site", e.Site, "reason", err)
	}
	for _, line := range out.lines() {
		h.log.Info("hook says", "event", e.Kind, "site", e.Site, "line", line)
	}
}

// runGroup runs a command whose process leads a group, and ends with it what it has left
// in that group. Until the process is waited for nobody else gets the group's number.
func runGroup(c *exec.Cmd) error {
	if err := c.Start(); err != nil {
		return err
	}
	for unix.Waitid(unix.P_PID, c.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // an error means that nobody is left
	return c.Wait()
}

// command is this program, which becomes the hook: only a process of its own can give
// away what the threads of this one need.
func (h *hookRunner) command(ctx context.Context, e Event, out io.Writer) *exec.Cmd {
	c := exec.CommandContext(ctx, "/proc/self/exe", HookHelper, h.path)
	c.Dir, c.Env = "/", hookEnvironment(e)
	c.Stdout, c.Stderr = out, out
	// A group of its own: what the hook has started ends with it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	return c
}

// hookEnvironment is all that a hook gets: nothing of our own environment.
func hookEnvironment(e Event) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"SITEBRIDGE_EVENT=" + string(e.Kind),
		"SITEBRIDGE_SEQ=" + strconv.FormatUint(e.Seq, 10),
		"SITEBRIDGE_TIME=" + e.Time.Format(time.RFC3339Nano),
		"SITEBRIDGE_SITE=" + e.Site,
		"SITEBRIDGE_CALLER=" + e.Caller,
		"SITEBRIDGE_REASON=" + e.Reason,
		"SITEBRIDGE_PEER=",
	}
	if e.Peer.IsValid() {
		env[len(env)-1] += e.Peer.String()
	}
	for _, name := range slices.Sorted(maps.Keys(e.Numbers)) {
		env = append(env, fmt.Sprintf("SITEBRIDGE_%s=%d", strings.ToUpper(name), e.Numbers[name]))
	}
	return env
}

// firstLines keeps the beginning of what is written to it, and takes the rest.
type firstLines struct {
	mu   sync.Mutex // guards kept
	kept []byte
}

func (f *firstLines) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, b[:min(len(b), hookLines*256-len(f.kept))]...)
	return len(b), nil
}

// lines returns the first lines, escaped.
func (f *firstLines) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for line := range bytes.Lines(f.kept) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 && len(all) < hookLines {
			all = append(all, plainText(string(line)))
		}
	}
	return all
}
