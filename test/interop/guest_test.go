package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A guest is a running User-Mode Linux with one of the real peers in it.
type guest struct {
	lab *lab
	dir string
}

// boot starts a guest that runs until the test ends. A server waits for calls at
// once; again gives it other PPP options.
func (l *lab) boot(t *testing.T, role, addr string, args ...string) *guest {
	t.Helper()
	g := &guest{lab: l, dir: filepath.Join(l.dir, role)}
	all := []string{"start", g.dir, "--netns", l.name, "--role", role, "--addr", addr + "/24", "--lifetime", "600"}
	if out, err := umlpeer(append(all, args...)...); err != nil {
		t.Fatalf("boot the guest: %v\n%s", err, out)
	}
	t.Cleanup(func() { g.end() })
	l.prod(t, addr)
	return g
}

// prod sends something to a guest all the time: its NIC now and then keeps a frame
// until the next one comes, and who waits for it repeats what he said. pppd takes that
// for a wish to negotiate anew.
func (l *lab) prod(t *testing.T, addr string) {
	t.Helper()
	ping := l.hq.Command("ping", "-n", "-q", "-i", "0.05", addr)
	if err := ping.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ping.Process.Kill()
		ping.Wait() // killed
	})
}

// umlpeer runs the tool of that name.
func umlpeer(args ...string) (string, error) {
	out, err := exec.Command("umlpeer/umlpeer", args...).CombinedOutput()
	return string(out), err
}

// end ends the guest in order, or pulls its plug.
func (g *guest) end(how ...string) {
	out, err := umlpeer(append([]string{"stop", g.dir}, how...)...)
	if err != nil {
		g.lab.t.Errorf("stop the guest: %v\n%s", err, out)
	}
}

// again gives the guest other PPP options; one that calls dials again. When the
// test fails the log of its pppd is printed.
func (g *guest) again(t *testing.T, args ...string) {
	t.Helper()
	if out, err := umlpeer(append([]string{"again", g.dir}, args...)...); err != nil {
		t.Fatalf("umlpeer again: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the guest's pppd.log:\n%s\nevents:\n%s\nsyslog:\n%s", g.read("pppd.log"), g.read("events"), tail(g.read("syslog.log"), 30))
		}
	})
}

func (g *guest) read(name string) string {
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// run runs a shell command in the guest.
func (g *guest) run(format string, args ...any) (string, error) {
	return umlpeer("exec", "--timeout", "30", g.dir, fmt.Sprintf(format, args...))
}

// must is run for a command that has to succeed.
func (g *guest) must(t *testing.T, format string, args ...any) string {
	t.Helper()
	out, err := g.run(format, args...)
	if err != nil {
		t.Errorf("in the guest: %s: %v\n%s", fmt.Sprintf(format, args...), err, out)
	}
	return out
}

// ping sends echo requests from the guest to each address until two of them are
// answered.
func (g *guest) ping(t *testing.T, to ...string) {
	t.Helper()
	var all []string
	for _, a := range to {
		all = append(all, "ping -n -c 2 -i 0.2 -w 10 "+a)
	}
	g.must(t, "%s", strings.Join(all, " && "))
}

// linkUp waits until the guest's IP interface is up.
func (g *guest) linkUp(t *testing.T) { t.Helper(); g.waitFor(t, "link.ip.ppp0") }

// ipxUp waits until the guest's IPXCP is open.
func (g *guest) ipxUp(t *testing.T) { t.Helper(); g.waitFor(t, "link.ipx.ppp0") }

func (g *guest) waitFor(t *testing.T, file string) {
	t.Helper()
	eventually(t, 30*time.Second, "the guest has "+file, func() bool {
		_, err := os.Stat(filepath.Join(g.dir, file))
		return err == nil
	})
}

// hangUp ends the guest's link as its operator would.
func (g *guest) hangUp(t *testing.T) { t.Helper(); g.must(t, "kill -TERM $(head -n 1 /run/ppp0.pid)") }

// exit waits until pppd of a guest that calls is over and returns its exit
// status.
func (g *guest) exit(t *testing.T) string {
	t.Helper()
	g.waitFor(t, "pppd.rc")
	return strings.TrimSpace(g.read("pppd.rc"))
}

// logged waits until pppd has logged the words.
func (g *guest) logged(t *testing.T, words string) {
	t.Helper()
	eventually(t, 20*time.Second, "pppd logs "+words, func() bool { return strings.Contains(g.read("pppd.log"), words) })
}
