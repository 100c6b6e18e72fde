package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"time"

	"sitebridge/bridge"
)

// askWait is how long the daemon may take to answer.
const askWait = 10 * time.Second

// socketFlag adds --socket to a command that asks the daemon.
func socketFlag(f *flag.FlagSet) *string {
	return f.String("socket", defaultSocket, "the daemon's control socket: its daemon.status")
}

// get asks the daemon for what path names.
func (e *env) get(socket, path string, v any) error {
	ctx, cancel := context.WithTimeout(e.ctx, askWait)
	defer cancel()
	return bridge.Client{Socket: socket}.Get(ctx, path, v)
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
	f := e.flags("status", "[--json] [--socket FILE] [SITE]")
	asJSON := f.Bool("json", false, "print JSON, as docs/commands.md describes it")
	socket := socketFlag(f)
	if code, ok := parse(f, args); !ok {
		return code
	}
	var s bridge.Status
	if err := e.get(*socket, "/v1/status", &s); err != nil {
		return e.fail(err)
	}
	if name := f.Arg(0); name != "" {
		s.Sites = only(s.Sites, name)
		if len(s.Sites) == 0 {
			return e.fail(fmt.Errorf("no site %q in the configuration", name))
		}
		s.LANs, s.Segments = nil, nil
	}
	code := exitOK
	for _, site := range s.Sites {
		if site.State != bridge.StateUp {
			code = exitDown
		}
	}
	if *asJSON {
		if c := e.printJSON(s); c != exitOK {
			return c
		}
		return code
	}
	printStatus(e.stdout, &s, time.Now())
	return code
}

func only(sites []bridge.SiteStatus, name string) []bridge.SiteStatus {
	for _, s := range sites {
		if s.Name == name {
			return []bridge.SiteStatus{s}
		}
	}
	return nil
}

func runUp(e *env, args []string) int   { return commandSite(e, "up", args) }
func runDown(e *env, args []string) int { return commandSite(e, "down", args) }

func commandSite(e *env, verb string, args []string) int {
	f := e.flags(verb, "[--socket FILE] SITE")
	socket := socketFlag(f)
	if code, ok := parse(f, args); !ok {
		return code
	}
	if f.NArg() != 1 {
		f.Usage()
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(e.ctx, askWait)
	defer cancel()
	var s bridge.SiteStatus
	if err := (bridge.Client{Socket: *socket}).Post(ctx, "/v1/sites/"+url.PathEscape(f.Arg(0))+"/"+verb, &s); err != nil {
		return e.fail(err)
	}
	fmt.Fprintf(e.stdout, "%s: %s\n", s.Name, s.State)
	return exitOK
}
