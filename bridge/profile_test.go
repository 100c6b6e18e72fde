package bridge

import (
	"io"
	"strings"
	"testing"

	"sitebridge/bridge/config"
)

// What profiles say is what the runtime says; that they are there is ours. The
// socket's own guard is TestAttackH1SocketCredentials.
func TestProfiles(t *testing.T) {
	c := Client{socketOf(t, configured(&config.Config{}).apiHandler())}
	for path, want := range map[string]string{
		"goroutine?debug=1":  "bridge.TestProfiles",
		"heap?debug=1":       "heap profile",
		"trace?seconds=0.01": "go 1.",
	} {
		r, err := c.Stream(t.Context(), "/debug/pprof/"+path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, %d octets without %q", path, err, len(b), want)
		}
	}
	if _, err := c.Stream(t.Context(), "/debug/pprof/cmdline"); err == nil {
		t.Error("the command line is told")
	}
}
