package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"sitebridge/bridge"
)

// A notifier tells systemd how the daemon is (sd_notify(3), Type=notify-reload of
// systemd.service(5)). Started by hand there is nobody to tell, and it says nothing.
type notifier struct{ log *slog.Logger }

func (n notifier) ready()    { n.tell(daemon.SdNotifyReady) }
func (n notifier) stopping() { n.tell(daemon.SdNotifyStopping) }

// reloading must be told with the time, by which systemd knows the reload that it
// asked for from an earlier one.
func (n notifier) reloading() {
	n.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

func (n notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("systemd is not told how the daemon is", "error", err)
	}
}

// watchdog tells systemd that the daemon lives, for as long as alive says so, until
// ctx ends. Twice in the time that systemd allows, as sd_watchdog_enabled(3) has it.
func (n notifier) watchdog(ctx context.Context, alive func(context.Context) error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("the watchdog of systemd is not served", "error", err)
	}
	if err != nil || limit == 0 {
		return
	}
	tick := time.NewTicker(limit / 2)
	defer tick.Stop()
	for {
		n.pulse(ctx, limit/2, alive)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pulse tells of one sign of life, if there is one within the time.
func (n notifier) pulse(ctx context.Context, within time.Duration, alive func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	switch err := alive(ctx); {
	case err == nil:
		n.tell(daemon.SdNotifyWatchdog)
	case ctx.Err() != context.Canceled:
		n.log.Error("no sign of life of the daemon", "error", err)
	}
}

// answers asks a daemon for its status, as an operator would: all of its parts have to
// answer for that. A daemon without a control socket is asked directly.
func answers(d *bridge.Daemon, socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		if socket == "" {
			d.Status()
			return nil
		}
		var s struct{}
		return bridge.Client{Socket: socket}.Get(ctx, "/v1/status", &s)
	}
}
