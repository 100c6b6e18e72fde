package config

import (
	"maps"
	"slices"
)

// SiteNames returns the names of the sites of the configuration at path and of the
// files that it includes, without judging them: for a shell that completes them. What
// cannot be read has none.
func SiteNames(path string) []string {
	faults := new(Faults)
	main := readDocument(path, faults)
	d := &draft{Config: &Config{Files: []string{path}}, faults: faults}
	names := map[string]bool{}
	for _, doc := range append(d.include(main.table()), main) {
		for _, t := range doc.table().named("site") {
			names[t.name()] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
