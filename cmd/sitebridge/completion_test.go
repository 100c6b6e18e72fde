package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed completes a command line that ends where the cursor stands.
func completed(t *testing.T, line string) []string {
	t.Helper()
	code, out, errs := run(t, append([]string{"completion", "words"}, strings.Split(line, " ")...)...)
	if code != exitOK || errs != "" {
		t.Errorf("%q: exit %d: %s", line, code, errs)
	}
	var found []string
	for line := range strings.Lines(out) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		found = append(found, word)
	}
	return found
}

func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
	}{
		{"stat", []string{"status"}},
		{"ver", []string{"version"}},
		{"ipx s", []string{"services", "slist", "sniff"}},
		{"identity ", []string{"new", "ca", "issue", "revoke", "show"}},
		{"identity issue --", []string{"--days", "--dir", "--out"}},
		{"identity new --dir ", []string{":directories"}},
		{"identity revoke ", []string{":files"}},
		{"identity show --config ", []string{":files"}},
		{"status --so", []string{"--socket"}},
		{"run --us", []string{"--user"}},
		{"check --config ", []string{":files"}},
		{"completion ", []string{"bash", "zsh", "fish"}},
		{"completion bash ", nil},
		{"ipx diag --frame ethernet_8", []string{"ethernet_802_3", "ethernet_802_2"}},
		{"ipx diag -i l", []string{"lo"}},
		{"nonsense ", nil},
		{"demo ", nil},
	} {
		if got := completed(t, c.line); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
	if all := completed(t, ""); len(all) < 9 || slices.Contains(all, "new") {
		t.Errorf("at the beginning: %q", all)
	}
}

// Each command's help names its flags, and what finds them runs nothing.
func TestEveryCommandTellsItsFlags(t *testing.T) {
	total := 0
	for _, c := range allCommands() {
		if c.name == "identity" || c.name == "demo" {
			continue // the one has commands of its own, the other no flags
		}
		f := flagsOf(c)
		if f.Name() != c.name {
			t.Errorf("%s: its help is that of %q", c.name, f.Name())
		}
		total += len(flagWords(f))
	}
	if total < 50 {
		t.Errorf("only %d flags", total)
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := good(t, "completion", shell); !strings.Contains(out, "completion words") {
			t.Errorf("%s:\n%s", shell, out)
		}
	}
	if code, _, errs := run(t, "completion", "csh"); code != exitUsage || !strings.Contains(errs, "bash, zsh, fish") {
		t.Errorf("csh: exit %d: %s", code, errs)
	}
}

// bash itself sources its script and completes, with a program that answers as ours.
func TestCompletionInBash(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "sitebridge")
	answer := "#!/bin/sh\n[ \"$*\" = 'completion words status --config a' ] && echo :files && exit\n" +
		"[ \"$*\" = 'completion words ipx s' ] && printf 'services\\tthem\\nslist\\tall\\n'\n"
	for path, text := range map[string]string{program: answer, filepath.Join(dir, "a b.toml"): ""} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := good(t, "completion", "bash") + `
cd "$1" || exit
ask() { COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _sitebridge; printf '<%s>' "${COMPREPLY[@]}"; }
ask "$1/sitebridge" ipx s
ask "$1/sitebridge" status --config a
complete -p sitebridge
`
	out, err := exec.Command("bash", "-c", script, "bash", dir).CombinedOutput()
	if err != nil || string(out) != "<services><slist><a b.toml>complete -F _sitebridge sitebridge\n" {
		t.Errorf("%v:\n%s", err, out)
	}
}
