package main

import (
	"fmt"
	"io"

	"sitebridge/internal/radius"
)

// printRADIUS tells how the servers stand that know callers.
func printRADIUS(w io.Writer, s *radius.Status) {
	if s == nil {
		return
	}
	for _, r := range s.Servers {
		fmt.Fprintf(w, "RADIUS server %v (%s): %s, %d answered%s\n", r.Address, r.Kind, amount(r.Requests, "request"), r.Answers, drops(r.Dropped))
		if r.Trouble != "" {
			fmt.Fprintf(w, "  trouble: %s\n", r.Trouble)
		}
	}
	if s.Lost > 0 {
		fmt.Fprintf(w, "RADIUS accounting: %s lost\n", amount(s.Lost, "record"))
	}
}
