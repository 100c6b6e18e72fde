package config

import (
	"io/fs"
	"os"
	"strings"
	"testing"
)

// H2: a secret that others can read or choose is refused, and its file named.
func TestAttackH2SecretFiles(t *testing.T) {
	const fix = "write the secret in one line of UTF-8, of at most 255 octets"
	for _, c := range []struct {
		name string
		make func(d dir)
		path string
		want string // of the fault, without its place; empty: none
	}{
		{"private", func(d dir) { d.file("s", "hunter2\n", 0o600) }, "s", ""},
		{"read only", func(d dir) { d.file("s", "hunter2", 0o400) }, "s", ""},
		{"below a folder", func(d dir) { d.file("a/b/s", "hunter2", 0o600) }, "a/./b/../b/s", ""},
		{"readable by all", func(d dir) { d.file("s", "hunter2", 0o644) }, "s",
			`others can get at "s": its mode is 0644: chmod 0600 it, and take another secret if they may have read it`},
		{"readable by the group", func(d dir) { d.file("s", "hunter2", 0o640) }, "s",
			`others can get at "s": its mode is 0640: chmod 0600 it, and take another secret if they may have read it`},
		{"writable by others", func(d dir) { d.file("s", "hunter2", 0o602) }, "s",
			`others can get at "s": its mode is 0602: chmod 0600 it, and take another secret if they may have read it`},
		{"a link", func(d dir) { d.file("t", "hunter2", 0o600); d.link("t", "s") }, "s",
			`"s" leads over a link, "DIR/s": write the path that it leads to`},
		{"a link in the path", func(d dir) { d.file("a/s", "hunter2", 0o600); d.link("a", "b") }, "b/s",
			`"b/s" leads over a link, "DIR/b": write the path that it leads to`},
		{"a folder", func(d dir) { d.file("s/x", "", 0o600) }, "s",
			`"s" is not a file: write the path of a file that holds the secret`},
		{"a device", func(d dir) {}, "/dev/null",
			`"/dev/null" is not a file: write the path of a file that holds the secret`},
		{"nothing there", func(d dir) {}, "s",
			`cannot open "s": no such file or directory: write the path of a file that holds the secret, relative to this file`},
		{"empty", func(d dir) { d.file("s", "\n", 0o600) }, "s", `"s" is empty: ` + fix},
		{"two lines", func(d dir) { d.file("s", "hunter2\nhunter2\n", 0o600) }, "s", `"s" holds more than one line: ` + fix},
		{"not UTF-8", func(d dir) { d.file("s", "hunter2\xff", 0o600) }, "s", `"s" is not UTF-8: ` + fix},
		{"too long", func(d dir) { d.file("s", strings.Repeat("x", 256), 0o600) }, "s", `"s" holds too long a secret: ` + fix},
		{"just short enough", func(d dir) { d.file("s", strings.Repeat("x", 255)+"\r\n", 0o600) }, "s", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDir(t, "")
			c.make(d)
			got, wrong := readSecret(d.root, c.path)
			if c.want == "" {
				if wrong != nil || got == "" || strings.ContainsAny(got.Reveal(), "\r\n") {
					t.Errorf("%q, %+v", got.Reveal(), wrong)
				}
				return
			}
			if wrong == nil {
				t.Fatal("it was taken")
			}
			said := strings.ReplaceAll(wrong.reason+": "+wrong.fix, d.root, "DIR")
			if said != c.want || got != "" {
				t.Errorf("%s, want %s", said, c.want)
			}
			if strings.Contains(said, "hunter2") {
				t.Error("the secret is in the message")
			}
		})
	}
}

// A file of another user is one whose content that user chooses.
func TestAttackH2OwnerOfSecret(t *testing.T) {
	d := newDir(t, "")
	d.file("s", "hunter2", 0o600)
	f, err := os.Open(d.path("s"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	us := os.Geteuid()
	if us == 0 { // root's files are always taken
		if err := f.Chown(12345, -1); err != nil {
			t.Fatal(err)
		}
		us = 12345
	}
	if wrong := secretFile.owned(f, "s", us); wrong != nil {
		t.Errorf("our own file: %+v", wrong)
	}
	if wrong := secretFile.owned(f, "s", us+1); wrong == nil || !strings.HasPrefix(wrong.reason, `"s" belongs to user `) {
		t.Errorf("another user's file: %+v", wrong)
	}
}

func (d dir) link(to, name string) {
	d.t.Helper()
	if err := os.Symlink(to, d.path(name)); err != nil {
		d.t.Fatal(err)
	}
}

// Who forgets sudo is told that, and not to write another path.
func TestFileOfTheDaemonForAnotherUser(t *testing.T) {
	wrong := keyFile.cannot("open", "hq.key", &fs.PathError{Op: "open", Path: "hq.key", Err: fs.ErrPermission})
	if !strings.Contains(wrong.reason, `may not open "hq.key"`) || !strings.Contains(wrong.fix, "be root or the user of the daemon") {
		t.Errorf("%s: %s", wrong.reason, wrong.fix)
	}
}
