package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitUnable is the exit status by which the program inside says that its
// namespaces are of no use. Test binaries exit with 0, 1 or 2.
const exitUnable = 77

// enterError is why Main could not enter namespaces; New gives it as a reason.
var enterError error

// Main is TestMain's body: it runs the package's tests in namespaces of their
// own, and does not return.
//
//	func TestMain(m *testing.M) { netlab.Main(m) }
//
// Where that is impossible the tests run outside, and those that ask for a lab
// are skipped, or the whole run fails if REQUIRE_NETNS is set.
func Main(m interface{ Run() int }) {
	// A fuzz worker is started by a coordinator that is inside already, and
	// talks to it through descriptors that another exec would lose.
	if slices.Contains(os.Args, "-test.fuzzworker") {
		os.Exit(m.Run())
	}
	code, inside, err := Enter("NETLAB_TEST")
	switch {
	case inside:
		os.Exit(m.Run())
	case err == nil:
		os.Exit(code)
	case required():
		fmt.Fprintf(os.Stderr, "network namespaces are required (REQUIRE_NETNS): %v\n", err)
		os.Exit(1)
	}
	enterError = err
	os.Exit(m.Run())
}

// Enter runs this program again, with the same arguments, in network, mount and
// pid namespaces of its own, and for an ordinary user in a user namespace in
// which it is root. An unshare in place would not do: user namespaces cannot be
// entered by a process with several threads (unshare(2), EINVAL).
//
// In the program outside, Enter returns the exit status of the one inside. In
// the program inside, which is told by the environment variable marker, it
// returns inside = true. The pid namespace ends with its first process, so
// nothing that is started inside outlives it, and that one dies with us.
func Enter(marker string) (code int, inside bool, err error) {
	if os.Getenv(marker) != "" {
		if err := settle(); err != nil {
			fmt.Fprintln(os.Stderr, "netlab:", err)
			os.Exit(exitUnable)
		}
		return 0, true, nil
	}
	// The death signal is sent when the thread that forked ends (prctl(2),
	// PR_SET_PDEATHSIG), so this goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := startInside(marker)
	if err != nil {
		return 0, false, err
	}
	code = wait(cmd)
	if code == exitUnable {
		return 0, false, errors.New("the namespaces of this user give no capabilities over a network (AppArmor?)")
	}
	return code, false, nil
}

// startInside starts the program again. Root tries without a user namespace
// first, because there it can be every user and not only root.
func startInside(marker string) (*exec.Cmd, error) {
	var errs []error
	for _, user := range []bool{false, true} {
		if !user && os.Geteuid() != 0 {
			continue
		}
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Args[0] = os.Args[0]
		cmd.Env = append(os.Environ(), marker+"=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = namespaces(user)
		err := cmd.Start()
		if err == nil {
			return cmd, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("start in new namespaces: %w%s", errors.Join(errs...), hint())
}

func namespaces(user bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  unix.SIGKILL,
	}
	if user {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// hint names the host's settings that commonly forbid user namespaces.
func hint() string {
	var off []string
	for path, bad := range map[string]string{
		"/proc/sys/user/max_user_namespaces":                     "0",
		"/proc/sys/kernel/unprivileged_userns_clone":             "0",
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
	} {
		if v, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(v)) == bad {
			off = append(off, path+" is "+bad)
		}
	}
	if len(off) == 0 {
		return ""
	}
	slices.Sort(off)
	return " (" + strings.Join(off, ", ") + ")"
}

// wait waits for the program inside and hands the signals that we get to it.
func wait(cmd *exec.Cmd) (code int) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // its error is the exit status, read below
		close(ended)
	}()
	for {
		select {
		case s := <-signals:
			cmd.Process.Signal(s) // it may just have ended
		case <-ended:
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
				return 128 + int(status.Signal())
			}
			return cmd.ProcessState.ExitCode()
		}
	}
}

// settle makes the new namespaces usable: mounts stay ours, /proc shows the new
// pid namespace, and loopback is up.
func settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return setUpHost()
}
