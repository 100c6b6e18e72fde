package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong with a configuration.
type Fault struct {
	File   string
	Line   int    // 0: of the whole file
	Key    string // "site.branch1.ip.metric"; empty: of the whole file
	Reason string // what is wrong
	Fix    string // what to write instead
}

// Error returns "sites.toml:12: site.branch1.ip.metric: reason: fix".
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Key != "" {
		b.WriteString(": " + f.Key)
	}
	return b.String() + ": " + f.Reason + ": " + f.Fix
}

// Faults is all that is wrong with a configuration, in the order of the files
// and lines. It is never empty.
type Faults []Fault

// Error returns one line for each fault.
func (f *Faults) Error() string {
	lines := make([]string, len(*f))
	for i, fault := range *f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// add notes a fault once: a mistake in the defaults shows up with every site.
func (f *Faults) add(fault Fault) {
	if !slices.Contains(*f, fault) {
		*f = append(*f, fault)
	}
}

// faultless reports that nothing was wrong at the place so far, so that one
// mistake is not told twice.
func (p place) faultless() bool {
	key := p.String()
	return !slices.ContainsFunc(*p.doc.faults, func(f Fault) bool { return f.File == p.doc.path && f.Key == key })
}

// sound reports that nothing was wrong so far with the table and what is below it.
func (t *table) sound() bool {
	at := t.String()
	return !slices.ContainsFunc(*t.doc.faults, func(f Fault) bool {
		return f.File == t.doc.path && (f.Key == at || strings.HasPrefix(f.Key, at+"."))
	})
}

// inOrder sorts by line and key; files stay in the order in which they were read.
func (f Faults) inOrder(files []string) {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Key, b.Key))
	})
}
