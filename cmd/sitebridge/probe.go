package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"sitebridge/control/gre"
	"sitebridge/probe"
)

func runProbe(e *env, args []string) int {
	f := e.flags("probe", "[--json] [--patience 3s] [--half-open N] HOST[:PORT]")
	asJSON := f.Bool("json", false, "print a line of JSON for each attack")
	patience := f.Duration("patience", 3*time.Second, "how long an answer may take")
	halfOpen := f.Int("half-open", 100, "how many connections that say nothing are held open at once")
	host, code, ok := parseOne(f, args)
	if !ok {
		return code
	}
	to, err := probed(e.ctx, host)
	if err != nil {
		return e.fail(err)
	}
	cfg := probe.Config{Target: to, Patience: *patience, HalfOpen: *halfOpen}
	if raw, err := gre.OpenRaw(gre.RawConfig{}); err != nil {
		cfg.NoCarrier = err.Error()
	} else {
		defer raw.Close()
		cfg.Carrier = raw
	}
	return e.probe(cfg, *asJSON)
}

// probe prints a row for each attack.
func (e *env) probe(cfg probe.Config, asJSON bool) int {
	enc := json.NewEncoder(e.stdout)
	count := map[probe.Verdict]int{}
	err := probe.Run(e.ctx, cfg, func(r probe.Row) {
		count[r.Verdict]++
		if asJSON {
			enc.Encode(r)
			return
		}
		fmt.Fprintf(e.stdout, "%-4s %-7s %-52s %s\n", r.Attack, r.Verdict, r.Does, r.Words)
	})
	if !asJSON && len(count) > 0 {
		fmt.Fprintf(e.stdout, "%v: %d held, %d weak, %d broken, %d not tried\n", cfg.Target,
			count[probe.Held], count[probe.Weak], count[probe.Broken], count[probe.Unsure])
	}
	switch {
	case err != nil:
		return e.fail(err)
	case count[probe.Broken] > 0:
		return exitDown
	}
	return exitOK
}

// pptpPort is where PPTP servers are (RFC 2637, section 1.3).
const pptpPort = 1723

// probed finds the address of a server.
func probed(ctx context.Context, host string) (netip.AddrPort, error) {
	port := uint16(pptpPort)
	if h, word, err := net.SplitHostPort(host); err == nil {
		n, err := strconv.ParseUint(word, 10, 16)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("port %q: write a number from 1 to 65535", word)
		}
		host, port = h, uint16(n)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), port), nil
}
