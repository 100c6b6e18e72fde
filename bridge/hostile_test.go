package bridge

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"sitebridge/bridge/config"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
)

// hostile is what a peer may write wherever it may write: it steers terminals, ends lines,
// is HTML, and is not UTF-8.
const hostile = "evil\x1b[31m\r\nlevel=ERROR <script>alert(1)</script>\xff\u202e\x00"

// shown reports what would harm in a text that somebody is shown.
func harm(text string) string {
	if !utf8.ValidString(text) {
		return "it is not UTF-8"
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return "it has " + string(unicode.ToUpper(r)) + " in it"
		}
	}
	return ""
}

// eachText calls fn with all text in what JSON holds.
func eachText(v any, fn func(string)) {
	switch v := v.(type) {
	case string:
		fn(v)
	case []any:
		for _, inner := range v {
			eachText(inner, fn)
		}
	case map[string]any:
		for key, inner := range v {
			fn(key)
			eachText(inner, fn)
		}
	}
}

// wantHarmless looks at all text of an answer in JSON, of one value or more, and wants
// the peer's to be there.
func wantHarmless(t *testing.T, what string, body []byte) {
	t.Helper()
	found := false
	for d := json.NewDecoder(bytes.NewReader(body)); ; {
		var v any
		if d.Decode(&v) != nil {
			break
		}
		eachText(v, func(text string) {
			found = found || strings.Contains(strings.ToLower(text), "evil")
			if h := harm(text); h != "" {
				t.Errorf("%s: %q: %s", what, text, h)
			}
		})
	}
	if !found {
		t.Errorf("%s does not tell what the peer wrote: %s", what, body)
	}
	if bytes.Contains(body, []byte("<script")) {
		t.Errorf("%s has HTML in it: %s", what, body)
	}
}

// Names and reasons of a peer are escaped wherever they are shown: in status, tables,
// events, the environment of hooks, traces, logs and metrics.
func TestHostileTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.called = map[string]string{"beta": hostile, "gamma": hostile}
		learns := config.IPX{Exchange: config.ExchangeRIPSAP, Update: time.Minute}
		a := w.start("alpha", ipxSite("alpha", "beta", false, learns), peerSite("alpha", "other", false, true))
		b := w.start("beta", ipxSite("beta", "alpha", true, learns))
		b.wire(t, betaWire, router.Service{Type: 4, Name: hostile[:40], Addr: ipx.Addr{Network: 0x99, Node: ipx.ServerNode, Socket: 0x451}, Hops: 1})
		reaches(t, time.Minute, "both up", func() bool { return a.is(StateUp)() && b.is(StateUp)() })
		reaches(t, 3*time.Minute, "the server is known", func() bool { return len(a.ipx.router.Services()) > 0 })

		stranger := peerSite(hostile, "alpha", true, false) // by a name that nobody has
		w.start("gamma", stranger)
		reaches(t, time.Minute, "a stranger", func() bool { return a.refused.snapshot().Count > 0 })
		get := func(path string) []byte {
			r := httptest.NewRecorder()
			a.apiHandler().ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			return r.Body.Bytes()
		}
		wantHarmless(t, "status", get("/v1/status"))
		wantHarmless(t, "the tables of IPX", get("/v1/ipx"))
		wantHarmless(t, "the trace", get("/v1/sites/beta/trace?follow=0"))
		wantHarmless(t, "the trace of strangers", get("/v1/strangers/trace?follow=0"))

		b.allSites()[0].supervisor.snapshot().Current.close(errText(hostile)) // its Terminate-Request says so
		reaches(t, time.Minute, "the end", func() bool { return !a.is(StateUp)() })
		synctest.Wait() // it is told and logged, too
		wantHarmless(t, "status of what has ended", get("/v1/status"))
		wantHarmless(t, "events", get("/v1/events?follow=0"))
		for _, e := range lines[Event](t, bytes.NewBuffer(get("/v1/events?follow=0"))) {
			for _, v := range hookEnvironment(e) {
				if h := harm(v); h != "" {
					t.Errorf("a hook's %q: %s", v, h)
				}
			}
		}
		for line := range strings.Lines(a.log.String()) {
			if h := harm(strings.TrimSuffix(line, "\n")); h != "" || !strings.HasPrefix(line, "time=") {
				t.Errorf("the log: %q: %s", line, h)
			}
		}
		status := a.Status()
		scrape := httptest.NewRecorder()
		metricsHandler(func() Status { return status }, a.Daemon.log).ServeHTTP(scrape, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		for line := range strings.Lines(scrape.Body.String()) {
			if h := harm(strings.TrimSuffix(line, "\n")); h != "" {
				t.Errorf("metrics: %q: %s", line, h)
			}
		}
	})
}

type errText string

func (e errText) Error() string { return string(e) }
