package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sitebridge/internal/privilege"
)

func owner(t *testing.T, dir string) (uid, gid uint32) {
	t.Helper()
	fi, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	return st.Uid, st.Gid
}

func TestSocketDirIsMadeForTheUserOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := giveSocketDir(dir, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("made for root, who makes it when it is needed: %v", err)
	}
	us := &privilege.User{UID: os.Getuid(), GID: os.Getgid()}
	for range 2 {
		if err := giveSocketDir(dir, us); err != nil {
			t.Error(err)
		}
	}
	if uid, _ := owner(t, dir); int(uid) != us.UID {
		t.Errorf("it belongs to %d, want %d", uid, us.UID)
	}
}

func TestSocketDirChangesHands(t *testing.T) {
	if m, err := os.ReadFile("/proc/self/uid_map"); os.Getuid() != 0 || err != nil || !strings.Contains(string(m), "4294967295") {
		t.Skip("only root can give files away")
	}
	dir := filepath.Join(t.TempDir(), "run")
	for _, c := range []struct {
		who      *privilege.User
		uid, gid uint32
	}{
		{&privilege.User{UID: 4242, GID: 4343}, 4242, 4343},
		{&privilege.User{UID: 4244, GID: 4343}, 4244, 4343},
		{nil, 0, 0},
	} {
		if err := giveSocketDir(dir, c.who); err != nil {
			t.Error(err)
		}
		if uid, gid := owner(t, dir); uid != c.uid || gid != c.gid {
			t.Errorf("it belongs to %d:%d, want %d:%d", uid, gid, c.uid, c.gid)
		}
	}
}

// What is no directory is left alone, for the daemon to complain about.
func TestSocketDirIsNoLink(t *testing.T) {
	there := t.TempDir()
	link := filepath.Join(t.TempDir(), "run")
	if err := os.Symlink(there, link); err != nil {
		t.Fatal(err)
	}
	if err := giveSocketDir(link, &privilege.User{UID: os.Getuid() + 1, GID: os.Getgid()}); err != nil {
		t.Error(err)
	}
	if uid, _ := owner(t, there); int(uid) != os.Getuid() {
		t.Errorf("the link's aim was given to %d", uid)
	}
}
