package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/survey"
)

func runIPXListen(e *env, args []string) int {
	l := e.look("ipx listen", "-i INTERFACE [--for TIME] [--json]", time.Minute)
	asJSON := jsonFlag(l.f)
	if code, ok := l.parse(e, args); !ok {
		return code
	}
	how := "until interrupted"
	if *l.limit > 0 {
		how = fmt.Sprintf("for %v; Ctrl-C ends it", *l.limit)
	}
	s, began := survey.New(), time.Now()
	begin := func() { fmt.Fprintf(e.stderr, "listening on %s %s\n", *l.name, how) }
	lost, err := e.watch(*l.name, *l.limit, begin, func(x port.Sighting) bool {
		if x.Own {
			s.SeeOwn(x.Time, x.Frame)
		} else {
			s.See(x.Time, x.Frame)
		}
		return false
	})
	r := s.Report()
	switch {
	case err != nil:
	case *asJSON:
		if code := e.printJSON(r); code != exitOK {
			return code
		}
	case r.Packets > 0 || len(r.Broken) > 0:
		printSurvey(e, *l.name, &r, time.Since(began))
	}
	return e.lookEnded(l, int(r.Packets)+len(r.Broken), lost, err)
}

func printSurvey(e *env, name string, r *survey.Report, took time.Duration) {
	fmt.Fprintf(e.stdout, "%s, %v: %s, %s\n\n", name, took.Round(time.Second), amount(r.Packets, "IPX packet"), amount(r.Octets, "octet"))
	if r.OnlyUs {
		fmt.Fprintln(e.stdout, "nobody but this machine was heard")
	}
	e.table(func(w *tabwriter.Writer) {
		if len(r.FrameTypes) == 0 {
			return
		}
		fmt.Fprintln(w, "FRAME TYPE\tPACKETS\tOCTETS\tNETWORK")
		for _, t := range r.FrameTypes {
			fmt.Fprintf(w, "%v\t%d\t%d\t%s\n", t.Frame, t.Packets, t.Octets, numbers(t.Networks))
		}
	})
	if len(r.Routers) > 0 {
		fmt.Fprintln(e.stdout)
		e.table(func(w *tabwriter.Writer) { printRouters(w, r.Routers) })
	}
	if len(r.Servers) > 0 {
		fmt.Fprintln(e.stdout)
		e.table(func(w *tabwriter.Writer) { printServers(w, r.Servers) })
	}
	if len(r.Stations) > 0 {
		fmt.Fprintln(e.stdout)
		e.table(func(w *tabwriter.Writer) { printStations(w, r) })
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Broken)) {
		fmt.Fprintf(e.stdout, "\nbroken frames, %s: %d", reason, r.Broken[reason])
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(e.stdout, "\nthere was more than a table holds: left out %s", amount(r.LeftOut, "time"))
	}
	if r.OnlyToAll {
		fmt.Fprint(e.stdout, "\nonly broadcasts were heard: a switch keeps what stations say to each other, so there may be more")
	}
	for _, t := range r.Trouble {
		fmt.Fprintf(e.stdout, "\nTROUBLE: %s", t)
	}
	fmt.Fprintln(e.stdout)
}

// numbers tells what stations call a network, most used first.
func numbers(networks []survey.Network) string {
	if len(networks) == 0 {
		return "no number heard"
	}
	var all []string
	for _, n := range networks {
		all = append(all, fmt.Sprintf("%v (%s)", n.Network, amount(len(n.Stations), "station")))
	}
	return strings.Join(all, ", ")
}

func printRouters(w *tabwriter.Writer, routers []survey.Router) {
	fmt.Fprintln(w, "ROUTER\tFRAME TYPE\tLEADS TO")
	for _, r := range routers {
		const most = 6
		var to []string
		for _, n := range r.Networks[:min(most, len(r.Networks))] {
			to = append(to, n.String())
		}
		if more := len(r.Networks) - most; more > 0 {
			to = append(to, fmt.Sprintf("%d more", more))
		}
		fmt.Fprintf(w, "%v\t%v\t%s\n", r.Node, r.Frame, strings.Join(to, ", "))
	}
}

func printStations(w *tabwriter.Writer, r *survey.Report) {
	servers := map[ipx.Addr]string{} // without sockets
	for _, s := range r.Servers {
		if at := (ipx.Addr{Network: s.Address.Network, Node: s.Address.Node}); servers[at] == "" || s.Type == sap.FileServer {
			servers[at] = "server " + escape(s.Name)
		}
	}
	fmt.Fprintln(w, "NETWORK\tSTATION\tFRAME TYPE\tPACKETS\tWHERE\tWHAT")
	for _, s := range r.Stations {
		where := "on this wire"
		switch {
		case s.Own:
			where = "this machine"
		case !s.Here():
			where = fmt.Sprintf("by %v", s.By[0])
		}
		what := servers[ipx.Addr{Network: s.Network, Node: s.Node}]
		if slices.ContainsFunc(r.Routers, func(x survey.Router) bool { return x.Frame == s.Frame && x.Node == s.Node }) && s.Here() {
			what = strings.TrimPrefix(what+", router", ", ")
		}
		fmt.Fprintf(w, "%v\t%v\t%v\t%d\t%s\t%s\n", s.Network, s.Node, s.Frame, s.Packets, where, what)
	}
}
