package config

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"sitebridge/internal/secret"
)

// maxSecret is what PAP can carry.
const maxSecret = 255

// readSecret reads a secret from path, which is relative to base. It must be a
// file that is ours or root's, that nobody else can read, and that no link leads
// to: who can change a link decides what the secret is. Nothing of what the file
// holds stands in a mistake.
func readSecret(base, path string) (secret.Secret, *mistake) {
	if wrong := noLinks(base, path); wrong != nil {
		return "", wrong
	}
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(base, path)
	}
	f, err := os.OpenFile(full, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", &mistake{"cannot open " + show(path) + ": " + words(err), "write the path of a file that holds the secret, relative to this file"}
	}
	defer f.Close()
	if wrong := private(f, path, os.Geteuid()); wrong != nil {
		return "", wrong
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+3))
	if err != nil {
		return "", &mistake{"cannot read " + show(path) + ": " + words(err), "write the path of a file that holds the secret, relative to this file"}
	}
	return parseSecret(b, path)
}

// noLinks looks at each step of the path below base.
func noLinks(base, path string) *mistake {
	step := base
	if filepath.IsAbs(path) {
		step = "/"
	}
	for _, part := range strings.Split(filepath.Clean(path), "/") {
		if part == "" {
			continue
		}
		step = filepath.Join(step, part)
		if fi, err := os.Lstat(step); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
			return &mistake{fmt.Sprintf("%q leads over a link, %q", path, step), "write the path that it leads to"}
		}
	}
	return nil
}

// private checks who may read and write the open file.
func private(f *os.File, path string, us int) *mistake {
	fi, err := f.Stat()
	if err != nil {
		return &mistake{"cannot look at " + show(path) + ": " + words(err), "write the path of another file"}
	}
	if !fi.Mode().IsRegular() {
		return &mistake{show(path) + " is not a file", "write the path of a file that holds the secret"}
	}
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		return &mistake{fmt.Sprintf("others can get at %s: its mode is %04o", show(path), mode), "chmod 0600 it, and take another secret if they may have read it"}
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != us {
		return &mistake{fmt.Sprintf("%s belongs to user %d", show(path), st.Uid), fmt.Sprintf("chown it to root, or to the user of the daemon (%d here)", us)}
	}
	return nil
}

// parseSecret takes the one line that a file holds.
func parseSecret(b []byte, path string) (secret.Secret, *mistake) {
	line := bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	const fix = "write the secret in one line of UTF-8, of at most 255 octets"
	switch {
	case len(line) == 0:
		return "", &mistake{show(path) + " is empty", fix}
	case len(line) > maxSecret:
		return "", &mistake{show(path) + " holds too long a secret", fix}
	case bytes.ContainsAny(line, "\n\r\x00"):
		return "", &mistake{show(path) + " holds more than one line", fix}
	case !utf8.Valid(line): // MS-CHAPv2 could not turn it into UTF-16
		return "", &mistake{show(path) + " is not UTF-8", fix}
	}
	return secret.Secret(line), nil
}
