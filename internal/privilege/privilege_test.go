package privilege

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

// dropAs makes the test binary call Drop, for the user that it names, and tell
// what it is then.
const dropAs = "PRIVILEGE_TEST_USER"

// andAgain makes it start itself once more after that, as a supervisor would that
// has done everything already.
const andAgain = "PRIVILEGE_TEST_AGAIN"

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(bareAs); ok {
		fmt.Println(becomeBare(name))
		os.Exit(1)
	}
	if name, ok := os.LookupEnv(dropAs); ok {
		if err := dropAndTell(name); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	netlab.Main(m)
}

func dropAndTell(name string) error {
	who, err := Lookup(name)
	if err != nil {
		return err
	}
	if _, err := Drop(who); err != nil {
		return err
	}
	if os.Getenv(andAgain) != "" {
		os.Unsetenv(andAgain)
		return unix.Exec(self, os.Args, os.Environ())
	}
	var signal int32
	unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&signal)), 0)
	fmt.Printf("Dumpable:\t%d\nDeathSignal:\t%d\nMark:\t%q\nArgs:\t%v\n", ask(unix.PR_GET_DUMPABLE, 0, 0), signal, os.Getenv(again), os.Args[1:])
	return tellThreads()
}

// tellThreads prints the state of the threads, which must be the same for all.
func tellThreads() error {
	more := make(chan struct{})
	for range 5 {
		go func() {
			more <- struct{}{}
			unix.Pause()
		}()
		<-more
	}
	files, err := filepath.Glob("/proc/self/task/*/status")
	if len(files) < 5 {
		return errors.Join(err, fmt.Errorf("only %d threads", len(files)))
	}
	var first string
	for i, file := range files {
		status, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lines := credentials(string(status))
		if i == 0 {
			first = lines
		}
		if lines != first {
			return fmt.Errorf("threads differ:\n%s\n%s", first, lines)
		}
	}
	comm, err := os.ReadFile("/proc/self/comm")
	fmt.Print(first, "Name:\t", string(comm))
	return err
}

// credentials picks the lines of a thread's status that Drop is about.
func credentials(status string) (lines string) {
	for line := range strings.Lines(status) {
		for _, key := range []string{"Cap", "NoNewPrivs:", "Uid:", "Gid:", "Groups:"} {
			if strings.HasPrefix(line, key) {
				lines += strings.TrimRight(line, " \n") + "\n"
			}
		}
	}
	return lines
}

const (
	needed = "0000000000003000"
	// dropped is what credentials shows after Drop, but for who we are.
	dropped = "CapInh:\t" + needed + "\nCapPrm:\t" + needed + "\nCapEff:\t" + needed + "\nCapBnd:\t" + needed + "\nCapAmb:\t" + needed + "\nNoNewPrivs:\t1\n"
)

// drop runs Drop in a process of its own that attr describes.
func drop(t *testing.T, name, file string, attr *syscall.SysProcAttr) (out string, err error) {
	t.Helper()
	netlab.New(t) // where there are no namespaces, there is no root either
	cmd := exec.Command(file, "-one", "two words")
	cmd.Args[0] = "/somewhere/else/sitebridge"
	cmd.Env = append(os.Environ(), dropAs+"="+name, "GORACE=atexit_sleep_ms=20")
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	b, err := cmd.CombinedOutput()
	return string(b), err
}

const self = "/proc/self/exe"

func wantLines(t *testing.T, out string, err error, lines ...string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range lines {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func wantFailure(t *testing.T, out string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("it worked:\n%s", out)
	}
	for _, want := range words {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestRootKeepsTwoCapabilities(t *testing.T) {
	out, err := drop(t, "", self, &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM})
	wantLines(t, out, err, dropped, "Uid:\t0\t0\t0\t0\n",
		"Name:\tsitebridge\n", "[-one two words]", "Mark:\t\"\"\n", "Dumpable:\t0\n", "DeathSignal:\t15\n")
}

func TestRootOfAUserNamespace(t *testing.T) {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	out, err := drop(t, "", self, attr)
	wantLines(t, out, err, dropped, "Uid:\t0\t0\t0\t0\n")

	out, err = drop(t, "4242:4242", self, attr)
	wantFailure(t, out, err, "become user 4242:4242", "set the groups")
}

// needRoot skips what only the real root can do: be somebody else.
func needRoot(t *testing.T) {
	t.Helper()
	if m, err := os.ReadFile("/proc/self/uid_map"); os.Getuid() != 0 || err != nil || !strings.Contains(string(m), "4294967295") {
		t.Skip("only the real root can be somebody else")
	}
}

func TestRootBecomesAUser(t *testing.T) {
	needRoot(t)
	attr := &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM, Credential: &syscall.Credential{Groups: []uint32{0, 7}}}
	for name, want := range map[string]string{
		"4242:4343": "Uid:\t4242\t4242\t4242\t4242\nGid:\t4343\t4343\t4343\t4343\nGroups:\t4343\n",
		"nobody":    "Uid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534\nGroups:\t65534\n",
	} {
		out, err := drop(t, name, self, attr)
		wantLines(t, out, err, want, dropped, "Dumpable:\t0\n", "DeathSignal:\t15\n")
	}
}

// stranger is a user who has been given some ambient capabilities, as systemd does.
func stranger(ambient ...uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242, Gid: 4242}, AmbientCaps: ambient}
}

// A program that is started again by its path in /proc is called "exe", and Drop
// gives it its name back.
func TestSupervisorHasDoneItAll(t *testing.T) {
	t.Setenv(andAgain, "1")
	out, err := drop(t, "", self, nil)
	wantLines(t, out, err, dropped, "Name:\texe\n", "Dumpable:\t0\n")
}

// A user without CAP_SETPCAP keeps the bounding set, which is good for nothing any
// more.
const droppedByUser = "CapInh:\t" + needed + "\nCapPrm:\t" + needed + "\nCapEff:\t" + needed + "\n"

func TestUserWithAmbientCapabilities(t *testing.T) {
	needRoot(t)
	for name, attr := range map[string]*syscall.SysProcAttr{
		"the two":   stranger(unix.CAP_NET_ADMIN, unix.CAP_NET_RAW),
		"more":      stranger(unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN),
		"even pcap": stranger(unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SETPCAP),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := drop(t, "", self, attr)
			wantLines(t, out, err, droppedByUser, "NoNewPrivs:\t1\n", "CapAmb:\t"+needed, "Uid:\t4242\t4242\t4242\t4242\n")
		})
	}
	out, err := drop(t, "4242:4242", self, stranger(unix.CAP_NET_ADMIN, unix.CAP_NET_RAW))
	wantLines(t, out, err, droppedByUser)
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	needRoot(t)
	for name, c := range map[string]struct {
		user  string
		attr  *syscall.SysProcAttr
		words []string
	}{
		"none":         {"", stranger(), []string{"missing capabilities: CAP_NET_ADMIN CAP_NET_RAW:", "AmbientCapabilities", "setcap cap_net_admin,cap_net_raw=ep /", "root"}},
		"one":          {"", stranger(unix.CAP_NET_ADMIN), []string{"missing capabilities: CAP_NET_RAW:"}},
		"to become":    {"4343:4343", stranger(unix.CAP_NET_ADMIN, unix.CAP_NET_RAW), []string{"cannot become user 4343:4343", "missing capabilities: CAP_SETGID CAP_SETUID:"}},
		"no such user": {"no-such-user", nil, []string{`there is no user "no-such-user"`, "useradd"}},
		"no numbers":   {"4242:", nil, []string{`"4242:" is not a user`, "998:998"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := drop(t, c.user, self, c.attr)
			wantFailure(t, out, err, c.words...)
		})
	}
}

// withFileCapabilities copies the test binary to a place where anybody may execute
// it, and gives it the two capabilities (capabilities(7), "File capabilities").
func withFileCapabilities(t *testing.T, effective bool) string {
	t.Helper()
	netlab.New(t) // the mount below stays in a namespace of the tests
	dir, err := os.MkdirTemp("", "privilege")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil { // /tmp may be mounted nosuid
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "program")
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	flags := uint32(0x02000000)
	if effective {
		flags |= 1
	}
	xattr := binary.LittleEndian.AppendUint32(nil, flags)
	xattr = binary.LittleEndian.AppendUint32(xattr, uint32(Needed))
	xattr = append(xattr, bytes.Repeat([]byte{0}, 12)...)
	if err := unix.Setxattr(file, "security.capability", xattr, 0); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestUserWithFileCapabilities(t *testing.T) {
	needRoot(t)
	out, err := drop(t, "", withFileCapabilities(t, true), stranger())
	wantLines(t, out, err, "CapPrm:\t"+needed+"\nCapEff:\t"+needed+"\n", "NoNewPrivs:\t1\n", "Uid:\t4242\t4242\t4242\t4242\n")
}

// File capabilities that are not effective are gone again after every exec: the
// second start is the last.
func TestSecondStartIsTheLast(t *testing.T) {
	needRoot(t)
	out, err := drop(t, "", withFileCapabilities(t, false), stranger())
	wantFailure(t, out, err, "after a second start the effective capabilities are none", "setcap cap_net_admin,cap_net_raw=ep /")
}

func TestOthersMustBeAbleToExecuteIt(t *testing.T) {
	needRoot(t)
	file := withFileCapabilities(t, true)
	if err := os.Chmod(file, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := drop(t, "4242:4242", file, nil)
	wantFailure(t, out, err, "permission denied", "chmod 0755 "+file)
}
