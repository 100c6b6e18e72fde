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

// What is behind a user that is not there is unreachable, and does not leave by the
// default route; that ends with the user, and with the site.
func TestBehindUsersThatAreAway(t *testing.T) {
	ns := netlab.New(t, "/dev/net/tun").Namespace("hub")
	routes := func() string {
		t.Helper()
		out, err := ns.Command("ip", "route", "show", "type", "unreachable").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var all []string
		for line := range strings.Lines(string(out)) {
			all = append(all, strings.Fields(line)[1])
		}
		return strings.Join(all, " ")
	}
	road := roadSite("10.9.0.0/24", 64, "anna", "bert")
	road.Device = "sb-road"
	anna, bert := road.Remote.Users["anna"], road.Remote.Users["bert"]
	anna.Routes = []netip.Prefix{netip.MustParsePrefix("10.7.0.0/24")}
	bert.Routes = []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24")}
	log := slog.New(slog.DiscardHandler)
	d := newDaemon(&config.Config{}, log, "test")
	var p sharedIP
	if err := ns.Do(func() (err error) {
		if d.host, err = ip.OpenHost(); err != nil {
			return err
		}
		p, err = openPoolIP(&site{d: d, log: log, cfg: road})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.host.Close)
	if got := routes(); got != "10.7.0.0/24 10.8.0.0/24" {
		t.Errorf("unreachable: %s", got)
	}
	r := &remotes{site: &site{d: d, log: log, cfg: road}, ip: p}
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
