package privilege

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Bare executes the program at path in the place of this one, without any capability
// of ours, without a way to get one, and without our open files but the first three. It
// returns only with an error. It is for a process that does nothing else.
//
// What is left of the bounding set is of no use with no_new_privs, and only who has
// CAP_SETPCAP can make it smaller: root, who started us, and not a unit of systemd.
func Bare(path string, args, environ []string) error {
	runtime.LockOSThread() // exec makes the process of this thread
	if err := bare(); err != nil {
		return err
	}
	// Not the files that the Go runtime has open: those close by themselves, as ours
	// do from now on.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close our files: %w", err)
	}
	return fmt.Errorf("run %s: %w", path, unix.Exec(path, args, environ))
}

// bare empties the sets of the calling thread. Whoever is root would get all that the
// bounding set leaves at its next exec, were it not for no_new_privs and securebits.
func bare() error {
	now, err := current()
	if err != nil {
		return err
	}
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	if now.Permitted&(1<<unix.CAP_SETPCAP) != 0 {
		if err := lock(); err != nil {
			return err
		}
	}
	err = setCapabilities(0, 0)
	if err != nil && os.Geteuid() != 0 {
		// A filter of system calls forbids it. Exec empties the permitted set of who
		// is not root, and an inheritable one without the others means nothing.
		return nil
	}
	return err
}

// lock empties the bounding set, and takes from user 0 what it has by its number
// (capabilities(7), SECBIT_NOROOT).
func lock() error {
	for c := range known() {
		if err := prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0); err != nil {
			return fmt.Errorf("drop %v from the bounding set: %w", Set(1<<c), err)
		}
	}
	const noRoot, noRootLocked, noFixup, noFixupLocked = 1, 2, 4, 8
	if err := prctl(unix.PR_SET_SECUREBITS, noRoot|noRootLocked|noFixup|noFixupLocked, 0); err != nil {
		return fmt.Errorf("set the secure bits: %w", err)
	}
	return nil
}
