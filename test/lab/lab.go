// Package lab is what the end-to-end tests share: the daemon's binary, sites
// with a LAN host each, their configurations, and waiting for a state. The
// wires come from internal/netlab.
//
//	host-a --lan-- site-a ==wan==[switch]==wan== site-b --lan-- host-b
package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
)

// Patience is how long a condition may take to become true before a test fails:
// much longer than it ever takes, since CI's cores are shared.
const Patience = 60 * time.Second

// build builds the daemon once for a test binary, with the race detector: a race
// in the daemon is a failure.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sitebridge-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sitebridge")
	args := []string{"build", "-o", path}
	if os.Getenv("LAB_NO_RACE") == "" {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "sitebridge/cmd/sitebridge")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return path, nil
})

// Main is TestMain's body: it builds the daemon, and runs the tests in
// namespaces of their own.
func Main(m interface{ Run() int }) {
	if os.Getenv("GORACE") == "" { // else each process that ends waits for a second
		os.Setenv("GORACE", "atexit_sleep_ms=20")
	}
	if os.Getenv("LAB_BINARY") == "" {
		path, err := build()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Setenv("LAB_BINARY", path) // for the run inside
		os.Setenv("LAB_REMOVE", filepath.Dir(path))
	}
	netlab.Main(tidy{m})
}

// tidy removes the binary after the tests, wherever they run.
type tidy struct{ m interface{ Run() int } }

func (t tidy) Run() int {
	if dir := os.Getenv("LAB_REMOVE"); dir != "" {
		defer os.RemoveAll(dir)
	}
	return t.m.Run()
}

// A World is two sites, each with a LAN host, and the WAN between them.
type World struct {
	*netlab.Lab
	T            *testing.T
	Dir          string
	HostA, HostB *netlab.Namespace
	SiteA, SiteB *netlab.Namespace
	WAN          *netlab.Namespace   // the switch, with a port for each site
	allowed      []string            // see Allow
	switched     []*netlab.Namespace // hosts that are a switch, see Join
}

// Addresses of a World.
const (
	WANA, WANB     = "192.0.2.1", "192.0.2.2"
	LANA, LANB     = "10.1.0.1", "10.2.0.1"
	AddrA, AddrB   = "10.1.0.2", "10.2.0.2" // of the hosts
	LAN6A, LAN6B   = "2001:db8:1::1", "2001:db8:2::1"
	Addr6A, Addr6B = "2001:db8:1::2", "2001:db8:2::2"
)

// Secrets of a World, in the files "secret" and "secret2". No log and no answer
// of a daemon may contain one.
const (
	Secret  = "hush-hush between the sites"
	Secret2 = "psst-psst the other way round"
)

// New lays the wires: interface "lan" at each end of a LAN, "wan" between the
// sites. The hosts' default route is their site. When the test has passed, all
// that was on the wires is judged.
func New(t *testing.T) *World {
	t.Helper()
	w := Unjudged(t)
	w.judge()
	return w
}

// Unjudged is New without the judge, for a test whose wires carry more than he needs
// to see, or what no end has sent.
func Unjudged(t *testing.T) *World {
	t.Helper()
	l := netlab.New(t, "/dev/net/tun")
	w := &World{
		Lab: l, T: t, Dir: t.TempDir(),
		HostA: l.Namespace("host-a"), SiteA: l.Namespace("site-a"),
		SiteB: l.Namespace("site-b"), HostB: l.Namespace("host-b"),
		WAN: l.Namespace("wan"),
	}
	l.Veth(w.HostA, "lan", w.SiteA, "lan")
	l.Veth(w.SiteA, "wan", w.WAN, "site-a")
	l.Veth(w.SiteB, "wan", w.WAN, "site-b")
	l.Veth(w.HostB, "lan", w.SiteB, "lan")
	w.WAN.Bridge("switch", "site-a", "site-b")
	w.SiteA.Addr("wan", WANA+"/24")
	w.SiteB.Addr("wan", WANB+"/24")
	for _, lan := range []struct {
		host, site *netlab.Namespace
		addr, gw   string
		addr6, gw6 string
	}{
		{host: w.HostA, site: w.SiteA, addr: AddrA, gw: LANA, addr6: Addr6A, gw6: LAN6A},
		{host: w.HostB, site: w.SiteB, addr: AddrB, gw: LANB, addr6: Addr6B, gw6: LAN6B},
	} {
		lan.site.Addr("lan", lan.gw+"/24")
		lan.host.Addr("lan", lan.addr+"/24")
		lan.host.Route("default", lan.gw)
		lan.site.Addr("lan", lan.gw6+"/64")
		lan.host.Addr("lan", lan.addr6+"/64")
		lan.host.Route("::/0", lan.gw6)
		lan.site.Forward()
	}
	w.Write("secret", Secret+"\n")
	w.Write("secret2", Secret2+"\n")
	WriteIdentities(t, w.Dir, "a", "b")
	return w
}

// AddSite puts another site on the WAN, without a LAN.
func (w *World) AddSite(name, addr string) *netlab.Namespace {
	w.T.Helper()
	site := w.Namespace(name)
	w.Veth(site, "wan", w.WAN, name)
	w.Plug(name)
	site.Addr("wan", addr+"/24")
	site.Forward()
	return site
}

// Unplug takes a site off the WAN in silence: its interface stays up, and what
// it sends goes nowhere.
func (w *World) Unplug(site string) {
	w.T.Helper()
	port, err := w.WAN.Handle().LinkByName(site)
	if err == nil {
		err = w.WAN.Handle().LinkSetNoMaster(port)
	}
	if err != nil {
		w.T.Fatal(err)
	}
}

// Plug undoes Unplug.
func (w *World) Plug(site string) {
	w.T.Helper()
	port, err := w.WAN.Handle().LinkByName(site)
	if err != nil {
		w.T.Fatal(err)
	}
	bridge, err := w.WAN.Handle().LinkByName("switch")
	if err == nil {
		err = w.WAN.Handle().LinkSetMaster(port, bridge)
	}
	if err != nil {
		w.T.Fatal(err)
	}
}

// Write writes a file to the world's folder, readable by nobody else.
func (w *World) Write(name, text string) string {
	w.T.Helper()
	path := filepath.Join(w.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.T.Fatal(err)
	}
	return path
}

// A Daemon is one `sitebridge run`.
type Daemon struct {
	T      *testing.T
	NS     *netlab.Namespace
	Socket string
	cmd    *netlab.Cmd
	log    *os.File
	hidden hiding
	ended  chan struct{}
	err    error
	Doomed bool // its runtime is to end it: that is no fault
}

// Start starts a daemon in ns from the text of its configuration. STATUS in it
// is replaced by the control socket's path. It can write to the world's folder
// only. Its log is printed when the test fails; a data race in it, or a panic,
// fails the test.
func (w *World) Start(ns *netlab.Namespace, config string) *Daemon {
	w.T.Helper()
	return StartDaemon(w.T, w.Dir, ns, config)
}

// StartDaemon is World.Start for worlds that the test laid itself, and with more
// arguments. The configuration belongs to whomever dir belongs to.
func StartDaemon(t *testing.T, dir string, ns *netlab.Namespace, config string, args ...string) *Daemon {
	t.Helper()
	return startDaemon(t, dir, ns, config, nil, args)
}

// StartWithSockets is World.Start with open sockets, which the daemon gets as from
// systemd (sd_listen_fds(3)).
func (w *World) StartWithSockets(ns *netlab.Namespace, config string, sockets ...*os.File) *Daemon {
	w.T.Helper()
	return startDaemon(w.T, w.Dir, ns, config, sockets, nil)
}

// handOver runs a program that is handed sockets: only a shell knows the number of
// its process before it becomes that program.
const handOver = `LISTEN_PID=$$ LISTEN_FDS=%d exec "$0" "$@"`

func startDaemon(t *testing.T, dir string, ns *netlab.Namespace, config string, sockets []*os.File, args []string) *Daemon {
	t.Helper()
	n := 0
	var file string
	for { // a test may start a site's daemon more than once
		file = filepath.Join(dir, fmt.Sprintf("%s-%d.toml", ns.Name(), n))
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			break
		}
		n++
	}
	d := &Daemon{T: t, NS: ns, Socket: strings.TrimSuffix(file, ".toml") + ".sock", ended: make(chan struct{})}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "STATUS", d.Socket)), 0o600); err != nil {
		t.Fatal(err)
	}
	home, err := os.Stat(dir)
	if err == nil {
		err = os.Chown(file, int(home.Sys().(*syscall.Stat_t).Uid), int(home.Sys().(*syscall.Stat_t).Gid))
	}
	if err != nil {
		t.Fatal(err)
	}
	if d.log, err = os.Create(strings.TrimSuffix(file, ".toml") + ".log"); err != nil {
		t.Fatal(err)
	}
	command := append([]string{os.Getenv("LAB_BINARY"), "run", "--verbose", "--config", file}, args...)
	if len(sockets) > 0 {
		command = append([]string{"sh", "-c", fmt.Sprintf(handOver, len(sockets))}, command...)
	}
	d.cmd = ns.Command(command[0], command[1:]...).ReadOnly(dir)
	d.cmd.ExtraFiles = sockets
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(d.cleanup)
	return d
}

func (d *Daemon) cleanup() {
	select {
	case <-d.ended:
	default:
		d.Stop()
	}
	log := d.Log()
	d.log.Close()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "\npanic: ") || !d.Doomed && strings.Contains(log, "\nfatal error: ") {
		d.T.Errorf("%s: the daemon's log holds a race or a panic", d.NS.Name())
	}
	d.wantNoSecret("the daemon's log", log)
	if d.T.Failed() {
		d.T.Logf("log of %s:\n%s", d.NS.Name(), log)
	}
}

// Log returns all that the daemon has logged so far.
func (d *Daemon) Log() string {
	b, err := os.ReadFile(d.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Stop asks the daemon to stop, waits for it, and fails the test unless it ends
// in order.
func (d *Daemon) Stop() {
	d.T.Helper()
	d.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
		if d.err != nil {
			d.T.Errorf("%s: the daemon ended: %v", d.NS.Name(), d.err)
		}
	case <-time.After(Patience):
		d.Signal(syscall.SIGQUIT) // goroutines to the log
		<-d.ended
		d.T.Errorf("%s: the daemon does not stop", d.NS.Name())
	}
}

// Kill ends the daemon without a goodbye.
func (d *Daemon) Kill() {
	d.Signal(syscall.SIGKILL)
	<-d.ended
}

// Signal sends a signal to the daemon, such as SIGSTOP.
func (d *Daemon) Signal(s syscall.Signal) { d.cmd.Process.Signal(s) }

// Pid returns the daemon's process.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Ended is closed when the daemon has ended.
func (d *Daemon) Ended() <-chan struct{} { return d.ended }

// Status asks the daemon how things stand.
func (d *Daemon) Status() (s bridge.Status, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var answer json.RawMessage
	if err := (bridge.Client{Socket: d.Socket}).Get(ctx, "/v1/status", &answer); err != nil {
		return s, err
	}
	d.wantNoSecret("status", string(answer))
	return s, json.Unmarshal(answer, &s)
}

// Site returns how one site stands; the zero status while the daemon does not
// answer.
func (d *Daemon) Site(name string) bridge.SiteStatus {
	s, err := d.Status()
	if err != nil {
		return bridge.SiteStatus{}
	}
	for _, site := range s.Sites {
		if site.Name == name {
			return site
		}
	}
	d.T.Fatalf("%s has no site %q", d.NS.Name(), name)
	return bridge.SiteStatus{}
}

// WaitSite waits until the site stands as wanted, and returns how.
func (d *Daemon) WaitSite(name, what string, want func(bridge.SiteStatus) bool) (s bridge.SiteStatus) {
	d.T.Helper()
	Wait(d.T, fmt.Sprintf("%s: site %s: %s", d.NS.Name(), name, what), func() bool {
		select {
		case <-d.ended:
			d.T.Fatalf("%s: the daemon ended: %v\n%s", d.NS.Name(), d.err, d.Log())
		default:
		}
		s = d.Site(name)
		return s.State != "" && want(s)
	})
	return s
}

// WaitUp waits until the site is up.
func (d *Daemon) WaitUp(name string) bridge.SiteStatus {
	d.T.Helper()
	return d.WaitSite(name, "up", func(s bridge.SiteStatus) bool { return s.State == bridge.StateUp })
}

// Run runs a command of the program against the daemon, as an operator does:
// Run("ipx", "routes"). It returns both outputs and the exit code.
func (d *Daemon) Run(args ...string) (stdout, stderr string, code int) {
	d.T.Helper()
	n := 1
	if args[0] == "ipx" {
		n = 2
	}
	all := append(append(append([]string(nil), args[:n]...), "--socket", d.Socket), args[n:]...)
	cmd := d.NS.Command(os.Getenv("LAB_BINARY"), all...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.T.Fatal(err)
	}
	d.wantNoSecret(strings.Join(args, " "), out.String()+errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Wait waits until a condition is true, and fails the test when it takes longer
// than Patience.
func Wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
