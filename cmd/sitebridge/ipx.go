package main

import (
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"sitebridge/bridge"
)

// ipxTables asks the daemon for what it knows of IPX, and prints it as JSON if
// that is wanted; else print does.
func ipxTables(e *env, name string, args []string, part func(*bridge.IPXTables) any, print func(*tabwriter.Writer, *bridge.IPXTables)) int {
	f := e.flags(name, "[--json] [--config FILE] [--socket FILE]")
	asJSON := f.Bool("json", false, "print JSON, as docs/commands.md describes it")
	daemon := daemonFlags(f)
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	var t bridge.IPXTables
	if err := e.get(daemon, "/v1/ipx", &t); err != nil {
		return e.fail(err)
	}
	if *asJSON {
		return e.printJSON(part(&t))
	}
	w := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	print(w, &t)
	w.Flush()
	return exitOK
}

func runIPXRoutes(e *env, args []string) int {
	return ipxTables(e, "ipx routes", args, func(t *bridge.IPXTables) any { return t.Routes }, func(w *tabwriter.Writer, t *bridge.IPXTables) {
		fmt.Fprintln(w, "NETWORK\tHOPS\tTICKS\tVIA\tNEXT\tORIGIN")
		for _, r := range t.Routes {
			fmt.Fprintf(w, "%v\t%d\t%d\t%s\t%v\t%s\n", r.Network, r.Hops, r.Ticks, r.Via, r.Next, r.Origin)
		}
	})
}

func runIPXServices(e *env, args []string) int {
	return ipxTables(e, "ipx services", args, func(t *bridge.IPXTables) any { return t.Services }, func(w *tabwriter.Writer, t *bridge.IPXTables) {
		fmt.Fprintln(w, "TYPE\tNAME\tADDRESS\tHOPS\tVIA\tORIGIN")
		for _, s := range t.Services {
			fmt.Fprintf(w, "%v\t%s\t%v\t%d\t%s\t%s\n", s.Type, escape(s.Name), s.Addr, s.Hops, s.Via, s.Origin)
		}
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

func runIPXPing(e *env, args []string) int {
	f := e.flags("ipx ping", "[-c N] [--size OCTETS] [--cisco] [--config FILE] [--socket FILE] NETWORK[:NODE]")
	count := f.Int("c", 3, "how many pings")
	size := f.Int("size", 32, "octets of data")
	cisco := f.Bool("cisco", false, "ask as Cisco's routers do, and not as Novell's servers")
	daemon := daemonFlags(f)
	addresses, code, ok := parse(f, args, 1)
	if !ok {
		return code
	}
	if len(addresses) == 0 {
		f.Usage()
		return exitUsage
	}
	q := url.Values{"to": {addresses[0]}, "size": {strconv.Itoa(*size)}}
	if *cisco {
		q.Set("kind", "cisco")
	}
	answered := 0
	for i := range *count {
		if i > 0 {
			select {
			case <-time.After(time.Second):
			case <-e.ctx.Done():
				return exitFailed
			}
		}
		var pong bridge.IPXPong
		err := e.post(daemon, "/v1/ipx/ping?"+q.Encode(), &pong)
		switch {
		case err != nil:
			return e.fail(err)
		case pong.Error != "":
			fmt.Fprintf(e.stdout, "%s: %s\n", pong.To, pong.Error)
		default:
			answered++
			fmt.Fprintf(e.stdout, "%s: answer in %v, %d hops\n", pong.To, pong.RoundTrip.Round(10*time.Microsecond), pong.Hops)
		}
	}
	fmt.Fprintf(e.stdout, "%d of %d answered\n", answered, *count)
	if answered < *count {
		return exitDown
	}
	return exitOK
}
