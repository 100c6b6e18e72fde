package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sitebridge/bridge"
)

func runEvents(e *env, args []string) int {
	f := e.flags("events", "[--follow] [--since N] [--json] [--config FILE] [--socket FILE]")
	follow := f.Bool("follow", false, "go on with what happens from now on, until Ctrl-C")
	since := f.Uint64("since", 0, "only what came after the event of this `number`")
	asJSON := f.Bool("json", false, "print a line of JSON for each event")
	daemon := daemonFlags(f)
	if _, code, ok := parse(f, args, 0); !ok {
		return code
	}
	ask := fmt.Sprintf("/v1/events?since=%d", *since)
	if !*follow {
		ask += "&follow=0"
	}
	return streamLines(e, daemon, ask, func(line []byte) error {
		if *asJSON {
			_, err := e.stdout.Write(line)
			return err
		}
		var event bridge.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return err
		}
		return printEvent(e.stdout, &event)
	})
}

func printEvent(w io.Writer, e *bridge.Event) error {
	words := []string{e.Time.Local().Format(time.DateTime), string(e.Kind)}
	if e.Site != "" {
		words = append(words, e.Site)
	}
	if e.Caller != "" {
		words = append(words, e.Caller)
	}
	if e.Peer.IsValid() {
		words = append(words, e.Peer.String())
	}
	line := strings.Join(words, " ")
	if e.Reason != "" {
		line += ": " + e.Reason
	}
	for _, name := range slices.Sorted(maps.Keys(e.Numbers)) {
		line += fmt.Sprintf(" (%s %d)", strings.ReplaceAll(name, "_", " "), e.Numbers[name])
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
