package web

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"

	"sitebridge/bridge"
	pageof "sitebridge/bridge/web"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
)

// marshalled is v as JSON: the daemon's part of the work is not what is measured.
func marshalled(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A hub of a thousand sites and ten thousand networks must not keep a browser busy: what a
// look at it costs is told, and bounded by much more than it takes, since two cores are
// shared here.
func testSpeed(t *testing.T, b *browser) {
	w := large()
	for i := len(w.status.Sites); i < 1000; i++ {
		w.status.Sites = append(w.status.Sites, goodSite(fmt.Sprintf("branch-%04d", i), i))
	}
	w.status.Sites[999] = badSite("the-last", bridge.StateWaiting, "no route to host")
	for i := len(w.tables.Routes); i < 10_000; i++ {
		w.tables.Routes = append(w.tables.Routes, router.RouteInfo{Network: ipx.Network(0x20000 + i), Way: router.Way{Hops: 2, Ticks: 3, Via: "west", Site: "west", Origin: "learned"}})
	}
	status, tables := marshalled(t, w.now()), marshalled(t, w.tables)
	srv := httptest.NewServer(pageof.Handler(pageof.Source{Status: func() any { return status }, IPX: func() any { return tables }}))
	t.Cleanup(srv.Close)
	p := b.open(t, 1280, 900)
	p.ready(srv.URL)
	p.eval("window.long = []; new PerformanceObserver((l) => window.long.push(...l.getEntries().map((e) => e.duration))).observe({ type: 'longtask' })", nil)
	p.wait("another look", "(window.looks ??= performance.getEntriesByType('resource').length) && performance.getEntriesByType('resource').length > window.looks")
	var cost struct {
		Long     []float64
		Elements int
	}
	p.eval("({ Long: window.long, Elements: document.querySelectorAll('*').length })", &cost)
	t.Logf("long tasks in a look at 1000 sites: %v ms; %d elements", cost.Long, cost.Elements)
	for _, ms := range cost.Long {
		if ms > 1500 {
			t.Errorf("one look kept the browser for %.0f ms", ms)
		}
	}
	if cost.Elements > 6000 {
		t.Errorf("%d elements: something shows all rows at once", cost.Elements)
	}
	has(t, "the list of troubles", p.text("#troubles"), "the-last", "no route to host")
	p.clean(srv.URL)
}
