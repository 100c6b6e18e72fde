package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/station"
	"sitebridge/ipx/survey"
	"sitebridge/ipx/words"
)

// What a router with a full table needs at most: 10 000 services at 55 ms for
// seven, and nothing lost.
const (
	answerQuiet = 2 * time.Second
	answerMost  = 2 * time.Minute
)

func patience(least time.Duration) station.Patience {
	return station.Patience{Least: least, Quiet: answerQuiet, Most: max(least, answerMost)}
}

// A wireRoute is a route in the JSON of `ipx routes -i`.
type wireRoute struct {
	Network ipx.Network       `json:"network"`
	Hops    uint16            `json:"hops"`
	Ticks   uint16            `json:"ticks"`
	Frame   ipx.Encapsulation `json:"frame"`
	By      ipx.Node          `json:"by"`
}

func routesOnWire(e *env, wire wireChoice, least time.Duration, asJSON bool) int {
	return e.asHost(wire, func(h *station.Host) int {
		found, err := h.Routes(e.ctx, patience(least))
		if err != nil && !errors.Is(err, context.Canceled) {
			return e.fail(err)
		}
		routes := []wireRoute{} // [] in JSON
		for _, r := range found {
			routes = append(routes, wireRoute{r.Network, r.Hops, r.Ticks, r.By.Encapsulation, r.By.Node})
		}
		if asJSON {
			if code := e.printJSON(routes); code != exitOK {
				return code
			}
		} else {
			printNetworks(e, h)
			e.table(func(w *tabwriter.Writer) { printWireRoutes(w, routes) })
		}
		return e.orNothing(wire, len(routes), "no router answers")
	})
}

// orNothing ends a command that has found n.
func (e *env) orNothing(wire wireChoice, n int, what string) int {
	switch {
	case n == station.MaxReports:
		fmt.Fprintf(e.stderr, "sitebridge: there may be more than these %d\n", n)
		return exitOK
	case n > 0:
		return exitOK
	}
	return e.fail(fmt.Errorf("%s %v: %s; a daemon of this machine is not asked with -i", what, wire, wire.hint()))
}

// printNetworks tells the wire's own numbers.
func printNetworks(e *env, h *station.Host) {
	known := h.Networks()
	for enc := range ipx.Encapsulation(ipx.Encapsulations) {
		if n, ok := known[enc]; ok {
			fmt.Fprintf(e.stdout, "%v is network %v here\n", enc, n)
		}
	}
}

func printWireRoutes(w *tabwriter.Writer, routes []wireRoute) {
	if len(routes) == 0 {
		return
	}
	fmt.Fprintln(w, "NETWORK\tHOPS\tTICKS\tTOLD BY\tFRAME TYPE")
	for _, r := range routes {
		fmt.Fprintf(w, "%v\t%d\t%d\t%v\t%v\n", r.Network, r.Hops, r.Ticks, r.By, r.Frame)
	}
}

func slistOnWire(e *env, wire wireChoice, t sap.ServiceType, least time.Duration, asJSON bool) int {
	return e.asHost(wire, func(h *station.Host) int {
		found, err := h.Services(e.ctx, t, patience(least))
		if err != nil && !errors.Is(err, context.Canceled) {
			return e.fail(err)
		}
		servers := []survey.Server{} // [] in JSON
		for _, s := range found {
			servers = append(servers, survey.Server{
				Type: s.Type, TypeName: words.ServiceName(s.Type), Name: s.Name, Address: s.Addr, Hops: s.Hops,
				Frame: s.By.Encapsulation, By: s.By.Node,
			})
		}
		if asJSON {
			if code := e.printJSON(servers); code != exitOK {
				return code
			}
		} else {
			e.table(func(w *tabwriter.Writer) { printServers(w, servers) })
		}
		what := "no server answers"
		if t != sap.AnyType {
			what = "no server of type " + words.Service(t) + " answers"
		}
		return e.orNothing(wire, len(servers), what)
	})
}

func printServers(w *tabwriter.Writer, servers []survey.Server) {
	if len(servers) == 0 {
		return
	}
	fmt.Fprintln(w, "TYPE\tWHAT\tNAME\tADDRESS\tHOPS\tTOLD BY\tFRAME TYPE")
	for _, s := range servers {
		fmt.Fprintf(w, "%v\t%s\t%s\t%v\t%d\t%v\t%v\n", s.Type, s.TypeName, escape(s.Name), s.Address, s.Hops, s.By, s.Frame)
	}
}
