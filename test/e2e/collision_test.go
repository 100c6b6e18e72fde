package e2e

import (
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// connections counts the TCP connections on port 1723 that a host has, in any
// state in which they are somebody's.
func connections(t *testing.T, ns *netlab.Namespace) (n int) {
	t.Helper()
	out, err := ns.Command("cat", "/proc/net/tcp").Output()
	if err != nil {
		t.Fatal(err)
	}
	const (
		port     = ":06BB"
		timeWait = "06"
		listens  = "0A"
	)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 10 || !strings.HasSuffix(f[1], port) && !strings.HasSuffix(f[2], port) {
			continue
		}
		if inode := f[9]; f[3] != timeWait && f[3] != listens && inode != "0" { // 0: no process has it
			n++
		}
	}
	return n
}

// TestBothDialAtOnce: each end dials and answers. Of the two calls exactly one
// stays, the one dialled by the end with the smaller name, and both ends have
// the same.
func TestBothDialAtOnce(t *testing.T) {
	both := lab.Config{Dial: true, Answer: true}
	for name, c := range map[string]lab.Config{"by secrets": both, "by certificates": both.Certified()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothDialAtOnce(t, c)
		})
	}
}

func bothDialAtOnce(t *testing.T, both lab.Config) {
	w := lab.New(t)
	for round := range 5 {
		a, b := w.Start(w.SiteA, both.A()), w.Start(w.SiteB, both.B())
		var sa, sb bridge.SiteStatus
		lab.Wait(t, "both ends up, with one call", func() bool {
			sa, sb = a.Site("b"), b.Site("a")
			return sa.State == bridge.StateUp && sb.State == bridge.StateUp &&
				sa.Tunnel.CallID == sb.Tunnel.PeerCallID && sb.Tunnel.CallID == sa.Tunnel.PeerCallID &&
				connections(t, w.SiteA) == 1 && connections(t, w.SiteB) == 1
		})
		if sa.Tunnel.Dialed == sb.Tunnel.Dialed {
			t.Errorf("round %d: both ends say dialled = %v", round, sa.Tunnel.Dialed)
		}
		if out, ok := lab.Ping(w.HostA, lab.AddrB); !ok {
			t.Errorf("round %d: %s", round, out)
		}
		// It stays: neither end has dialled or been called again meanwhile.
		if now := a.Site("b"); now.Tunnel == nil || now.Tunnel.CallID != sa.Tunnel.CallID {
			t.Errorf("round %d: the call did not stay", round)
		}
		if sa.Dials > 3 || sb.Dials > 3 {
			t.Errorf("round %d: a dialled %d times, b %d times", round, sa.Dials, sb.Dials)
		}
		log := a.Log() + b.Log()
		if collided := strings.Contains(log, "call refused") || strings.Contains(log, "call replaced"); collided && !sa.Tunnel.Dialed {
			t.Errorf("round %d: the calls collided, and the one that stays is not a's", round)
		}
		if round%2 == 0 { // which end goes first differs
			a.Stop()
			b.Stop()
		} else {
			b.Stop()
			a.Stop()
		}
	}
}
