package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// readHooks reads the paths of daemon.hook: one, or a list.
func (d *draft) readHooks(t *table) {
	at, ok := t.get("hook")
	if !ok {
		return
	}
	at.raw = elements(at)
	all := checkedList(at, func(raw any) (string, *mistake) {
		path, wrong := text(raw)
		if wrong != nil {
			return "", wrong
		}
		if strings.ContainsAny(path, "\x00\n") {
			return "", &mistake{show(path) + " is no path", "write the path of an executable file alone: what happened comes in its environment"}
		}
		path = at.doc.beside(path)
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		if err := CheckHook(path); err != nil {
			return "", &mistake{err.Error(), "name an executable of root's that nobody else can change, in a directory of which the same is true"}
		}
		return path, nil
	})
	if len(all) > 0 {
		d.Daemon.Hooks = all
	}
}

// CheckHook says what is wrong with the program at path, which is to run for events:
// whoever can change it, or put another in its place, has our user's rights. So no link
// leads there, and it and each directory above it are root's or ours and not for others
// to write to; of directories further up it is enough if they are sticky, as /tmp is.
func CheckHook(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("hook %q is not an absolute path", path)
	}
	clean := filepath.Clean(path)
	fi, err := os.Lstat(clean)
	switch {
	case err != nil:
		return fmt.Errorf("cannot look at the hook %q: %s", clean, words(err))
	case fi.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("the hook %q is a link: write the path that it leads to", clean)
	case !fi.Mode().IsRegular():
		return fmt.Errorf("the hook %q is not a file", clean)
	case fi.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("the hook %q is not executable: chmod 0755 it", clean)
	case fi.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return fmt.Errorf("the hook %q is setuid or setgid: chmod 0755 it", clean)
	}
	if err := notForOthers(clean, fi, true); err != nil {
		return err
	}
	return wayNotForOthers(filepath.Dir(clean))
}

// wayNotForOthers looks at the directory of a hook and at all above it.
func wayNotForOthers(nearest string) error {
	for dir := nearest; ; dir = filepath.Dir(dir) {
		fi, err := os.Lstat(dir)
		switch {
		case err != nil:
			return fmt.Errorf("cannot look at %q: %s", dir, words(err))
		case fi.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("the way to the hook leads over a link, %q: write the path that it leads to", dir)
		}
		if err := notForOthers(dir, fi, dir == nearest); err != nil {
			return err
		}
		if dir == "/" {
			return nil
		}
	}
}

// notForOthers refuses what is another's, or others may write to.
func notForOthers(path string, fi fs.FileInfo, near bool) error {
	owner := ownerOf(fi)
	if owner != 0 && owner != os.Geteuid() && (near || owner != ownerOfRoot()) {
		return fmt.Errorf("%q belongs to user %d: chown it to root", path, owner)
	}
	if fi.Mode().Perm()&0o022 != 0 && (near || fi.Mode()&fs.ModeSticky == 0) {
		return fmt.Errorf("others can change %q: its mode is %04o: chmod go-w it", path, fi.Mode().Perm())
	}
	return nil
}

func ownerOf(fi fs.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// ownerOfRoot is whose "/" is. In a user namespace that is nobody by its number.
func ownerOfRoot() int {
	fi, err := os.Lstat("/")
	if err != nil {
		return 0
	}
	return ownerOf(fi)
}
