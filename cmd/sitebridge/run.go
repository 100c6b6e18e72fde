package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
	"sitebridge/internal/privilege"
)

func runDaemon(e *env, args []string) int {
	f := e.flags("run", "[--config FILE] [--user NAME] [--log text|json] [--verbose]")
	path := f.String("config", defaultConfig, "the configuration `file`")
	user := f.String("user", "", "become this `user`, a name or uid:gid, when started as root")
	format := f.String("log", "text", "log as `text` or json")
	verbose := f.Bool("verbose", false, "log details of each negotiation")
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	log, err := logger(e, *format, *verbose)
	if err != nil {
		fmt.Fprintln(e.stderr, "sitebridge run:", err)
		return exitUsage
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
	if err := bridge.Run(e.ctx, cfg, log, version(), nil); err != nil {
		log.Error("sitebridge failed", "error", err)
		return exitFailed
	}
	return exitOK
}

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
	}
	return nil, errors.New(`--log must be "text" or "json"`)
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

// version is that of the module, or of the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "devel"
}
