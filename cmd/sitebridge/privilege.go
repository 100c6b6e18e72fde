package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"sitebridge/internal/privilege"
)

// dropPrivileges gives away every privilege that the daemon does not need, and
// says what is left. It may start the program again, so it comes first.
func dropPrivileges(who *privilege.User, log *slog.Logger) error {
	if os.Geteuid() == 0 {
		if err := giveSocketDir(filepath.Dir(defaultSocket), who); err != nil {
			log.Warn("the control socket's directory is not the daemon's", "error", err)
		}
	}
	now, err := privilege.Drop(who)
	if err != nil {
		return err
	}
	log.Info("privileges", "uid", now.UID[0], "gid", now.GID[0], "capabilities", now.Effective.String(), "no_new_privs", now.NoNewPrivs)
	if now.UID[0] == 0 && who == nil {
		log.Warn("running as root: it can still write all of root's files: give it a user of its own (--user NAME, or packaging/sitebridge.service)")
	}
	return nil
}

// giveSocketDir makes the directory of the control socket for another user, and
// gives it to the daemon's user if it was another's before: root without its
// capabilities may not even write into it. Another place than the usual one,
// which nobody else can write to, is for the administrator to prepare.
func giveSocketDir(dir string, who *privilege.User) error {
	uid, gid := 0, 0
	if who != nil {
		uid, gid = who.UID, who.GID
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	fi, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // made below, with the rest of its path
	}
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || int(st.Uid) == uid || !fi.IsDir() {
		return nil
	}
	return os.Lchown(dir, uid, gid)
}
