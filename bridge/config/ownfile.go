package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A fileKind is what a file holds that the configuration names, and who may get
// at it.
type fileKind struct {
	holds string      // "the secret"
	shut  fs.FileMode // the bits that its mode must not have
	fault string      // "others can get at": what the bits let others do
	mend  string      // what to do when it has them
}

var (
	secretFile = &fileKind{"the secret", 0o077, "others can get at",
		"chmod 0600 it, and take another secret if they may have read it"}
	keyFile = &fileKind{"the key", 0o077, "others can get at",
		"chmod 0600 it, and make another key and certificate if they may have read it"}
	certificateFile = &fileKind{"the certificate", 0o022, "others can change",
		"chmod 0644 it, and look whether it is the right one still"}
	crlFile = &fileKind{"the revocation list", 0o022, "others can change",
		"chmod 0644 it, and look whether it is the right one still"}
)

// cannot is the mistake of a file that cannot be had.
func (k *fileKind) cannot(do, path string, err error) *mistake {
	if errors.Is(err, fs.ErrPermission) {
		return &mistake{fmt.Sprintf("user %d may not %s %s", os.Geteuid(), do, show(path)),
			"be root or the user of the daemon (sudo -u), or chown it to that user, with the directories above"}
	}
	return &mistake{fmt.Sprintf("cannot %s %s: %s", do, show(path), words(err)),
		fmt.Sprintf("write the path of a file that holds %s, relative to this file", k.holds)}
}

// read reads the file at path, which is relative to base. It must be a file that
// is ours or root's, that others can neither change nor, if it is private, read,
// and that no link leads to: who can change a file or a link decides what we
// believe. Nothing of what the file holds stands in a mistake.
func (k *fileKind) read(base, path string) ([]byte, *mistake) {
	if wrong := noLinks(base, path); wrong != nil {
		return nil, wrong
	}
	f, err := os.OpenFile(under(base, path), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, k.cannot("open", path, err)
	}
	defer f.Close()
	if wrong := k.owned(f, path, os.Geteuid()); wrong != nil {
		return nil, wrong
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, k.cannot("read", path, err)
	}
	if len(b) > maxFile {
		return nil, k.cannot("take", path, fmt.Errorf("longer than %d octets", maxFile))
	}
	return b, nil
}

// under resolves a path relative to base.
func under(base, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
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

// owned checks who may read and write the open file.
func (k *fileKind) owned(f *os.File, path string, us int) *mistake {
	fi, err := f.Stat()
	if err != nil {
		return &mistake{"cannot look at " + show(path) + ": " + words(err), "write the path of another file"}
	}
	if !fi.Mode().IsRegular() {
		return &mistake{show(path) + " is not a file", "write the path of a file that holds " + k.holds}
	}
	if mode := fi.Mode().Perm(); mode&k.shut != 0 {
		return &mistake{fmt.Sprintf("%s %s: its mode is %04o", k.fault, show(path), mode), k.mend}
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != us {
		return &mistake{fmt.Sprintf("%s belongs to user %d", show(path), st.Uid), fmt.Sprintf("chown it to root, or to the user of the daemon (%d here: as another one check it by sudo -u)", us)}
	}
	return nil
}

// beside parses the path of a file that stands in the configuration at a place,
// and reads it.
func (k *fileKind) beside(at place) func(any) ([]byte, *mistake) {
	return func(raw any) ([]byte, *mistake) {
		path, wrong := text(raw)
		if wrong != nil {
			return nil, wrong
		}
		return k.read(at.doc.beside(""), path)
	}
}
