package main

import (
	"fmt"
	"io"
	"time"

	"sitebridge/bridge"
)

// printDemand prints what has dialled a site that is up only while somebody needs it,
// and how long it stays so.
func printDemand(w io.Writer, s *bridge.SiteStatus, now time.Time) {
	d := s.Demand
	fmt.Fprint(w, "  on demand   ")
	if by := d.Woken; by != nil {
		fmt.Fprintf(w, "asked for %s ago by %s from %s to %s; ", ago(now, by.Time), escape(by.Protocol), escape(by.Source), escape(by.Destination))
	}
	if s.State == bridge.StateUp {
		fmt.Fprintf(w, "hangs up in %s without traffic; ", max(d.Idle-now.Sub(d.Traffic), 0).Round(time.Second))
	} else if d.Waiting > 0 {
		fmt.Fprintf(w, "%s waiting; ", amountOf(d.Waiting, "packet", "packets"))
	}
	fmt.Fprintf(w, "%s had to wait so far%s\n", amount(d.Kept, "packet"), drops(d.Drops))
}
