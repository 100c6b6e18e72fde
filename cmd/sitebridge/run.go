package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
	"sitebridge/internal/journal"
	"sitebridge/internal/privilege"
)

func runDaemon(e *env, args []string) int {
	f := e.flags("run", "[--config FILE] [--user NAME] [--log text|json|journal] [--verbose]")
	path := f.String("config", defaultConfig, "the configuration `file`")
	user := f.String("user", "", "become this `user`, a name or uid:gid, when started as root")
	format := f.String("log", "text", "log as `text` or json to standard error, or to systemd's journal with fields")
	verbose := f.Bool("verbose", false, "log details of each negotiation")
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	log, err := logger(e, *format, *verbose)
	if err != nil {
		fmt.Fprintln(e.stderr, "sitebridge run:", err)
		if errors.Is(err, errLogFormat) {
			return exitUsage
		}
		return exitFailed
	}
	who, err := privilege.Lookup(*user)
	if err != nil {
		fmt.Fprintln(e.stderr, "sitebridge run: --user:", err)
		return exitUsage
	}
	if err := e.drop(who, log); err != nil {
		return e.fail(err)
	}
	cfg, err := config.Load(*path)
	if err != nil {
		return e.fail(err)
	}
	if dir := filepath.Dir(cfg.Daemon.Status); cfg.Daemon.Status != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return e.fail(fmt.Errorf("make the control socket's directory: %w: daemon.status names another", err))
		}
	}
	if err := serve(e.ctx, cfg, log); err != nil {
		log.Error("sitebridge failed", "error", err)
		return exitFailed
	}
	return exitOK
}

// serve runs the daemon, and beside it what listens to systemd and tells it.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	n := notifier{log}
	var beside sync.WaitGroup
	defer beside.Wait()
	besides, end := context.WithCancel(context.WithoutCancel(ctx)) // goodbyes are life too
	defer end()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // which would end us, before there is anything to reload
	defer signal.Stop(hangups)
	defer context.AfterFunc(ctx, n.stopping)()
	return bridge.Run(ctx, cfg, log, version(), func(d *bridge.Daemon) {
		beside.Go(func() { reloadOn(besides, hangups, d, n) })
		beside.Go(func() { n.watchdog(besides, answers(d, cfg.Daemon.Status)) })
		n.ready()
	})
}

var errLogFormat = errors.New(`--log must be "text", "json" or "journal"`)

func logger(e *env, format string, verbose bool) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if verbose {
		opts.Level = slog.LevelDebug
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(e.stderr, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(e.stderr, opts)), nil
	case "journal":
		h, err := journal.New(journal.Socket, "sitebridge", opts.Level, slog.NewTextHandler(e.stderr, opts))
		if err != nil {
			return nil, err
		}
		return slog.New(h), nil
	}
	return nil, errLogFormat
}

func runCheck(e *env, args []string) int {
	f := e.flags("check", "[--config FILE]")
	path := f.String("config", defaultConfig, "the configuration `file`")
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	cfg, err := config.Load(*path)
	if err != nil {
		return e.fail(err)
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(e.stdout, "warning:", w)
	}
	for _, l := range cfg.LANs {
		if absent(l.Interface) {
			fmt.Fprintf(e.stdout, "warning: lan.%s: interface %q is not there now\n", l.Name, l.Interface)
		}
	}
	for _, s := range cfg.Sites {
		if s.Remote != nil && absent(s.Remote.ProxyARP) {
			fmt.Fprintf(e.stdout, "warning: site.%s: interface %q of proxy_arp is not there now\n", s.Name, s.Remote.ProxyARP)
		}
	}
	for _, a := range cfg.Advice() {
		fmt.Fprintln(e.stdout, "advice:", a)
	}
	fmt.Fprintf(e.stdout, "%s is in order: sites %d, LANs %d, segments %d\n", *path, len(cfg.Sites), len(cfg.LANs), len(cfg.Segments))
	return exitOK
}

// absent reports whether an interface that the host must have is not there. The file
// may be for another machine, or the interface plugged in later: it is no fault.
func absent(device string) bool {
	if device == "" {
		return false
	}
	_, err := net.InterfaceByName(device)
	return err != nil
}
