package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sitebridge/ipx"
)

// oddNames are what a peer may call a server.
var oddNames = []string{"FS1", "", "MY SERVER", `A"B\C`, "fs1", " ", "#", "\x01\x1b[2J", "\xff\xfe", "grün", "\u202e", "'''", "\n", "TREE________________________________",
	strings.Repeat("\x80", maxServiceName)}

func randomLearned(r *rand.Rand, n int) (routes []IPXRoute, services []IPXService) {
	numbers, names := map[ipx.Network]bool{}, map[serviceKey]bool{}
	for range n {
		net := ipx.Network(r.Uint32N(uint32(ipx.DefaultRoute)-1) + 1)
		if r.IntN(20) == 0 && !numbers[ipx.DefaultRoute] {
			routes = append(routes, IPXRoute{ipx.DefaultRoute, uint8(r.IntN(16)), uint16(r.Uint32())})
			numbers[ipx.DefaultRoute] = true
		}
		if !numbers[net] {
			routes = append(routes, IPXRoute{net, uint8(r.IntN(16)), uint16(r.Uint32())})
		}
		numbers[net] = true
		name := oddNames[r.IntN(len(oddNames))]
		if r.IntN(2) == 0 {
			b := make([]byte, r.IntN(maxServiceName+1))
			for i := range b {
				b[i] = byte(1 + r.IntN(255))
			}
			name = string(b)
		}
		s := IPXService{uint16(r.IntN(0xffff)), name, ipx.Addr{Network: net, Socket: ipx.Socket(r.Uint32())}, uint8(r.IntN(16))}
		for i := range s.Address.Node {
			s.Address.Node[i] = byte(r.Uint32())
		}
		if !names[s.key()] {
			services = append(services, s)
		}
		names[s.key()] = true
	}
	return routes, services
}

// sortLearned puts all in the order of the file.
func sortLearned(routes []IPXRoute, services []IPXService) {
	slices.SortFunc(routes, func(a, b IPXRoute) int { return int(int64(a.Network) - int64(b.Network)) })
	slices.SortFunc(services, func(a, b IPXService) int {
		if a.Type != b.Type {
			return int(a.Type) - int(b.Type)
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// Whatever is written is read again as it was.
func TestLearnedComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b1.ipx.toml")
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		routes, services := randomLearned(r, round%40)
		if err := WriteLearned(path, routes, services); err != nil {
			t.Fatal(err)
		}
		gotRoutes, gotServices, err := ReadLearned(path)
		if err != nil {
			t.Fatal(err)
		}
		sortLearned(routes, services)
		if !slices.Equal(gotRoutes, routes) || !slices.Equal(gotServices, services) {
			t.Fatalf("round %d: %+v and %+v came back as %+v and %+v", round, routes, services, gotRoutes, gotServices)
		}
	}
}

func FuzzLearnedNames(f *testing.F) {
	for _, name := range oddNames {
		f.Add(name)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, name string) {
		path := filepath.Join(dir, fmt.Sprintf("%d.ipx.toml", os.Getpid()))
		services := []IPXService{{4, name, ipx.Addr{Network: 0x20}, 1}}
		if err := WriteLearned(path, nil, services); err != nil {
			if isLearnedName(name) {
				t.Errorf("%q is refused: %v", name, err)
			}
			return
		}
		if _, got, err := ReadLearned(path); err != nil || !slices.Equal(got, services) {
			t.Errorf("%q came back as %+v, %v", name, got, err)
		}
	})
}

// What ReadLearned takes, it also takes after it was written again.
func FuzzReadLearned(f *testing.F) {
	routes, services := randomLearned(rand.New(rand.NewPCG(3, 4)), 5)
	f.Add(learnedText(routes, services))
	f.Add("networks = 5\nservices = [5]\n")
	f.Add("[[networks]]\nnetwork = \"20\"\nhops = 1\nticks = 7\n")
	f.Add("services = [{ name_hex = \"00\" }]")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, fmt.Sprintf("%d.ipx.toml", os.Getpid()))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		routes, services, err := ReadLearned(path)
		if err != nil {
			checkFaults(t, err)
			return
		}
		if err := WriteLearned(path, routes, services); err != nil {
			t.Fatalf("%q was read and cannot be written: %v", text, err)
		}
		sortLearned(routes, services)
		again, servicesAgain, err := ReadLearned(path)
		if err != nil || !slices.Equal(again, routes) || !slices.Equal(servicesAgain, services) {
			t.Errorf("%q: %+v, %+v, then %+v, %+v, %v", text, routes, services, again, servicesAgain, err)
		}
	})
}

func TestLearnedText(t *testing.T) {
	const want = learnedHeader + `
networks = [
  { network = "00000020", hops = 1, ticks = 7 },
  { network = "00005EA1", hops = 2, ticks = 8 },
]

services = [
  { type = "0004", name = "A\"B\\C", address = "00005EA1:000000000001:0451", hops = 2 },
  { type = "0004", name_hex = "4DFF", address = "00000020:020000001001:4003", hops = 1 },
]
`
	got := learnedText(
		[]IPXRoute{{0x5ea1, 2, 8}, {0x20, 1, 7}},
		[]IPXService{
			{4, "M\xff", ipx.Addr{Network: 0x20, Node: ipx.Node{2, 0, 0, 0, 0x10, 1}, Socket: 0x4003}, 1},
			{4, `A"B\C`, ipx.Addr{Network: 0x5ea1, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, 2},
		})
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The file is the daemon's to read, and nothing is left beside it.
func TestWriteLearnedReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "b1.ipx.toml")
	for _, n := range []ipx.Network{0x20, 0x21} {
		if err := WriteLearned(path, []IPXRoute{{n, 1, 7}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if routes, _, err := ReadLearned(path); err != nil || len(routes) != 1 || routes[0].Network != 0x21 {
		t.Errorf("%v, %v", routes, err)
	}
	if err := WriteLearned(path, []IPXRoute{{ipx.AllNetworks, 1, 7}}, nil); err == nil {
		t.Error("a reserved number is written")
	}
	if routes, _, err := ReadLearned(path); err != nil || len(routes) != 1 {
		t.Errorf("after a failure: %v, %v", routes, err)
	}
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 1 {
		t.Errorf("beside the file stand %v, %v", all, err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if err := WriteLearned(filepath.Join(dir, "none", "b1.ipx.toml"), nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestWriteLearnedRefuses(t *testing.T) {
	at := ipx.Addr{Network: 0x20}
	for _, c := range []struct {
		name    string
		route   IPXRoute
		service IPXService
	}{
		{"network 0", IPXRoute{0, 1, 7}, IPXService{4, "A", at, 1}},
		{"all networks", IPXRoute{ipx.AllNetworks, 1, 7}, IPXService{4, "A", at, 1}},
		{"an unreachable network", IPXRoute{0x20, 16, 7}, IPXService{4, "A", at, 1}},
		{"every type", IPXRoute{0x20, 1, 7}, IPXService{0xffff, "A", at, 1}},
		{"a service at the default route", IPXRoute{0x20, 1, 7}, IPXService{4, "A", ipx.Addr{Network: ipx.DefaultRoute}, 1}},
		{"a service nowhere", IPXRoute{0x20, 1, 7}, IPXService{4, "A", ipx.Addr{}, 1}},
		{"an unreachable service", IPXRoute{0x20, 1, 7}, IPXService{4, "A", at, 16}},
		{"a long name", IPXRoute{0x20, 1, 7}, IPXService{4, strings.Repeat("A", 48), at, 1}},
		{"a name with a zero", IPXRoute{0x20, 1, 7}, IPXService{4, "A\x00B", at, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b1.ipx.toml")
			if err := WriteLearned(path, []IPXRoute{c.route}, []IPXService{c.service}); err == nil {
				t.Error("written")
			}
			if _, _, err := ReadLearned(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is a file: %v", err)
			}
		})
	}
}

func TestFaultsOfLearned(t *testing.T) {
	const anew = ": have sitebridge ipx update write the file anew"
	for _, c := range []struct{ name, text, want string }{
		{"not TOML", "networks = [", `:1: networks: unexpected EOF; expected value: correct this first; the rest of the file was not looked at`},
		{"no list", "networks = 5", `:1: networks: 5 is not a table` + anew},
		{"no hops", `networks = [{ network = "20", ticks = 7 }]`, `:1: networks.hops: missing` + anew},
		{"a reserved number", "\nnetworks = [{ network = \"FFFFFFFF\", hops = 1, ticks = 7 }]",
			`:2: networks.network: "FFFFFFFF" is not the number of an IPX network: ` + networkFix + `, or "FFFFFFFE" for the default route`},
		{"a service at the default route", `services = [{ type = "4", name = "A", address = "FFFFFFFE:000000000001:0451", hops = 1 }]`,
			`:1: services.address: "FFFFFFFE:000000000001:0451" is not the address of a service: write it as in "00005EA1:000000000001:0451"`},
		{"unreachable", `networks = [{ network = "20", hops = 16, ticks = 7 }]`, `:1: networks.hops: 16 is not a number that fits: write 0 to 15, without quotes`},
		{"another key", `networks = [{ network = "20", hops = 1, ticks = 7, metric = 3 }]`, `:1: networks.metric: unknown key: known here are hops, network, ticks`},
		{"a network twice", `networks = [{ network = "20", hops = 1, ticks = 7 }, { network = "00000020", hops = 2, ticks = 7 }]`,
			`:1: networks: a network stands there twice` + anew},
		{"no name", `services = [{ type = "4", address = "20:000000000001:0451", hops = 1 }]`, `:1: services.name: a service has either name or name_hex` + anew},
		{"two names", `services = [{ type = "4", name = "A", name_hex = "41", address = "20:000000000001:0451", hops = 1 }]`,
			`:1: services.name: a service has either name or name_hex` + anew},
		{"a name that is no hexadecimal", `services = [{ type = "4", name_hex = "4", address = "20:000000000001:0451", hops = 1 }]`,
			`:1: services.name_hex: "4" is not a name in hexadecimal: write two digits for each octet`},
		{"a zero in a name", `services = [{ type = "4", name_hex = "410042", address = "20:000000000001:0451", hops = 1 }]`,
			`:1: services.name_hex: "A\x00B" is not the name of a service: write at most 47 octets, none of them zero`},
		{"every type", `services = [{ type = "FFFF", name = "A", address = "20:000000000001:0451", hops = 1 }]`,
			`:1: services.type: "FFFF" is not the type of a service: write quoted hexadecimal, "0000" to "FFFE"`},
		{"no address", `services = [{ type = "4", name = "A", address = "20", hops = 1 }]`,
			`:1: services.address: "20" is not the address of a service: write it as in "00005EA1:000000000001:0451"`},
		{"something else", "routes = []", `:1: routes: unknown key: known here are networks, services`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, "")
			d.file("b1.ipx.toml", c.text, 0o644)
			_, _, err := ReadLearned(d.path("b1.ipx.toml"))
			if want := d.path("b1.ipx.toml") + c.want; err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		d := newDir(t, "")
		_, _, err := ReadLearned(d.root)
		if want := d.root + ": not a file: name one that sitebridge ipx update may write"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// auto is a configuration whose site stands in an included file, beside which its
// own file is looked for.
func auto(t *testing.T, more, learned string) (dir, *Config, error) {
	t.Helper()
	d := newDir(t, "include = \"sites.d/*.toml\"\n"+strings.Replace(routed, "[site.b1]\ndial = [\"192.0.2.1\"]\n[site.b1.ipx]\n", "", 1))
	d.secret("out", "one secret that is long")
	d.file("sites.d/b1.toml", "[site.b1]\ndial = [\"192.0.2.1\"]\n[site.b1.ipx]\nexchange = \"auto-static\"\n"+more, 0o644)
	d.file("sites.d/b1.ipx.toml", learned, 0o644)
	c, err := Load(d.path())
	return d, c, err
}

func TestLearnedIsLoaded(t *testing.T) {
	d, c, err := auto(t, "routes = [\"21 hops 3\"]\nservices = [\"4 FS1 21:000000000001:0451\"]\naccept_networks = [\"20-2F\", \"1-1F\"]\naccept_services = [\"4\"]\n", learnedText(
		[]IPXRoute{{0x10, 1, 7}, {0x20, 1, 7}, {0x21, 1, 7}, {0x30, 1, 7}},
		[]IPXService{
			{4, "FS1", ipx.Addr{Network: 0x20, Node: ipx.ServerNode, Socket: 0x451}, 1},
			{4, "FS2", ipx.Addr{Network: 0x20, Node: ipx.ServerNode, Socket: 0x451}, 1},
			{4, "FS3", ipx.Addr{Network: 0x10, Node: ipx.ServerNode, Socket: 0x451}, 1},
			{4, "FS4", ipx.Addr{Network: 0x30, Node: ipx.ServerNode, Socket: 0x451}, 1},
			{7, "PS1", ipx.Addr{Network: 0x20, Node: ipx.ServerNode, Socket: 0x8060}, 1},
		}))
	if err != nil {
		t.Fatal(err)
	}
	x := c.Site("b1").IPX
	if want := d.path("sites.d/b1.ipx.toml"); x.Learned != want || !slices.Contains(c.Files, want) {
		t.Errorf("%s among %q, want %s", x.Learned, c.Files, want)
	}
	if want := []IPXRoute{{0x20, 1, 7}}; !slices.Equal(x.LearnedRoutes, want) {
		t.Errorf("networks %v, want %v", x.LearnedRoutes, want)
	}
	if len(x.LearnedServices) != 1 || x.LearnedServices[0].Name != "FS2" {
		t.Errorf("services %+v", x.LearnedServices)
	}
}

// The default route is kept in the file, and used where accept_networks names it:
// it draws what nobody knows.
func TestLearnedDefaultRoute(t *testing.T) {
	world := IPXRoute{ipx.DefaultRoute, 1, 7}
	for _, tt := range []struct {
		name, more string
		used       bool
	}{
		{"named", "accept_networks = [\"20\", \"FFFFFFFE\"]\n", true},
		{"in a range", "accept_networks = [\"1-FFFFFFFE\"]\n", true},
		{"not named", "accept_networks = [\"1-FFFFFFFD\"]\n", false},
		{"no list", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, c, err := auto(t, tt.more, learnedText([]IPXRoute{{0x20, 1, 7}, world}, nil))
			if err != nil {
				t.Fatal(err)
			}
			routes := c.Site("b1").IPX.LearnedRoutes
			if !slices.Contains(routes, IPXRoute{0x20, 1, 7}) || slices.Contains(routes, world) != tt.used {
				t.Errorf("%v", routes)
			}
		})
	}
}

// What is read again at run time is judged as at the start.
func TestAcceptLearned(t *testing.T) {
	at := func(n ipx.Network) ipx.Addr { return ipx.Addr{Network: n, Node: ipx.ServerNode, Socket: 0x451} }
	routes := []IPXRoute{{0x10, 1, 7}, {0xbeef, 1, 7}, {0x20, 1, 7}, {0x21, 1, 7}, {0x30, 1, 7}}
	services := []IPXService{{4, "FS1", at(0x20), 1}, {4, "FS2", at(0x20), 1}, {4, "FS3", at(0x10), 1}, {4, "FS4", at(0x30), 1}, {7, "PS1", at(0x20), 1}}
	_, c, err := auto(t, "routes = [\"21 hops 3\"]\nservices = [\"4 FS1 21:000000000001:0451\"]\naccept_networks = [\"20-2F\", \"1-1F\"]\naccept_services = [\"4\"]\n",
		learnedText(routes, services))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Site("b1")
	givenRoutes, givenServices := slices.Clone(routes), slices.Clone(services)
	gotRoutes, gotServices := c.AcceptLearned(s, givenRoutes, givenServices)
	if want := []IPXRoute{{0x20, 1, 7}}; !slices.Equal(gotRoutes, want) || !slices.Equal(gotRoutes, s.IPX.LearnedRoutes) {
		t.Errorf("networks %v, want %v as at the start: %v", gotRoutes, want, s.IPX.LearnedRoutes)
	}
	if want := []IPXService{{4, "FS2", at(0x20), 1}}; !slices.Equal(gotServices, want) || !slices.Equal(gotServices, s.IPX.LearnedServices) {
		t.Errorf("services %v, want %v as at the start: %v", gotServices, want, s.IPX.LearnedServices)
	}
	if !slices.Equal(givenRoutes, routes) || !slices.Equal(givenServices, services) {
		t.Error("what was given is changed")
	}
}

// X1: a peer that announced a number of ours does not keep the daemon from starting,
// and draws nothing.
func TestAttackX1LearnedFileNamesOurNetworks(t *testing.T) {
	d, c, err := auto(t, "", learnedText([]IPXRoute{{0x10, 1, 1}, {0xbeef, 1, 1}, {0x20, 1, 7}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := []IPXRoute{{0x20, 1, 7}}; !slices.Equal(c.Site("b1").IPX.LearnedRoutes, want) {
		t.Errorf("%v, want %v", c.Site("b1").IPX.LearnedRoutes, want)
	}
	for _, want := range []string{
		`site.b1: "` + d.path("sites.d/b1.ipx.toml") + `" has network 00000010 behind the peer, and it is lan.office.ethernet_802_2: left out; sitebridge ipx update b1 writes the file anew`,
		`site.b1: "` + d.path("sites.d/b1.ipx.toml") + `" has network 0000BEEF behind the peer, and it is daemon.ipx_internal_network: left out; sitebridge ipx update b1 writes the file anew`,
	} {
		if !slices.Contains(told(c.Warnings()), want) {
			t.Errorf("not warned of: %s, but of %q", want, told(c.Warnings()))
		}
	}
}

func TestBrokenLearnedFileIsAFault(t *testing.T) {
	d, _, err := auto(t, "", "networks = [{ network = \"20\" }]")
	file := d.path("sites.d/b1.ipx.toml")
	wantFaults(t, d, err, []string{
		file + `:1: networks.hops: missing: have sitebridge ipx update write the file anew`,
		file + `:1: networks.ticks: missing: have sitebridge ipx update write the file anew`,
	})
}

// A full table is read at every start.
func TestLearnedAtItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b1.ipx.toml")
	routes, services := randomLearned(rand.New(rand.NewPCG(5, 6)), maxLearned)
	if err := WriteLearned(path, routes, services); err != nil {
		t.Fatal(err)
	}
	gotRoutes, gotServices, err := ReadLearned(path)
	if err != nil || len(gotRoutes) != len(routes) || len(gotServices) != len(services) {
		t.Errorf("%d networks and %d services of %d and %d, %v", len(gotRoutes), len(gotServices), len(routes), len(services), err)
	}
}
