package e2e

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 the hash that MS-CHAPv2 makes of a secret
	"golang.org/x/sys/unix"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

// netCapabilities is CAP_NET_ADMIN and CAP_NET_RAW as /proc shows them.
const netCapabilities = "0000000000003000"

// wantDropped looks at every thread of a process: each set of capabilities has the
// two that are needed and no other, and no_new_privs is set.
func wantDropped(t *testing.T, pid, uid int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("process %d has %d threads, %v", pid, len(threads), err)
	}
	want := []string{"NoNewPrivs:\t1", fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", uid), fmt.Sprintf("Gid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", uid)}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		want = append(want, set+":\t"+netCapabilities)
	}
	for _, file := range threads {
		status, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has just ended
		} else if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(status), "\n")
		for _, line := range want {
			if !slices.Contains(lines, line) {
				t.Errorf("no %q in %s:\n%s", line, file, status)
			}
		}
	}
}

// wantReadOnly looks at the mounts of a process: it can write to one directory
// only.
func wantReadOnly(t *testing.T, pid int, writable string) {
	t.Helper()
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) { // proc_pid_mountinfo(5)
		f := strings.Fields(line)
		if at, ro := f[4], slices.Contains(strings.Split(f[5], ","), "ro"); ro == (at == writable) {
			t.Errorf("%s is mounted with %s", at, f[5])
		}
	}
}

// inMountsOf runs fn where a process has its file systems.
func inMountsOf(t *testing.T, ns *netlab.Namespace, pid int, fn func()) {
	t.Helper()
	err := ns.Do(func() error {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns(2) asks for that
			return err
		}
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNS); err != nil {
			return err
		}
		fn()
		return nil
	})
	if err != nil {
		t.Errorf("enter the mounts of %d: %v", pid, err)
	}
}

// Row H5: the daemons of all these tests run with the two capabilities, with
// no_new_privs, and where everything is read-only but the folder of their control
// socket.
func TestAttackH5Privileges(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	w.WantPing(w.HostA, lab.AddrB)
	for _, d := range []*lab.Daemon{a, b} {
		wantDropped(t, d.Pid(), 0)
		wantReadOnly(t, d.Pid(), w.Dir)
		inMountsOf(t, d.NS, d.Pid(), func() {
			for _, path := range []string{"/sitebridge-test", "/etc/passwd", "/run/sitebridge-test", "/tmp/sitebridge-test", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/core_pattern"} {
				if err := os.WriteFile(path, []byte("1"), 0o600); !errors.Is(err, unix.EROFS) {
					t.Errorf("write to %s: %v, want that it is read-only", path, err)
				}
			}
			if err := os.WriteFile(filepath.Join(w.Dir, "written-as-"+d.NS.Name()), nil, 0o600); err != nil {
				t.Error(err)
			}
		})
		for _, want := range []string{`msg=privileges uid=0 gid=0 capabilities="CAP_NET_ADMIN CAP_NET_RAW" no_new_privs=true`, "running as root: it can still write all of root's files"} {
			if !strings.Contains(d.Log(), want) {
				t.Errorf("%s: the log does not say %q:\n%s", d.NS.Name(), want, d.Log())
			}
		}
	}
}

// needRoot skips what only the real root can do: be somebody else.
func needRoot(t *testing.T) {
	t.Helper()
	if m, err := os.ReadFile("/proc/self/uid_map"); os.Getuid() != 0 || err != nil || !strings.Contains(string(m), "4294967295") {
		t.Skip("only the real root can be somebody else")
	}
}

const stranger = 4242 // a user without a name

// TestDaemonAsItsOwnUser: started as root with --user, it carries IP and IPX as
// that user, and takes everything away again at its end.
func TestDaemonAsItsOwnUser(t *testing.T) {
	needRoot(t)
	t.Parallel()
	w := lab.New(t)
	everybodysTUN(t)
	a := w.Start(w.SiteA, lab.Config{}.A())
	home, err := os.MkdirTemp("", "sitebridge-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	secret := filepath.Join(home, "secret")
	if err := errors.Join(
		os.WriteFile(secret, []byte(lab.Secret), 0o600),
		os.Chown(secret, stranger, stranger),
		os.Chown(home, stranger, stranger),
	); err != nil {
		t.Fatal(err)
	}
	b := lab.StartDaemon(t, home, w.SiteB, lab.Config{}.B(), "--user", fmt.Sprintf("%[1]d:%[1]d", stranger))
	b.WaitUp("a")
	a.WaitUp("b")
	w.WantPing(w.HostB, lab.AddrA)
	wantDropped(t, b.Pid(), stranger)
	var st unix.Stat_t
	if err := unix.Stat(b.Socket, &st); err != nil || st.Uid != stranger || st.Gid != stranger || st.Mode&0o777 != 0o660 {
		t.Errorf("the control socket is of %d:%d with mode %o, %v", st.Uid, st.Gid, st.Mode&0o777, err)
	}
	// What lies in /proc of a process that leaves no core file is root's (proc(5)).
	if err := unix.Stat(fmt.Sprintf("/proc/%d/maps", b.Pid()), &st); err != nil || st.Uid != 0 {
		t.Errorf("users like it may read its memory: of user %d, %v", st.Uid, err)
	}
	if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", b.Pid())); string(comm) != "sitebridge\n" {
		t.Errorf("ps shows %q", comm)
	}
	b.Stop()
	wantClean(t, w, w.SiteB)
	if _, err := os.Stat(b.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the control socket is still there: %v", err)
	}
}

// everybodysTUN lets every user open /dev/net/tun, as udev's rules do on most
// systems; what makes an interface of it is the capability.
func everybodysTUN(t *testing.T) {
	t.Helper()
	const tun = "/dev/net/tun"
	var st unix.Stat_t
	if err := unix.Stat(tun, &st); err != nil || st.Mode&0o006 == 0o006 {
		return
	}
	dir := t.TempDir()
	node := filepath.Join(dir, "tun")
	if err := errors.Join(
		unix.Mount("tmpfs", dir, "tmpfs", 0, ""), // the file system of dir may have no devices
		unix.Mknod(node, unix.S_IFCHR, int(st.Rdev)),
		os.Chmod(node, 0o666),
		unix.Mount(node, tun, "", unix.MS_BIND, ""),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { errors.Join(unix.Unmount(tun, unix.MNT_DETACH), unix.Unmount(dir, unix.MNT_DETACH)) })
}

// An ear is a socket that waits for others.
type ear struct{ protocol, at string }

// ears lists those in the network of a process: TCP in the state LISTEN, every
// UDP socket, and the unix sockets that accept connections (proc_pid_net(5)).
func ears(t *testing.T, pid int) (list []ear) {
	t.Helper()
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "unix"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without it
		} else if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
			f := strings.Fields(line)
			switch {
			case strings.HasPrefix(table, "tcp") && f[3] != "0A":
			case table != "unix":
				list = append(list, ear{table, f[1]})
			case f[3] == "00010000" && len(f) > 7:
				list = append(list, ear{table, f[7]})
			case f[3] == "00010000":
				list = append(list, ear{table, "without a name"})
			}
		}
	}
	return list
}

const (
	metricsAt = "127.0.0.1:9723"
	pageAt    = "127.0.0.1:8723"
)

// Row H1: who scans a site's ports finds the one for calls, and on loopback that of
// the metrics and of the status page where they are asked for. Everything else is a unix socket: the control socket, and the name by which two daemons on one host
// notice each other, where nobody answers.
func TestAttackH1Ports(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{}.A())
	b := w.Start(w.SiteB, lab.Config{Daemon: "metrics = \"" + metricsAt + "\"\nweb = \"" + pageAt + `"`}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	// Of the three sockets of the UDP port, two are to send with, and can be sent nothing.
	tunnels := []ear{{"udp", "00000000:1292"}, {"udp", "FFFFFFFF:1292"}, {"udp", "FFFFFFFF:1292"}}
	for _, c := range []struct {
		daemon *lab.Daemon
		want   []ear
	}{
		{a, []ear{{"tcp", "00000000:06BB"}, tunnels[0], tunnels[1], tunnels[2], {"unix", a.Socket}, {"unix", "@sitebridge"}}},
		{b, []ear{{"tcp", "0100007F:2213"}, {"tcp", "0100007F:25FB"}, tunnels[0], tunnels[1], tunnels[2], {"unix", b.Socket}, {"unix", "@sitebridge"}}},
	} {
		got := ears(t, c.daemon.Pid())
		slices.SortFunc(got, func(a, b ear) int { return strings.Compare(a.protocol+a.at, b.protocol+b.at) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s listens on %v, want %v", c.daemon.NS.Name(), got, c.want)
		}
		if fi, err := os.Stat(c.daemon.Socket); err != nil || fi.Mode().Perm() != 0o660 {
			t.Errorf("%s: the control socket has mode %v (%v), want 0660", c.daemon.NS.Name(), fi.Mode(), err)
		}
	}
	t.Run("foreign users", func(t *testing.T) { wantForeignersRefused(t, w, a) })
}

// wantForeignersRefused asks the daemon under another user, who can reach its
// socket: the mode refuses him, and where that does not, his credentials.
func wantForeignersRefused(t *testing.T, w *lab.World, d *lab.Daemon) {
	needRoot(t)
	if err := os.Chmod(filepath.Dir(w.Dir), 0o711); err != nil {
		t.Fatal(err)
	}
	program, err := os.Open(os.Getenv("LAB_BINARY")) // lies where others may not go
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	ask := func(uid uint32) (string, error) {
		cmd := d.NS.Command("/proc/self/fd/3", "status", "--json", "--socket", d.Socket)
		cmd.ExtraFiles = []*os.File{program}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := ask(0); err != nil || !strings.Contains(out, `"sites"`) {
		t.Errorf("root: %v\n%s", err, out)
	}
	for _, mode := range []os.FileMode{0o660, 0o666} {
		if err := os.Chmod(d.Socket, mode); err != nil {
			t.Fatal(err)
		}
		if out, err := ask(stranger); err == nil || strings.Contains(out, `"sites"`) {
			t.Errorf("a stranger, with mode %o: %v\n%s", mode, err, out)
		}
	}
}

// secrets are those of a World, as octets that may stand in a text: passwords, what
// is made of them, and the private keys of its certificates.
func secrets(t *testing.T, w *lab.World) (all [][]byte) {
	t.Helper()
	for _, password := range []string{lab.Secret, lab.Secret2} {
		var wide []byte
		for _, u := range utf16.Encode([]rune(password)) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		hash := md4.New() // RFC 2759, section 8.3: as good as the password itself
		hash.Write(wide)
		all = append(all, []byte(password), wide, hash.Sum(nil))
	}
	for _, file := range []string{"a.key", "b.key"} {
		text, err := os.ReadFile(filepath.Join(w.Dir, file))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		number, err := key.(*ecdsa.PrivateKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, number, []byte(strings.Split(string(text), "\n")[2])) // a line of base64
	}
	return all
}

// wantNoSecret looks in whatever was said for secrets, as they are and as programs
// print octets.
func wantNoSecret(t *testing.T, secrets [][]byte, where, text string) {
	t.Helper()
	for i, secret := range secrets {
		for how, form := range []string{
			string(secret),
			hex.EncodeToString(secret),
			strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "="),
			strings.Trim(fmt.Sprint(secret), "[]"),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}"),
		} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
				t.Errorf("%s holds secret %d in form %d", where, i, how) // not shown here either
			}
		}
	}
}

// Row H3: the secrets are in no log, even with all details and with the stacks of
// every goroutine, in no answer to an operator and in no message.
func TestAttackH3SecretsAreNeverShown(t *testing.T) {
	const metrics = "metrics = \"" + metricsAt + "\"\nweb = \"" + pageAt + `"`
	for name, c := range map[string]struct{ right, wrong lab.Config }{
		"passwords": {
			right: lab.Config{Daemon: metrics},
			wrong: lab.Config{Auth: "methods = [\"mschapv2\"]\nsecret_out_file = \"secret2\""},
		},
		"certificates": {
			right: lab.Config{Daemon: metrics}.Certified(),
			wrong: lab.Config{Auth: "ca = \"ca.pem\"\npeer_name = \"somebody\""}.Certified(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			hidden := secrets(t, w)
			stop := w.Capture(w.SiteA, "wan")
			a := w.Start(w.SiteA, c.right.A())
			wrong := w.Start(w.SiteB, c.wrong.B())
			wrong.WaitSite("a", "a reason why not", func(s bridge.SiteStatus) bool { return s.State == bridge.StateWaiting })
			wrong.Stop()
			b := w.Start(w.SiteB, c.right.B())
			a.WaitUp("b")
			b.WaitUp("a")
			askEverything(t, w, b, hidden)
			for _, command := range []string{"check", "run"} {
				file := w.Write("faulty.toml", strings.ReplaceAll(c.right.A(), "[lan.lan]", "[lan.lan]\nmistake = 1"))
				out, _ := w.Command(w.SiteA, command, "--config", file)
				wantNoSecret(t, hidden, command+" of a faulty file", out)
			}
			for _, d := range []*lab.Daemon{a, b} {
				d.Signal(syscall.SIGQUIT)
				<-d.Ended()
				if !strings.Contains(d.Log(), "goroutine ") {
					t.Errorf("%s: no stacks in the log", d.NS.Name())
				}
			}
			for name, d := range map[string]*lab.Daemon{"a": a, "b": b, "b when it was wrong": wrong} {
				wantNoSecret(t, hidden, "the log of "+name, d.Log())
			}
			wire, err := os.ReadFile(stop())
			if err != nil {
				t.Fatal(err)
			}
			wantNoSecret(t, hidden, "the capture of the WAN", string(wire))
		})
	}
}

// askEverything asks a daemon all that an operator can, and looks at the answers.
func askEverything(t *testing.T, w *lab.World, d *lab.Daemon, hidden [][]byte) {
	t.Helper()
	for _, args := range [][]string{
		{"status"}, {"status", "--json"}, {"ipx", "routes"}, {"ipx", "services"}, {"ipx", "nodes"},
		{"down", "a"}, {"status", "a"}, {"up", "a"}, {"up", "nobody"},
	} {
		out, errs, _ := d.Run(args...)
		wantNoSecret(t, hidden, strings.Join(args, " "), out+errs)
	}
	d.WaitUp("a")
	for _, c := range []struct{ at, path, has string }{
		{metricsAt, "/metrics", "# HELP"},
		{pageAt, "/", "<!doctype html>"},
		{pageAt, "/v1/status", `"sites":`},
		{pageAt, "/v1/ipx", `"routes":`},
	} {
		conn := w.Dial(d.NS, c.at)
		fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", c.path, c.at)
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), c.has) {
			t.Errorf("%s: %v\n%s", c.path, err, answer)
		}
		wantNoSecret(t, hidden, c.path, string(answer))
	}
}
