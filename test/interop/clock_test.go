package interop

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
)

// clockHQ answers at our end: one site that is always up, and one that is up on demand.
const clockHQ = `
[daemon]
name = "rigserver"
listen = ["0.0.0.0:1723"]
status = "$DIR/s"
certificate = "%[1]s/rigserver.pem"
[site.branch]
echo = { interval = "1s", failures = 3 }
[site.branch.auth]
ca = "%[1]s/ca.pem"
[site.branch.ip]
address = "10.255.0.1"
peer = "10.255.0.101"
[site.later]
echo = { interval = "1s", failures = 3 }
[site.later.auth]
methods = ["mschapv2"]
secret_in_file = "$DIR/secret"
[site.later.encryption]
policy = "disabled"
[site.later.ip]
address = "10.255.1.1"
peer = "10.255.1.101"
`

// clockBranch is the daemon in the guest, whose clock is set.
const clockBranch = `
[daemon]
name = "branch"
status = "/run/sb/s"
certificate = "clock.pem"
[site.hq]
dial = ["` + ourAddr + `"]
echo = { interval = "1s", failures = 3 }
[site.hq.auth]
ca = "ca.pem"
peer_name = "rigserver"
[site.hq.ip]
address = "10.255.0.101"
peer = "10.255.0.1"
routes = ["10.1.0.0/24"]
[site.later]
dial = ["` + ourAddr + `"]
connect = "demand"
idle = "3s"
echo = { interval = "1s", failures = 3 }
[site.later.auth]
methods = ["mschapv2"]
secret_out_file = "secret"
name = "later"
peer_name = "rigserver"
[site.later.encryption]
policy = "disabled"
[site.later.ip]
address = "10.255.1.101"
peer = "10.255.1.1"
routes = ["10.1.1.0/24"]
`

// TestAttackH7ClockStepped: the wall clock of a machine is set by a year, forwards and
// back, while its links are up. It is a whole machine of its own, the guest, so that the
// kernel's clock itself is set. No link ends, an idle one ends when its time is over and
// not before, and certificates are judged by the new clock.
func TestAttackH7ClockStepped(t *testing.T) {
	l := newLab(t)
	type built struct {
		path string
		err  error
	}
	program := make(chan built, 1)
	go func() { // while the guest boots
		path, err := plainDaemon(l.dir)
		program <- built{path, err}
	}()
	go certificates()
	g := l.boot(t, "none", guestPPP)
	p := theCertificates(t)
	b := <-program
	if b.err != nil {
		t.Fatal(b.err)
	}
	hq := l.start(t, fmt.Sprintf(clockHQ, p.own))
	g.startDaemon(t, b.path, p)
	up := func(name string) func() bool { return func() bool { return hq.site(name).State == bridge.StateUp } }
	eventually(t, 30*time.Second, "the branch is up", up("branch"))

	for _, step := range []struct{ name, set string }{{"forwards", "+1 year"}, {"back", "-2 years"}} {
		t.Run(step.name, func(t *testing.T) {
			g.must(t, "ping -n -c 1 -w 10 10.255.1.1") // which has the idle site dialled
			eventually(t, 20*time.Second, "the link on demand is up", up("later"))
			before := hq.site("branch")
			g.must(t, "date -s '%s' && ping -n -c 1 -w 10 10.255.1.1", step.set)
			used := time.Now()
			g.ping(t, farHost)
			eventually(t, 20*time.Second, "the link on demand is given up", func() bool { return hq.site("later").State != bridge.StateUp })
			if after := time.Since(used); after < 2*time.Second {
				t.Errorf("the link on demand was given up after %v", after)
			}
			after := hq.site("branch")
			if before.Tunnel == nil || after.Tunnel == nil || after.Ups != before.Ups || after.Tunnel.CallID != before.Tunnel.CallID {
				t.Fatalf("the branch was up %d times, is %s and has been up %d times: %s", before.Ups, after.State, after.Ups, after.Reason)
			}
			if n := after.Tunnel.GRE.PacketsReceived - before.Tunnel.GRE.PacketsReceived; n < 4 {
				t.Errorf("%d packets came meanwhile: is the guest still asking for echoes?", n)
			}
		})
	}
	for _, step := range []struct{ name, set, words string }{
		{"not valid yet", "+0 years", "not valid before"}, {"expired", "+2 years", "expired on"},
	} {
		t.Run(step.name, func(t *testing.T) {
			g.must(t, "date -s '%s'", step.set)
			if out, _ := g.run("/run/sb/sitebridge diagnose --socket /run/sb/s --json hq"); !strings.Contains(out, `"step":"certificates"`) || !strings.Contains(out, step.words) {
				t.Errorf("diagnose does not say %q:\n%s", step.words, out)
			}
			g.must(t, "/run/sb/sitebridge down --socket /run/sb/s hq && /run/sb/sitebridge up --socket /run/sb/s hq")
			eventually(t, 20*time.Second, "the branch tells that certificates are not good at this time", func() bool {
				return strings.Contains(g.site(t, "hq").Reason, step.words)
			})
		})
	}
	// The link that waits for its next try does not wait for a year.
	g.must(t, "date -s '-1 year'")
	eventually(t, 2*time.Minute, "the branch is up again", up("branch"))
	g.ping(t, farHost)
}

// plainDaemon builds the daemon without the race detector, for which there is no room in
// a guest.
func plainDaemon(dir string) (string, error) {
	path := filepath.Join(dir, "plain")
	out, err := exec.Command("go", "build", "-trimpath", "-o", path, "sitebridge/cmd/sitebridge").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return path, nil
}

// startDaemon runs our daemon in the guest.
func (g *guest) startDaemon(t *testing.T, program string, p pki) {
	t.Helper()
	ca, err := tls.LoadX509KeyPair(filepath.Join(p.own, "ca.pem"), filepath.Join(p.own, "ca.key"))
	if err == nil {
		err = p.issue("clock", ca, "branch", func(*x509.Certificate) {}) // good for two days
	}
	for from, to := range map[string]string{
		program: "sitebridge", filepath.Join(p.own, "ca.pem"): "ca.pem",
		filepath.Join(p.own, "clock.pem"): "clock.pem", filepath.Join(p.own, "clock.key"): "clock.key",
	} {
		b, e := os.ReadFile(from)
		err = errors.Join(err, e, os.WriteFile(filepath.Join(g.dir, to), b, 0o700))
	}
	err = errors.Join(err, os.WriteFile(filepath.Join(g.dir, "sites.toml"), []byte(clockBranch), 0o600),
		os.WriteFile(filepath.Join(g.dir, "secret"), []byte(theSecret+"\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	g.must(t, "modprobe -d /run/mod tun && mkdir -m 700 /run/sb && cd /run/share && "+
		"cp sitebridge ca.pem clock.pem clock.key secret sites.toml /run/sb && chmod 600 /run/sb/*.key && "+
		"setsid /run/sb/sitebridge run --verbose --config /run/sb/sites.toml >/run/share/daemon.log 2>&1 </dev/null &")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the daemon in the guest:\n%s", g.read("daemon.log"))
		}
	})
}

// site is how a site of the daemon in the guest stands.
func (g *guest) site(t *testing.T, name string) bridge.SiteStatus {
	t.Helper()
	out, _ := g.run("/run/sb/sitebridge status --socket /run/sb/s --json") // its exit status is that of the worst site
	var s bridge.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return siteOf(t, s, name)
}

// site is how one of several sites of the daemon stands.
func (d *daemon) site(name string) bridge.SiteStatus {
	d.t.Helper()
	var s bridge.Status
	if err := d.client.Get(d.t.Context(), "/v1/status", &s); err != nil {
		d.t.Fatalf("status: %v", err)
	}
	return siteOf(d.t, s, name)
}

func siteOf(t *testing.T, s bridge.Status, name string) bridge.SiteStatus {
	t.Helper()
	for _, site := range s.Sites {
		if site.Name == name {
			return site
		}
	}
	t.Fatalf("no site %q", name)
	return bridge.SiteStatus{}
}
