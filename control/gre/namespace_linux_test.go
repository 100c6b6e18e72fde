package gre

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideNamespace is set in the environment of a test binary that was started
// again in namespaces of its own.
const insideNamespace = "GRE_TEST_INSIDE_NAMESPACE"

// inNamespace runs f in a network namespace where we are root and only lo is
// there: it starts the test binary again, for this one test. Where that cannot
// be done the test is skipped, or fails if REQUIRE_NETNS is set.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	if os.Getenv(insideNamespace) != "" {
		if err := loopbackUp(); err != nil {
			t.Fatalf("bring lo up: %v", err)
		}
		f()
		return
	}
	out, err := again("-test.run", "^"+regexp.QuoteMeta(t.Name())+"$", "-test.timeout", "60s")
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &exit):
		t.Errorf("in its own namespace: %v\n%s", err, out)
	case os.Getenv("REQUIRE_NETNS") != "":
		t.Fatalf("no namespace to test in: %v", err)
	default:
		t.Skipf("no namespace to test in: %v", err)
	}
}

func again(args ...string) ([]byte, error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), insideNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	return cmd.CombinedOutput()
}

func loopbackUp() error {
	return onLoopback(func(fd int, lo *unix.Ifreq) error {
		lo.SetUint16(unix.IFF_UP)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
	})
}

func setLoopbackMTU(t *testing.T, mtu uint32) {
	t.Helper()
	if err := onLoopback(func(fd int, lo *unix.Ifreq) error {
		lo.SetUint32(mtu)
		return unix.IoctlIfreq(fd, unix.SIOCSIFMTU, lo)
	}); err != nil {
		t.Fatalf("set MTU of lo: %v", err)
	}
}

func onLoopback(f func(fd int, lo *unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	return f(fd, lo)
}

// dropCapabilities takes all capabilities from the calling thread, which is
// locked to the test's goroutine and ends with it.
func dropCapabilities(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&hdr, &none[0]); err != nil {
		t.Fatal(fmt.Errorf("drop capabilities: %w", err))
	}
}
