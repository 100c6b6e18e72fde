// Package packaging installs the Debian package on a machine with a systemd of its own,
// runs the daemon as its unit does, upgrades and removes it, and looks at what is left.
package packaging

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	shared "sitebridge/test/lab"
)

func TestMain(m *testing.M) {
	if shared.Quick("^$") { // building packages is not quick
		os.Exit(m.Run())
	}
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// need skips the test where a program is not there, or fails if REQUIRE_PEERS is set.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			unable(t, err)
		}
	}
}

func unable(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("REQUIRE_PEERS") != "" {
		t.Fatalf("packages must be tested here (REQUIRE_PEERS): %v", err)
	}
	t.Skipf("packages cannot be tested here: %v", err)
}

// built are the packages of this tree, made once for all tests.
var built struct {
	once  sync.Once
	dir   string
	amd64 string
	arm64 string
	err   error
}

// packages builds the packages of both architectures.
func packages(t *testing.T) (amd64, arm64 string) {
	t.Helper()
	need(t, "dpkg-deb", "go")
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "packaging"); built.err == nil {
			built.err = buildIn("../..", built.dir, "amd64", "arm64")
		}
		built.amd64 = filepath.Join(built.dir, "sitebridge_1.2.3-1_amd64.deb")
		built.arm64 = filepath.Join(built.dir, "sitebridge_1.2.3-1_arm64.deb")
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.amd64, built.arm64
}

// buildIn runs the packager of a tree.
func buildIn(tree, dist string, archs ...string) error {
	cmd := exec.Command(filepath.Join(tree, "packaging/package"), archs...)
	cmd.Env = append(os.Environ(), "DIST="+dist, "VERSION=v1.2.3", "COMMIT=0123456789abcdef0123456789abcdef01234567", "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("packaging/package: %w\n%s", err, out)
	}
	return nil
}

// Who builds the same source again, in another place, gets the same octets.
func TestPackageIsReproducible(t *testing.T) {
	first, _ := packages(t)
	need(t, "git")
	tree := filepath.Join(t.TempDir(), "another", "place")
	copyTree(t, tree)
	dist := t.TempDir()
	if err := buildIn(tree, dist, "amd64"); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dist, filepath.Base(first)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("two builds of one source differ: %d and %d octets", len(a), len(b))
	}
}

// copyTree copies what git knows of this tree, or would take.
func copyTree(t *testing.T, to string) {
	t.Helper()
	const script = `cd "$1" && git -c safe.directory='*' ls-files -z -co --exclude-standard | while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
		tar --null -T - -cf - | { mkdir -p "$2" && tar -xf - -C "$2"; }`
	if out, err := exec.Command("bash", "-c", script, "bash", "../..", to).CombinedOutput(); err != nil {
		t.Fatalf("copy the tree: %v\n%s", err, out)
	}
}

func TestPackageForARM(t *testing.T) {
	_, deb := packages(t)
	root := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elf.Open(filepath.Join(root, "usr/sbin/sitebridge"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libs, _ := f.ImportedLibraries(); f.Machine != elf.EM_AARCH64 || len(libs) > 0 {
		t.Errorf("a program for %v that needs %v", f.Machine, libs)
	}
	arch, err := exec.Command("dpkg-deb", "-f", deb, "Architecture").Output()
	if err != nil || string(arch) != "arm64\n" {
		t.Errorf("%q, %v", arch, err)
	}
}

// The shell completes with the script where Debian looks for it, and the pages are such
// that man shows them without a complaint.
func TestPackagedHelp(t *testing.T) {
	deb, _ := packages(t)
	need(t, "man", "bash")
	root := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, page := range []string{"man8/sitebridge.8.gz", "man5/sites.toml.5.gz"} {
		cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", filepath.Join(root, "usr/share/man", page))
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80")
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		if out, err := cmd.Output(); err != nil || complaints.Len() > 0 || len(out) < 1000 {
			t.Errorf("%s: %v, %d octets\n%s", page, err, len(out), complaints.String())
		}
	}
	script := `. "$1/usr/share/bash-completion/completions/sitebridge"
		COMP_WORDS=("$1/usr/sbin/sitebridge" identity "") COMP_CWORD=2; _sitebridge; echo "${COMPREPLY[@]}"`
	out, err := exec.Command("bash", "-c", script, "bash", root).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "new ca issue") {
		t.Errorf("%v: %s", err, out)
	}
}
