package e2e

import (
	"strings"
	"syscall"
	"testing"

	"sitebridge/bridge"
	"sitebridge/test/lab"
)

// notUp is that a site has noticed that its peer is not there.
func notUp(s bridge.SiteStatus) bool { return s.State != bridge.StateUp }

// TestComesBack: whatever happens to the peer or to the way there, the site that
// dials notices it and calls again, and a TCP session between hosts of the LANs
// survives.
func TestComesBack(t *testing.T) {
	for name, disturb := range map[string]func(w *lab.World, a, b *lab.Daemon){
		"peer restarted": func(w *lab.World, a, b *lab.Daemon) {
			a.Stop()
			b.WaitSite("a", "down", notUp)
			w.Start(w.SiteA, lab.Config{}.A())
		},
		"peer killed": func(w *lab.World, a, b *lab.Daemon) {
			a.Kill()
			b.WaitSite("a", "down", notUp)
			w.Start(w.SiteA, lab.Config{}.A())
		},
		"peer frozen": func(w *lab.World, a, b *lab.Daemon) {
			a.Signal(syscall.SIGSTOP)
			s := b.WaitSite("a", "down", notUp)
			if !strings.Contains(s.Reason, "echo") && !strings.Contains(s.Reason, "silent") {
				w.T.Errorf("the peer is frozen, and the reason is %q", s.Reason)
			}
			a.Signal(syscall.SIGCONT)
		},
		"dialler killed": func(w *lab.World, a, b *lab.Daemon) {
			b.Kill()
			a.WaitSite("b", "down", notUp)
			w.Start(w.SiteB, lab.Config{}.B())
		},
		"dialler frozen": func(w *lab.World, a, b *lab.Daemon) {
			b.Signal(syscall.SIGSTOP)
			a.WaitSite("b", "down", notUp)
			b.Signal(syscall.SIGCONT)
		},
		"cable pulled": func(w *lab.World, a, b *lab.Daemon) {
			w.SiteB.Down("wan")
			b.WaitSite("a", "down", notUp)
			a.WaitSite("b", "down", notUp)
			w.SiteB.Up("wan")
		},
		"silence": func(w *lab.World, a, b *lab.Daemon) {
			w.Unplug("site-a")
			b.WaitSite("a", "down", notUp)
			a.WaitSite("b", "down", notUp)
			w.Plug("site-a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
			before := b.WaitUp("a")
			a.WaitUp("b")
			session := w.Echo(w.HostB, w.HostA, lab.AddrA)
			session.Say()
			session.Hear()
			disturb(w, a, b)
			session.Say() // into the gap
			session.Hear()
			// Whatever daemon runs there now, the session went through its tunnel.
			if after := b.Site("a"); after.State != "" && after.Tunnel != nil && after.Tunnel.Began.Equal(before.Tunnel.Began) {
				t.Error("the old call is still there: nothing happened")
			}
		})
	}
}

// TestShortSilence: a gap that is shorter than the echo's patience ends nothing.
func TestShortSilence(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	config := lab.Config{Site: patient}
	a, b := w.Start(w.SiteA, config.A()), w.Start(w.SiteB, config.B())
	before := b.WaitUp("a")
	a.WaitUp("b")
	session := w.Echo(w.HostA, w.HostB, lab.AddrB)
	w.Unplug("site-b")
	session.Say()
	w.Plug("site-b")
	session.Hear()
	if after := b.WaitUp("a"); !after.Since.Equal(before.Since) || after.Dials != before.Dials {
		t.Errorf("the site was dialled again: %d dials, up since %v and before since %v", after.Dials, after.Since, before.Since)
	}
}

// TestStaleCallReplaced: the answerer still holds the call of a dialler that died
// without a word; the new call takes its place at once, long before any echo
// fails.
func TestStaleCallReplaced(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	slow := lab.Config{Site: `echo = { interval = "1h", failures = 3 }`}
	a, b := w.Start(w.SiteA, slow.A()), w.Start(w.SiteB, slow.B())
	b.WaitUp("a")
	stale := a.WaitUp("b")
	w.SiteB.Sysctl("net.ipv4.tcp_orphan_retries", "1")
	w.Unplug("site-b")
	b.Kill() // its FIN and RST go nowhere, and its kernel must not say them again
	lab.Wait(t, "the dead daemon's connection is forgotten", func() bool {
		out, err := w.SiteB.Command("cat", "/proc/net/tcp").Output()
		return err == nil && !strings.Contains(string(out), ":06BB ")
	})
	w.Plug("site-b")
	b = w.Start(w.SiteB, slow.B())
	b.WaitUp("a")
	now := a.WaitSite("b", "the new call", func(s bridge.SiteStatus) bool {
		return s.State == bridge.StateUp && s.Tunnel.CallID != stale.Tunnel.CallID
	})
	if now.Refused != 0 {
		t.Errorf("%d calls were refused", now.Refused)
	}
	if !strings.Contains(a.Log(), "call replaced") {
		t.Error("the log does not tell that the call was replaced")
	}
	w.WantPing(w.HostB, lab.AddrA)
}

// TestUpAndDown are the operator's commands, at either end.
func TestUpAndDown(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
	b.WaitUp("a")
	a.WaitUp("b")
	session := w.Echo(w.HostA, w.HostB, lab.AddrB)

	if out, errs, code := b.Run("down", "a"); code != 0 || out != "a: stopped\n" {
		t.Errorf("down: %d, %s%s", code, out, errs)
	}
	if s := b.Site("a"); s.State != bridge.StateStopped || s.Reason != "stopped by its operator" || s.Tunnel != nil {
		t.Errorf("after down: %s, %q, tunnel %v", s.State, s.Reason, s.Tunnel)
	}
	s := a.WaitSite("b", "down too", notUp)
	if !strings.Contains(s.Reason, "stopped by its operator") {
		t.Errorf("the other end does not know why: %q", s.Reason)
	}
	if out, _, code := b.Run("status"); code != 4 || !strings.Contains(out, "site a: STOPPED") {
		t.Errorf("status: exit status %d, want 4 while a site is not up\n%s", code, out)
	}
	session.Say()
	if out, errs, code := b.Run("up", "a"); code != 0 {
		t.Errorf("up: %d, %s%s", code, out, errs)
	}
	b.WaitUp("a")
	session.Hear()

	// Stopped at the end that answers: it refuses the calls.
	a.Run("down", "b")
	b.WaitSite("a", "refused", func(s bridge.SiteStatus) bool {
		return s.State == bridge.StateWaiting && strings.Contains(s.Reason, "not admitted") && s.Dials > 2
	})
	a.Run("up", "b")
	b.Run("up", "a") // now, and not when the back-off is over
	b.WaitUp("a")
	if _, errs, code := b.Run("up", "nobody"); code != 1 || !strings.Contains(errs, `no site "nobody"`) {
		t.Errorf("up nobody: %d, %s", code, errs)
	}
	if out, _, code := b.Run("status"); code != 0 || !strings.Contains(out, "site a: UP") {
		t.Errorf("status: exit status %d, want 0 with every site up\n%s", code, out)
	}
}
