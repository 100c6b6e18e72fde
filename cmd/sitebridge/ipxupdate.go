package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
)

// updateWait is how long a peer may take to tell all that it has: a full table comes
// one packet in 55 ms.
const updateWait = 4 * time.Minute

// runIPXUpdate asks a site's peer for all its networks and services, shows what is
// different from the file, and writes it.
func runIPXUpdate(e *env, args []string) int {
	f := e.flags("ipx update", "[--dry-run] [--config FILE] [--socket FILE] SITE")
	dry := f.Bool("dry-run", false, "only show what would change")
	daemon := daemonFlags(f)
	name, code, ok := parseOne(f, args)
	if !ok {
		return code
	}
	at := "/v1/sites/" + url.PathEscape(name) + "/ipx/"
	var got bridge.IPXLearned
	if err := e.within(updateWait, daemon, bridge.Client.Post, at+"ask", &got); err != nil {
		return e.fail(err)
	}
	routes, services := learnedTables(&got)
	oldRoutes, oldServices, err := config.ReadLearned(got.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(e.stderr, "sitebridge: the file is not in order, and is written anew: %v\n", err)
	}
	changed := printDifference(e.stdout, networkLines(oldRoutes), networkLines(routes)) +
		printDifference(e.stdout, serviceLines(oldServices), serviceLines(services))
	fmt.Fprintf(e.stdout, "%s: %d networks, %d services; %d changes\n", escape(got.Site), len(routes), len(services), changed)
	if *dry || changed == 0 && err == nil {
		return exitOK
	}
	if err := config.WriteLearned(got.File, routes, services); err != nil {
		return e.fail(err)
	}
	if err := e.post(daemon, at+"load", new(struct{})); err != nil {
		return e.fail(fmt.Errorf("%s is written, but the daemon does not use it yet: %w", got.File, err))
	}
	fmt.Fprintf(e.stdout, "written to %s, and in use\n", got.File)
	return exitOK
}

func learnedTables(got *bridge.IPXLearned) (routes []config.IPXRoute, services []config.IPXService) {
	for _, r := range got.Routes {
		routes = append(routes, config.IPXRoute{Network: r.Network, Hops: r.Hops, Ticks: r.Ticks})
	}
	for _, s := range got.Services {
		services = append(services, config.IPXService{Type: uint16(s.Type), Name: string(s.Name), Address: s.Address, Hops: s.Hops})
	}
	return routes, services
}

// networkLines and serviceLines are the entries in words, by what they are about.
func networkLines(routes []config.IPXRoute) map[string]string {
	lines := map[string]string{}
	for _, r := range routes {
		lines[fmt.Sprintf("network %v", r.Network)] = fmt.Sprintf("hops %d ticks %d", r.Hops, r.Ticks)
	}
	return lines
}

func serviceLines(services []config.IPXService) map[string]string {
	lines := map[string]string{}
	for _, s := range services {
		lines[fmt.Sprintf("service %04X %s", s.Type, escape(s.Name))] = fmt.Sprintf("%v hops %d", s.Address, s.Hops)
	}
	return lines
}

// printDifference prints what was added, what went and what is otherwise, and returns
// how much that is.
func printDifference(w io.Writer, old, now map[string]string) (changes int) {
	keys := map[string]bool{}
	for k := range old {
		keys[k] = true
	}
	for k := range now {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		was, had := old[k]
		is, has := now[k]
		switch {
		case !had:
			fmt.Fprintf(w, "+ %s  %s\n", k, is)
		case !has:
			fmt.Fprintf(w, "- %s  %s\n", k, was)
		case was != is:
			fmt.Fprintf(w, "~ %s  %s, was %s\n", k, is, was)
		default:
			continue
		}
		changes++
	}
	return changes
}
