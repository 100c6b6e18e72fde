package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"sitebridge/internal/pcapng"
)

func runCapture(e *env, args []string) int {
	f := e.flags("capture", "[--layer ppp|gre] [--pcapng FILE|-] [--for TIME] [-c N] [--config FILE] [--socket FILE] SITE")
	layer := f.String("layer", "ppp", "what to capture: `ppp`, frames as they are inside of encryption; or gre, packets as they cross")
	path := f.String("pcapng", "", "the `file` to write, which Wireshark reads; - is standard output, the default where that is no terminal")
	limit := f.Duration("for", 0, "end after this `time`; 0: with Ctrl-C")
	count := f.Int("c", 0, "end after so many packets; 0: any `number`")
	daemon := daemonFlags(f)
	site, code, ok := parseOne(f, args)
	if !ok {
		return code
	}
	if *layer != "ppp" && *layer != "gre" {
		fmt.Fprintln(e.stderr, `sitebridge capture: --layer must be "ppp" or "gre"`)
		return exitUsage
	}
	if *limit < 0 || *count < 0 {
		fmt.Fprintln(e.stderr, "sitebridge capture: --for and -c must not be negative")
		return exitUsage
	}
	if *path == "" {
		*path = "-"
	}
	ctx, cancel := e.ctx, context.CancelFunc(func() {})
	if *limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, *limit)
	}
	defer cancel()
	n, lost, err := captureSite(ctx, e, daemon, "/v1/sites/"+url.PathEscape(site)+"/capture?layer="+*layer, *path, *count)
	if err != nil {
		return e.fail(err)
	}
	if *path != "-" {
		fmt.Fprintf(e.stderr, "%d packets written to %s\n", n, *path)
	}
	if lost > 0 {
		fmt.Fprintf(e.stderr, "sitebridge capture: %d packets are missing: what reads the capture is too slow\n", lost)
	}
	return exitOK
}

// captureSite writes what the daemon streams to the file at path, in whole blocks.
func captureSite(ctx context.Context, e *env, daemon whichDaemon, ask, path string, most int) (n int, lost uint64, err error) {
	client, err := daemon.client()
	if err != nil {
		return 0, 0, err
	}
	in, err := client.Stream(ctx, ask)
	if err != nil {
		return 0, 0, unlessOver(ctx, err)
	}
	defer in.Close()
	out, end, err := e.openCapture(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, end()) }()
	r := pcapng.NewReader(bufio.NewReader(in))
	for most == 0 || n < most {
		block, packet, err := r.Next()
		if err != nil {
			return n, lost, unlessOver(ctx, err)
		}
		if _, err := out.Write(block); err != nil {
			return n, lost, fmt.Errorf("write capture: %w", err)
		}
		if packet {
			n++
		}
		if d, ok := pcapng.Dropped(block); ok {
			lost = d
		}
	}
	return n, lost, nil
}

// unlessOver is an error of a stream from the daemon; nil when we have ended it.
func unlessOver(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the daemon has ended")
	}
	return err
}

// clock is a time of today for a line that somebody reads.
func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }
