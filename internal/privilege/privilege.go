// Package privilege leaves the process with the two capabilities that the daemon
// needs, without a way to get another one, and as another user if that is
// wanted. It knows nothing of what the daemon does with them.
package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Needed is what the daemon keeps: CAP_NET_ADMIN for interfaces, routes and
// marks, CAP_NET_RAW for GRE and for the frames of a LAN.
const Needed Set = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW

// again is set for the program that Drop starts, to our process number: a second
// start that changed nothing must not lead to a third.
const again = "SITEBRIDGE_STARTED_AGAIN"

// The main goroutine keeps the main thread: only the thread that was forked
// still has its death signal after an exec (prctl(2), PR_SET_PDEATHSIG).
func init() { runtime.LockOSThread() }

// Drop leaves every thread of the process with the capabilities Needed, in each
// set, with no_new_privs, and as who, unless that is nil.
//
// Linux keeps all of that for each thread, and Go has several by now, of which
// those of C cannot be told to change (syscall.AllThreadsSyscall). So Drop
// changes the calling thread alone and has it execute this program again: exec
// ends the other threads, and all threads of the new image come from this one.
// There, Drop finds that everything is in order, and returns. Nothing that must
// be undone may have been done before.
//
// A supervisor that has done it all already, as systemd does with our unit, is
// left no second start.
func Drop(who *User) (State, error) {
	runtime.LockOSThread() // for ever where it fails: the thread is spoilt then
	now, err := current()
	if err != nil {
		return now, err
	}
	amiss := now.amiss(who)
	if amiss == "" {
		settle()
		runtime.UnlockOSThread()
		return now, nil
	}
	if err := now.enough(who); err != nil {
		return now, err
	}
	if os.Getenv(again) == strconv.Itoa(os.Getpid()) {
		return now, fmt.Errorf("drop privileges: after a second start %s: if the program has file capabilities, they must be effective: %s", amiss, setcap())
	}
	if err := now.change(who); err != nil {
		return now, fmt.Errorf("drop privileges: %w", err)
	}
	return now, fmt.Errorf("drop privileges: %w", restart())
}

// restart executes this program again. It returns only with an error.
func restart() error {
	if err := os.Setenv(again, strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	err := unix.Exec("/proc/self/exe", os.Args, os.Environ())
	switch {
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w: the daemon's user must be able to execute it (chmod 0755 %s)", err, program())
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: is /proc mounted?", err)
	}
	return fmt.Errorf("start this program a second time: %w", err)
}

// settle does what is for the whole process, in the image that stays.
func settle() {
	if os.Getenv(again) != "" {
		os.Unsetenv(again)
		setName(filepath.Base(os.Args[0])) // ps shows "exe" otherwise
	}
	// No core file and no debugger of the same user gets at our secrets.
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// program names our own file, for a message.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

func setcap() string { return "setcap cap_net_admin,cap_net_raw=ep " + program() }
