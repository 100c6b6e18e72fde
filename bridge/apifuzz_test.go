package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever somebody at the control socket asks for, it gets an answer of a code that we
// give and of JSON, or a stream that ends with the one who asked; and the daemon goes on.
func FuzzAPI(f *testing.F) {
	for _, path := range []string{
		"/v1/status", "/v1/ipx", "/v1/events", "/v1/events?since=3&follow=0", "/v1/sites/beta/capture?layer=gre", "/v1/sites/beta/trace?follow=0",
		"/v1/strangers/trace?follow=0", "/v1/sites/%2e%2e/trace", "/v1/sites/beta/capture?count=1&seconds=2&filter=x",
	} {
		f.Add("GET", path, "")
	}
	for _, path := range []string{
		"/v1/sites/beta/up", "/v1/sites/beta/down", "/v1/sites/x/up", "/v1/ipx/ping?to=1:000000000001&count=2&interval=1", "/v1/sites/beta/ipx/ask",
		"/v1/sites/beta/ipx/load", "/v1/sites/beta/callers/1/down",
	} {
		f.Add("POST", path, "{}")
	}
	f.Add("POST", "/v1/ipx/ping", `{"to":"0000000A:000000000001","count":3}`)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || strings.HasPrefix(u.Path, "/debug/") || strings.HasSuffix(u.Path, "/diagnose") || strings.HasSuffix(u.Path, "/reload") {
			return // net/http's own, the kernel's, and the disk's
		}
		synctest.Test(t, func(t *testing.T) {
			a := newWorld(t).start("alpha", peerSite("alpha", "beta", false, true))
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r := (&http.Request{Method: method, URL: u, Host: "sitebridge", Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}).WithContext(ctx)
			w, done := httptest.NewRecorder(), make(chan struct{})
			go func() {
				defer close(done)
				a.apiHandler().ServeHTTP(w, r)
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Minute):
				t.Fatal("no end")
			}
			if w.Code < 200 || w.Code > 599 || w.Code == http.StatusInternalServerError {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
			if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
				for d := json.NewDecoder(w.Body); ; {
					var v any
					if err := d.Decode(&v); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatalf("%v: %s", err, w.Body)
					}
				}
			}
			if s := a.Status(); len(s.Sites) != 1 {
				t.Errorf("status %+v", s)
			}
		})
	})
}
