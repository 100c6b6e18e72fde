package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

const withRadius = `[daemon]
name = "hq"
listen = ["0.0.0.0:1723"]
[radius]
servers = ["192.0.2.5", "[2001:db8::5]:1645"]
accounting = ["192.0.2.5"]
secret_file = "radius"
[site.road]
radius = true
[site.road.auth]
methods = ["mschapv2"]
[site.road.ip]
address = "10.255.1.1"
pool = "10.255.1.0/24"
`

func TestFaultsOfRadius(t *testing.T) {
	const road, servers = "[site.road]\nradius = true\n", "servers = [\"192.0.2.5\", \"[2001:db8::5]:1645\"]\n"
	table := withRadius[strings.Index(withRadius, "[radius]"):strings.Index(withRadius, road)]
	runFaults(t, withRadius, func(d dir) {
		d.secret("radius", "a secret of sixteen octets or more")
		d.secret("users.toml", twoUsers)
	}, []faultCase{
		{"nothing", "", "", nil},
		{"no table", table, "", []string{`:5: site.road.radius: no server is there to be asked: add [radius], with servers = ["192.0.2.5:1812"]`}},
		{"for nobody", road, "[site.road]\nusers_file = \"users.toml\"\n", []string{
			`:4: radius: no site has callers that are asked for there: write radius = true in a [site.NAME] with a pool, or leave the table out`}},
		{"no servers", servers, "", []string{`:4: radius.servers: missing: write the servers that know the callers, as in servers = ["192.0.2.5:1812"]`}},
		{"a server by name", servers, "servers = [\"radius.example.net\"]\n", []string{
			`:5: radius.servers: "radius.example.net" is not the address of a server: write it as in "192.0.2.5:1812"`}},
		{"no secret", "secret_file = \"radius\"\n", "", []string{
			`:4: radius.secret_file: missing: write the file with the secret that the servers and we share, as in secret_file = "secrets/radius"`}},
		{"too patient", servers, servers + "timeout = \"5m\"\ntries = 0\n", []string{
			`:6: radius.timeout: "5m" is not a time that fits: write "1s" to "30s"`,
			`:7: radius.tries: 0 is not a number that fits: write 1 to 10, without quotes`}},
		{"certificates alone", "methods = [\"mschapv2\"]\n", "methods = []\n", []string{
			`:11: site.road.auth.methods: no method: write methods = ["eap-tls"], or leave it out, which is the same`,
			`:11: site.road.auth.methods: RADIUS is asked about secrets, and the site takes certificates alone: write methods = ["mschapv2"], or leave out radius = true`}},
		{"one peer", "pool = \"10.255.1.0/24\"\n", "", []string{
			`:9: site.road.radius: only a site with a pool has callers: write pool = "10.255.1.0/24" in [site.road.ip], or leave it out`,
			`:10: site.road.auth.secret_in_file: the site may call, and we have nothing to know it by: write secret_in_file = "..."`}},
		{"two sites", "", "[site.way]\nradius = true\n[site.way.auth]\nmethods = [\"mschapv2\"]\n[site.way.ip]\naddress = \"10.255.2.1\"\npool = \"10.255.2.0/24\"\n", []string{
			`:16: site.way.radius: the callers of site road are asked for there too, and a name decides which site is called: leave it out for one of them`}},
	})
}

func TestRadiusIsRead(t *testing.T) {
	d := newDir(t, withRadius)
	d.secret("radius", "short")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	r := c.Radius
	if r.Servers[0] != netip.MustParseAddrPort("192.0.2.5:1812") || r.Servers[1] != netip.MustParseAddrPort("[2001:db8::5]:1645") ||
		r.Accounting[0] != netip.MustParseAddrPort("192.0.2.5:1813") || r.Secret.Reveal() != "short" || r.Timeout != 3*time.Second || r.Tries != 3 || r.Identifier != "" {
		t.Errorf("%+v", r)
	}
	if s := c.AskRadius(); s == nil || s.Name != "road" {
		t.Errorf("%+v", s)
	}
	if all := c.Warnings(); len(all) == 0 || !strings.Contains(all[0].String(), "may be found by trying") {
		t.Errorf("%v", all)
	}
}
