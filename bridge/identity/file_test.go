package identity

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	return must[fs.FileInfo](t)(os.Stat(path)).Mode().Perm()
}

func names(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	for _, e := range must[[]fs.DirEntry](t)(os.ReadDir(dir)) {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func write(t *testing.T, path string, text []byte, mode fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, text, mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "hq.pem"), filepath.Join(dir, "hq.key")
	own := must[*Own](t)(SelfSigned("hq", noon, year))
	defer syscall.Umask(syscall.Umask(0)) // which would let everybody read
	if err := own.Save(cert, key); err != nil {
		t.Fatal(err)
	}
	if mode(t, cert) != 0o644 || mode(t, key) != 0o600 {
		t.Errorf("the modes are %o and %o", mode(t, cert), mode(t, key))
	}
	if KeyPath(cert) != key {
		t.Errorf("the key is looked for at %s", KeyPath(cert))
	}
	if back := must[*Own](t)(LoadFiles(cert, key)); !back.Leaf().Equal(own.Leaf()) || !back.fits() {
		t.Error("another certificate or key came back")
	}
}

// A certificate that several sites need is written once; another is left.
func TestSaveCertificate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	ca, other := must[*Own](t)(NewCA("ca", noon, year)), must[*Own](t)(NewCA("ca", noon, year))
	for range 2 {
		if err := ca.SaveCertificate(path); err != nil {
			t.Error(err)
		}
	}
	if err := other.SaveCertificate(path); err == nil || !strings.Contains(err.Error(), "is there already, and nothing is written over") {
		t.Errorf("over another: %v", err)
	}
	if there := must[[]*x509.Certificate](t)(ReadCertificates(path)); mode(t, path) != 0o644 || !there[0].Equal(ca.Leaf()) {
		t.Error("another certificate or mode is there")
	}
}

// What is there stays as it is, and nothing is left beside it.
func TestSaveBothOrNone(t *testing.T) {
	own := must[*Own](t)(SelfSigned("hq", noon, year))
	for name, before := range map[string]func(t *testing.T, cert, key string){
		"certificate is there": func(t *testing.T, cert, key string) { write(t, cert, []byte("mine"), 0o644) },
		"key is there":         func(t *testing.T, cert, key string) { write(t, key, []byte("mine"), 0o600) },
		"link to nowhere": func(t *testing.T, cert, key string) {
			if err := os.Symlink(filepath.Join(t.TempDir(), "x"), cert); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cert, key := filepath.Join(dir, "hq.pem"), filepath.Join(dir, "hq.key")
			before(t, cert, key)
			there := names(t, dir)
			err := own.Save(cert, key)
			if err == nil || !strings.Contains(err.Error(), "is there already, and nothing is written over") {
				t.Errorf("%v", err)
			}
			if now := names(t, dir); now != there {
				t.Errorf("%q became %q", there, now)
			}
			if b, err := os.ReadFile(filepath.Join(dir, there)); err == nil && string(b) != "mine" {
				t.Errorf("the file is now %q", b)
			}
		})
	}
	t.Run("second cannot be made", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hq.key")
		err := saveNew([]newFile{{path, 0o600, []byte("key")}, {"/nowhere/hq.pem", 0o644, nil}})
		if err == nil || names(t, filepath.Dir(path)) != "" {
			t.Errorf("%v, and %q is left", err, names(t, filepath.Dir(path)))
		}
	})
}

// H2: a key that others can get at is refused, and the file named.
func TestAttackH2KeyFile(t *testing.T) {
	own := must[*Own](t)(SelfSigned("hq", noon, year))
	key := own.Key()
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"0600": {func(t *testing.T, path string) { write(t, path, key, 0o600) }, ""},
		"0400": {func(t *testing.T, path string) { write(t, path, key, 0o400) }, ""},
		"0644": {func(t *testing.T, path string) { write(t, path, key, 0o644) }, "others can get at this key, its mode is 0644: chmod 0600 it"},
		"0640": {func(t *testing.T, path string) { write(t, path, key, 0o640) }, "its mode is 0640"},
		"0620": {func(t *testing.T, path string) { write(t, path, key, 0o620) }, "its mode is 0620"},
		"a link": {func(t *testing.T, path string) {
			there := filepath.Join(t.TempDir(), "x.key")
			write(t, there, key, 0o600)
			if err := os.Symlink(there, path); err != nil {
				t.Fatal(err)
			}
		}, "is a link"},
		"a directory": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is not a file"},
		"a FIFO": {func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is not a file"},
		"missing": {func(*testing.T, string) {}, "no such file"},
		"endless": {func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("x"), maxFile+1), 0o600) }, "is longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cert, path := filepath.Join(dir, "hq.pem"), filepath.Join(dir, "hq.key")
			write(t, cert, own.Certificate(), 0o644)
			c.make(t, path)
			_, err := LoadFiles(cert, path)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("%v, want %q and the path", err, c.want)
			}
		})
	}
}

// A file whose owner is neither us nor root may change under us.
func TestAttackH2FileOfAnother(t *testing.T) {
	for name, c := range map[string]struct {
		owner uint32
		want  string
	}{
		"ours": {uint32(os.Geteuid()), ""}, "root's": {0, ""},
		"a stranger's": {uint32(os.Geteuid()) + 12345, " belongs to user"},
	} {
		t.Run(name, func(t *testing.T) {
			for what, check := range map[string]func(fs.FileInfo) error{"this key": private, "this list": settled} {
				err := check(ownedBy{owner: c.owner})
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), what+c.want)) {
					t.Errorf("%v, want %q", err, what+c.want)
				}
			}
		})
	}
}

// H2: a revocation list that somebody else could put an older one in the place of lets
// nobody in, though it was in order when the daemon started.
func TestAttackH2ListFile(t *testing.T) {
	ca := testCA(t, "office")
	branch := must[*Own](t)(ca.Issue("branch", noon, year))
	for name, c := range map[string]struct {
		change func(t *testing.T, path string) error
		want   string
	}{
		"as it was":        {func(*testing.T, string) error { return nil }, ""},
		"only for us":      {func(t *testing.T, path string) error { return os.Chmod(path, 0o600) }, ""},
		"others may write": {func(t *testing.T, path string) error { return os.Chmod(path, 0o646) }, "others can change this list, its mode is 0646: chmod 0644 it"},
		"the group may":    {func(t *testing.T, path string) error { return os.Chmod(path, 0o664) }, "its mode is 0664"},
		"a link": {func(t *testing.T, path string) error {
			there := filepath.Join(t.TempDir(), "ca.crl")
			return errors.Join(os.Rename(path, there), os.Symlink(there, path))
		}, "is a link"},
		"gone": {func(t *testing.T, path string) error { return os.Remove(path) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := listFile(t, list(t, ca, noon))
			trust := withList(by(ca), path)
			if err := trust.Check(branch.chain, client, noon); err != nil {
				t.Fatal(err)
			}
			if err := c.change(t, path); err != nil {
				t.Fatal(err)
			}
			err := trust.Check(branch.chain, client, noon)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)) {
				t.Errorf("%v, want %q and the path", err, c.want)
			}
		})
	}
}

type ownedBy struct {
	fs.FileInfo
	owner uint32
}

func (ownedBy) Mode() fs.FileMode { return 0o600 }
func (o ownedBy) Sys() any        { return &syscall.Stat_t{Uid: o.owner} }

func TestUpdateList(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.crl")
	ca := testCA(t, "office")
	a, b := must[*Own](t)(ca.Issue("a", noon, year)), must[*Own](t)(ca.Issue("b", noon, year))
	must[*x509.RevocationList](t)(ca.UpdateList(path, a.chain, noon, ListLife))
	l := must[*x509.RevocationList](t)(ca.UpdateList(path, b.chain, noon, ListLife))
	if len(l.RevokedCertificateEntries) != 2 || l.Number.Cmp(big.NewInt(2)) != 0 || mode(t, path) != 0o644 {
		t.Errorf("number %v, %d entries, mode %o", l.Number, len(l.RevokedCertificateEntries), mode(t, path))
	}
	if names(t, dir) != "ca.crl" {
		t.Errorf("left: %s", names(t, dir))
	}
}

func TestUpdateListLeavesWhatItCannotKeep(t *testing.T) {
	ca := testCA(t, "office")
	for name, c := range map[string]struct {
		old  []byte
		want string
	}{
		"list of another CA": {list(t, testCA(t, "elsewhere"), noon), "move the file away"},
		"two lists":          {append(list(t, ca, noon), list(t, ca, noon)...), "holds 2 lists"},
		"no list":            {[]byte("precious"), "is not a revocation list"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ca.crl")
			write(t, path, c.old, 0o644)
			_, err := ca.UpdateList(path, nil, noon, ListLife)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if now := must[[]byte](t)(os.ReadFile(path)); !bytes.Equal(now, c.old) || names(t, filepath.Dir(path)) != "ca.crl" {
				t.Errorf("the file is changed, or there are others: %s", names(t, filepath.Dir(path)))
			}
		})
	}
	t.Run("another revocation is under way", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ca.crl")
		write(t, path+".new", nil, 0o600)
		if _, err := ca.UpdateList(path, nil, noon, ListLife); err == nil || !strings.Contains(err.Error(), "another revocation is under way") {
			t.Error(err)
		}
	})
}
