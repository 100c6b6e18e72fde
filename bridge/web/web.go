// Package web is the status page: what it looks like, and who may read it. It changes
// nothing and knows nothing of the daemon: what it tells is handed to it. The socket,
// and how long somebody may hold it, are its caller's business.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
)

//go:embed page
var files embed.FS

// A Source tells what the page shows, each in the words of the control socket.
type Source struct {
	Status   func() any // asked once a second at most, whoever reads
	IPX      func() any // likewise
	Services any        // what the types of services are, in words
}

// policy lets the page do what it does and nothing else: its own files alone, no script
// or style within the page, no form, no frame, and no text that becomes a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler serves the page, its files and the JSON that they ask for.
func Handler(src Source) http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is built in
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.Handle("GET /v1/status", newAnswer(src.Status))
	mux.Handle("GET /v1/ipx", newAnswer(src.IPX))
	mux.Handle("GET /v1/services", newAnswer(func() any { return src.Services }))
	return guarded(mux)
}

// guarded lets in who came for this page, and tells browsers to keep it apart from all
// others.
func guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		head.Set("Cache-Control", "no-store") // of another version, or of somebody's network
		if !ours(r) {
			http.Error(w, fmt.Sprintf("This is no page of %q: open it by its address, or by localhost.", r.Host), http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// ours reports whether a request is for the name that we are known by: localhost, an
// address of loopback, or the one that the reader came to. A page of somebody else whose
// name was made to lead to us (DNS rebinding) is asked for by that name.
func ours(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(unbracketed(host))
	return err == nil && (addr.IsLoopback() || addr == cameTo(r))
}

// unbracketed is the address of IPv6 in an URL without port, or what it was given.
func unbracketed(host string) string {
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// cameTo is our address of the request's connection.
func cameTo(r *http.Request) netip.Addr {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if local == nil {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap()
}
