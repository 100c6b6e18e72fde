package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Row H2: a program that others can change, or put another in the place of, is refused
// and named.
func TestAttackH2Hook(t *testing.T) {
	for _, c := range []struct {
		name, text string
		make       func(d dir)
		want       string // part of the fault; empty: none
	}{
		{"as it should be", `hook = "hooks/tell"`, func(dir) {}, ""},
		{"two", `hook = ["hooks/tell", "DIR/hooks/tell"]`, func(dir) {}, ""},
		{"none", `hook = []`, func(dir) {}, ""},
		{"a shell command", `hook = "hooks/tell me"`, func(dir) {}, `cannot look at the hook "DIR/hooks/tell me": no such file or directory`},
		{"a number", `hook = 5`, func(dir) {}, "daemon.hook"},
		{"for the group to change", `hook = "hooks/tell"`, func(d dir) { d.mode("hooks/tell", 0o770) }, `others can change "DIR/hooks/tell": its mode is 0770`},
		{"for all to change", `hook = "hooks/tell"`, func(d dir) { d.mode("hooks/tell", 0o757) }, `others can change "DIR/hooks/tell": its mode is 0757`},
		{"not executable", `hook = "hooks/tell"`, func(d dir) { d.mode("hooks/tell", 0o644) }, `the hook "DIR/hooks/tell" is not executable`},
		{"a link", `hook = "hooks/tell"`, func(d dir) { d.behindLink("hooks/tell") }, `the hook "DIR/hooks/tell" is a link`},
		{"a directory", `hook = "hooks"`, func(dir) {}, `the hook "DIR/hooks" is not a file`},
		{"in a directory for all to change", `hook = "hooks/tell"`, func(d dir) { d.mode("hooks", 0o777) }, `others can change "DIR/hooks": its mode is 0777`},
		{"in a sticky one", `hook = "hooks/tell"`, func(d dir) { d.mode("hooks", 0o777|os.ModeSticky) }, `others can change "DIR/hooks": its mode is 0777`},
		{"below one for all to change", `hook = "hooks/tell"`, func(d dir) { d.mode("", 0o777) }, `others can change "DIR": its mode is 0777`},
		{"below a sticky one", `hook = "hooks/tell"`, func(d dir) { d.mode("", 0o777|os.ModeSticky) }, ""},
		{"setuid", `hook = "hooks/tell"`, func(d dir) { d.mode("hooks/tell", 0o755|os.ModeSetuid) }, `is setuid or setgid`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, "")
			d.file("sites.toml", "[daemon]\nname = \"hq\"\n"+strings.ReplaceAll(c.text, "DIR", d.root)+"\n", 0o644)
			d.file("hooks/tell", "#!/bin/sh\n", 0o755)
			c.make(d)
			got, err := Load(d.path())
			said := ""
			if err != nil {
				said = strings.ReplaceAll(err.Error(), d.root, "DIR")
			}
			switch {
			case c.want == "" && strings.Contains(said, "hook"):
				t.Errorf("refused: %s", said)
			case !strings.Contains(said, c.want):
				t.Errorf("%q, want %q", said, c.want)
			case c.want == "" && err == nil && c.name != "none" && !slices.Contains(got.Daemon.Hooks, d.path("hooks", "tell")):
				t.Errorf("hooks %q", got.Daemon.Hooks)
			}
		})
	}
}
