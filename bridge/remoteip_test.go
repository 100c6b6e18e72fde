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

// newRoad makes the kernel's end of a site with a pool in a namespace, where run calls
// ip(8).
func newRoad(t *testing.T, road *config.Site) (r *remotes, run func(args ...string) string) {
	ns := netlab.New(t, "/dev/net/tun").Namespace("hub")
	log := slog.New(slog.DiscardHandler)
	d := newDaemon(&config.Config{}, log, "test")
	st := &site{d: d, log: log, cfg: road}
	r = &remotes{site: st}
	if err := ns.Do(func() (err error) {
		if d.host, err = ip.OpenHost(); err != nil {
			return err
		}
		r.ip, err = openPoolIP(st)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.host.Close)
	st.remotes = r
	d.setSites([]*site{st})
	return r, func(args ...string) string {
		t.Helper()
		out, err := ns.Command("ip", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
		return string(out)
	}
}

// What is behind a caller may cover where a peer is called: the packets of that tunnel
// must not enter the caller's, whether that one is there or away.
func TestBehindUsersIsWhereAPeerIs(t *testing.T) {
	road := roadSite("10.9.0.0/24", 64, "anna")
	road.Device = "sb-road"
	behind := []netip.Prefix{netip.MustParsePrefix("198.51.0.0/16"), netip.MustParsePrefix("10.7.0.0/24")}
	road.Remote.Users["anna"].Routes = behind
	r, run := newRoad(t, road)
	p, d := r.ip.(*poolIP), r.site.d
	west := &site{d: d, cfg: &config.Site{Name: "west"}}
	const (
		table = "172316" // where the prefix goes once it covers a peer
		peer  = "198.51.100.1"
	)
	outside := func() bool {
		out := run("route", "get", peer, "mark", "0x5b1d")
		return strings.Contains(out, "dev lo")
	}
	run("link", "set", "lo", "up")
	run("route", "add", "default", "dev", "lo")
	is := func(when, wantTable, kind string, wantOutside bool) {
		t.Helper()
		if out := run("route", "show", "table", wantTable); !strings.Contains(out, kind) {
			t.Errorf("%s: table %s has %q, and not %q", when, wantTable, out, kind)
		}
		if wantOutside && !outside() {
			t.Errorf("%s: the tunnel's own packets enter a tunnel", when)
		}
	}
	tell := func(addrs ...netip.Addr) {
		t.Helper()
		if err := d.peersOf(west, addrs, never); err != nil {
			t.Error(err)
		}
	}
	is("no peer", "main", "unreachable 198.51.0.0/16", false)
	tell(netip.MustParseAddr(peer))
	is("away", table, "unreachable 198.51.0.0/16", true)
	is("away", "main", "unreachable 10.7.0.0/24", true)
	if out := run("rule"); !strings.Contains(out, "to "+peer+" iif lo lookup main") {
		t.Errorf("the peer's answers do not pass the reverse path filter: %s", out)
	}
	p.mu.Lock()
	if err := p.hold(behind); err != nil {
		t.Error(err)
	}
	p.mu.Unlock()
	is("there", table, "198.51.0.0/16 dev sb-road", true)
	is("there", "main", "10.7.0.0/24 dev sb-road", true)
	tell()
	is("the peer has gone", "main", "198.51.0.0/16 dev sb-road", false)
	if out := run("route", "show", "table", "all"); strings.Contains(out, "table "+table) {
		t.Errorf("left in the other table: %s", out)
	}
	tell(netip.MustParseAddr(peer))
	is("the peer is back", table, "198.51.0.0/16 dev sb-road", true)
	p.mu.Lock()
	if err := p.letGo(behind); err != nil {
		t.Error(err)
	}
	p.mu.Unlock()
	is("gone", table, "unreachable 198.51.0.0/16", true)
	if out := run("route", "show", "table", "all", "dev", "sb-road", "proto", "173"); strings.Contains(out, "198.51") {
		t.Errorf("left: %s", out)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if err := d.unprotectPeers(); err != nil {
		t.Error(err)
	}
	if out := run("route", "show", "table", "all", "proto", "172") + run("route", "show", "table", "all", "proto", "173"); out != "" {
		t.Errorf("left behind: %s", out)
	}
	if out := run("rule"); strings.Count(out, "\n") != 3 {
		t.Errorf("left behind: %s", out)
	}
}

// What is behind a user that is not there is unreachable, and does not leave by the
// default route; that ends with the user, and with the site.
func TestBehindUsersThatAreAway(t *testing.T) {
	road := roadSite("10.9.0.0/24", 64, "anna", "bert")
	road.Device = "sb-road"
	anna, bert := road.Remote.Users["anna"], road.Remote.Users["bert"]
	anna.Routes = []netip.Prefix{netip.MustParsePrefix("10.7.0.0/24")}
	bert.Routes = []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24")}
	r, run := newRoad(t, road)
	p, d := r.ip, r.site.d
	routes := func() string {
		t.Helper()
		var all []string
		for line := range strings.Lines(run("route", "show", "type", "unreachable")) {
			all = append(all, strings.Fields(line)[1])
		}
		return strings.Join(all, " ")
	}
	if got := routes(); got != "10.7.0.0/24 10.8.0.0/24" {
		t.Errorf("unreachable: %s", got)
	}
	changed := *road
	changed.Remote = &config.Remote{Limit: 64, Users: map[string]*config.User{"bert": bert}}
	d.configured.Store(&config.Config{Sites: []*config.Site{&changed}})
	if r.recheck(); routes() != "10.8.0.0/24" {
		t.Errorf("without anna: %s", routes())
	}
	// So is what RADIUS has told of, which no file has.
	told := &remote{all: r, name: "carl", granted: new(grant), user: &config.User{Name: "carl", Routes: []netip.Prefix{netip.MustParsePrefix("10.9.9.0/24")}}}
	changed.Remote.Radius = true
	if r.remember(told); routes() != "10.8.0.0/24 10.9.9.0/24" {
		t.Errorf("with a caller of RADIUS: %s", routes())
	}
	told.user = &config.User{Name: "carl", Routes: []netip.Prefix{netip.MustParsePrefix("10.9.8.0/24")}}
	if r.remember(told); routes() != "10.8.0.0/24 10.9.8.0/24" {
		t.Errorf("when it is told otherwise: %s", routes())
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if got := routes(); got != "" {
		t.Errorf("left: %s", got)
	}
}
