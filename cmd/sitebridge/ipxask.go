package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
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
	if n > 0 {
		return exitOK
	}
	return e.fail(fmt.Errorf("%s %v: %s", what, wire, wire.hint()))
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

// pingWait is how long an answer may take, as with the daemon.
const pingWait = 3 * time.Second

// maxPing is the most data that the frame type with most room carries.
const maxPing = ipx.MaxLen - ipx.HeaderLen - 10

func pingOnWire(e *env, f *flag.FlagSet, wire wireChoice, target string, count, size int, cisco bool) int {
	network, node, err := parsePingTarget(target)
	switch {
	case err != nil:
		return e.misused(f, err)
	case size < 0 || size > maxPing:
		return e.misused(f, fmt.Errorf("--size %d: want 0 to %d octets", size, maxPing))
	case count < 1:
		return e.misused(f, fmt.Errorf("-c %d: want 1 or more", count))
	}
	kind := station.Novell
	if cisco {
		kind = station.Cisco
	}
	return e.asHost(wire, func(h *station.Host) int {
		ways, err := h.Ways(e.ctx, network)
		if err != nil {
			return e.fail(fmt.Errorf("find the way to network %v: %w", network, err))
		}
		p := pinger{e: e, host: h, kind: kind, node: node, size: size, ways: ways, name: target}
		p.tellWay(network)
		return p.run(wire, count)
	})
}

// parsePingTarget reads NETWORK, NETWORK:NODE or NODE. A network alone is the
// inside of its server; a node alone is on the wire: network 0.
func parsePingTarget(s string) (ipx.Network, ipx.Node, error) {
	if node, err := ipx.ParseNode(s); err == nil {
		return ipx.ThisNetwork, node, usable(node)
	}
	first, rest, given := strings.Cut(s, ":")
	network, err := ipx.ParseNetwork(first)
	if err != nil {
		return 0, ipx.Node{}, fmt.Errorf(`%q is no IPX address: want NETWORK ("BEEF"), NETWORK:NODE ("BEEF:000000000001") or NODE ("020000001001")`, s)
	}
	if !given {
		return network, ipx.ServerNode, nil
	}
	node, err := ipx.ParseNode(rest)
	if err == nil {
		err = usable(node)
	}
	return network, node, err
}

func usable(n ipx.Node) error {
	if n.IsGroup() || n.IsZero() {
		return fmt.Errorf("node %v is not one station: `sitebridge ipx listen` shows which there are", n)
	}
	return nil
}

// A pinger is one run of `ipx ping -i`.
type pinger struct {
	e    *env
	host *station.Host
	kind station.PingKind
	node ipx.Node
	size int
	ways []station.Way
	name string // of the target, while it has not answered
	took []time.Duration
}

// tellWay says how the target is reached, and takes the best way of those that
// somebody has told.
func (p *pinger) tellWay(n ipx.Network) {
	best := p.ways[0]
	switch {
	case n == ipx.ThisNetwork:
	case best.Guessed:
		fmt.Fprintf(p.e.stdout, "no router knows the way to network %v: asking for node %v on this wire\n", n, p.node)
	case best.Router.IsZero():
		fmt.Fprintf(p.e.stdout, "network %v is this wire, in %v\n", n, best.Encapsulation)
		p.ways = p.ways[:1]
	default:
		fmt.Fprintf(p.e.stdout, "network %v is %d hops and %d ticks away, by router %v in %v\n", n, best.Hops, best.Ticks, best.Router, best.Encapsulation)
		p.ways = p.ways[:1]
	}
}

func (p *pinger) run(wire wireChoice, count int) int {
	sent := 0
	for i := range count {
		if i > 0 && !p.e.pause(time.Second) {
			break
		}
		sent++
		if err := p.once(); errors.Is(err, context.Canceled) {
			break
		} else if err != nil {
			return p.e.fail(err)
		}
	}
	fmt.Fprintf(p.e.stdout, "%d of %d answered%s\n", len(p.took), sent, p.times())
	switch {
	case len(p.took) == 0:
		fmt.Fprintf(p.e.stderr, "sitebridge: %s does not answer %v: many clients answer neither kind of ping (with and without --cisco); %s\n", p.name, wire, wire.hint())
		return exitDown
	case len(p.took) < count:
		return exitDown
	}
	return exitOK
}

// once sends one ping. The way of the first answer is kept.
func (p *pinger) once() error {
	ctx, cancel := context.WithTimeout(p.e.ctx, pingWait)
	defer cancel()
	pong, err := p.host.Ping(ctx, p.kind, p.ways, p.node, p.size)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintf(p.e.stdout, "%s: no answer in %v\n", p.name, pingWait)
		return nil
	case err != nil:
		return err
	}
	p.took = append(p.took, pong.RoundTrip)
	p.ways = []station.Way{pong.Way}
	p.name = fmt.Sprintf("%v:%v", pong.From.Network, pong.From.Node)
	fmt.Fprintf(p.e.stdout, "%s: answer in %v, %d hops, %v\n", p.name, pong.RoundTrip.Round(time.Microsecond), pong.Hops, pong.Way.Encapsulation)
	return nil
}

func (p *pinger) times() string {
	if len(p.took) == 0 {
		return ""
	}
	least, most, sum := p.took[0], p.took[0], time.Duration(0)
	for _, d := range p.took {
		least, most, sum = min(least, d), max(most, d), sum+d
	}
	mean := sum / time.Duration(len(p.took))
	return fmt.Sprintf("; least %v, mean %v, most %v", least.Round(time.Microsecond), mean.Round(time.Microsecond), most.Round(time.Microsecond))
}
