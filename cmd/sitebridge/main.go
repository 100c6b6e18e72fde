// Command sitebridge joins branch LANs over PPTP tunnels, for IP and for IPX.
// See README.md, and docs/commands.md for every command, its exit codes and its
// JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
	"sitebridge/internal/privilege"
)

// Exit codes, stable for scripts.
const (
	exitOK     = 0
	exitFailed = 1 // it did not work: the message says why
	exitUsage  = 2 // the command line is wrong
	exitConfig = 3 // the configuration is wrong
	exitDown   = 4 // status: a site is not up; diagnose: something is wrong; probe: something broke; ipx ping: an answer is missing

	exitInterrupted = 130 // as shells count SIGINT
)

const (
	defaultConfig = "/etc/sitebridge/sites.toml"
	defaultSocket = "/run/sitebridge/sitebridge.sock"
)

// A cmd is one command of the program.
type cmd struct {
	name  string // "ipx ping"
	args  string
	about string
	run   func(e *env, args []string) int
}

var commands []cmd

func init() { // not in the declaration: help prints the table itself
	commands = []cmd{
		{"run", "[--config FILE] [--user NAME]", "join the sites of the configuration, until stopped", runDaemon},
		{"check", "[--config FILE]", "read the configuration and name everything wrong with it", runCheck},
		{"status", "[--json] [--watch] [SITE]", "each site: its state and why, its link, every counter", runStatus},
		{"reload", "[--dry-run] [--json]", "take over a changed configuration; what did not change runs on", runReload},
		{"up", "SITE", "start a stopped site, or dial at once", runUp},
		{"down", "SITE [--caller NAME]", "end a site's tunnel and stop dialling, or end one caller's", runDown},
		{"diagnose", "[--json] SITE", "what is wrong with a site, step by step, and what to do", runDiagnose},
		{"events", "[--follow] [--json]", "what happened: sites up and down, clashes, certificates that run out", runEvents},
		{"capture", "[--layer ppp|gre] SITE", "a site's packets, decrypted or as they cross, for Wireshark", runCapture},
		{"trace", "[--last] SITE", "what a site and its peer negotiate, in words", runTrace},
		{"ipx routes", "[--json] [-i INTERFACE]", "IPX networks: how far, by which way", runIPXRoutes},
		{"ipx services", "[--json]", "IPX services: servers and what they offer", runIPXServices},
		{"ipx nodes", "[--json]", "IPX stations, and where each was heard", runIPXNodes},
		{"ipx update", "[--dry-run] SITE", "ask a site's peer what is behind it, and keep that in a file", runIPXUpdate},
		{"ipx ping", "[-i INTERFACE] NETWORK[:NODE] | NODE", "ask an IPX station or server for an answer", runIPXPing},
		{"ipx slist", "[-i INTERFACE] [TYPE]", "IPX servers: of the daemon, or of a wire", runIPXSlist},
		{"ipx listen", "-i INTERFACE [--for 60s]", "what speaks IPX on a wire, and what is wrong there", runIPXListen},
		{"ipx sniff", "-i INTERFACE [-c N]", "every IPX packet on a wire, in words", runIPXSniff},
		{"ipx diag", "-i INTERFACE [NETWORK[:NODE] | NODE]", "ask IPX stations what they are", runIPXDiag},
		{"ipx capture", "-i INTERFACE --pcapng FILE|-", "every IPX frame on a wire, for Wireshark", runIPXCapture},
		{"identity", "new|ca|issue|revoke|show", "certificates: make, sign, revoke and show them", runIdentity},
		{"probe", "[--json] HOST[:PORT]", "known attacks against a PPTP server of yours, and what it made of them", runProbe},
		{"demo", "", "two sites on this machine, joined, cut and healed; needs no root", runDemo},
		{"completion", "bash|zsh|fish", "the script that completes commands in that shell", runCompletion},
		{"version", "", "the version, and the commit it was built from", runVersion},
	}
}

// An env is what a command may use of the world.
type env struct {
	ctx            context.Context
	stdout, stderr io.Writer
	drop           func(*privilege.User, *slog.Logger) error // of privileges; the tests keep theirs
	wires          wires                                     // how the IPX tools reach an interface
	help           func(*flag.FlagSet)                       // gets what would be printed as help; nil: print it
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == bridge.HookHelper {
		fmt.Fprintln(os.Stderr, "sitebridge:", bridge.BecomeHook(os.Args[2:]))
		os.Exit(exitFailed)
	}
	// To the very end: who asks twice must not have a daemon that has put everything
	// back end by the signal, as if it had not.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	os.Exit(dispatch(&env{ctx, os.Stdout, os.Stderr, dropPrivileges, kernelWires{}, nil}, os.Args[1:]))
}

// dispatch finds the command that args begin with.
func dispatch(e *env, args []string) int {
	if len(args) == 0 {
		usage(e.stderr)
		return exitUsage
	}
	for _, c := range commands {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return c.run(e, args[len(words):])
		}
	}
	switch args[0] {
	case "help", "-h", "--help":
		usage(e.stdout)
		return exitOK
	case "--version":
		return runVersion(e, args[1:])
	}
	if args[0] == "ipx" {
		fmt.Fprintln(e.stderr, "sitebridge: ipx is followed by one of: routes, services, nodes, update, ping, slist, listen, sniff, diag, capture")
		return exitUsage
	}
	fmt.Fprintf(e.stderr, "sitebridge: there is no command %q\n\n", args[0])
	usage(e.stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "sitebridge joins branch LANs over PPTP tunnels, for IP and for IPX.\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  sitebridge %-36s %s\n", c.name+" "+c.args, c.about)
	}
	fmt.Fprintf(w, "\nThe configuration is %s unless --config FILE names another. What asks the daemon (status, reload, up,\n"+
		"down, diagnose, events, capture, trace, ipx) does so on %s, on --socket FILE, or on the daemon.status of --config FILE.\n"+
		"The ipx commands with -i INTERFACE need no daemon: they speak on the interface themselves.\n", defaultConfig, defaultSocket)
}

// flags makes a flag set that speaks as this program does.
func (e *env) flags(name, args string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(e.stderr)
	f.Usage = func() {
		if e.help != nil {
			e.help(f)
			return
		}
		fmt.Fprintf(e.stderr, "usage: sitebridge %s %s\n", name, args)
		f.PrintDefaults()
	}
	return f
}

// anyNumber is for a command that takes all that is not a flag.
const anyNumber = math.MaxInt

// parse reads args: flags, and before, between and behind them the rest, of which
// the command takes at most most. ok is false when the command is over, with its
// exit code.
func parse(f *flag.FlagSet, args []string, most int) (rest []string, code int, ok bool) {
	for {
		switch err := f.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return nil, exitOK, false
		case err != nil:
			return nil, exitUsage, false
		case f.NArg() == 0:
			return rest, exitOK, true
		case len(rest) == most:
			return nil, unexpected(f, f.Arg(0)), false
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}

// parseOne is parse for a command that cannot do without its one argument.
func parseOne(f *flag.FlagSet, args []string) (arg string, code int, ok bool) {
	rest, code, ok := parse(f, args, 1)
	if !ok {
		return "", code, false
	}
	if len(rest) == 0 {
		f.Usage()
		return "", exitUsage, false
	}
	return rest[0], exitOK, true
}

// unexpected says that a command has no use for arg. To forget --config is easy, and
// to take the usual configuration then would be a surprise.
func unexpected(f *flag.FlagSet, arg string) int {
	fix := ""
	if f.Lookup("config") != nil && (f.Lookup("socket") == nil || filepath.Ext(arg) == filepath.Ext(defaultConfig)) {
		fix = ": write --config " + arg
	}
	fmt.Fprintf(f.Output(), "sitebridge %s: unexpected argument %q%s\n", f.Name(), arg, fix)
	return exitUsage
}

// fail prints err and returns the exit code for it.
func (e *env) fail(err error) int {
	if faults, ok := errors.AsType[*config.Faults](err); ok {
		fmt.Fprintln(e.stderr, faults)
		return exitConfig
	}
	fmt.Fprintln(e.stderr, "sitebridge:", err)
	return exitFailed
}
