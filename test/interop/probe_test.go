package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sitebridge/probe"
)

// TestProbePPTPD points the attacks at Debian's pptpd, and finds what is known of it.
func TestProbePPTPD(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "server", guestPPTP)
	g.again(t, "--auth", rigMethod["mschapv2"])
	out, err := l.hq.Command(filepath.Join(os.Getenv(workDir), "sitebridge"), "probe", "--json", "--patience", "1s", guestPPTP).Output()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%v: something broke", err)
	}
	got := map[string]probe.Verdict{}
	for line := range strings.Lines(string(out)) {
		var r probe.Row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got[r.Attack] = r.Verdict
	}
	for attack, want := range map[string]probe.Verdict{
		"C1": probe.Held, "C5": probe.Held, "G1": probe.Held, "P1": probe.Held, "A3": probe.Held, "E1": probe.Held,
		"A2":  probe.Weak, // MS-CHAPv2 is the best that it has
		"C10": probe.Weak, // it closes the connection instead of a Call-Disconnect-Notify
		"P6":  probe.Weak, // pppd has no end of asking
	} {
		if got[attack] != want {
			t.Errorf("%s: %s, want %s", attack, got[attack], want)
		}
	}
	if len(got) != 24 {
		t.Errorf("%d attacks were tried", len(got))
	}
}
