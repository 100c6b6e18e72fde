package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/probe"
	"sitebridge/test/lab"
)

// TestProbe: the attacks of `sitebridge probe` break nothing of ours, and each is tried;
// the peer that comes after them is served.
func TestProbe(t *testing.T) {
	t.Parallel()
	dir, l := t.TempDir(), netlab.New(t, "/dev/net/tun")
	server, stranger := l.Namespace("server"), l.Namespace("stranger")
	l.Veth(server, "lan", stranger, "lan")
	server.Addr("lan", lab.WANA+"/24")
	stranger.Addr("lan", lab.WANB+"/24")
	lab.WriteIdentities(t, dir, "a", "b")
	a := lab.StartDaemon(t, dir, server, lab.Config{}.Certified().A())
	lab.Wait(t, "the server answers", func() bool { _, err := a.Status(); return err == nil })
	out, err := stranger.Command(os.Getenv("LAB_BINARY"), "probe", "--json", "--patience", "1s", lab.WANA).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rows := 0
	for line := range strings.Lines(string(out)) {
		var r probe.Row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rows++
		// With certificates EAP is what is asked for, so that A5 has nothing to try.
		if r.Verdict != probe.Held && r.Attack != "A5" {
			t.Errorf("%+v", r)
		}
	}
	if rows != 24 {
		t.Errorf("%d rows:\n%s", rows, out)
	}
	lab.StartDaemon(t, dir, stranger, lab.Config{}.Certified().B()).WaitUp("a")
	a.WaitUp("b")
}
