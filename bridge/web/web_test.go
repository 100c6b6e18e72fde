package web

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func source() Source {
	return Source{
		Status:   func() any { return map[string]string{"name": "<hq>"} },
		IPX:      func() any { return []string{"routes"} },
		Services: map[string]string{"0004": "file server"},
	}
}

// ask asks a page on this machine as a browser would.
func ask(t *testing.T, srv *httptest.Server, method, path, host string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// H1: the page can be read, and nothing can be done by it.
func TestAttackH1PageIsReadOnly(t *testing.T) {
	srv := httptest.NewServer(Handler(source()))
	defer srv.Close()
	for _, c := range []struct {
		method, path string
		code         int
		has          string
	}{
		{"GET", "/", http.StatusOK, "<!doctype html>"},
		{"HEAD", "/", http.StatusOK, ""},
		{"GET", "/main.js", http.StatusOK, "import"},
		{"GET", "/style.css", http.StatusOK, ":root"},
		{"GET", "/icon.svg", http.StatusOK, "<svg"},
		{"GET", "/v1/status", http.StatusOK, `{"name":"\u003chq\u003e"}`},
		{"GET", "/v1/ipx", http.StatusOK, `["routes"]`},
		{"GET", "/v1/services", http.StatusOK, `{"0004":"file server"}`},
		{"POST", "/", http.StatusMethodNotAllowed, ""},
		{"PUT", "/v1/status", http.StatusMethodNotAllowed, ""},
		{"OPTIONS", "/v1/status", http.StatusMethodNotAllowed, ""},
		{"POST", "/v1/sites/west/down", http.StatusMethodNotAllowed, ""},
		{"POST", "/v1/ipx/ping", http.StatusMethodNotAllowed, ""},
		{"GET", "/v1/sites/west/down", http.StatusNotFound, ""},
		{"GET", "/web.go", http.StatusNotFound, ""},
		{"GET", "/../web.go", http.StatusNotFound, ""},
	} {
		resp, body := ask(t, srv, c.method, c.path, "localhost")
		if resp.StatusCode != c.code || !strings.Contains(body, c.has) {
			t.Errorf("%s %s: %s, %q, want %d and %q", c.method, c.path, resp.Status, body[:min(len(body), 80)], c.code, c.has)
		}
	}
}

// H4: a page of somebody else whose name was made to lead to us is not answered, and no
// other page may read, frame or lead this one.
func TestAttackH4PageOfAnotherName(t *testing.T) {
	srv := httptest.NewServer(Handler(source()))
	defer srv.Close()
	port := srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	for host, want := range map[string]int{
		"localhost":                        http.StatusOK,
		"localhost:8723":                   http.StatusOK,
		"127.0.0.1" + port:                 http.StatusOK,
		"127.0.0.1":                        http.StatusOK,
		"[::1]:8723":                       http.StatusOK,
		"[::1]":                            http.StatusOK,
		"evil.example":                     http.StatusMisdirectedRequest,
		"evil.example:8723":                http.StatusMisdirectedRequest,
		"localhost.evil.example":           http.StatusMisdirectedRequest,
		"127.0.0.1.nip.example":            http.StatusMisdirectedRequest,
		"192.0.2.1":                        http.StatusMisdirectedRequest, // no address of this connection
		"[fe80::1]":                        http.StatusMisdirectedRequest,
		"[127.0.0.1":                       http.StatusMisdirectedRequest,
		"<script>alert(1)</script>.invald": http.StatusMisdirectedRequest, // as text
	} {
		for _, path := range []string{"/", "/v1/status"} {
			resp, body := ask(t, srv, "GET", path, host)
			if resp.StatusCode != want || want != http.StatusOK && (strings.Contains(body, "hq") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain")) {
				t.Errorf("%s of %q: %s, want %d", path, host, resp.Status, want)
			}
			for name, value := range map[string]string{
				"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "",
			} {
				if got := resp.Header.Get(name); !strings.HasPrefix(got, value) || value == "" && got != "" {
					t.Errorf("%s of %q has %s: %q, want %q", path, host, name, got, value)
				}
			}
		}
	}
}

// A page that others may read answers to the address that they came to.
func TestPageByItsAddress(t *testing.T) {
	for host, want := range map[string]int{
		"192.0.2.1:8723": http.StatusOK, "192.0.2.1": http.StatusOK, "localhost": http.StatusOK,
		"192.0.2.2:8723": http.StatusMisdirectedRequest, "hq.example": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequest("GET", "/v1/status", nil)
		r.Host = host
		at := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:8723"))
		w := httptest.NewRecorder()
		Handler(source()).ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, at)))
		if w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}

// The policy lets in nothing from elsewhere, and nothing written within the page.
func TestPolicy(t *testing.T) {
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'",
		"form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy has no %s", part)
		}
	}
	for _, word := range []string{"unsafe", "*", "http:", "https:", "data:", "blob:"} {
		if strings.Contains(policy, word) {
			t.Errorf("the policy has %s", word)
		}
	}
}

// Whoever reads, the daemon is asked once a second.
func TestAnswersAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		a := newAnswer(func() any { asked++; return asked })
		get := func(encoding string) *httptest.ResponseRecorder {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/status", nil)
			r.Header.Set("Accept-Encoding", encoding)
			a.ServeHTTP(w, r)
			return w
		}
		for range 100 {
			get("")
		}
		if w := get(""); asked != 1 || w.Body.String() != "1" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("asked %d times within a second: %v", asked, w)
		}
		if w := get("gzip, br"); w.Header().Get("Content-Encoding") != "gzip" || w.Body.String() == "1" {
			t.Errorf("not packed: %v", w)
		}
		time.Sleep(fresh)
		if w := get(""); asked != 2 || w.Body.String() != "2" {
			t.Errorf("asked %d times after a second: %v", asked, w)
		}
	})
}

// What cannot be told is an error, and no half of an answer.
func TestAnswerThatFails(t *testing.T) {
	w := httptest.NewRecorder()
	newAnswer(func() any { return func() {} }).ServeHTTP(w, httptest.NewRequest("GET", "/v1/status", nil))
	if w.Code != http.StatusInternalServerError || json.Valid(w.Body.Bytes()) {
		t.Errorf("%d, %s", w.Code, w.Body)
	}
}
