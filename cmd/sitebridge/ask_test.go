package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sitebridge/bridge"
)

// fakeDaemon answers on a control socket, and returns the path of its configuration,
// of which nothing but daemon.status is right, and of the socket.
func fakeDaemon(t *testing.T) (config, socket string) {
	t.Helper()
	dir := t.TempDir()
	config, socket = filepath.Join(dir, "sites.toml"), filepath.Join(dir, "control")
	if err := os.WriteFile(config, []byte("[daemon]\nstatus = \"control\"\ncertificate = \"unreadable.pem\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]any{
		"/v1/status":         bridge.Status{Name: "hq", Sites: []bridge.SiteStatus{{Name: "branch", State: bridge.StateUp}, {Name: "depot", State: bridge.StateWaiting}, {Name: "shop", State: bridge.StateIdle}}},
		"/v1/ipx":            bridge.IPXTables{},
		"/v1/ipx/ping":       bridge.IPXPong{To: "00000010:000000000001", Error: "no answer"},
		"/v1/sites/depot/up": bridge.SiteStatus{Name: "depot", State: bridge.StateDialing},
	}
	srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(answers[r.URL.Path])
	})}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return config, socket
}

// All commands that ask the daemon find it by its socket and by its configuration,
// whatever else is wrong there, and take flags before and behind a name.
func TestWhichDaemon(t *testing.T) {
	config, socket := fakeDaemon(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status"}, exitDown, "site depot: WAITING"},
		{[]string{"status", "branch"}, exitOK, "site branch: UP"},
		{[]string{"status", "shop"}, exitOK, "site shop: IDLE"},
		{[]string{"status", "brnch"}, exitFailed, `no site "brnch" in the configuration, which has branch, depot, shop`},
		{[]string{"up", "depot"}, exitOK, "depot: dialing"},
		{[]string{"ipx", "routes"}, exitOK, "NETWORK"},
		{[]string{"ipx", "services"}, exitOK, "NAME"},
		{[]string{"ipx", "nodes"}, exitOK, "NODE"},
		{[]string{"ipx", "ping", "10", "-c", "1"}, exitDown, "00000010:000000000001: no answer\n0 of 1 answered"},
	} {
		for _, which := range [][]string{{"--socket", socket}, {"--config", config}, {"--socket", socket, "--config", "none"}} {
			args := append(append([]string{}, c.args...), which...)
			if code, out, errs := run(t, args...); code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("%q: exit %d, want %d, and %q in:\n%s%s", args, code, c.code, c.want, out, errs)
			}
		}
	}
}
