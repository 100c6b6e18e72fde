package main

import (
	"bytes"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
)

// good runs a command that must work, and returns what it printed.
func good(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := run(t, args...)
	if code != exitOK || errs != "" {
		t.Fatalf("%q: exit %d\n%s%s", args, code, out, errs)
	}
	return out
}

// pasted is the TOML that a command printed: the indented lines.
func pasted(t *testing.T, out string) []string {
	t.Helper()
	var tables []string
	for _, line := range strings.Split(out, "\n") {
		text, indented := strings.CutPrefix(line, "    ")
		switch {
		case !indented:
		case strings.HasPrefix(text, "["):
			tables = append(tables, text+"\n")
		case len(tables) > 0:
			tables[len(tables)-1] += text + "\n"
		}
	}
	for _, table := range tables {
		var v map[string]any
		if err := toml.Unmarshal([]byte(table), &v); err != nil {
			t.Errorf("%v in:\n%s", err, table)
		}
	}
	return tables
}

// configure writes the configuration of a site, with the tables of the commands
// where a newcomer would paste them.
func configure(t *testing.T, dir, daemon, own, site, peer string) *config.Config {
	t.Helper()
	path := filepath.Join(dir, "sites.toml")
	text := own + "name = \"" + daemon + "\"\nlisten = [\"0.0.0.0:1723\"]\n[site." + site + ".ip]\n" + peer
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return cfg
}

// mutual checks that two sites take each other's certificates, in both directions.
func mutual(t *testing.T, a, b *config.Config) {
	t.Helper()
	for _, c := range []struct {
		judge, shown *config.Config
	}{{a, b}, {b, a}} {
		peer := c.judge.Sites[0]
		chain := []*x509.Certificate{c.shown.Daemon.Identity.Leaf()}
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
			if err := peer.Auth.Trust.Check(chain, usage, time.Now()); err != nil {
				t.Errorf("%s refuses %s: %v", c.judge.Daemon.Name, peer.Name, err)
			}
		}
	}
}

// One command at each site, and what it prints pasted: then they know each other.
func TestIdentityNew(t *testing.T) {
	hq, branch := filepath.Join(t.TempDir(), "etc"), t.TempDir()
	atHQ := pasted(t, good(t, "identity", "new", "--dir", hq, "hq"))
	atBranch := pasted(t, good(t, "identity", "new", "branch.west", "--dir", branch))
	if len(atHQ) != 2 || len(atBranch) != 2 {
		t.Fatalf("printed %q and %q", atHQ, atBranch)
	}
	mutual(t,
		configure(t, hq, "hq", atHQ[0], `"branch.west"`, atBranch[1]),
		configure(t, branch, "branch.west", atBranch[0], "hq", atHQ[1]))

	for path, want := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "hq.pem": 0o644, "hq.key": 0o600} {
		if fi, err := os.Stat(filepath.Join(hq, path)); err != nil || fi.Mode() != want {
			t.Errorf("%q: %v, want mode %v", path, fi.Mode(), want)
		}
	}
	out := good(t, "identity", "show", "--config", filepath.Join(hq, "sites.toml"))
	for _, want := range []string{"daemon.certificate: " + hq + "/hq.pem", "names        hq\n", "730 days left", "signed by    itself", "may dial and answer", "site branch.west: pinned"} {
		if !strings.Contains(strings.ReplaceAll(out, "729 days", "730 days"), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// One machine signs for all: the sites get files, and need no fingerprints.
func TestIdentityCA(t *testing.T) {
	hq, branch := t.TempDir(), filepath.Join(t.TempDir(), "for branch")
	good(t, "identity", "ca", "office", "--dir", hq)
	atHQ := pasted(t, good(t, "identity", "issue", "hq", "--dir", hq))
	gone := good(t, "identity", "issue", "gone", "--dir", hq)
	if strings.Contains(gone, "ca.crl") {
		t.Errorf("names a list that is not there:\n%s", gone)
	}
	good(t, "identity", "revoke", "--dir", hq, filepath.Join(hq, "gone.pem"))
	atBranch := pasted(t, good(t, "identity", "issue", "--dir", hq, "--out", branch, "branch"))
	if !strings.Contains(atBranch[1], `crl = "ca.crl"`) {
		t.Errorf("the list is not named: %q", atBranch)
	}
	bring(t, filepath.Join(hq, "ca.crl"), filepath.Join(branch, "ca.crl")) // ca.pem is there
	a, b := configure(t, hq, "hq", atHQ[0], "branch", atBranch[1]), configure(t, branch, "branch", atBranch[0], "hq", atHQ[1])
	mutual(t, a, b)

	out := good(t, "identity", "show", "--config", a.Path)
	for _, want := range []string{"signed by    CN=office", "site branch: signed by\n  names        office", "CA: signs for sites", "revoked by " + hq + "/ca.crl", "number       1, with 1 revoked"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	revoked := good(t, "identity", "revoke", "--dir", hq, filepath.Join(branch, "branch.pem"))
	if !strings.Contains(revoked, "Links that are up stay up until their next handshake: sitebridge reload ends them.") {
		t.Errorf("says nothing of links:\n%s", revoked)
	}
	err := a.Sites[0].Auth.Trust.Check([]*x509.Certificate{b.Daemon.Identity.Leaf()}, x509.ExtKeyUsageClientAuth, time.Now())
	if err == nil || !strings.Contains(err.Error(), "was revoked") {
		t.Errorf("after the revocation: %v", err)
	}
	if out := good(t, "identity", "show", filepath.Join(hq, "ca.crl")); !strings.Contains(out, "number       2, with 2 revoked") {
		t.Errorf("the list:\n%s", out)
	}
}

// A directory may get several certificates of one CA. The ca.pem of another stays.
func TestIdentityIssueOut(t *testing.T) {
	ours, others, out := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "out")
	good(t, "identity", "ca", "office", "--dir", ours)
	good(t, "identity", "ca", "office", "--dir", others)
	good(t, "identity", "issue", "a", "--dir", ours, "--out", out)
	if text := good(t, "identity", "issue", "b", "--dir", ours, "--out", out); !strings.Contains(text, "signed by    office, "+out+"/ca.pem") {
		t.Errorf("does not say where the CA is:\n%s", text)
	}
	before := everything(t, out)
	code, _, errs := run(t, "identity", "issue", "c", "--dir", others, "--out", out)
	if code != exitFailed || !strings.Contains(errs, out+"/ca.pem is there already") {
		t.Errorf("over the CA of another: exit %d, %s", code, errs)
	}
	if after := everything(t, out); !bytes.Equal(before, after) {
		t.Error("what failed has changed the directory")
	}
}

// What is to be typed next goes for the same directory, and through a shell.
func TestIdentityHints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "head office's")
	quoted := "--dir '" + strings.ReplaceAll(dir, "'", `'\''`) + "'"
	if out := good(t, "identity", "ca", "office", "--dir", dir); !strings.Contains(out, "    sitebridge identity issue "+quoted+" SITE\n") {
		t.Errorf("no %s in:\n%s", quoted, out)
	}
	if usual := (&making{dir: new(filepath.Dir(defaultConfig))}).command("issue", "SITE"); usual != "sitebridge identity issue SITE" {
		t.Errorf("for the usual directory: %s", usual)
	}
}

func bring(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestIdentityCommandLine(t *testing.T) {
	dir := t.TempDir()
	other := t.TempDir()
	good(t, "identity", "ca", "office", "--dir", dir)
	good(t, "identity", "new", "hq", "--dir", dir)
	good(t, "identity", "ca", "office", "--dir", other)
	good(t, "identity", "revoke", "--dir", other)
	before := everything(t, dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":              {nil, exitUsage, "sitebridge identity issue"},
		"help":                 {[]string{"--help"}, exitOK, "sitebridge identity issue"},
		"unknown":              {[]string{"nw"}, exitUsage, `there is no identity command "nw": known are new, ca, issue, revoke, show`},
		"no name":              {[]string{"new", "--dir", dir}, exitUsage, "usage: sitebridge identity new"},
		"two names":            {[]string{"new", "--dir", dir, "a", "b"}, exitUsage, `identity new: unexpected argument "b"`},
		"a path for a name":    {[]string{"new", "--dir", dir, "../x"}, exitUsage, `"../x" is not a name`},
		"a command for a name": {[]string{"issue", "--dir", dir, "$(reboot)"}, exitUsage, `"$(reboot)" is not a name`},
		"the CA's name":        {[]string{"new", "--dir", dir, "ca"}, exitUsage, "ca.pem is the file of the CA"},
		"the CA's name issued": {[]string{"issue", "--dir", dir, "ca"}, exitUsage, "ca.pem is the file of the CA"},
		"no days":              {[]string{"new", "--dir", dir, "--days", "0", "x"}, exitUsage, "--days must be 1 to 36500"},
		"too many days":        {[]string{"ca", "--dir", dir, "--days", "36501", "x"}, exitUsage, "--days must be 1 to 36500"},
		"unknown flag":         {[]string{"new", "--nonsense", "x"}, exitUsage, "usage: sitebridge identity new"},
		"over a certificate":   {[]string{"new", "--dir", dir, "hq"}, exitFailed, "hq.key is there already"},
		"over a CA":            {[]string{"ca", "--dir", dir, "office"}, exitFailed, "ca.key is there already"},
		"issued over another":  {[]string{"issue", "--dir", dir, "hq"}, exitFailed, "hq.key is there already"},
		"no CA":                {[]string{"issue", "--dir", at("none"), "x"}, exitFailed, "sitebridge identity ca --dir " + at("none") + " NAME makes a CA"},
		"revoke without CA":    {[]string{"revoke", "--dir", at("none")}, exitFailed, "NAME makes a CA"},
		"revoke a pinned one":  {[]string{"revoke", "--dir", dir, at("hq.pem")}, exitFailed, "where it is pinned"},
		"revoke a foreign one": {[]string{"revoke", "--dir", dir, filepath.Join(other, "ca.pem")}, exitFailed, "was not signed by the CA"},
		"revoke nothing there": {[]string{"revoke", "--dir", dir, at("none.pem")}, exitFailed, "no such file"},
		"show nothing there":   {[]string{"show", at("none.pem")}, exitFailed, "no such file"},
		"show a key":           {[]string{"show", at("hq.key")}, exitFailed, "a private key stands there"},
		"show no certificate":  {[]string{"show", "identity.go"}, exitFailed, "not in PEM"},
		"show without config":  {[]string{"show", "--config", at("sites.toml")}, exitConfig, at("hq.key") + ", fits"},
		"and with a list":      {[]string{"show", "--config", filepath.Join(other, "sites.toml")}, exitConfig, "list of      CN=office"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := run(t, append([]string{"identity"}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d, and %q in:\n%s%s", code, c.code, c.want, out, errs)
			}
		})
	}
	if after := everything(t, dir); !bytes.Equal(before, after) {
		t.Error("commands that failed changed the directory")
	}
}

// everything is what a directory holds.
func everything(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(append(append(all, path...), 0), b...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestIdentityShow(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"hq", "open", "lost", "mixed"} {
		good(t, "identity", "new", name, "--dir", dir)
	}
	for _, err := range []error{os.Chmod(at("open.key"), 0o644), os.Remove(at("lost.key")), os.Remove(at("mixed.key"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(at("hq.key"))
	if err != nil || os.WriteFile(at("mixed.key"), b, 0o600) != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"hq":    "key          " + at("hq.key") + ", fits",
		"open":  "UNFIT: " + at("open.key") + ": others can get at this key, its mode is 0644",
		"lost":  "not here: there is no " + at("lost.key"),
		"mixed": "UNFIT: " + at("mixed.pem") + ", mixed.key: the key does not fit",
	} {
		if out := good(t, "identity", "show", at(name+".pem")); !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// A13: what has expired, or soon will, is told.
func TestAttackA13ShowTellsOfExpiry(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		after time.Duration
		want  string
	}{
		"new":          {0, "100 days left\n"},
		"soon":         {75 * hoursOfDay, "25 days left: REPLACE IT SOON"},
		"the last day": {99*hoursOfDay + time.Minute, "0 days left: REPLACE IT SOON"},
		"just expired": {100*hoursOfDay + time.Minute, "EXPIRED less than a day ago"},
		"expired":      {101*hoursOfDay + time.Minute, "EXPIRED 1 day ago"},
		"long expired": {102*hoursOfDay + time.Minute, "EXPIRED 2 days ago"},
		"not yet":      {-hoursOfDay, "NOT YET VALID"},
		"a list, late": {102 * hoursOfDay, "EXPIRED"},
	} {
		t.Run(name, func(t *testing.T) {
			ca, err := identity.NewCA("office", now, 100*hoursOfDay)
			if err != nil {
				t.Fatal(err)
			}
			text, err := ca.Revoke(nil, nil, now, 100*hoursOfDay)
			if err != nil {
				t.Fatal(err)
			}
			lists, err := identity.ParseLists(text)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			s := &shower{w: &out, now: now.Truncate(time.Second).Add(c.after)}
			s.certificate(ca.Leaf())
			s.lists("list", lists)
			if n := strings.Count(out.String(), strings.TrimSuffix(c.want, "\n")); n != 2 {
				t.Errorf("%q stands there %d times, want 2:\n%s", c.want, n, out.String())
			}
		})
	}
}
