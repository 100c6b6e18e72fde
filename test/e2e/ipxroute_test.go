package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/test/lab"
	"sitebridge/test/netware"
)

// The NetWare server of these tests, which is on the LAN of site a.
const (
	fsName     = "FS1"
	fsInside   = ipx.Network(0x5EA1)
	lanA       = ipx.Network(0x10)
	lanB       = ipx.Network(0x20)
	fileOctets = 20000
	nwFrame    = ipx.Ethernet8022
	loginOf    = "05-routed-ipxd-lanB" // whose login is played
	wayToB     = `routes = ["00000020 hops 1 ticks 7"]`
	wayToA     = `routes = ["00000010 hops 1 ticks 7", "00005EA1 hops 2 ticks 8"]` + "\n" +
		`services = ["0004 FS1 00005EA1:000000000001:0451 hops 2"]`
)

// ipxOnly is a site without IP, with these keys of [site.X.ipx].
func ipxOnly(keys string) lab.Config { return lab.Config{IP: "none", IPX: keys} }

func fileServer() netware.ServerConfig {
	return netware.ServerConfig{
		Encap: nwFrame, Network: lanA, Internal: fsInside, Name: fsName,
		Interval: time.Second, Dialogues: []netware.Dialogue{dialogue()},
	}
}

func dialogue() netware.Dialogue {
	r, err := netware.Load(loginOf)
	if err != nil {
		panic(err) // it is embedded
	}
	return r.Login()
}

// works has a workstation that was just switched on find the server, log in and
// copy a file.
func works(t *testing.T, w *lab.World, c *netware.Client) {
	t.Helper()
	ctx := w.Patiently()
	s, err := c.FindServer(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != fsName || s.Addr.Network != fsInside {
		t.Errorf("nearest server %+v", s)
	}
	if err := c.Login(ctx, s.Addr, dialogue()); err != nil {
		t.Fatal(err)
	}
	if c.Addr().Network != lanB {
		t.Errorf("the workstation has found network %v", c.Addr().Network)
	}
	if err := c.CopyFile(ctx, fileOctets); err != nil {
		t.Error(err)
	}
}

// exchangeIs waits until status says how networks are exchanged with the peer.
func exchangeIs(d *lab.Daemon, site, want string) {
	d.T.Helper()
	d.WaitSite(site, "exchange "+want, func(s bridge.SiteStatus) bool { return s.IPX != nil && s.IPX.Exchange == want })
}

// TestExchange: in each way in which two sites can tell each other what they
// have, a workstation finds the NetWare server of the other one, logs in and
// copies a file; slist shows the server, and status how it came to be known.
func TestExchange(t *testing.T) {
	const fallen = "triggered, fallen back to rip-sap"
	for name, c := range map[string]struct {
		a, b         string // keys
		saysA, saysB string
		origin       string // of the route at b
	}{
		"triggered, where nothing is written": {"# all by default", `exchange = "triggered"`, "triggered", "triggered", "learned"},
		"rip-sap":                             {`exchange = "rip-sap"`, `exchange = "rip-sap"`, "rip-sap", "rip-sap", "learned"},
		"static":                              {wayToB, wayToA, "static", "static", "static"},
		"triggered meets rip-sap":             {`exchange = "rip-sap"`, `exchange = "triggered"`, "rip-sap", fallen, "learned"},
		// Who asks a static one is answered, and who falls back asks.
		"triggered meets static": {`exchange = "static"` + "\n" + wayToB, `exchange = "triggered"`, "static", fallen, "learned"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			a, b := w.Start(w.SiteA, ipxOnly(c.a).A()), w.Start(w.SiteB, ipxOnly(c.b).B())
			server, _ := w.Server(w.HostA, fileServer())
			client, _ := w.Client(w.HostB, nwFrame)
			a.WaitService(fsName, true)
			b.WaitService(fsName, true)
			if r, _ := b.Route(fsInside); r.Via != "a" || r.Origin != c.origin || r.Hops != 2 {
				t.Errorf("route at b: %+v, want %s, 2 hops", r, c.origin)
			}
			works(t, w, client)
			if out, errs, code := b.Run("ipx", "slist"); code != 0 || !strings.Contains(out, fsName) {
				t.Errorf("slist: exit status %d: %s%s", code, out, errs)
			}
			exchangeIs(a, "b", c.saysA)
			exchangeIs(b, "a", c.saysB)
			server.Down()
			a.WaitService(fsName, false)
			if c.saysA != "static" { // else it told nothing
				b.WaitService(fsName, false)
				b.WaitNoRoute(fsInside)
			}
		})
	}
}

// TestAutoStatic: what the peer has is learned once, when the operator says so;
// the file that keeps it is read by the next start, and what changed since is
// shown.
func TestAutoStatic(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	config := ipxOnly(`exchange = "auto-static"`)
	a, b := w.Start(w.SiteA, ipxOnly(`exchange = "static"`+"\n"+wayToB).A()), w.Start(w.SiteB, config.B())
	server, _ := w.Server(w.HostA, fileServer())
	client, _ := w.Client(w.HostB, nwFrame)
	a.WaitUp("b")
	b.WaitUp("a")
	a.WaitService(fsName, true)
	exchangeIs(b, "a", "auto-static")
	if b.Knows(fsName) {
		t.Error("known before anybody asked")
	}

	update := func(args ...string) string {
		t.Helper()
		out, errs, code := b.Run(append(append([]string{"ipx", "update"}, args...), "a")...)
		if code != 0 {
			t.Fatalf("update: exit status %d: %s%s", code, out, errs)
		}
		return out
	}
	// The peer tells ticks, with its own to the link: those that were measured.
	measured := func() {
		a.WaitSite("b", "measured", func(s bridge.SiteStatus) bool { return s.IPX != nil && s.IPX.Ticks > 0 && s.IPX.Ticks < 6 })
	}
	measured()
	file := filepath.Join(w.Dir, "a.ipx.toml")
	found := []string{"+ network 00000010  hops 1", "+ network 00005EA1  hops 2", "+ service 0004 FS1  00005EA1:000000000001:0451 hops 2"}
	wantAll(t, "dry run", update("--dry-run"), append(found, "3 changes")...)
	if _, err := os.Stat(file); err == nil || b.Knows(fsName) {
		t.Error("a dry run did something")
	}
	wantAll(t, "update", update(), append(found, "3 changes", "written to "+file)...)
	b.WaitService(fsName, true)
	works(t, w, client)
	wantAll(t, "update again", update(), "0 changes")

	b.Stop()
	b = w.Start(w.SiteB, config.B())
	b.WaitUp("a")
	b.WaitService(fsName, true)
	if r, _ := b.Route(fsInside); r.Origin != "static" || r.Hops != 2 {
		t.Errorf("after a start: %+v", r)
	}

	measured()
	server.Down()
	a.WaitService(fsName, false)
	a.WaitNoRoute(fsInside)
	wantAll(t, "after the server went", update(), "- network 00005EA1", "- service 0004 FS1", "2 changes")
	b.WaitService(fsName, false)
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), fsName) {
		t.Errorf("the file still holds it: %s, %v", text, err)
	}
}

// wantAll looks for texts in what a command has printed.
func wantAll(t *testing.T, what, out string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(out, text) {
			t.Errorf("%s: no %q in\n%s", what, text, out)
		}
	}
}
