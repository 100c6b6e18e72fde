package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"sitebridge/bridge"
)

func runTrace(e *env, args []string) int {
	f := e.flags("trace", "[--last] [--echo] [--json] [--config FILE] [--socket FILE] SITE | --strangers")
	last := f.Bool("last", false, "only what was negotiated last, and no more")
	echo := f.Bool("echo", false, "also the Echo packets by which each end knows that the other is there")
	strangers := f.Bool("strangers", false, "calls of which nobody knows yet, or has ever known, whose they are")
	asJSON := f.Bool("json", false, "print a line of JSON for each packet")
	daemon := daemonFlags(f)
	rest, code, ok := parse(f, args, 1)
	if !ok {
		return code
	}
	if (len(rest) == 1) == *strangers {
		f.Usage()
		return exitUsage
	}
	ask := "/v1/strangers/trace"
	if !*strangers {
		ask = "/v1/sites/" + url.PathEscape(rest[0]) + "/trace"
	}
	if *last {
		ask += "?follow=0"
	}
	return streamLines(e, daemon, ask, func(line []byte) error {
		var l bridge.TraceLine
		if err := json.Unmarshal(line, &l); err != nil {
			return err
		}
		if !*echo && isEcho(l.Text) {
			return nil
		}
		if *asJSON {
			_, err := e.stdout.Write(line)
			return err
		}
		return printTrace(e.stdout, &l)
	})
}

// isEcho tells the packets that say no more than that somebody is there.
func isEcho(text string) bool {
	for _, kind := range []string{"Echo-Request", "Echo-Reply", "LCP Echo-", "LCP Discard-"} {
		if strings.HasPrefix(text, kind) {
			return true
		}
	}
	return false
}

func printTrace(w io.Writer, l *bridge.TraceLine) error {
	if l.Lost > 0 {
		fmt.Fprintf(w, "%s -- %s not shown: this terminal is too slow\n", clock(l.Time), amount(l.Lost, "packet"))
	}
	way := "<-"
	if l.Direction == "out" {
		way = "->"
	}
	inside := ""
	if l.Encrypted {
		inside = "(encrypted) "
	}
	_, err := fmt.Fprintf(w, "%s %s %-15s %s%s\n", clock(l.Time), way, l.Peer, inside, l.Text)
	return err
}

// streamLines hands each line that the daemon answers with to show, until the daemon has
// no more, or until Ctrl-C.
func streamLines(e *env, daemon whichDaemon, ask string, show func(line []byte) error) int {
	client, err := daemon.client()
	if err != nil {
		return e.fail(err)
	}
	in, err := client.Stream(e.ctx, ask)
	if err != nil {
		if e.ctx.Err() != nil {
			return exitInterrupted
		}
		return e.fail(err)
	}
	defer in.Close()
	for r := bufio.NewReader(in); ; {
		line, err := r.ReadBytes('\n')
		switch {
		case e.ctx.Err() != nil:
			return exitInterrupted
		case errors.Is(err, io.EOF) && strings.Contains(ask, "follow=0"):
			return exitOK
		case err != nil:
			return e.fail(unlessOver(e.ctx, err))
		}
		if err := show(line); err != nil {
			return e.fail(err)
		}
	}
}
