package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A manager is where systemd would listen.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	at := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	l, err := net.ListenUnixgram("unixgram", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv("NOTIFY_SOCKET", at.Name)
	return l
}

// told returns what it is told next, "" for nothing within the time.
func told(l *net.UnixConn, within time.Duration) string {
	l.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, 4096)
	n, _ := l.Read(b)
	return string(b[:n])
}

func TestSystemdIsTold(t *testing.T) {
	l, n := manager(t), notifier{slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		tell func()
		want string
	}{
		{n.ready, "READY=1"},
		{n.stopping, "STOPPING=1"},
	} {
		c.tell()
		if got := told(l, 10*time.Second); got != c.want {
			t.Errorf("told %q, want %q", got, c.want)
		}
	}
	n.reloading()
	if got := told(l, 10*time.Second); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") || strings.Contains(got, "=0\n") {
		t.Errorf("told %q of a reload", got)
	}
}

// The watchdog hears nothing of a daemon that does not answer.
func TestWatchdogHearsOfLifeOnly(t *testing.T) {
	l, n := manager(t), notifier{slog.New(slog.DiscardHandler)}
	n.pulse(t.Context(), time.Second, func(context.Context) error { return nil })
	if got := told(l, 10*time.Second); got != "WATCHDOG=1" {
		t.Errorf("told %q of life", got)
	}
	n.pulse(t.Context(), time.Millisecond, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	n.pulse(t.Context(), time.Second, func(context.Context) error { return errors.New("no sitebridge answers") })
	if got := told(l, 50*time.Millisecond); got != "" {
		t.Errorf("told %q of a dead daemon", got)
	}
}

// The watchdog is served as systemd asks for it, and ends with the daemon.
func TestWatchdogIsServed(t *testing.T) {
	l, n := manager(t), notifier{slog.New(slog.DiscardHandler)}
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	os.Unsetenv("WATCHDOG_PID") // t.Setenv puts it back
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		n.watchdog(ctx, func(context.Context) error { return nil })
	}()
	for range 3 {
		if got := told(l, 10*time.Second); got != "WATCHDOG=1" {
			t.Errorf("told %q", got)
		}
	}
	cancel()
	<-over
}

func TestNobodyIsToldWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	var log strings.Builder
	n := notifier{slog.New(slog.NewTextHandler(&log, nil))}
	n.ready()
	n.watchdog(t.Context(), func(context.Context) error { t.Error("asked"); return nil })
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
}
