package config

import (
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge/identity"
)

// A change of the example's text or files, and what is told of it.
var diffs = []struct {
	name     string
	old, new string // in sites.toml
	file     func(d dir)
	want     []string
}{
	{"nothing", "", "", nil, nil},
	{"a comment", "[lan.office]", "# the office\n[lan.office]", nil, nil},
	{"a default that is written out", `mtu = 1400`, "mtu = 1400\nrequired = [\"ipx\", \"ip\"]", nil, nil},
	{"keys in another order", "interface = \"eth2\"\nethernet_802_3 = \"00000012\"", "ethernet_802_3 = \"00000012\"\ninterface = \"eth2\"", nil, nil},
	{"routes in another order", `routes = ["10.2.0.0/16", "2001:db8:2::/48"]`, `routes = ["2001:db8:2::/48", "10.2.0.0/16"]`, nil, nil},
	{"a secret in another file", "secrets/branch3.out", "secrets/other.out", func(d dir) {
		d.secret("secrets/other.out", "the secret of branch3.out\n")
	}, nil},

	{"a route", `"10.2.0.0/16", `, `"10.5.0.0/16", `, nil, []string{"~ site branch1: ip.routes"}},
	{"several keys of a site", `mtu = 1400`, "mtu = 1300\necho = { interval = \"5s\" }\nreorder = { packets = 0 }", nil,
		[]string{"~ site branch1: echo.interval, reorder.packets, mtu"}},
	{"where to dial, in another order", `"branch1.example.net", "192.0.2.1:1723"`, `"192.0.2.1:1723", "branch1.example.net"`, nil,
		[]string{"~ site branch1: dial"}},
	{"what crosses for IPX", `filter_out = ["deny dst-node FFFFFFFFFFFF type 4"]`, "netbios = \"on\"\nserial = true", nil,
		[]string{"~ site branch1: ipx.filter_out, ipx.serial, ipx.netbios"}},
	{"a site without IP", "[site.branch3.ip]\nroutes = [\"10.4.0.0/16\"]", "[defaults.ip]", nil,
		[]string{"~ site branch3: required, ip.interesting, ip"}},
	{"how long nobody must use it", "#idle = \"15m\"", "idle = \"1h\"", nil, []string{"~ site branch3: idle"}},
	{"when it may dial", `"sun"]`, `"sun 09:00-12:00"]`, nil, []string{"~ site branch3: hours"}},
	{"a user", "", "", func(d dir) { d.secret("users.toml", "[user.anna]\nsecret = \"another word of mouth\"\n") },
		[]string{"~ site road: users_file"}},
	{"how many may call", "#callers = 64", "callers = 65", nil, []string{"~ site road: callers"}},
	{"where the callers seem to be", `proxy_arp = "eth1"`, `proxy_arp = "eth2"`, nil, []string{"~ site road: proxy_arp"}},
	{"what a tunnel travels in", `#transport = "auto"`, `transport = "udp"`, nil, []string{"~ site branch1: transport"}},
	{"the port of UDP", "#udp = 4754", "udp = 4755", nil, []string{"! daemon.udp: only a restart of the daemon takes that over"}},
	{"encryption", `downgrade = "allowed"`, "downgrade = \"allowed\"\npolicy = \"preferred\"\nmppe_stateful = true", nil,
		[]string{"~ site branch3: encryption.policy, encryption.mppe_stateful"}},
	{"a method of authentication", `methods = ["eap-tls", "mschapv2"]`, `methods = ["mschapv2", "eap-tls", "eap-mschapv2"]`, nil,
		[]string{"~ site branch3: auth.methods"}},
	{"a secret", "", "", func(d dir) { d.secret("secrets/branch3.in", "another word of mouth\n") },
		[]string{"~ site branch3: auth.secret_in_file (secret changed)"}},
	{"a CA", "", "", func(d dir) {
		other := must(identity.NewCA("another", time.Now(), 30*testDay))
		d.file("ca.pem", string(testCA().Certificate())+string(other.Certificate()), 0o644)
	}, []string{"~ site branch1: auth.ca", "~ site branch3: auth.ca", "~ site road: auth.ca"}},
	{"a revocation list", "", "", func(d dir) {
		d.list("ca.crl", testCA())
	}, []string{"~ site branch1: auth.crl", "~ site branch3: auth.crl", "~ site road: auth.crl"}},
	{"our certificate", "", "", func(d dir) {
		own := must(identity.SelfSigned("hq", time.Now(), 30*testDay))
		d.file("hq.pem", string(own.Certificate()), 0o644)
		d.secret("hq.key", string(own.Key()))
	}, []string{
		"~ daemon: certificate (certificate changed)",
		"~ site branch1: daemon.certificate (certificate changed)",
		"~ site branch2: daemon.certificate (certificate changed)",
		"~ site branch3: daemon.certificate (certificate changed)",
		"~ site road: daemon.certificate (certificate changed)"}},
	{"a fingerprint", "sha256:7d1a", "sha256:7d1b", nil, []string{"~ site branch2: auth.fingerprint"}},
	{"what was learned", "", "", func(d dir) {
		if err := WriteLearned(d.path("branch3.ipx.toml"), []IPXRoute{{0x777, 1, 7}}, nil); err != nil {
			d.t.Fatal(err)
		}
	}, []string{"~ site branch3: ipx.file"}},

	{"a LAN", `ethernet_802_3 = "00000012"`, `ethernet_802_3 = "00000015"`, nil, []string{"~ lan old: ethernet_802_3"}},
	{"another LAN", `interface = "eth2"`, "interface = \"eth3\"\nnearest_delay = \"1s\"\nmax_networks = 9", nil,
		[]string{"~ lan old: interface, nearest_delay, max_networks"}},
	{"emulators", `dosbox = "127.0.0.1:10213"`, "dosbox = \"127.0.0.1:10214\"\ndosbox_rate = 5", nil,
		[]string{"~ lan emulators: dosbox, dosbox_rate"}},
	{"a segment", "network = \"00000000\"\n", "network = \"00000000\"\nsplit_horizon = true\nageing = \"60s\"\n", nil,
		[]string{"~ segment games: ageing, split_horizon"}},
	{"who is in a segment", `lans = ["games", { lan = "office", frame = "ethernet_802_3" }]`, `lans = [{ lan = "office", frame = "ethernet_802_3" }, "games"]`, nil,
		[]string{"~ segment games: lans"}},
	{"a site that leaves its segment", `sites = ["branch2"]`, "", nil, []string{
		"~ segment games: sites", "~ site branch2: required, segment"}},

	{"what runs at once", `listen = ["0.0.0.0:1723"]`, `listen = ["0.0.0.0:1723", "127.0.0.1:1724"]`, nil, []string{"~ daemon: listen"}},
	{"metrics", `metrics = "127.0.0.1:9723"`, "", nil, []string{"~ daemon: metrics"}},
	{"the status page", `web = "127.0.0.1:8723"`, "", nil, []string{"~ daemon: web"}},
	{"what needs a restart", "name = \"hq\"\n", "name = \"center\"\nstatus = \"other.sock\"\n", nil, []string{
		"! daemon.name: only a restart of the daemon takes that over",
		"! daemon.status: only a restart of the daemon takes that over"}},
	{"our number inside", `"0000BEEF"`, `"0000BEAF"`, nil, []string{"! daemon.ipx_internal_network: only a restart of the daemon takes that over"}},
}

// loadChanged loads the example, and again when it was changed.
func loadChanged(t *testing.T, old, new string, file func(dir)) (before, after *Config, d dir) {
	t.Helper()
	before = loadExample(t, func(text string) string { return text })
	d = dir{t, before.Path[:len(before.Path)-len("/sites.toml")]}
	b, err := os.ReadFile(before.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("the example has no %q", old)
	}
	d.file("sites.toml", strings.Replace(string(b), old, new, 1), 0o644)
	if file != nil {
		file(d)
	}
	if after, err = Load(before.Path); err != nil {
		t.Fatal(err)
	}
	return before, after, d
}

func TestDiff(t *testing.T) {
	for _, c := range diffs {
		t.Run(c.name, func(t *testing.T) {
			before, after, _ := loadChanged(t, c.old, c.new, c.file)
			d := Diff(before, after)
			if got := d.Lines(); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if d.Empty() != (len(c.want) == 0) {
				t.Errorf("Empty says %v", d.Empty())
			}
		})
	}
}

// Tables that come and go, and LANs with them.
func TestDiffOfTables(t *testing.T) {
	before, after, _ := loadChanged(t, "[segment.games]", "[lan.new]\ntap = \"ipx1\"\nethernet_ii = \"00000099\"\n[segment.games]", func(d dir) {
		b := must(os.ReadFile(d.path()))
		d.file("sites.toml", strings.ReplaceAll(string(b), "site.road", "site.way"), 0o644)
	})
	want := []string{"+ lan new", "- site road", "+ site way"}
	if got := Diff(before, after).Lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What needs a restart stays as it was, and with it the name that our sites prove.
func TestAfter(t *testing.T) {
	before, after, _ := loadChanged(t, "name = \"hq\"\n", "name = \"center\"\n", nil)
	next := after.After(before)
	if next.Daemon.Name != "hq" || next.Sites[0].Auth.Name != "hq" || after.Sites[0].Auth.Name != "center" {
		t.Errorf("the daemon is %q, its site %q", next.Daemon.Name, next.Sites[0].Auth.Name)
	}
	if d := Diff(next, after); len(d.Restart) != 1 {
		t.Errorf("the next look finds %+v", d)
	}
}

// No value of a field may change without a difference: a key that is added to a table
// later is compared too. The values are set to what they are not.
func TestDiffSeesEveryField(t *testing.T) {
	for _, of := range []any{Daemon{}, LAN{}, DOSBox{}, Segment{}, Site{}, Auth{}, Encryption{}, IP{}, IPX{}, Echo{}, Reorder{}} {
		typ := reflect.TypeOf(of)
		for i := range typ.NumField() {
			field := typ.Field(i)
			if !field.IsExported() || keyOf(typ, field.Name).skip || isTable(field.Type) {
				continue
			}
			a, b := reflect.New(typ).Elem(), reflect.New(typ).Elem()
			if !another(b.Field(i)) {
				t.Errorf("%s.%s: the test knows no other value of a %s", typ.Name(), field.Name, field.Type)
				continue
			}
			var keys []string
			compare("", a, b, func(key string) { keys = append(keys, key) })
			if len(keys) != 1 || keys[0] == "" {
				t.Errorf("%s.%s: keys %q", typ.Name(), field.Name, keys)
			}
		}
	}
}

// another sets v to a value that is not zero.
func another(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16, reflect.Int8:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		v.SetUint(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.Zero(v.Type().Key()), reflect.Zero(v.Type().Elem()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Array:
		return another(v.Index(0))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.Addr]() {
			v.Set(reflect.ValueOf(netip.IPv4Unspecified()))
			return true
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				return another(v.Field(i))
			}
		}
		switch v.Type() {
		case reflect.TypeFor[netip.AddrPort]():
			v.Set(reflect.ValueOf(netip.AddrPortFrom(netip.IPv4Unspecified(), 1)))
		case reflect.TypeFor[netip.Prefix]():
			v.Set(reflect.ValueOf(netip.PrefixFrom(netip.IPv4Unspecified(), 1)))
		default:
			return false
		}
	default:
		return false
	}
	return true
}

// Attack H3: a difference names keys, and no value of theirs, least of all a secret.
func TestAttackH3DifferenceTellsNoSecret(t *testing.T) {
	before, after, d := loadChanged(t, "", "", func(d dir) {
		d.secret("secrets/branch3.in", "another word of mouth\n")
		d.secret("secrets/branch3.out", "the other way round\n")
		own := must(identity.SelfSigned("hq", time.Now(), 30*testDay))
		d.file("hq.pem", string(own.Certificate()), 0o644)
		d.secret("hq.key", string(own.Key()))
	})
	diff := Diff(before, after)
	b, err := json.Marshal(diff)
	if err != nil {
		t.Fatal(err)
	}
	told := string(b) + strings.Join(diff.Lines(), "\n")
	if !strings.Contains(told, "secret_in_file") || !strings.Contains(told, "certificate") {
		t.Fatalf("nothing told: %s", told)
	}
	key := strings.Split(string(must(os.ReadFile(d.path("hq.key")))), "\n")[1]
	for _, secret := range []string{"the secret of", "another word", "the other way", key} {
		if strings.Contains(told, secret) {
			t.Errorf("%q is told", secret)
		}
	}
}
