package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ipx/station"
)

func runIPXPing(e *env, args []string) int {
	f := e.flags("ipx ping", "[-c N] [--size OCTETS] [--cisco] [--config FILE] [--socket FILE] NETWORK[:NODE]\n"+
		"       sitebridge ipx ping -i INTERFACE [--frame TYPE] [-c N] [--size OCTETS] [--cisco] NETWORK[:NODE] | NODE")
	count := f.Int("c", 3, "how many pings")
	size := f.Int("size", 32, "octets of data")
	cisco := f.Bool("cisco", false, "ask as Cisco's routers do, and not as Novell's servers")
	daemon, wire := daemonFlags(f), wireFlags(f)
	address, code, ok := parseOne(f, args)
	if !ok {
		return code
	}
	if code, ok := e.eitherWay(f); !ok {
		return code
	}
	if wire.wanted() {
		return pingOnWire(e, f, wire, address, *count, *size, *cisco)
	}
	return pingByDaemon(e, daemon, address, *count, *size, *cisco)
}

func pingByDaemon(e *env, daemon whichDaemon, to string, count, size int, cisco bool) int {
	q := url.Values{"to": {to}, "size": {strconv.Itoa(size)}}
	if cisco {
		q.Set("kind", "cisco")
	}
	answered := 0
	for i := range count {
		if i > 0 && !e.pause(time.Second) {
			return exitFailed
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
			fmt.Fprintf(e.stdout, "%s: answer in %v, %s\n", pong.To, pong.RoundTrip.Round(10*time.Microsecond), amount(pong.Hops, "hop"))
		}
	}
	fmt.Fprintf(e.stdout, "%d of %d answered\n", answered, count)
	if answered < count {
		return exitDown
	}
	return exitOK
}

// pause waits, and reports false when the command was interrupted.
func (e *env) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-e.ctx.Done():
		return false
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
	kind := ping.Novell
	if cisco {
		kind = ping.Cisco
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
	kind ping.Kind
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
		fmt.Fprintf(p.e.stdout, "network %v is %s and %s away, by router %v in %v\n", n, amount(best.Hops, "hop"), amount(best.Ticks, "tick"), best.Router, best.Encapsulation)
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
	if len(p.took) == 0 {
		fmt.Fprintln(p.e.stderr, "sitebridge:", p.silence(wire))
	}
	if len(p.took) < count {
		return exitDown
	}
	return exitOK
}

// silence is what may be the matter when nothing answers.
func (p *pinger) silence(wire wireChoice) string {
	other := "--cisco asks in another way"
	if p.kind == ping.Cisco {
		other = "without --cisco, it is asked in another way"
	}
	text := fmt.Sprintf("%s does not answer; many DOS clients answer no ping: %s", p.name, other)
	switch {
	case p.ways[0].Guessed:
		return fmt.Sprintf("%s; asked %v: %s", text, wire, wire.hint())
	case p.ways[0].Router.IsZero() && p.node == ipx.ServerNode:
		return text + "; a wire has no node 000000000001, the inside of servers: ping NETWORK:MAC"
	}
	return text
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
	fmt.Fprintf(p.e.stdout, "%s: answer in %v, %s, %v\n", p.name, pong.RoundTrip.Round(time.Microsecond), amount(pong.Hops, "hop"), pong.Way.Encapsulation)
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
