package e2e

import (
	"errors"
	"os"
	"strings"
	"testing"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// ours lists what of the daemon's is in a host's kernel: routes and rules by
// their protocol numbers, and interfaces by their names.
func ours(w *lab.World, ns *netlab.Namespace) (found []string) {
	w.T.Helper()
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(w.IP(ns, family, "route", "show", "table", "all")) {
			if strings.Contains(line, "proto 172") || strings.Contains(line, "proto 173") {
				found = append(found, "route "+strings.TrimSpace(line))
			}
		}
		for line := range strings.Lines(w.IP(ns, family, "rule", "show")) {
			if !strings.HasPrefix(line, "0:") && !strings.HasPrefix(line, "32766:") && !strings.HasPrefix(line, "32767:") {
				found = append(found, "rule "+strings.TrimSpace(line))
			}
		}
	}
	for line := range strings.Lines(w.IP(ns, "-o", "link", "show")) {
		if f := strings.Fields(line); strings.HasPrefix(f[1], "sb-") || strings.HasPrefix(f[1], "ipx") {
			found = append(found, "interface "+f[1])
		}
	}
	return found
}

func wantClean(t *testing.T, w *lab.World, ns *netlab.Namespace) {
	t.Helper()
	if left := ours(w, ns); len(left) > 0 {
		t.Errorf("%s: left behind:\n%s", ns.Name(), strings.Join(left, "\n"))
	}
}

func wantFound(t *testing.T, found []string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(strings.Join(found, "\n"), part) {
			t.Errorf("no %q among\n%s", part, strings.Join(found, "\n"))
		}
	}
}

// TestNothingLeftBehind: a daemon that is stopped takes everything away. One that
// is killed leaves the routes that keep traffic in, and the next one at that
// place, of another configuration, takes them away.
func TestNothingLeftBehind(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	ca, cb := v6()
	cb.IP = strings.Replace(cb.IP, `"10.1.0.0/16"`, `"0.0.0.0/0", "192.0.2.0/24", "10.1.0.0/16"`, 1)
	cb.More = "[lan.vm]\ntap = \"ipx0\"\nethernet_ii = \"00000030\"\n"
	a := w.Start(w.SiteA, ca.A())
	b := w.Start(w.SiteB, cb.B())
	a.WaitUp("b")
	b.WaitUp("a")
	all := []string{
		"interface sb-a", "interface ipx0",
		"unreachable 0.0.0.0/0", "unreachable 192.0.2.0/24", "unreachable 10.1.0.0/16", "unreachable 2001:db8:1::/48",
		"0.0.0.0/0 dev sb-a", "10.1.0.0/16 dev sb-a", "2001:db8:1::/48 dev sb-a", "not from all fwmark 0x5b1d",
	}
	found := ours(w, w.SiteB)
	for i := range found { // iproute2's word for the default route
		found[i] = strings.ReplaceAll(found[i], "default", "0.0.0.0/0")
	}
	wantFound(t, found, all...)
	b.Stop()
	wantClean(t, w, w.SiteB)
	if _, err := os.Stat(b.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control socket is still there: %v", err)
	}

	b = w.Start(w.SiteB, cb.B())
	b.WaitUp("a")
	b.Kill()
	found = ours(w, w.SiteB)
	wantFound(t, found, "unreachable 10.1.0.0/16", "unreachable 2001:db8:1::/48", "fwmark 0x5b1d")
	if strings.Contains(strings.Join(found, "\n"), "interface") {
		t.Errorf("an interface outlived its daemon: %v", found)
	}
	b = w.Start(w.SiteB, lab.Config{IP: "none", Site: `required = ["ipx"]`}.B())
	lab.Wait(t, "the next daemon has cleaned up", func() bool { return len(ours(w, w.SiteB)) == 0 })
	b.WaitSite("a", "answers", anyState)
	b.Stop()
	a.Stop()
	wantClean(t, w, w.SiteA)
	wantClean(t, w, w.SiteB)
}

// TestInterfaceTakenAway: somebody deletes the tunnel's interface. The daemon
// makes it again, with its addresses and routes.
func TestInterfaceTakenAway(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	w.WantPing(w.HostB, lab.AddrA)
	w.IP(w.SiteB, "link", "del", "sb-a")
	w.WantPing(w.HostB, lab.AddrA)
	w.WantPing(w.HostA, lab.AddrB)
}
