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
	"syscall"
	"time"

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
	queues := map[string]*hookRunner{}
	defer func() { finishHooks(queues) }()
	tell := func(e Event) {
		for _, path := range d.config().Daemon.Hooks {
			q := queues[path]
			if q == nil {
				q = newHookRunner(path, d.log)
				queues[path] = q
			}
			q.add(e)
		}
	}
	for _, e := range known {
		tell(e)
	}
	for {
		select {
		case e := <-reader.queue:
			tell(e)
		case <-reader.over: // more at once than it takes to copy them
			d.log.Warn("hooks are not run for some events", "reason", "too many at once")
			d.events.leave(reader)
			_, reader = d.events.follow(^uint64(0), hookQueue)
		case <-ctx.Done():
			for len(reader.queue) > 0 {
				tell(<-reader.queue)
			}
			return nil
		}
	}
}

// A hookRunner runs one hook.
type hookRunner struct {
	path  string
	log   *slog.Logger
	queue chan Event // closed by finish
	quick context.Context
	hurry context.CancelFunc
	done  sync.WaitGroup
	full  bool // it was told that events are left out
}

func newHookRunner(path string, log *slog.Logger) *hookRunner {
	h := &hookRunner{path: path, log: log.With("hook", path), queue: make(chan Event, hookQueue)}
	h.quick, h.hurry = context.WithCancel(context.Background())
	h.done.Go(func() {
		for e := range h.queue {
			if h.quick.Err() == nil {
				h.run(e)
			}
		}
	})
	return h
}

// add has the hook run for an event, when those before it are done. It does not wait.
func (h *hookRunner) add(e Event) {
	select {
	case h.queue <- e:
		h.full = false
	default:
		if !h.full {
			h.log.Warn("hook is not run for some events", "reason", fmt.Sprintf("it is %d behind", hookQueue))
		}
		h.full = true
	}
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
		h.log.Error("hook is not run", "event", e.Kind, "reason", err)
		return
	}
	ctx, cancel := context.WithTimeout(h.quick, hookTime)
	defer cancel()
	out := &firstLines{}
	err := h.command(ctx, e, out).Run()
	switch {
	case ctx.Err() != nil:
		h.log.Warn("hook took too long and was killed", "event", e.Kind, "site", e.Site)
	case err != nil:
		h.log.Warn("hook failed", "event", e.Kind, "site", e.Site, "reason", err)
	}
	for _, line := range out.lines() {
		h.log.Info("hook says", "event", e.Kind, "site", e.Site, "line", line)
	}
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
