package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
)

// askWait is how long the daemon may take to answer.
const askWait = 10 * time.Second

// whichDaemon says which daemon a command asks.
type whichDaemon struct{ socket, config *string }

// daemonFlags adds --socket and --config to a command that asks the daemon.
func daemonFlags(f *flag.FlagSet) whichDaemon {
	return whichDaemon{
		socket: f.String("socket", "", "the daemon's control socket, a `file` (default "+defaultSocket+")"),
		config: f.String("config", "", "the daemon's configuration, a `file` whose daemon.status is the control socket"),
	}
}

// client finds the daemon.
func (w whichDaemon) client() (bridge.Client, error) {
	if *w.socket == "" && *w.config != "" {
		socket, err := config.ControlSocket(*w.config)
		return bridge.Client{Socket: socket}, err
	}
	return bridge.Client{Socket: cmp.Or(*w.socket, defaultSocket)}, nil
}

// get asks the daemon for what path names.
func (e *env) get(w whichDaemon, path string, v any) error {
	return e.ask(w, bridge.Client.Get, path, v)
}

// post has the daemon do what path names.
func (e *env) post(w whichDaemon, path string, v any) error {
	return e.ask(w, bridge.Client.Post, path, v)
}

func (e *env) ask(w whichDaemon, do func(bridge.Client, context.Context, string, any) error, path string, v any) error {
	return e.within(askWait, w, do, path, v)
}

// within is ask for what takes its time.
func (e *env) within(wait time.Duration, w whichDaemon, do func(bridge.Client, context.Context, string, any) error, path string, v any) error {
	client, err := w.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, wait)
	defer cancel()
	return do(client, ctx, path, v)
}

// printJSON prints v as the documented JSON.
func (e *env) printJSON(v any) int {
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return e.fail(err)
	}
	return exitOK
}

func runStatus(e *env, args []string) int {
	f := e.flags("status", "[--json] [--watch [--interval TIME]] [--config FILE] [--socket FILE] [SITE]")
	asJSON := f.Bool("json", false, "print JSON, as docs/commands.md describes it")
	watch := f.Bool("watch", false, "show it again and again, until Ctrl-C")
	interval := f.Duration("interval", 2*time.Second, "how often --watch looks: a `time`")
	daemon := daemonFlags(f)
	names, code, ok := parse(f, args, 1)
	if !ok {
		return code
	}
	ask := func() (*bridge.Status, error) { return e.status(daemon, names) }
	if *watch {
		if *interval < 100*time.Millisecond {
			fmt.Fprintln(e.stderr, "sitebridge status: --interval must be 100ms or more")
			return exitUsage
		}
		return watchStatus(e, *interval, *asJSON, ask)
	}
	s, err := ask()
	if err != nil {
		return e.fail(err)
	}
	for _, site := range s.Sites {
		if site.State != bridge.StateUp && site.State != bridge.StateIdle && !site.WaitsForCallers() {
			code = exitDown
		}
	}
	if *asJSON {
		if c := e.printJSON(s); c != exitOK {
			return c
		}
		return code
	}
	printStatus(e.stdout, s, time.Now())
	return code
}

// status asks the daemon how things stand, with all sites or the one that is named.
func (e *env) status(daemon whichDaemon, names []string) (*bridge.Status, error) {
	s := new(bridge.Status)
	if err := e.get(daemon, "/v1/status", s); err != nil {
		return nil, err
	}
	if len(names) > 0 {
		if err := s.Only(names[0]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func runUp(e *env, args []string) int   { return commandSite(e, "up", args) }
func runDown(e *env, args []string) int { return commandSite(e, "down", args) }

func commandSite(e *env, verb string, args []string) int {
	caller, usage := new(string), "[--config FILE] [--socket FILE] SITE"
	if verb == "down" {
		usage = "[--caller NAME] " + usage
	}
	f := e.flags(verb, usage)
	if verb == "down" {
		caller = f.String("caller", "", "end the call of this caller alone, of a site with a pool: its `name`")
	}
	daemon := daemonFlags(f)
	name, code, ok := parseOne(f, args)
	if !ok {
		return code
	}
	var s bridge.SiteStatus
	path := "/v1/sites/" + url.PathEscape(name) + "/"
	if *caller != "" {
		path += "callers/" + url.PathEscape(*caller) + "/"
	}
	if err := e.post(daemon, path+verb, &s); err != nil {
		return e.fail(err)
	}
	if *caller != "" {
		fmt.Fprintf(e.stdout, "%s: the call of %s is over\n", s.Name, escape(*caller))
		return exitOK
	}
	fmt.Fprintf(e.stdout, "%s: %s\n", s.Name, s.State)
	return exitOK
}
