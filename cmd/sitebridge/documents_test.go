package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// ourCommand is a command line of ours, up to what ends it.
	ourCommand = regexp.MustCompile(`(?:^|[\s;|(&])(?:/usr/local/sbin/)?sitebridge ([a-z][^;|#&()]*)`)
	codeSpan   = regexp.MustCompile("`([^`\n]+)`")
)

// Every command that a document tells to type is one that there is, with flags that
// it takes.
func TestCommandsOfDocumentsExist(t *testing.T) {
	looked := 0
	for path, text := range documents(t) {
		for _, code := range codeOf(text) {
			for _, m := range ourCommand.FindAllStringSubmatch(code, -1) {
				looked++
				line, _, _ := strings.Cut(m[1], ", sitebridge")
				line = strings.TrimPrefix(line, "sitebridge ") // of `sudo -u sitebridge sitebridge`
				if wrong := wrongWith(line); wrong != "" {
					t.Errorf("%s: sitebridge %s: %s", path, line, wrong)
				}
			}
		}
	}
	if looked < 50 {
		t.Errorf("only %d commands looked at", looked)
	}
}

// documents returns the README and all that is in docs, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	})
	all := map[string]string{}
	for _, path := range paths {
		b, readErr := os.ReadFile(path)
		if readErr != nil {
			err = readErr
		}
		all[path] = string(b)
	}
	if err != nil || len(all) < 10 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	return all
}

// codeOf returns the lines of a document that are code, and what stands in backticks.
func codeOf(text string) (code []string) {
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			code = append(code, line)
		default:
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				code = append(code, m[1])
			}
		}
	}
	return code
}

// wrongWith says what the program would not take of a command line.
func wrongWith(line string) string {
	words := strings.Fields(line)
	var c cmd
	for _, known := range allCommands() {
		name := strings.Fields(known.name)
		if len(words) >= len(name) && slices.Equal(words[:len(name)], name) && len(name) > len(strings.Fields(c.name)) {
			c = known
		}
	}
	if c.name == "" {
		return wrongWithGroup(words)
	}
	flags := flagsOf(c)
	for _, w := range words {
		name := strings.Trim(w, "[]-,")
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(strings.Trim(w, "["), "-") && name != "" && flags.Lookup(name) == nil {
			return "there is no flag " + w
		}
	}
	return ""
}

// wrongWithGroup is for the first word of a group, which may stand for all of it.
func wrongWithGroup(words []string) string {
	group := len(words) > 0 && slices.ContainsFunc(allCommands(), func(c cmd) bool { return strings.HasPrefix(c.name, words[0]+" ") })
	if !group || len(words) > 1 {
		return "there is no such command"
	}
	return ""
}
