package main

import (
	"fmt"
	"io"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
)

// printCallers prints a site that many call: a line for each of them.
func printCallers(w io.Writer, s *bridge.SiteStatus) {
	p := s.Pool
	fmt.Fprintf(w, "  callers     %d of at most %d", p.Now, p.Limit)
	if p.Pool.IsValid() {
		fmt.Fprintf(w, ", pool %v", p.Pool)
	}
	if p.Network != ipx.ThisNetwork {
		fmt.Fprintf(w, ", IPX network %v", p.Network)
	}
	fmt.Fprintf(w, "; %s in all%s\n", amount(p.Calls, "call"), counts("refused", p.Refused))
	if p.ForeignIPX > 0 {
		fmt.Fprintf(w, "              %s of IPX came under the addresses of others\n", amount(p.ForeignIPX, "packet"))
	}
	for _, c := range s.Callers {
		printCaller(w, &c)
	}
}

func printCaller(w io.Writer, c *bridge.CallerStatus) {
	fmt.Fprintf(w, "  caller      %s", c.Name)
	if c.Address.IsValid() {
		fmt.Fprintf(w, ", %v", c.Address)
	}
	for _, r := range c.Routes {
		fmt.Fprintf(w, ", %v", r)
	}
	if c.Node != "" {
		fmt.Fprintf(w, ", node %s", c.Node)
	}
	fmt.Fprintf(w, "; from %v for %v by %s; %s, encryption %s", c.Peer, time.Duration(c.Seconds)*time.Second, c.Carrier, c.Method, c.Encryption)
	if c.MTU > 0 {
		fmt.Fprintf(w, ", MTU %d", c.MTU)
	}
	fmt.Fprintf(w, "; in %d octets, out %d", c.OctetsIn, c.OctetsOut)
	if c.Foreign > 0 {
		fmt.Fprintf(w, "; %s from addresses that are not its own", amount(c.Foreign, "packet"))
	}
	fmt.Fprintln(w)
	if !c.Up {
		fmt.Fprintf(w, "              not up: %s\n", c.Reason)
	}
}
