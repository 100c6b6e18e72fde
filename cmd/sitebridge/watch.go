package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"sitebridge/bridge"
)

// What steers a terminal (ECMA-48): to the upper left corner; clear the rest of the
// line; clear what is below.
const (
	toCorner  = "\x1b[H"
	clearLine = "\x1b[K"
	clearRest = "\x1b[J"
)

// watchStatus shows how things stand, again and again, until Ctrl-C. ask returns what
// there is to show.
func watchStatus(e *env, interval time.Duration, asJSON bool, ask func() (*bridge.Status, error)) int {
	inPlace := !asJSON && onTerminal(e.stdout)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var before *bridge.Status
	var asked time.Time
	for {
		s, err := ask()
		now := time.Now()
		switch {
		case e.ctx.Err() != nil:
			return exitInterrupted
		case err != nil && before == nil:
			return e.fail(err)
		case err != nil: // it may be back in a moment
			e.draw(inPlace, []byte(fmt.Sprintf("sitebridge: %v\n", err)))
		case asJSON:
			if code := e.printJSON(s); code != exitOK {
				return code
			}
		default:
			var b bytes.Buffer
			printStatus(&b, s, now)
			printRates(&b, before, s, now.Sub(asked))
			e.draw(inPlace, b.Bytes())
		}
		if err == nil {
			before, asked = s, now
		}
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			return exitInterrupted
		}
	}
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isTerminal(f)
}

// draw shows text in the place of what was there; not on a terminal, after a line that
// tells the two apart.
func (e *env) draw(inPlace bool, text []byte) {
	if !inPlace {
		fmt.Fprintf(e.stdout, "--- %s\n%s", time.Now().Format(time.DateTime), text)
		return
	}
	if f, ok := e.stdout.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			text = fit(text, int(size.Row), int(size.Col))
		}
	}
	text = bytes.ReplaceAll(text, []byte("\n"), []byte(clearLine+"\n"))
	fmt.Fprintf(e.stdout, "%s%s%s", toCorner, text, clearRest)
}

// fit leaves out lines that a terminal of so many rows has no room for: it would roll
// away the first ones, which say what is wrong.
func fit(text []byte, rows, columns int) []byte {
	if rows < 3 || columns < 1 {
		return text
	}
	left, kept := rows-2, 0 // one for what is left out, one for the cursor
	for line := range bytes.Lines(text) {
		left -= 1 + max(0, utf8.RuneCount(line)-2)/columns // a long line takes more
		if left < 0 {
			more := bytes.Count(text[kept:], []byte("\n"))
			return fmt.Appendf(text[:kept:kept], "... %s more: name a site to see it alone\n", amount(more, "line"))
		}
		kept += len(line)
	}
	return text
}

// printRates tells how much crossed each site since the last look.
func printRates(w io.Writer, before, now *bridge.Status, took time.Duration) {
	if before == nil || took <= 0 {
		return
	}
	fmt.Fprintln(w)
	for _, s := range now.Sites {
		old, ok := tunnelOf(before, &s)
		if !ok {
			continue
		}
		rate := func(now, before uint64) float64 { return float64(now-min(before, now)) / took.Seconds() }
		fmt.Fprintf(w, "%s: out %s, %.0f packets/s; in %s, %.0f packets/s\n", escape(s.Name),
			bits(rate(s.Tunnel.GRE.OctetsSent, old.GRE.OctetsSent)), rate(s.Tunnel.GRE.PacketsSent, old.GRE.PacketsSent),
			bits(rate(s.Tunnel.GRE.OctetsReceived, old.GRE.OctetsReceived)), rate(s.Tunnel.GRE.PacketsReceived, old.GRE.PacketsReceived))
	}
}

// tunnelOf is a site's tunnel as it was before, if it is the same call.
func tunnelOf(before *bridge.Status, s *bridge.SiteStatus) (*bridge.Tunnel, bool) {
	if s.Tunnel == nil {
		return nil, false
	}
	for _, old := range before.Sites {
		if old.Name == s.Name && old.Tunnel != nil && old.Tunnel.Began.Equal(s.Tunnel.Began) {
			return old.Tunnel, true
		}
	}
	return nil, false
}

// bits is octets in a second as bits, which lines are sold by.
func bits(octets float64) string {
	switch n := 8 * octets; {
	case n >= 1e9:
		return fmt.Sprintf("%.2f Gbit/s", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f Mbit/s", n/1e6)
	default:
		return fmt.Sprintf("%.1f kbit/s", n/1e3)
	}
}
