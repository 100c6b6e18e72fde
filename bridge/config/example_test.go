package config

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const examplePath = "../../sites.toml.example"

// commented is a line of the example that shows a default.
var commented = regexp.MustCompile(`(?m)^#([a-z_]+ = |\[)`)

func loadExample(t *testing.T, change func(string) string) *Config {
	t.Helper()
	b, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	dir := newDir(t, change(string(b)))
	dir.ofExample()
	c, err := Load(dir.path())
	if err != nil {
		t.Fatalf("the example is refused:\n%v", err)
	}
	return c
}

// ofExample writes the files that the example names.
func (d dir) ofExample() {
	d.t.Helper()
	for _, name := range []string{"branch3.out", "branch3.in", "radius"} {
		d.secret("secrets/"+name, "the secret of "+name+"\n")
	}
	d.secret("users.toml", "[user.anna]\nsecret = \"the secret of anna\"\naddress = \"10.255.1.5\"\nroutes = [\"10.7.0.0/24\"]\n")
	d.certificates()
}

func TestExampleLoads(t *testing.T) {
	c := loadExample(t, func(text string) string { return text })
	if len(c.Sites) != 4 || len(c.LANs) != 4 || len(c.Segments) != 1 {
		t.Errorf("%d sites, %d LANs, %d segments", len(c.Sites), len(c.LANs), len(c.Segments))
	}
}

// A commented key must be the default that it says it is.
func TestExampleDefaults(t *testing.T) {
	as := loadExample(t, func(text string) string { return text })
	written := loadExample(t, func(text string) string {
		if n := len(commented.FindAllString(text, -1)); n < 20 {
			t.Errorf("only %d lines show a default", n)
		}
		text = strings.Replace(text, "#include", "# include", 1) // there are no such files, which is the default
		return commented.ReplaceAllString(text, "$1")
	})
	for _, c := range []*Config{as, written} { // what has the name of the test's folder
		c.Path, c.Files, c.Daemon.CertificatePath = "", nil, ""
		for _, s := range c.Sites {
			if s.IPX != nil {
				s.IPX.Learned = filepath.Base(s.IPX.Learned)
			}
			if s.Remote != nil {
				s.Remote.UsersFile = filepath.Base(s.Remote.UsersFile)
			}
			if s.Auth.Trust != nil {
				s.Auth.Trust.CRL, s.Auth.Revoked = filepath.Base(s.Auth.Trust.CRL), [sha256.Size]byte{}
			}
		}
	}
	if !reflect.DeepEqual(as, written) {
		t.Errorf("the defaults differ when they are written:\n%+v\n%+v", dump(as), dump(written))
	}
}

// The example must have every key that there is.
func TestExampleIsComplete(t *testing.T) {
	b, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`(?:read|readOwn|readList|readOwnList|servers)\((?:t|m|echo|reorder|at\.ip|at\.ipx), "([a-z_0-9]+)"`)
	keys := 0
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range asked.FindAllStringSubmatch(string(source), -1) {
			key := m[1]
			keys++
			stands := regexp.MustCompile(`(?m)(^#?|[{,] *)` + key + ` = `)
			if !stands.Match(b) {
				t.Errorf("the example does not show %s, which %s reads", key, path)
			}
		}
	}
	if keys < 80 {
		t.Errorf("only %d keys found in the source", keys)
	}
}
