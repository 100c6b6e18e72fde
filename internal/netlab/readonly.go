package netlab

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ReadOnly lets the command see every file system read-only, /proc/sys among
// them, but for the directories named. Devices can be used as ever.
func (c *Cmd) ReadOnly(writable ...string) *Cmd {
	c.readOnly, c.writable = true, writable
	return c
}

// startReadOnly starts the process from a thread with mounts of its own. The
// thread stays until the process has ended: its end is the death signal.
func (c *Cmd) startReadOnly() error {
	started := make(chan error, 2)
	go func() {
		started <- c.ns.Do(func() error {
			if err := ownReadOnlyMounts(c.writable); err != nil {
				return err
			}
			if err := c.Cmd.Start(); err != nil {
				return err
			}
			pid := c.Process.Pid
			started <- nil
			// Another one's Wait takes the process away, which ends this one too.
			for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
			}
			return nil
		})
	}()
	return <-started
}

// ownReadOnlyMounts gives the calling thread a mount namespace in which nothing
// can be written, but for the directories named. A mount is made read-only here
// and not in the namespace that it is a copy of (mount_setattr(2)).
func ownReadOnlyMounts(writable []string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &readOnly); err != nil {
		return fmt.Errorf("make all mounts read-only: %w", err)
	}
	for _, dir := range writable {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on itself: %w", dir, err)
		}
		again := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(unix.AT_FDCWD, dir, 0, &again); err != nil {
			return fmt.Errorf("make %s writable: %w", dir, err)
		}
	}
	return nil
}
