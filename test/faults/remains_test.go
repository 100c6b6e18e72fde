package faults

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// A state is what a host's network is made of, one thing a line: interfaces,
// addresses, routes, rules, and every setting of the kernel.
type state []string

var (
	index    = regexp.MustCompile(`^\d+: `)
	volatile = regexp.MustCompile(` valid_lft .*| expires \S+|@\S+:| state \S+| qdisc \S+| link/.*| pref medium`)
)

func stateOf(w *lab.World, ns *netlab.Namespace) (s state) {
	w.T.Helper()
	for _, what := range []string{"-o link show", "-o addr show", "-4 route show table all", "-6 route show table all", "-4 rule show", "-6 rule show"} {
		for line := range strings.Lines(w.IP(ns, strings.Fields(what)...)) {
			line = volatile.ReplaceAllString(index.ReplaceAllString(strings.TrimSpace(line), ""), "")
			s = append(s, strings.Split(what, " show")[0]+": "+strings.TrimSpace(line))
		}
	}
	if err := ns.Do(func() error { s = append(s, sysctls()...); return nil }); err != nil {
		w.T.Fatal(err)
	}
	slices.Sort(s)
	return s
}

// sysctls are the settings of the calling thread's network.
func sysctls() (all []string) {
	const root = "/proc/sys/net"
	filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, "_count") {
			return nil // an interface may go while we look
		}
		if value, err := os.ReadFile(path); err == nil { // some can only be written
			all = append(all, "sysctl: "+path[len(root)+1:]+" = "+strings.TrimSpace(string(value)))
		}
		return nil
	})
	return all
}

// beside lists what is in one of two states and not in the other.
func (s state) beside(before state) (diff []string) {
	for _, line := range s {
		if _, was := slices.BinarySearch(before, line); !was {
			diff = append(diff, "+ "+line)
		}
	}
	for _, line := range before {
		if _, is := slices.BinarySearch(s, line); !is {
			diff = append(diff, "- "+line)
		}
	}
	return diff
}
