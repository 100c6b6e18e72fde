package bridge

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"sitebridge/bridge/config"
	"sitebridge/internal/netlab"
	"sitebridge/ip"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// The rules and routes of a full tunnel that could not be made are tried again
// at the next dial, though the peer's address is the same, and what was made
// before that is undone at the end.
func TestRerouteIsTriedAgain(t *testing.T) {
	ns := netlab.New(t, "/dev/net/tun").Namespace("hub")
	log := slog.New(slog.DiscardHandler)
	dst := netip.MustParsePrefix("198.51.0.0/16")
	d := newDaemon(&config.Config{}, log, "test")
	st := &site{d: d, log: log, cfg: &config.Site{Name: "branch", Device: "sb-branch", IP: &config.IP{Routes: []netip.Prefix{dst}, Metric: 100}}}
	if err := ns.Do(func() (err error) {
		if d.host, err = ip.OpenHost(); err != nil {
			return err
		}
		st.ip, err = d.openIP(st)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer d.host.Close()
	d.sites = []*site{st}
	run := func(args ...string) string {
		t.Helper()
		out, err := ns.Command("ip", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
		return string(out)
	}

	const table = "172316" // where the prefix goes once it covers the peer
	theirs := strings.Fields("route add unreachable 198.51.0.0/16 metric 4294967295 proto static table " + table)
	run(theirs...)
	peer := []netip.Addr{netip.MustParseAddr("198.51.100.1")}
	for range 2 {
		if err := d.peersOf(st, peer); err == nil {
			t.Error("no error though another route is in the way")
		}
	}
	theirs[1] = "del"
	run(theirs...)
	if err := d.peersOf(st, peer); err != nil {
		t.Errorf("the way is free: %v", err)
	}
	if out := run("route", "show", "table", table); !strings.Contains(out, "unreachable 198.51.0.0/16") {
		t.Errorf("table %s has %q", table, out)
	}
	if err := st.close(); err != nil {
		t.Error(err)
	}
	if err := d.unprotectPeers(); err != nil {
		t.Error(err)
	}
	for _, proto := range []string{"172", "173"} {
		if out := run("route", "show", "table", "all", "proto", proto); out != "" {
			t.Errorf("left behind: %s", out)
		}
	}
	if out := run("rule"); strings.Count(out, "\n") != 3 {
		t.Errorf("left behind: %s", out)
	}
}
