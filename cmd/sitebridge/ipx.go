package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
)

// ipxTables asks the daemon for what it knows of IPX, and prints it as JSON if
// that is wanted; else print does.
func ipxTables(e *env, name string, args []string, part func(*bridge.IPXTables) any, print func(*tabwriter.Writer, *bridge.IPXTables)) int {
	f := e.flags(name, "[--json] [--config FILE] [--socket FILE]")
	asJSON := jsonFlag(f)
	daemon := daemonFlags(f)
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	return e.askIPX(daemon, *asJSON, part, print)
}

func jsonFlag(f *flag.FlagSet) *bool {
	return f.Bool("json", false, "print JSON, as docs/commands.md describes it")
}

func (e *env) askIPX(daemon whichDaemon, asJSON bool, part func(*bridge.IPXTables) any, print func(*tabwriter.Writer, *bridge.IPXTables)) int {
	var t bridge.IPXTables
	if err := e.get(daemon, "/v1/ipx", &t); err != nil {
		return e.fail(err)
	}
	if asJSON {
		return e.printJSON(part(&t))
	}
	e.table(func(w *tabwriter.Writer) { print(w, &t) })
	return exitOK
}

// table prints columns.
func (e *env) table(rows func(*tabwriter.Writer)) {
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	rows(w)
	w.Flush()
}

func runIPXRoutes(e *env, args []string) int {
	f := e.flags("ipx routes", "[--json] [--config FILE] [--socket FILE] | -i INTERFACE [--frame TYPE] [--for TIME] [--json]")
	asJSON := jsonFlag(f)
	daemon, wire, least := daemonFlags(f), wireFlags(f), answerFlag(f)
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	if code, ok := e.eitherWay(f); !ok {
		return code
	}
	if wire.wanted() {
		return routesOnWire(e, wire, *least, *asJSON)
	}
	return e.askIPX(daemon, *asJSON, func(t *bridge.IPXTables) any { return t.Routes }, func(w *tabwriter.Writer, t *bridge.IPXTables) {
		printRoutes(w, t.Routes, time.Now())
	})
}

// printRoutes prints each network with the way in use, and below it the other ways
// that are known.
func printRoutes(w io.Writer, routes []router.RouteInfo, now time.Time) {
	fmt.Fprintln(w, "NETWORK\tHOPS\tTICKS\tVIA\tNEXT\tTOLD BY\tORIGIN\tSTATE")
	for _, r := range routes {
		state := lasts(&r.Way, now)
		if r.Down {
			state = "down"
		}
		printWay(w, r.Network.String(), &r.Way, state)
		for _, other := range r.Alternatives {
			printWay(w, "  or", &other, lasts(&other, now))
		}
	}
}

func printWay(w io.Writer, what string, way *router.Way, state string) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", what, way.Hops, way.Ticks, dash(way.Via), nodeOrDash(way.Next), nodeOrDash(way.From), way.Origin, state)
}

// lasts says how long a way is known, if it is not for good.
func lasts(way *router.Way, now time.Time) string {
	switch {
	case !way.Held.IsZero():
		return fmt.Sprintf("held for %s, its link is lost", way.Held.Sub(now).Round(time.Second))
	case !way.Expires.IsZero():
		return fmt.Sprintf("for %s", way.Expires.Sub(now).Round(time.Second))
	}
	return ""
}

func dash(s string) string { return cmp.Or(s, "-") }

func nodeOrDash(n ipx.Node) string {
	if n.IsZero() {
		return "-"
	}
	return n.String()
}

func runIPXServices(e *env, args []string) int {
	return ipxTables(e, "ipx services", args, func(t *bridge.IPXTables) any { return t.Services }, printServices)
}

func printServices(w *tabwriter.Writer, t *bridge.IPXTables) {
	fmt.Fprintln(w, "TYPE\tNAME\tADDRESS\tHOPS\tVIA\tTOLD BY\tORIGIN\tSTATE")
	for _, s := range t.Services {
		state := lasts(&router.Way{Held: s.Held, Expires: s.Expires}, time.Now())
		fmt.Fprintf(w, "%v\t%s\t%v\t%d\t%s\t%s\t%s\t%s\n", s.Type, s.Name, s.Addr, s.Hops, dash(s.Via), nodeOrDash(s.From), s.Origin, state)
	}
}

// runIPXSlist is `ipx services` of one type, or the same of a wire.
func runIPXSlist(e *env, args []string) int {
	f := e.flags("ipx slist", "[--json] [--config FILE] [--socket FILE] [TYPE] | -i INTERFACE [--frame TYPE] [--for TIME] [--json] [TYPE]")
	asJSON := jsonFlag(f)
	daemon, wire, least := daemonFlags(f), wireFlags(f), answerFlag(f)
	types, code, ok := parse(f, args, 1)
	if !ok {
		return code
	}
	if code, ok := e.eitherWay(f); !ok {
		return code
	}
	t := sap.AnyType
	if len(types) > 0 {
		var err error
		if t, err = sap.ParseServiceType(types[0]); err != nil {
			return e.misused(f, err)
		}
	}
	if wire.wanted() {
		return slistOnWire(e, wire, t, *least, *asJSON)
	}
	only := func(all *bridge.IPXTables) {
		all.Services = slices.DeleteFunc(all.Services, func(s router.ServiceInfo) bool { return t != sap.AnyType && s.Type != t })
	}
	return e.askIPX(daemon, *asJSON, func(t *bridge.IPXTables) any { only(t); return t.Services }, func(w *tabwriter.Writer, t *bridge.IPXTables) {
		only(t)
		printServices(w, t)
	})
}

func runIPXNodes(e *env, args []string) int {
	return ipxTables(e, "ipx nodes", args, func(t *bridge.IPXTables) any { return t.Nodes }, func(w *tabwriter.Writer, t *bridge.IPXTables) {
		fmt.Fprintln(w, "NETWORK\tNODE\tHEARD ON\tLAST")
		for _, n := range t.Nodes {
			fmt.Fprintf(w, "%v\t%v\t%s\t%s ago\n", n.Network, n.Node, n.Via, time.Since(n.Last).Round(time.Second))
		}
	})
}

// escape shows a peer's text so that it cannot steer a terminal.
func escape(s string) string {
	q := strconv.QuoteToASCII(s)
	return q[1 : len(q)-1]
}
