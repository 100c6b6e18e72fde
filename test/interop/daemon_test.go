package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sitebridge/bridge"
)

const (
	// theSecret is what a guest knows if it is not told another one, and
	// otherSecret what it must know itself where both ends prove who they are.
	theSecret   = "Secret-1"
	otherSecret = "Secret-2"
)

// A daemon is `sitebridge run` with one site.
type daemon struct {
	t      *testing.T
	lab    *lab
	dir    string
	client bridge.Client
	ended  chan error
	proc   *os.Process
}

// start runs the daemon with the configuration given, in which $DIR is a
// directory with the files "secret", "other" and "wrong", the only one that the
// daemon can write to.
func (l *lab) start(t *testing.T, toml string) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp(l.dir, "d")
	if err != nil {
		t.Fatal(err)
	}
	toml = strings.ReplaceAll(toml, "$DIR", dir)
	for name, text := range map[string]string{"secret": theSecret, "other": otherSecret, "wrong": "not it", "sites.toml": toml} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &daemon{t: t, lab: l, dir: dir, client: bridge.Client{Socket: filepath.Join(dir, "s")}, ended: make(chan error, 1)}
	cmd := l.hq.Command(filepath.Join(os.Getenv(workDir), "sitebridge"), "run", "--verbose", "--config", filepath.Join(dir, "sites.toml")).ReadOnly(dir)
	logFile, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.proc = cmd.Process
	go func() { d.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("the daemon's configuration:\n%s\nits log:\n%s", toml, d.logged())
		}
	})
	eventually(t, 20*time.Second, "the daemon answers on its control socket", func() bool {
		select {
		case err := <-d.ended:
			d.ended <- err
			t.Fatalf("the daemon ended: %v", err)
		default:
		}
		var s bridge.Status
		return d.client.Get(t.Context(), "/v1/status", &s) == nil
	})
	return d
}

// stop ends the daemon in order. It fails the test when that takes long, when
// the daemon says that something went wrong, and when it had a data race.
func (d *daemon) stop() {
	d.t.Helper()
	if d.proc == nil {
		return
	}
	d.proc.Signal(syscall.SIGTERM) // it may have ended, which Wait tells
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Errorf("the daemon ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		d.proc.Signal(syscall.SIGQUIT) // prints what it waits for
		<-d.ended
		d.t.Error("the daemon did not stop in 20 s")
	}
	d.proc = nil
}

// logged returns what the daemon has logged.
func (d *daemon) logged() string {
	b, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// status returns how the site stands.
func (d *daemon) status() bridge.SiteStatus {
	d.t.Helper()
	var s bridge.Status
	if err := d.client.Get(d.t.Context(), "/v1/status", &s); err != nil {
		d.t.Fatalf("status: %v", err)
	}
	if len(s.Sites) != 1 {
		d.t.Fatalf("status has %d sites, want 1", len(s.Sites))
	}
	return s.Sites[0]
}

// wait waits until the site's status is as wanted, and returns it.
func (d *daemon) wait(within time.Duration, what string, want func(bridge.SiteStatus) bool) bridge.SiteStatus {
	d.t.Helper()
	var s bridge.SiteStatus
	defer func() {
		if d.t.Failed() {
			b, _ := json.MarshalIndent(s, "", " ")
			d.t.Logf("last status:\n%s", b)
		}
	}()
	eventually(d.t, within, what, func() bool { s = d.status(); return want(s) })
	return s
}

// waitUp waits until the site is up.
func (d *daemon) waitUp() bridge.SiteStatus {
	d.t.Helper()
	s := d.wait(30*time.Second, "the site is up", func(s bridge.SiteStatus) bool { return s.State == bridge.StateUp })
	if t := s.Tunnel; t != nil && (t.Carrier != "gre" || t.CarrierReason != "the peer is not a sitebridge") {
		d.t.Errorf("the tunnel travels in %s: %s", t.Carrier, t.CarrierReason)
	}
	return s
}

// wantReason waits until the site's status gives a reason with all of the words.
func (d *daemon) wantReason(words ...string) bridge.SiteStatus {
	d.t.Helper()
	return d.wait(30*time.Second, fmt.Sprintf("the reason has %q", words), func(s bridge.SiteStatus) bool { return hasAll(s.Reason, words) })
}

// wantLog waits until a line of the log has all of the words.
func (d *daemon) wantLog(words ...string) {
	d.t.Helper()
	eventually(d.t, 20*time.Second, fmt.Sprintf("the log has %q", words), func() bool {
		for line := range strings.Lines(d.logged()) {
			if hasAll(line, words) {
				return true
			}
		}
		return false
	})
}

func hasAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}
