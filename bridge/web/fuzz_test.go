package web

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever is asked for, by whatever name: only our own name gets more than a refusal,
// only reading gets anything, and no answer comes without its policy.
func FuzzHandler(f *testing.F) {
	for _, host := range []string{"localhost", "127.0.0.1:8080", "[::1]:80", "192.0.2.1", "evil.example", "[", ""} {
		f.Add("GET", "/", host)
		f.Add("HEAD", "/v1/status", host)
		f.Add("POST", "/v1/../page/index.html", host)
	}
	f.Add("GET", "//evil.example/%2e%2e/", "localhost")
	h := Handler(source())
	f.Fuzz(func(t *testing.T, method, path, host string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return // net/http answers that by itself
		}
		local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
		r := (&http.Request{Method: method, URL: u, Host: host, Header: http.Header{}, Body: http.NoBody}).
			WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		name, _, _ = strings.Cut(unbracketed(name), "%") // a zone makes it no other address
		ip := net.ParseIP(name)
		allowed := name == "localhost" || ip != nil && (ip.IsLoopback() || ip.Equal(local.IP))
		if !allowed && w.Code != http.StatusMisdirectedRequest {
			t.Errorf("%q %q of %q: %d", method, path, host, w.Code)
		}
		if w.Code == http.StatusOK && method != http.MethodGet && method != http.MethodHead {
			t.Errorf("%q %q: %d", method, path, w.Code)
		}
		if w.Header().Get("Content-Security-Policy") != policy || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q %q: %v", method, path, w.Header())
		}
	})
}
