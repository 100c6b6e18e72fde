package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sitebridge/bridge/config"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
)

// socket returns a control socket that answers {}, and its path.
func socket(t *testing.T) string {
	t.Helper()
	return socketOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, struct{}{}) }))
}

// socketOf returns the path of a control socket that answers as h does.
func socketOf(t *testing.T, h http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serveAPI(ctx, l, h, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestControlSocket(t *testing.T) {
	path := socket(t)
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o660 {
		t.Errorf("socket has mode %v (%v), want 0660", fi.Mode(), err)
	}
	var got struct{}
	if err := (Client{path}).Get(t.Context(), "/v1/status", &got); err != nil {
		t.Error(err)
	}
	if _, err := listenSocket(path); err == nil || !strings.Contains(err.Error(), "another sitebridge answers there") {
		t.Errorf("a second daemon on one socket: %v", err)
	}
}

func TestNoSuchSite(t *testing.T) {
	many := make([]string, 25)
	for i := range many {
		many[i] = "b" + strconv.Itoa(i)
	}
	for want, known := range map[string][]string{
		`no site "brnch" in the configuration, which has branch, hq`: {"branch", "hq"},
		", b18, b19 and 5 more": many,
	} {
		if got := noSite("brnch", known).Error(); !strings.HasSuffix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What there is none of is an empty array in JSON.
func TestNoIPXTables(t *testing.T) {
	planes, err := openIPX(t.Context(), &config.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := configured(&config.Config{})
	d.ipx = planes
	if b, err := json.Marshal(d.ipxTables()); err != nil || string(b) != `{"routes":[],"services":[],"nodes":[]}` {
		t.Errorf("%s, %v", b, err)
	}
}

// A network alone is the inside of its server.
func TestPingTarget(t *testing.T) {
	if n, node, err := parseTarget("10"); err != nil || n != 0x10 || node != ipx.ServerNode {
		t.Errorf("%v:%v, %v", n, node, err)
	}
}

func TestSocketOfACrashedDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := listenSocket(path)
	if err != nil {
		t.Fatalf("listenSocket = %v", err)
	}
	again.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(path); err == nil {
		t.Error("a file that is no socket was replaced")
	}
}

func TestNobodyAnswers(t *testing.T) {
	err := Client{filepath.Join(t.TempDir(), "none")}.Get(t.Context(), "/v1/status", new(struct{}))
	if err == nil || !strings.Contains(err.Error(), "no sitebridge answers on") {
		t.Errorf("Get = %v", err)
	}
}

// asUser makes the test binary a client of the socket, under another identity.
const asUser = "BRIDGE_TEST_SOCKET"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == HookHelper {
		fmt.Fprintln(os.Stderr, BecomeHook(os.Args[2:]))
		os.Exit(1)
	}
	if path := os.Getenv(asUser); path != "" {
		if err := (Client{path}).Get(context.Background(), "/v1/status", new(struct{})); err != nil {
			os.Stdout.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	netlab.Main(m)
}

// Row H1: who may use the socket is decided by credentials and not by a
// password. The mode is opened here, so that only the credentials decide.
func TestAttackH1SocketCredentials(t *testing.T) {
	if m, err := os.ReadFile("/proc/self/uid_map"); os.Getuid() != 0 || err != nil || !strings.Contains(string(m), "4294967295") {
		t.Skip("only the real root can be somebody else")
	}
	path := socket(t)
	for p := filepath.Dir(path); p != "/"; p = filepath.Dir(p) {
		if fi, err := os.Stat(p); err == nil && fi.Mode().Perm()&0o5 == 0 {
			os.Chmod(p, fi.Mode().Perm()|0o5)
		}
	}
	const group = 4242
	if err := os.Chown(path, 0, group); err != nil {
		t.Fatal(err)
	}
	if err := unix.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(filepath.Dir(path), "client") // the test binary lies where others may not go
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cred syscall.Credential
		may  bool
	}{
		{"root", syscall.Credential{}, true},
		{"a stranger", syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: false}, false},
		{"of the group", syscall.Credential{Uid: 65534, Gid: group}, true},
		{"of the group, among others", syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{7, group}}, true},
		{"of other groups", syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{7, 8}}, false},
	} {
		cmd := exec.Command(exe)
		cmd.Env = []string{asUser + "=" + path}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &c.cred}
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.may {
			t.Errorf("%s: %v %s, may %v", c.name, err, out, c.may)
		}
	}
}
