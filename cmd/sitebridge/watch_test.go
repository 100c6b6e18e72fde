package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge"
	"sitebridge/control/gre"
)

func TestWatchStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var out, errs bytes.Buffer
		e := &env{ctx: ctx, stdout: &out, stderr: &errs}
		began, looks := time.Now(), 0
		ask := func() (*bridge.Status, error) {
			looks++
			if looks == 3 {
				return nil, errors.New("no sitebridge answers")
			}
			if looks == 5 {
				cancel()
			}
			return &bridge.Status{Name: "hq", Started: began, Sites: []bridge.SiteStatus{{Name: "b", State: bridge.StateUp, Tunnel: &bridge.Tunnel{
				Began: began, GRE: gre.Stats{OctetsSent: uint64(looks) * 500_000, PacketsSent: uint64(looks) * 1000, OctetsReceived: 1000},
			}}}}, nil
		}
		if code := watchStatus(e, 2*time.Second, false, ask); code != exitInterrupted {
			t.Errorf("exit %d", code)
		}
		text := out.String()
		if n := strings.Count(text, "b: out 2.00 Mbit/s, 500 packets/s; in 0.0 kbit/s, 0 packets/s"); n != 2 {
			t.Errorf("the rate is told %d times in\n%s", n, text)
		}
		if n := strings.Count(text, "--- "); n != 4 || !strings.Contains(text, "sitebridge: no sitebridge answers") || strings.Contains(text, "\x1b") {
			t.Errorf("%d looks:\n%s", n, text)
		}
	})
}

func TestWatchEndsWhenNobodyAnswersAtFirst(t *testing.T) {
	if code, _, errs := run(t, "status", "--watch", "--socket", t.TempDir()+"/none"); code != exitFailed || !strings.Contains(errs, "no sitebridge answers") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, _, _ := run(t, "status", "--watch", "--interval", "1ms"); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}

// In place, each line clears what stood behind it, and the end what stood below.
func TestDrawInPlace(t *testing.T) {
	var out bytes.Buffer
	e := &env{stdout: &out}
	e.draw(true, []byte("one\ntwo\n"))
	if got := out.String(); got != "\x1b[Hone\x1b[K\ntwo\x1b[K\n\x1b[J" {
		t.Errorf("%q", got)
	}
}

func TestFitsTheTerminal(t *testing.T) {
	const text = "one\ntwo is a long line\nthree\nfour\n"
	for _, c := range []struct {
		rows, columns int
		want          string
	}{
		{24, 80, text},
		{6, 80, text},
		{5, 80, "one\ntwo is a long line\nthree\n... 1 line more: name a site to see it alone\n"},
		{5, 10, "one\ntwo is a long line\n... 2 lines more: name a site to see it alone\n"},
		{4, 10, "one\n... 3 lines more: name a site to see it alone\n"},
		{0, 0, text},
	} {
		if got := string(fit([]byte(text), c.rows, c.columns)); got != c.want {
			t.Errorf("%d rows of %d: %q", c.rows, c.columns, got)
		}
	}
}
