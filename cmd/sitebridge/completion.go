package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/config"
	"sitebridge/ipx"
)

// The scripts are short: they ask the program itself what may follow, so that they
// are true for the version that is installed, whatever commands and flags it has.
//
//go:embed completion
var completionScripts embed.FS

// completionWait is how long a daemon may let somebody wait who has pressed Tab.
const completionWait = 300 * time.Millisecond

// filesMay and directoriesMay stand among the candidates where the shell is to
// complete paths itself.
const (
	filesMay       = ":files"
	directoriesMay = ":directories"
)

// runCompletion prints the script of a shell, or for the script what may follow.
func runCompletion(e *env, args []string) int {
	if len(args) > 0 && args[0] == "words" {
		for _, c := range e.complete(args[1:]) {
			fmt.Fprintln(e.stdout, c)
		}
		return exitOK
	}
	f := e.flags("completion", "bash|zsh|fish")
	shell, code, ok := parseOne(f, args)
	if !ok {
		return code
	}
	script, err := completionScripts.ReadFile("completion/sitebridge." + shell)
	if err != nil {
		fmt.Fprintf(e.stderr, "sitebridge completion: %q is no shell known here: bash, zsh, fish\n", shell)
		return exitUsage
	}
	if _, err := e.stdout.Write(script); err != nil {
		return e.fail(err)
	}
	return exitOK
}

// allCommands are the commands with those that have a table of their own.
func allCommands() []cmd {
	all := slices.Clone(commands)
	for _, c := range identityCommands {
		c.name = "identity " + c.name
		all = append(all, c)
	}
	return all
}

// flagsOf returns the flags of a command: those that its help would tell of.
func flagsOf(c cmd) *flag.FlagSet {
	found := flag.NewFlagSet(c.name, flag.ContinueOnError)
	e := &env{ctx: context.Background(), stdout: io.Discard, stderr: io.Discard, wires: kernelWires{}, help: func(f *flag.FlagSet) { found = f }}
	c.run(e, []string{"-h"})
	return found
}

// complete returns what the last of words may become, each with a tab and what it is,
// if it begins so.
func (e *env) complete(words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	candidates := nextWords(before)
	if c, rest, ok := commandIn(before); ok && len(candidates) == 0 {
		candidates = append(candidates, e.arguments(c, rest, last)...)
	}
	return slices.DeleteFunc(candidates, func(s string) bool { return !strings.HasPrefix(s, last) && !strings.HasPrefix(s, ":") })
}

// nextWords returns the words of commands that may stand behind others of them.
func nextWords(before []string) (next []string) {
	for _, c := range allCommands() {
		name := strings.Fields(c.name)
		if len(name) <= len(before) || !slices.Equal(name[:len(before)], before) {
			continue
		}
		word := name[len(before)]
		if len(name) == len(before)+1 {
			word += "\t" + c.about
		}
		next = append(next, word)
	}
	return slices.CompactFunc(next, func(a, b string) bool {
		a, _, _ = strings.Cut(a, "\t")
		b, _, _ = strings.Cut(b, "\t")
		return a == b
	})
}

// commandIn finds the command with the longest name that words begin with.
func commandIn(words []string) (found cmd, rest []string, ok bool) {
	best := 0
	for _, c := range allCommands() {
		if n := strings.Fields(c.name); len(n) > best && len(n) <= len(words) && slices.Equal(n, words[:len(n)]) {
			found, rest, best = c, words[len(n):], len(n)
		}
	}
	return found, rest, best > 0
}

// arguments returns what a command takes behind rest: the value of a flag, flags, or
// what its usage names.
func (e *env) arguments(c cmd, rest []string, last string) []string {
	flags := flagsOf(c)
	if len(rest) > 0 && strings.HasPrefix(rest[len(rest)-1], "-") {
		if f := flags.Lookup(strings.TrimLeft(rest[len(rest)-1], "-")); f != nil && !isBool(f) {
			return valuesOf(f)
		}
	}
	if strings.HasPrefix(last, "-") {
		return flagWords(flags)
	}
	positional := flagInUsage.ReplaceAllString(c.args, "")
	var next []string
	for _, word := range strings.FieldsFunc(positional, func(r rune) bool { return strings.ContainsRune(" []|.", r) }) {
		switch {
		case word == "SITE":
			next = append(next, e.siteNames()...)
		case word == "FILE":
			next = append(next, filesMay)
		case word == strings.ToLower(word) && len(rest) == 0:
			next = append(next, word)
		}
	}
	return next
}

// flagInUsage is a flag, and the word for its value, in a command's usage.
var flagInUsage = regexp.MustCompile(`--?[a-z-]+( [^ \]]+)?`)

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// flagWords writes flags as people do, with what they are for.
func flagWords(flags *flag.FlagSet) (words []string) {
	flags.VisitAll(func(f *flag.Flag) {
		_, about := flag.UnquoteUsage(f)
		words = append(words, dashed(f)+"\t"+about)
	})
	return words
}

func dashed(f *flag.Flag) string {
	if len(f.Name) == 1 {
		return "-" + f.Name
	}
	return "--" + f.Name
}

// valuesOf returns what may stand behind a flag, by the word for it in its usage.
func valuesOf(f *flag.Flag) (values []string) {
	switch what, _ := flag.UnquoteUsage(f); what {
	case "file":
		return []string{filesMay}
	case "directory":
		return []string{directoriesMay}
	case "interface":
		interfaces, err := net.Interfaces()
		if err != nil {
			return nil // it is no more than a help
		}
		for _, i := range interfaces {
			values = append(values, i.Name)
		}
	case "type":
		for t := range ipx.Encapsulation(ipx.Encapsulations) {
			values = append(values, t.String())
		}
	}
	return values
}

// siteNames asks the daemon, and where none answers at once the configuration.
func (e *env) siteNames() []string {
	ctx, cancel := context.WithTimeout(e.ctx, completionWait)
	defer cancel()
	var s bridge.Status
	if err := (bridge.Client{Socket: defaultSocket}).Get(ctx, "/v1/status", &s); err != nil {
		return config.SiteNames(defaultConfig)
	}
	var names []string
	for _, site := range s.Sites {
		names = append(names, site.Name)
	}
	return names
}
