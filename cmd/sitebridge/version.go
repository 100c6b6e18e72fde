package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// What `make package` gives by -ldflags -X: it also builds where there is no git.
var release, commit, committed string

// version is that of the release, or of the module, or the commit that it was built
// from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(release, "unknown")
	}
	module := info.Main.Version
	if module == "(devel)" {
		module = ""
	}
	revision := setting(info, "vcs.revision")
	return cmp.Or(release, module, revision[:min(12, len(revision))], "devel")
}

// setting is what the build noted at key; empty: nothing.
func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// source is the commit that the program was built from, and its date: not the day of
// the build, so that who builds the same again gets the same. Empty: unknown.
func source() string {
	if commit != "" {
		return fmt.Sprintf("commit %s of %s", commit, committed)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || setting(info, "vcs.revision") == "" {
		return ""
	}
	changed := ""
	if setting(info, "vcs.modified") == "true" {
		changed = ", with changes that are not committed"
	}
	return fmt.Sprintf("commit %s of %s%s", setting(info, "vcs.revision"), setting(info, "vcs.time"), changed)
}

func runVersion(e *env, args []string) int {
	if _, code, ok := parse(e.flags("version", ""), args, 0); !ok {
		return code
	}
	fmt.Fprintln(e.stdout, "sitebridge", version())
	if s := source(); s != "" {
		fmt.Fprintln(e.stdout, s)
	}
	fmt.Fprintf(e.stdout, "built with %s for %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}
