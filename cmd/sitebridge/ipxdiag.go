package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"sitebridge/ipx"
	"sitebridge/ipx/diag"
	"sitebridge/ipx/station"
	"sitebridge/ipx/words"
)

// A diagnosis is what a node says of itself in the JSON of `ipx diag`.
type diagnosis struct {
	Network    ipx.Network          `json:"network"`
	Node       ipx.Node             `json:"node"`
	Frame      ipx.Encapsulation    `json:"frame"`
	By         ipx.Node             `json:"by"`
	Version    string               `json:"version"`
	SPX        ipx.Socket           `json:"spx_socket"`
	Components []diagnosisComponent `json:"components"`
	said       diag.Response
}

type diagnosisComponent struct {
	Component string             `json:"component"`
	Networks  []diagnosisNetwork `json:"networks,omitempty"`
}

type diagnosisNetwork struct {
	Network ipx.Network `json:"network"`
	Node    ipx.Node    `json:"node"`
}

// runIPXDiag asks nodes what they are: all on the wire, or one.
func runIPXDiag(e *env, args []string) int {
	f := e.flags("ipx diag", "-i INTERFACE [--frame TYPE] [--for TIME] [--json] [NETWORK[:NODE] | NODE]")
	asJSON := jsonFlag(f)
	wire, least := wireFlags(f), answerFlag(f)
	targets, code, ok := parse(f, args, 1)
	switch {
	case !ok:
		return code
	case !wire.wanted():
		f.Usage()
		return exitUsage
	}
	network, node := ipx.ThisNetwork, ipx.Broadcast
	if len(targets) > 0 {
		var err error
		if network, node, err = parsePingTarget(targets[0]); err != nil {
			return e.misused(f, err)
		}
	}
	return e.asHost(wire, func(h *station.Host) int {
		ways, err := h.Ways(e.ctx, network)
		if err != nil {
			return e.fail(fmt.Errorf("find the way to network %v: %w", network, err))
		}
		if !ways[0].Guessed && network != ipx.ThisNetwork {
			ways = ways[:1]
		}
		p := patience(*least)
		p.Quiet = 0 // who answers does so at once
		found, err := h.Diagnose(e.ctx, ways, node, p)
		if err != nil && !errors.Is(err, context.Canceled) {
			return e.fail(err)
		}
		all := []diagnosis{} // [] in JSON
		for _, r := range found {
			all = append(all, diagnosed(r))
		}
		if *asJSON {
			if code := e.printJSON(all); code != exitOK {
				return code
			}
		} else {
			e.table(func(w *tabwriter.Writer) { printDiagnoses(w, all) })
		}
		return e.orNothing(wire, len(all), "nobody answers diagnostics")
	})
}

func diagnosed(r station.DiagReport) diagnosis {
	d := diagnosis{
		Network: r.From.Network, Node: r.From.Node, Frame: r.By.Encapsulation, By: r.By.Node,
		Version: fmt.Sprintf("%d.%d", r.Major, r.Minor), SPX: r.SPX, Components: []diagnosisComponent{}, said: r.Response,
	}
	for _, c := range r.Components {
		x := diagnosisComponent{Component: c.ID.String()}
		for _, n := range c.Networks {
			x.Networks = append(x.Networks, diagnosisNetwork{n.Number, n.Node})
		}
		d.Components = append(d.Components, x)
	}
	return d
}

func printDiagnoses(w *tabwriter.Writer, all []diagnosis) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, "NETWORK\tNODE\tFRAME TYPE\tWHAT IT SAYS IT IS")
	for _, d := range all {
		fmt.Fprintf(w, "%v\t%v\t%v\t%s\n", d.Network, d.Node, d.Frame, words.Diagnostics(d.said))
	}
}
