package privilege

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

// bareAs makes the test binary call Drop, for the user that it names, and then become
// a program that shows what it may. With "filtered" in front, it may not call capset.
const bareAs = "PRIVILEGE_TEST_BARE"

func becomeBare(name string) error {
	name, filtered := strings.CutPrefix(name, "filtered ")
	if name != "never dropped" {
		who, err := Lookup(name)
		if err != nil {
			return err
		}
		if _, err := Drop(who); err != nil {
			return err
		}
	}
	runtime.LockOSThread()
	if filtered {
		if err := denyCapset(); err != nil {
			return err
		}
	}
	return Bare("/bin/cat", []string{"cat", "/proc/self/status"}, nil)
}

// denyCapset does what SystemCallFilter=~@privileged of a unit does, to one call
// (seccomp(2)).
func denyCapset() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_CAPSET},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return errno
	}
	return nil
}

// Row H5: what the daemon starts has no capability, whoever the daemon is, and whatever
// its supervisor lets it call.
func TestAttackH5Bare(t *testing.T) {
	netlab.New(t)
	const none, ours = "0000000000000000", needed
	for _, c := range []struct{ as, inheritable, bounding string }{
		{"never dropped", none, none},
		{"", none, ours},
		{"1000:1000", none, ours},
		// An inheritable set without the others, and with no_new_privs, gives nothing.
		{"filtered 1000:1000", ours, ours},
	} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), bareAs+"="+c.as, "GORACE=atexit_sleep_ms=20")
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		want := "CapInh:\t" + c.inheritable + "\nCapPrm:\t" + none + "\nCapEff:\t" + none + "\nCapBnd:\t" + c.bounding + "\nCapAmb:\t" + none + "\nNoNewPrivs:\t1\n"
		if got := credentials(string(out)); err != nil || !strings.HasSuffix(got, want) {
			t.Errorf("%q: %v\n%s", c.as, err, out)
		}
	}
}

// Root that cannot give its capabilities away does not become the program with them.
func TestBareFailsShut(t *testing.T) {
	netlab.New(t)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), bareAs+"=filtered ", "GORACE=atexit_sleep_ms=20")
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "set the capabilities") {
		t.Errorf("%v\n%s", err, out)
	}
}
