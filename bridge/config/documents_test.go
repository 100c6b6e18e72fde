package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	tomlBlock = regexp.MustCompile("(?ms)^```toml\n(.*?)^```$")
	// ownPath is the first line of a block that is no sites.toml: what it is called.
	ownPath     = regexp.MustCompile(`^# /etc/sitebridge/([\w./-]*\w)`)
	daemonName  = regexp.MustCompile(`(?ms)^\[daemon\]\n(?:[^\[].*?)?^name +?= "(.+?)"`)
	zeros       = strings.Repeat("0", 64)
	namedFile   = regexp.MustCompile(`(?m)^(certificate|ca|crl|secret_in_file|secret_out_file|users_file) *= "(.+?)"`)
	siteTable   = regexp.MustCompile(`(?m)^\[site\.([\w-]+)[.\]]`)
	lanTable    = regexp.MustCompile(`(?m)^\[lan\.([\w-]+)\]`)
	namedMember = regexp.MustCompile(`(?m)^(lans|sites) *= \[(.*?)\]`)
	quoted      = regexp.MustCompile(`"([^"]+)"`)
)

// Every configuration that a document shows is one that loads: whole files as they
// are, and parts of one with what they need besides. A block that is another file, by
// its first line, lies where that says.
func TestConfigurationsOfDocumentsLoad(t *testing.T) {
	whole, parts := 0, 0
	for path, blocks := range tomlOfDocuments(t) {
		for i, text := range blocks {
			if name := ownPath.FindStringSubmatch(text); name != nil && name[1] != "sites.toml" {
				continue
			}
			if daemonName.MatchString(text) {
				whole++
			} else {
				parts++
			}
			dir := newDir(t, "")
			dir.ofDocument(blocks, completed(text))
			if _, err := Load(dir.path()); err != nil {
				t.Errorf("%s, configuration %d:\n%v\n%s", path, i+1, err, completed(text))
			}
		}
	}
	if whole < 2 || parts < 3 {
		t.Errorf("only %d whole configurations and %d parts", whole, parts)
	}
}

// tomlOfDocuments returns the blocks of each document.
func tomlOfDocuments(t *testing.T) map[string][]string {
	t.Helper()
	paths := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tomlBlock.FindAllStringSubmatch(string(b), -1) {
			all[path] = append(all[path], m[1])
		}
	}
	return all
}

// completed gives a part of a configuration what it lacks of a whole one: the daemon,
// the sites and LANs that a segment names, what sites know each other by, and what
// they carry.
func completed(text string) string {
	for n := 1; strings.Contains(text, zeros); n++ { // the reader's placeholder
		text = strings.Replace(text, zeros, fmt.Sprintf("%064x", n), 1)
	}
	if daemonName.MatchString(text) {
		return text
	}
	const daemon = "[daemon]\nname = \"hq\"\nlisten = [\"0.0.0.0:1723\"]\ncertificate = \"hq.pem\"\n"
	if strings.Contains(text, "[daemon]\n") {
		text = strings.Replace(text, "[daemon]\n", daemon, 1)
	} else {
		text = daemon + text
	}
	sites, lans := namesIn(siteTable, text), namesIn(lanTable, text)
	for _, m := range namedMember.FindAllStringSubmatch(text, -1) {
		for _, name := range namesIn(quoted, m[2]) {
			if known := map[string][]string{"lans": lans, "sites": sites}[m[1]]; slices.Contains(known, name) {
				continue
			}
			if m[1] == "lans" {
				text += fmt.Sprintf("[lan.%s]\ninterface = \"eth9\"\n", name)
			} else {
				sites = append(sites, name)
				text += fmt.Sprintf("[site.%s]\n", name)
			}
		}
	}
	if len(sites) == 0 {
		sites = []string{"peer"}
		text += "[site.peer]\n"
	}
	if !strings.Contains(text, "[defaults.auth]") {
		text += "[defaults.auth]\nca = \"ca.pem\"\n"
	}
	for _, name := range sites {
		if !strings.Contains(text, "[site."+name+".ip") {
			text += fmt.Sprintf("[site.%s.ip]\n", name)
		}
	}
	return text
}

// namesIn returns what a pattern finds, each once.
func namesIn(pattern *regexp.Regexp, text string) []string {
	found := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// ofDocument writes a configuration, the files that it names, and those that other
// blocks of its document are.
func (d dir) ofDocument(blocks []string, text string) {
	d.t.Helper()
	all := text
	for _, b := range blocks {
		if name := ownPath.FindStringSubmatch(b); name != nil && name[1] != "sites.toml" {
			d.file(name[1], b, 0o600)
			all += b
		}
	}
	d.file("sites.toml", text, 0o644)
	name := "hq"
	if m := daemonName.FindStringSubmatch(text); m != nil {
		name = m[1]
	}
	made := map[string]bool{}
	for _, m := range namedFile.FindAllStringSubmatch(all, -1) {
		if _, err := os.Stat(d.path(m[2])); err == nil || made[m[2]] {
			continue
		}
		made[m[2]] = true
		d.ofKey(m[1], m[2], name)
	}
	if !made["hq.pem"] && strings.Contains(text, `"hq.pem"`) {
		d.save("hq", testOwn())
	}
	if !made["ca.pem"] {
		d.public("ca.pem", testCA())
	}
}

// ofKey writes the file that a key names.
func (d dir) ofKey(key, file, daemon string) {
	d.t.Helper()
	switch key {
	case "certificate":
		base := strings.TrimSuffix(file, filepath.Ext(file))
		if err := os.MkdirAll(filepath.Dir(d.path(base)), 0o755); err != nil {
			d.t.Fatal(err)
		}
		d.save(base, must(testCA().Issue(daemon, time.Now(), 365*testDay)))
	case "ca":
		d.public(file, testCA())
	case "crl":
		d.list(file, testCA())
	case "users_file":
		d.secret(file, "[user.anna]\nsecret = \"a long random text, used for nothing else\"\n")
	default:
		d.secret(file, cmp.Or(key, "a secret")+" of "+file+"\n")
	}
}
