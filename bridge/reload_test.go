package bridge

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/ppp/auth"
)

// withSites is the configuration of a daemon with other sites.
func (d *testDaemon) withSites(sites ...*config.Site) func() (*config.Config, error) {
	cfg := *d.config()
	cfg.Sites, cfg.Listen.Methods = sites, nil
	for _, s := range sites {
		if s.Answer {
			cfg.Listen.Methods = append(cfg.Listen.Methods, s.Auth.Methods...)
		}
	}
	slices.Sort(cfg.Listen.Methods)
	cfg.Listen.Methods = slices.Compact(cfg.Listen.Methods)
	slices.Reverse(cfg.Listen.Methods)
	return func() (*config.Config, error) { return &cfg, nil }
}

// call returns the call ID of a site's tunnel while the site is up, and else 0.
func (d *testDaemon) callOf(site string) uint16 {
	if s := d.site(site); s != nil {
		if st := s.status(); st.State == StateUp && st.Tunnel != nil {
			return st.Tunnel.CallID
		}
	}
	return 0
}

func (d *testDaemon) up(site string) func() bool {
	return func() bool { return d.callOf(site) != 0 }
}

// hub starts alpha, which both beta and gamma call.
func hub(t *testing.T, w *world) (a, b, c *testDaemon) {
	t.Helper()
	a = w.start("alpha", peerSite("alpha", "beta", false, true), peerSite("alpha", "gamma", false, true))
	b = w.start("beta", peerSite("beta", "alpha", true, false))
	c = w.start("gamma", peerSite("gamma", "alpha", true, false))
	reaches(t, 5*time.Second, "all up", func() bool { return a.up("beta")() && a.up("gamma")() })
	return a, b, c
}

func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		beta, gamma := a.callOf("beta"), a.callOf("gamma")
		changed := peerSite("alpha", "gamma", false, true)
		changed.Echo.Interval = 5 * time.Second
		diff, err := a.Reload(a.withSites(peerSite("alpha", "beta", false, true), changed))
		if got := strings.Join(diff.Lines(), "\n"); err != nil || got != "~ site gamma: echo.interval" {
			t.Fatalf("%q, %v", got, err)
		}
		reaches(t, 2*time.Second, "gamma up again", a.up("gamma"))
		if a.callOf("beta") != beta {
			t.Error("beta has another call")
		}
		if a.callOf("gamma") == gamma {
			t.Error("gamma has its old call")
		}
		if !strings.Contains(a.log.String(), "~ site gamma: echo.interval") {
			t.Error("the log does not tell the change")
		}
		if d := time.Since(a.site("beta").status().Since); d > time.Minute {
			t.Errorf("virtual time ran for %v", d)
		}
	})
}

func TestReloadAddsAndRemoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, c := hub(t, w)
		beta := a.callOf("beta")
		if _, err := a.Reload(a.withSites(peerSite("alpha", "beta", false, true))); err != nil {
			t.Fatal(err)
		}
		if a.site("gamma") != nil {
			t.Error("the site is there")
		}
		reaches(t, time.Second, "gamma knows", func() bool { return !c.up("alpha")() })
		time.Sleep(time.Minute)
		if c.up("alpha")() {
			t.Error("gamma is let in though it is no site any more")
		}
		if _, err := a.Reload(a.withSites(peerSite("alpha", "beta", false, true), peerSite("alpha", "gamma", false, true))); err != nil {
			t.Fatal(err)
		}
		reaches(t, 6*time.Minute, "gamma up again", a.up("gamma"))
		if a.callOf("beta") != beta {
			t.Error("beta has another call")
		}
	})
}

// What was seen of a site goes with it, when nobody looks any more.
func TestReloadForgetsWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		boards := func() int {
			a.boards.mu.Lock()
			defer a.boards.mu.Unlock()
			return len(a.boards.byName)
		}
		old := a.boards.of("gamma")
		before, looker := old.LookBack(1)
		if len(before) == 0 || boards() != 2 {
			t.Fatalf("%d packets, %d boards", len(before), boards())
		}
		without := a.withSites(peerSite("alpha", "beta", false, true))
		reload := func(load func() (*config.Config, error)) {
			t.Helper()
			if _, err := a.Reload(load); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		reload(without)
		if boards() != 2 || a.boards.of("gamma") != old {
			t.Error("who looks has been forgotten")
		}
		looker.Close()
		if reload(without); boards() != 1 {
			t.Errorf("%d boards", boards())
		}
	})
}

// The answering side offers what the new configuration allows, at once.
func TestReloadOffersOtherMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, _ := hub(t, w)
		gamma := a.callOf("gamma")
		other := peerSite("alpha", "beta", false, true)
		other.Auth.Methods = []auth.Method{auth.EAPMSCHAPv2}
		if _, err := a.Reload(a.withSites(other, peerSite("alpha", "gamma", false, true))); err != nil {
			t.Fatal(err)
		}
		there := peerSite("beta", "alpha", true, false)
		there.Auth.Methods = []auth.Method{auth.EAPMSCHAPv2}
		if _, err := b.Reload(b.withSites(there)); err != nil {
			t.Fatal(err)
		}
		reaches(t, 5*time.Second, "up by the other method", a.up("beta"))
		if m := a.site("beta").status().Tunnel.PPP.Method; m != auth.EAPMSCHAPv2.String() {
			t.Errorf("by %v", m)
		}
		if a.callOf("gamma") != gamma {
			t.Error("gamma has another call")
		}
	})
}

func TestReloadRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		beta, gamma, cfg := a.callOf("beta"), a.callOf("gamma"), a.config()
		a.load = func() (*config.Config, error) {
			return nil, &config.Faults{{File: "sites.toml", Line: 3, Key: "daemon.name", Reason: "missing", Fix: "write it"}}
		}
		for _, dry := range []string{"", "?dry-run"} {
			got := httptest.NewRecorder()
			a.apiHandler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/reload"+dry, nil))
			var e apiError
			if err := json.Unmarshal(got.Body.Bytes(), &e); err != nil || got.Code != http.StatusUnprocessableEntity || len(e.Faults) != 1 {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		}
		if a.config() != cfg || a.callOf("beta") != beta || a.callOf("gamma") != gamma {
			t.Error("something has changed")
		}
		if !strings.Contains(a.log.String(), "sites.toml:3: daemon.name: missing: write it") {
			t.Error("the log does not say why")
		}
	})
}

// A LAN that cannot be opened: what was ended for it comes back.
func TestReloadPutsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		beta, cfg := a.callOf("beta"), a.config()
		changed := peerSite("alpha", "gamma", false, true)
		changed.Echo.Interval = 5 * time.Second
		load := a.withSites(peerSite("alpha", "beta", false, true), changed)
		_, err := a.Reload(func() (*config.Config, error) {
			cfg, _ := load()
			cfg.LANs = []*config.LAN{{Name: "office", DOSBox: &config.DOSBox{Listen: netip.MustParseAddrPort("203.0.113.9:10213"), Clients: 1, Rate: 1}}}
			return cfg, nil
		})
		if err == nil || !strings.HasPrefix(err.Error(), "lan.office: ") {
			t.Errorf("error %v", err)
		}
		if a.config() != cfg || len(a.ipx.allLANs()) != 0 {
			t.Error("the configuration has changed")
		}
		reaches(t, 3*time.Second, "gamma up again", a.up("gamma"))
		if a.callOf("beta") != beta {
			t.Error("beta has another call")
		}
	})
}

// A call that comes while sites are exchanged waits, and is answered afterwards. The
// goodbyes to a peer that is gone make that long here.
func TestReloadWhileSomebodyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := hub(t, w)
		c.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		changed := peerSite("alpha", "gamma", false, true)
		changed.Echo.Interval = 5 * time.Second
		over := make(chan error, 1)
		go func() {
			_, err := a.Reload(a.withSites(peerSite("alpha", "beta", false, true), changed))
			over <- err
		}()
		time.Sleep(100 * time.Millisecond)
		for _, up := range []bool{false, true} {
			if err := b.site("alpha").supervisor.command(t.Context(), up); err != nil {
				t.Fatal(err)
			}
		}
		reaches(t, goodbyeWait+time.Second, "beta up", func() bool { return a.up("beta")() && b.up("alpha")() })
		if err := <-over; err != nil {
			t.Error(err)
		}
		if s := b.site("alpha").status(); s.Dials != 2 {
			t.Errorf("beta dialled %d times", s.Dials)
		}
		c.carrier.SetLine(gre.Line{})
		reaches(t, 2*time.Minute, "gamma up again", a.up("gamma"))
	})
}

// What only a restart takes over is told until then, and touches nobody.
func TestReloadOfWhatNeedsARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		beta, gamma := a.callOf("beta"), a.callOf("gamma")
		sites := []*config.Site{peerSite("center", "beta", false, true), peerSite("center", "gamma", false, true)}
		for _, s := range sites {
			s.Auth.SecretOut = "secret of alpha"
		}
		load := a.withSites(sites...)
		diff, err := a.Reload(func() (*config.Config, error) {
			cfg, _ := load()
			cfg.Daemon.Name = "center"
			return cfg, nil
		})
		if err != nil || !slices.Equal(diff.Restart, []string{"daemon.name"}) || len(diff.Lines()) != 1 {
			t.Errorf("%q, %v", diff.Lines(), err)
		}
		if a.callOf("beta") != beta || a.callOf("gamma") != gamma {
			t.Error("a site was touched")
		}
		if s := a.Status(); s.Name != "alpha" || !strings.HasPrefix(strings.Join(s.Warnings, "\n"), "daemon.name was changed") && !strings.Contains(strings.Join(s.Warnings, "\n"), "\ndaemon.name was changed") {
			t.Errorf("%s warns of %q", s.Name, s.Warnings)
		}
		if _, err := a.Reload(a.withSites(a.config().Sites...)); err != nil {
			t.Fatal(err)
		}
		if s := a.Status(); strings.Contains(strings.Join(s.Warnings, "\n"), "daemon.name") {
			t.Errorf("it still warns of %q", s.Warnings)
		}
	})
}

// What the operator has stopped stays so.
func TestReloadOfAStoppedSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		if err := a.site("gamma").supervisor.command(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		changed := peerSite("alpha", "gamma", false, true)
		changed.Echo.Interval = 5 * time.Second
		if _, err := a.Reload(a.withSites(peerSite("alpha", "beta", false, true), changed)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if s := a.site("gamma").status(); s.State != StateStopped {
			t.Errorf("state %s", s.State)
		}
	})
}

func TestCompareChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		gamma, cfg := a.callOf("gamma"), a.config()
		diff, err := a.Compare(a.withSites(peerSite("alpha", "beta", false, true)))
		if err != nil || strings.Join(diff.Lines(), "") != "- site gamma" {
			t.Errorf("%q, %v", diff.Lines(), err)
		}
		if a.config() != cfg || a.callOf("gamma") != gamma {
			t.Error("something has changed")
		}
	})
}

func TestReloadsLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		beta := a.callOf("beta")
		time.Sleep(time.Minute)
		synctest.Wait()
		goroutines := runtime.NumGoroutine()
		for i := range 20 {
			changed := peerSite("alpha", "gamma", false, true)
			changed.Echo.Failures = 3 + (i+1)%2
			if _, err := a.Reload(a.withSites(peerSite("alpha", "beta", false, true), changed)); err != nil {
				t.Fatal(err)
			}
			reaches(t, 3*time.Second, "gamma up again", a.up("gamma"))
			time.Sleep(settled)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("%d goroutines, and %d before", n, goroutines)
		}
		if n := len(a.undo); n != 0 {
			t.Errorf("%d things to undo", n)
		}
		if a.callOf("beta") != beta {
			t.Error("beta has another call")
		}
	})
}

func TestReloadOfADaemonThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, _, _ := hub(t, w)
		a.stop()
		if _, err := a.Reload(a.withSites()); !errors.Is(err, errStopping) {
			t.Errorf("error %v", err)
		}
	})
}
