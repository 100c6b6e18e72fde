// Package radius has FreeRADIUS and eapol_test judge our EAP: what keys a run
// leaves, and who is refused. Both speak EAP inside RADIUS (RFC 3579) and not
// inside PPP, so that a small adapter stands between them and each of our ends:
//
//	our peer [nas] ----RADIUS---- FreeRADIUS
//	our authenticator [server] ----RADIUS---- eapol_test
//	FreeRADIUS ----RADIUS---- eapol_test: is the rig itself right?
//
// It is also the server of a hub of ours, which asks it about the branches that call:
//
//	branch ----PPTP---- hub ----RADIUS---- FreeRADIUS
package radius

import (
	"os"
	"os/exec"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

func TestMain(m *testing.M) {
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // where FreeRADIUS is, for users who do not look there
	lab.Main(m)
}

// A world is a host with a loopback of its own, and a folder.
type world struct {
	*netlab.Namespace
	t   *testing.T
	dir string
}

// newWorld makes one where the judges are installed.
func newWorld(t *testing.T) *world {
	t.Helper()
	wantJudges(t)
	return &world{netlab.New(t).Namespace("host"), t, t.TempDir()}
}

// wantJudges skips the test where the judges are not installed, or fails it where they
// must be.
func wantJudges(t *testing.T) {
	t.Helper()
	for _, program := range []string{"freeradius", "eapol_test"} {
		_, err := exec.LookPath(program)
		if err == nil {
			continue
		}
		if v := os.Getenv("REQUIRE_PEERS"); v != "" && v != "0" {
			t.Fatalf("the real peers are required (REQUIRE_PEERS): %v (test/deps installs it)", err)
		}
		t.Skipf("%v (test/deps installs it)", err)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
