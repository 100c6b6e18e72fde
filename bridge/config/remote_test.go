package config

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// remote is a base for faults of a site with a pool.
const remote = `[daemon]
name = "hq"
listen = ["0.0.0.0:1723"]
[site.b1]
[site.b1.auth]
methods = ["mschapv2"]
secret_in_file = "in"
[site.b1.ip]
address = "10.255.0.1"
peer = "10.255.0.2"
[site.road]
users_file = "users.toml"
[site.road.auth]
methods = ["mschapv2"]
[site.road.ip]
address = "10.255.1.1"
pool = "10.255.1.0/24"
`

const twoUsers = `[user.anna]
secret = "a long secret of anna"
[user."DOMAIN\\bert"]
secret = "a long secret of bert"
address = "10.255.1.9"
ipx_node = "020000000009"
routes = ["10.7.0.0/24"]
`

func TestFaultsOfRemote(t *testing.T) {
	const site, auth, ip = "[site.road]\n", "[site.road.auth]\n", "pool = \"10.255.1.0/24\"\n"
	runFaults(t, remote, func(d dir) {
		d.secret("in", "another")
		d.secret("users.toml", twoUsers)
		d.secret("none.toml", "")
	}, []faultCase{
		{"nothing", "", "", nil},
		{"dials", site, site + "dial = [\"x\"]\n", []string{`:12: site.road.dial: a site with a pool is called and does not dial: leave it out, or pool in [site.road.ip]`}},
		{"many", site, site + "callers = 5000\n", []string{`:12: site.road.callers: 5000 is not a number that fits: write 1 to 1024, without quotes`}},
		{"no users", "users_file = \"users.toml\"\n", "", []string{`:11: site.road.users_file: the callers prove themselves by secrets, and nothing holds them: write users_file = "users.toml", or radius = true`}},
		{"users of one peer", "[site.b1]\n", "[site.b1]\nusers_file = \"users.toml\"\nproxy_arp = \"eth0\"\n", []string{
			`:5: site.b1.users_file: only a site with a pool has callers: write pool = "10.255.1.0/24" in [site.b1.ip], or leave it out`,
			`:6: site.b1.proxy_arp: only a site with a pool has callers: write pool = "10.255.1.0/24" in [site.b1.ip], or leave it out`}},
		{"keys of one peer", auth, auth + "peer_name = \"x\"\nsecret_in_file = \"in\"\n", []string{
			`:14: site.road.auth.peer_name: each caller has a name of its own: leave it out: names stand in users_file, or in the callers' certificates`,
			`:15: site.road.auth.secret_in_file: each caller has a secret of its own: leave it out, and write users_file = "users.toml" in [site.road]`}},
		{"peer and pool", ip, ip + "peer = \"10.0.0.2\"\n", []string{`:17: site.road.ip.pool: the peer's address is given by peer already: leave one out`}},
		{"a pool without an address", "address = \"10.255.1.1\"\n", "", []string{
			`:16: site.road.ip.pool: on an unnumbered link the peer gets no address: write address = "10.255.0.1" too, or leave pool out`}},
		{"callers who give us one", "address = \"10.255.1.1\"\n", "address = \"from-peer\"\n", []string{
			`:16: site.road.ip.address: callers give us no address: write one, as in "10.255.1.1"`}},
		{"a pool of nothing", ip, "pool = \"10.255.1.1/32\"\n", []string{
			`:17: site.road.ip.pool: its only address is ours: write a larger network, or another one`}},
		{"a pool of IPv6", ip, "pool = \"2001:db8::/64\"\n", []string{`:17: site.road.ip.pool: "2001:db8::/64" is not a pool of IPv4 addresses: write it in quotes, as in "10.255.1.0/24"`}},
		{"routes and IPv6", ip, ip + "routes = [\"10.9.0.0/16\"]\nipv6 = true\n", []string{
			`:18: site.road.ip.routes: what is behind a caller stands with its name in users_file: leave it out`,
			`:19: site.road.ip.ipv6: callers have IPv4 alone: leave it out`}},
		{"told", ip, ip + "tell_routes = [\"2001:db8::/32\"]\ndomain = \"x y\"\n", []string{
			`:18: site.road.ip.tell_routes: "2001:db8::/32" is a network of IPv6, which callers do not have: leave it out`,
			`:19: site.road.ip.domain: "x y" is not the name of a domain: write it as in "example.net"`}},
		{"one peer is told", "peer = \"10.255.0.2\"\n", "peer = \"10.255.0.2\"\ntell_routes = [\"10.1.0.0/16\"]\n", []string{
			`:11: site.b1.ip.tell_routes: only callers of a pool are told: leave it out, or write pool`}},
		{"routers", ip, ip + "[site.road.ipx]\n", []string{`:18: site.road.ipx: callers of a pool are hosts and no routers: write workstation = true and a network, or leave the table out`}},
		{"two pools", "", "[site.way]\nusers_file = \"none.toml\"\n[site.way.auth]\nmethods = [\"mschapv2\"]\n[site.way.ip]\naddress = \"10.255.2.1\"\npool = \"10.255.0.0/16\"\n",
			[]string{
				`:24: site.way.ip.pool: it has addresses of the pool of site road too: write another network for one of them`}},
	})
}

func TestFaultsOfUsers(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string // "" is none
	}{
		{"two", twoUsers, ""},
		{"none", "", ""},
		{"not TOML", "[user.anna]\nsecret = hunter2\n", `:2: it is not TOML: correct this first; the rest of the file was not looked at`},
		{"not a text", "[user.anna]\nsecret = 12345678\n", `:2: user.anna.secret: the secret is not a text: write it in quotes`},
		{"two lines", "[user.anna]\nsecret = \"hunter2\\nhunter2\"\n", `:2: user.anna.secret: "secret" holds more than one line: write the secret in one line of UTF-8, of at most 255 octets`},
		{"no secret", "[user.anna]\n", `:1: user.anna: the user has no secret, and the site takes no certificates: write secret = "...", or "eap-tls" in auth.methods`},
		{"unknown key", "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\nadress = \"10.255.1.4\"\n", `:3: user.anna.adress: unknown key: did you mean address?`},
		{"unknown table", "[users.anna]\nsecret = \"hunter2hunter2hunter2\"\n", `:1: users: unknown key: did you mean user?`},
		{"a site's name", "[user.b1]\nsecret = \"hunter2hunter2hunter2\"\n", `:1: user.b1: "b1" is the name of site b1 too, and the name decides which site calls: give one of them another name`},
		{"our name", "[user.\"X\\\\hq\"]\nsecret = \"hunter2hunter2hunter2\"\n", `:1: user."X\\hq": "X\\hq" is our own name too: a caller could send our own proof back: give the user another name`},
		{"our address", "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\naddress = \"10.255.1.1\"\n", `:3: user.anna.address: 10.255.1.1 is our own address in site road: write another one`},
		{"a peer's address", "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\naddress = \"10.255.0.2\"\n", `:3: user.anna.address: 10.255.0.2 is the peer's in site b1: write another one`},
		{"broadcast", "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\naddress = \"10.255.1.255\"\n", `:3: user.anna.address: 10.255.1.255 is the network or the broadcast address: write another one`},
		{"one address twice", "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\naddress = \"10.255.1.7\"\n[user.b]\nsecret = \"hunter2hunter2hunter2\"\naddress = \"10.255.1.7\"\n", `:6: user.b.address: 10.255.1.7 is the address of user "anna": write another one`},
		{"everything behind it", "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\nroutes = [\"0.0.0.0/0\"]\n", `:3: user.anna.routes: "0.0.0.0/0" is too much to be behind one caller: write a network of length 8 or more, as in "10.7.0.0/24"`},
		{"no node", "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\nipx_node = \"FFFFFFFFFFFF\"\n", `:3: user.anna.ipx_node: "FFFFFFFFFFFF" is not the Ethernet address of a station: write it as in "020000001001" or "02:00:00:00:10:01"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, remote)
			d.secret("in", "another")
			d.secret("users.toml", c.text)
			_, err := Load(d.path())
			var want []string
			if c.want != "" {
				want = []string{d.path("users.toml") + c.want}
			}
			wantFaults(t, d, err, want)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the secret is in the fault")
			}
		})
	}
}

func TestFileOfUsers(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d dir)
		want   string
	}{
		{"others can read it", func(d dir) { d.file("users.toml", twoUsers, 0o640) }, `:12: site.road.users_file: others can get at "users.toml": its mode is 0640: chmod 0600 it, and give the users other secrets if they may have read it`},
		{"a link", func(d dir) {
			d.secret("real.toml", twoUsers)
			if err := os.Symlink("real.toml", d.path("users.toml")); err != nil {
				d.t.Fatal(err)
			}
		}, `leads over a link`},
		{"none", func(dir) {}, `:12: site.road.users_file: cannot open "users.toml": no such file or directory: write the path of a file that holds the users, relative to this file`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, remote)
			d.secret("in", "another")
			c.change(d)
			_, err := Load(d.path())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestShortSecretsOfUsers(t *testing.T) {
	d := newDir(t, remote)
	d.secret("in", "another secret that is long")
	d.secret("users.toml", "[user.anna]\nsecret = \"hunter2\"\n"+"[user.bert]\nsecret = \"hunter2hunter2hunter2\"\n")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	const want = `site.road: the secret of "anna" may be found by trying: take 16 octets or more, of a random generator`
	found := false
	for _, w := range c.Warnings() {
		found = found || w.String() == want
		if strings.Contains(w.String(), "hunter2") {
			t.Errorf("a secret is in %q", w)
		}
	}
	if !found {
		t.Errorf("%v, and not %q", c.Warnings(), want)
	}
}

func TestAssignable(t *testing.T) {
	for _, c := range []struct {
		pool, addr string
		want       bool
	}{
		{"10.0.0.0/24", "10.0.0.1", true},
		{"10.0.0.0/24", "10.0.0.0", false},
		{"10.0.0.0/24", "10.0.0.255", false},
		{"10.0.0.0/24", "10.0.1.1", false},
		{"10.0.0.0/23", "10.0.0.255", false},
		{"10.0.0.0/23", "10.0.1.0", false},
		{"10.0.0.64/26", "10.0.0.64", false},
		{"10.0.0.64/26", "10.0.0.127", false},
		{"10.0.0.64/26", "10.0.0.126", true},
		{"10.0.0.64/31", "10.0.0.64", true},
		{"10.0.0.0/32", "10.0.0.0", true},
	} {
		if got := Assignable(netip.MustParsePrefix(c.pool), netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%s of %s: %v", c.addr, c.pool, got)
		}
	}
}

// What callers have may be where a peer of ours is called.
func TestCallersWhereAPeerIsCalled(t *testing.T) {
	const dials = "[site.b1]\ndial = [\"10.255.1.20\", \"10.7.0.9\", \"192.0.2.9\"]\n"
	write := func(dials, users string) dir {
		d := newDir(t, strings.Replace(strings.Replace(remote, "[site.b1]\n", dials, 1), "secret_in_file = \"in\"\n", "secret_in_file = \"in\"\nsecret_out_file = \"out\"\n", 1))
		d.secret("in", "another secret that is long")
		d.secret("out", "a third secret that is long")
		d.secret("users.toml", users)
		return d
	}
	d := write(dials, "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\naddress = \"192.0.2.9\"\n")
	_, err := Load(d.path())
	wantFaults(t, d, err, []string{
		d.path("users.toml") + `:3: user.anna.address: it is 192.0.2.9, where site b1 is called: write another one`,
		`:19: site.road.ip.pool: it has 10.255.1.20, where site b1 is called: write a network that is used for nothing else, as in "10.255.1.0/24"`,
	})

	d = write(strings.Replace(dials, `"10.255.1.20", `, "", 1), "[user.anna]\nsecret = \"hunter2hunter2hunter2\"\nroutes = [\"10.7.0.0/24\"]\n")
	c, err := Load(d.path())
	if err != nil {
		t.Fatal(err)
	}
	const want = `site.road: 10.7.0.0/24 behind the user "anna" has 10.7.0.9, where site b1 is called: our own packets go there outside of the tunnels, and all others to the user`
	if !slices.Contains(told(c.Warnings()), want) {
		t.Errorf("%q, and not %q", told(c.Warnings()), want)
	}
}
