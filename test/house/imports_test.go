// Package house tests the layout of the tree itself: imports go down the page
// of docs/architecture.md only, and each forbidden one has its reason.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "sitebridge"

// floors are the packages from the top of the house to its foundation. A package may
// import those of floors below its own, and none beside it unless a room says so.
var floors = [][]string{
	{"cmd"},
	{"bridge", "probe"},
	{"bridge/config", "bridge/identity", "control", "control/gre", "ppp", "ip", "ipx"},
	{"internal"},
}

// forbidden is what the floors alone do not say: who must not know whom, and why.
var forbidden = []struct{ from, to, why string }{
	{"control/gre", "control", "the data channel works under any control connection"},
	{"control", "control/gre", "the control connection does not care how data travels"},
	{"control", "ppp", "PPTP carries frames and does not look into them"},
	{"control", "ip", "PPTP knows nothing of the networks behind it"},
	{"control", "ipx", "PPTP knows nothing of the networks behind it"},
	{"control", "bridge", "the subjects do not know the house"},
	{"ppp", "control", "PPP does not know who carries its frames"},
	{"ppp", "ip", "network protocols reach PPP through a small interface"},
	{"ppp", "bridge", "the subjects do not know the house"},
	{"ppp/fsm", "ppp/auth", "the automaton does not know which protocol it runs"},
	{"ppp/fsm", "ipx", "the automaton does not know which protocol it runs"},
	{"ppp/auth", "ppp/fsm", "authentication has no Configure-Requests"},
	{"ppp/ipcp", "ppp/auth", "an NCP does not know who the peer is"},
	{"ppp/ipxcp", "ppp/auth", "an NCP does not know who the peer is"},
	{"ppp/ccp", "ppp/auth", "encryption takes keys, and does not care how they were agreed on"},
	{"ppp/ecp", "ppp/auth", "encryption takes keys, and does not care how they were agreed on"},
	{"ppp/mppe", "ppp/auth", "encryption takes keys, and does not care how they were agreed on"},
	{"ppp/mppe", "ppp/fsm", "the work on packets does not know how it was negotiated"},
	{"ppp/aead", "ppp/fsm", "the work on packets does not know how it was negotiated"},
	{"ppp/auth/eaptls", "ppp/fsm", "authentication has no Configure-Requests"},
	{"bridge/identity", "ppp", "a certificate is judged without knowing what for"},
	{"bridge/identity", "bridge/config", "a certificate is judged without knowing what for"},
	{"bridge/identity", "control", "a certificate is judged without knowing what for"},
	{"ip", "ppp", "the interface hands packets to whatever carries them"},
	{"ip", "control", "the interface hands packets to whatever carries them"},
	{"ip", "ipx", "two network protocols that do not meet"},
	{"ip", "bridge", "the subjects do not know the house"},
	{"ipx", "ppp", "a link is one more wire to the IPX router"},
	{"ipx", "control", "a link is one more wire to the IPX router"},
	{"ipx", "ip", "two network protocols that do not meet"},
	{"ipx", "bridge", "the subjects do not know the house"},
	{"bridge/config", "control", "a configuration is words and numbers, no sockets"},
	{"bridge/config", "ip", "a configuration is words and numbers, no sockets"},
	{"bridge/config", "ipx/port", "a configuration is words and numbers, no sockets"},
	{"bridge/config", "ipx/router", "a configuration is words and numbers, no sockets"},
	{"internal", "bridge", "helpers know nobody above them"},
	{"internal", "control", "helpers know nobody above them"},
	{"internal", "ppp", "helpers know nobody above them"},
	{"internal", "ip", "helpers know nobody above them"},
	{"internal", "ipx", "helpers know nobody above them"},
}

// within reports whether package p is room or lies below it.
func within(p, room string) bool { return p == room || strings.HasPrefix(p, room+"/") }

// floor returns the floor of the most particular room that p lies in.
func floor(p string) int {
	best, at := "", -1
	for i, rooms := range floors {
		for _, r := range rooms {
			if within(p, r) && len(r) >= len(best) {
				best, at = r, i
			}
		}
	}
	return at
}

func TestImportsGoDown(t *testing.T) {
	imports := packageImports(t, "../..")
	if len(imports) < 10 {
		t.Fatalf("only %d packages found: is this the repository's top?", len(imports))
	}
	for from, tos := range imports {
		if within(from, "test") {
			continue // tests see the whole house
		}
		if floor(from) < 0 {
			t.Errorf("%s has no room in the house: see docs/architecture.md", from)
			continue
		}
		for to := range tos {
			if floor(to) < floor(from) {
				t.Errorf("%s imports %s, which is above it", from, to)
			}
			for _, f := range forbidden {
				if within(from, f.from) && within(to, f.to) && !(within(from, f.to) && len(f.to) > len(f.from)) {
					t.Errorf("%s imports %s: %s", from, to, f.why)
				}
			}
		}
	}
}

// packageImports maps each package of the tree, by its folder, to those of the
// tree that it imports outside its tests.
func packageImports(t *testing.T, top string) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	err := filepath.WalkDir(top, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && p != top && strings.HasPrefix(e.Name(), "."), e.IsDir() && e.Name() == "testdata":
			return filepath.SkipDir
		case !strings.HasSuffix(p, ".go"), strings.HasSuffix(p, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, filepath.Dir(p))
		if err != nil {
			return err
		}
		from := filepath.ToSlash(rel)
		if all[from] == nil {
			all[from] = map[string]bool{}
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if within(name, module) && name != module {
				all[from][path.Clean(strings.TrimPrefix(name, module+"/"))] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
