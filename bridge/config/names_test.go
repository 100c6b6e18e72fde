package config

import (
	"slices"
	"testing"
)

// The names of sites are told of a file with faults too: it is being written.
func TestSiteNames(t *testing.T) {
	d := newDir(t, "include = \"more.toml\"\n[daemon]\nnonsense = 1\n[site.b]\n[site.a.ip]\n")
	d.file("more.toml", "[site.c]\n", 0o644)
	if got := SiteNames(d.path()); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%q", got)
	}
	d.file("sites.toml", "[site.a\n", 0o644)
	if got := SiteNames(d.path()); len(got) > 0 {
		t.Errorf("of a file that is no TOML: %q", got)
	}
	if got := SiteNames(d.path("nowhere")); len(got) > 0 {
		t.Errorf("of no file: %q", got)
	}
}
