package bridge

import (
	"net/http"
	"net/http/pprof"
)

// profileAPI adds what `go tool pprof` and `go tool trace` read to the control socket,
// and so only for those who may control the daemon: where it spends its time, holds
// memory and waits (net/http/pprof). That holds function names, and no packet and no
// secret. Nothing is recorded before it is asked for. The command line is left out.
func profileAPI(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and each profile by its name
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
