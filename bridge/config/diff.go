package config

import (
	"fmt"
	"slices"
	"strings"

	"sitebridge/ppp/auth"
)

// A Difference is what another configuration changes, by the keys of the file and
// never by their values: it is shown and logged.
type Difference struct {
	// Daemon are keys of [daemon] that a running daemon takes over.
	Daemon []string `json:"daemon,omitempty"`
	// Restart are keys whose new values only the next start takes over.
	Restart  []string `json:"restart,omitempty"`
	LANs     Changes  `json:"lans,omitzero"`
	Segments Changes  `json:"segments,omitzero"`
	Sites    Changes  `json:"sites,omitzero"`
}

// Changes are those of one kind of table, by name.
type Changes struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []Change `json:"changed,omitempty"`
}

// A Change is one table whose keys have other values.
type Change struct {
	Name string   `json:"name"`
	Keys []string `json:"keys"` // as in the file: "auth.methods"
}

// ownCertificateKey is told of a site that proves itself with our certificate, when
// that is another one.
const ownCertificateKey = "daemon.certificate"

// Diff tells how new differs from old in what it says: its text may be in another
// order, and files that it names may be others with the same content.
func Diff(old, new *Config) Difference {
	d := Difference{Restart: restartKeys(old, new)}
	new = new.After(old)
	d.Daemon = changedKeys("", old.Daemon, new.Daemon)
	d.LANs = diffTables(old.LANs, new.LANs, func(l *LAN) string { return l.Name }, diffLAN)
	d.Segments = diffTables(old.Segments, new.Segments, func(s *Segment) string { return s.Name }, diffSegment)
	renewed := !old.Daemon.Identity.Equal(new.Daemon.Identity)
	d.Sites = diffTables(old.Sites, new.Sites, func(s *Site) string { return s.Name }, func(a, b *Site) []string {
		keys := diffSite(a, b)
		if renewed && a.Auth.Allows(auth.EAPTLS) && b.Auth.Allows(auth.EAPTLS) {
			keys = append(keys, ownCertificateKey)
		}
		return keys
	})
	return d
}

// OnlyLearned reports that nothing of a site has changed but what was learned from
// its peer into a file.
func (c Change) OnlyLearned() bool { return len(c.Keys) == 1 && c.Keys[0] == "ipx.file" }

// OnlyProofs reports that nothing of a site has changed but who may be its peer, or the
// certificate with which we prove ourselves: calls that would be let in again go on.
func (c Change) OnlyProofs() bool {
	return !slices.ContainsFunc(c.Keys, func(key string) bool {
		return !slices.Contains([]string{"users_file", "callers", "auth.ca", "auth.crl", "auth.fingerprint", ownCertificateKey}, key)
	})
}

// diffTables compares the tables of one kind, which are in the order of their names.
func diffTables[T any](old, new []T, name func(T) string, diff func(a, b T) []string) (c Changes) {
	find := func(all []T, wanted string) int {
		return slices.IndexFunc(all, func(one T) bool { return name(one) == wanted })
	}
	for _, one := range old {
		if find(new, name(one)) < 0 {
			c.Removed = append(c.Removed, name(one))
		}
	}
	for _, one := range new {
		i := find(old, name(one))
		if i < 0 {
			c.Added = append(c.Added, name(one))
		} else if keys := diff(old[i], one); len(keys) > 0 {
			c.Changed = append(c.Changed, Change{name(one), keys})
		}
	}
	return c
}

// Empty reports whether the two say the same.
func (d Difference) Empty() bool {
	return len(d.Daemon)+len(d.Restart) == 0 && d.LANs.empty() && d.Segments.empty() && d.Sites.empty()
}

func (c Changes) empty() bool { return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 }

// Touched reports whether the table called name is not as it was.
func (c Changes) Touched(name string) bool {
	return slices.Contains(c.Added, name) || slices.Contains(c.Removed, name) || c.Change(name) != nil
}

// Change finds what has changed in the table called name; nil: it has not, or it is
// not in both.
func (c Changes) Change(name string) *Change {
	for i := range c.Changed {
		if c.Changed[i].Name == name {
			return &c.Changed[i]
		}
	}
	return nil
}

// Lines tells the difference to an operator, a line for each table.
func (d Difference) Lines() (lines []string) {
	if len(d.Daemon) > 0 {
		lines = append(lines, "~ daemon: "+listed(d.Daemon))
	}
	for _, kind := range []struct {
		name string
		c    Changes
	}{{"lan", d.LANs}, {"segment", d.Segments}, {"site", d.Sites}} {
		for _, name := range kind.c.Removed {
			lines = append(lines, fmt.Sprintf("- %s %s", kind.name, name))
		}
		for _, c := range kind.c.Changed {
			lines = append(lines, fmt.Sprintf("~ %s %s: %s", kind.name, c.Name, listed(c.Keys)))
		}
		for _, name := range kind.c.Added {
			lines = append(lines, fmt.Sprintf("+ %s %s", kind.name, name))
		}
	}
	for _, key := range d.Restart {
		lines = append(lines, fmt.Sprintf("! %s: only a restart of the daemon takes that over", key))
	}
	return lines
}

// listed names keys, and says what it is that nobody is shown.
func listed(keys []string) string {
	words := map[string]string{
		"auth.secret_out_file": "secret changed", "auth.secret_in_file": "secret changed",
		"certificate": "certificate changed", ownCertificateKey: "certificate changed",
	}
	named := make([]string, len(keys))
	for i, key := range keys {
		if named[i] = key; words[key] != "" {
			named[i] += " (" + words[key] + ")"
		}
	}
	return strings.Join(named, ", ")
}
