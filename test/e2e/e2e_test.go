// Package e2e tests two whole daemons, with real interfaces, in namespaces that
// the tests make.
package e2e

import (
	"testing"

	"sitebridge/bridge"
	"sitebridge/test/lab"
)

// patient is for a site whose link a busy machine is not to lose by being slow: keys of
// lab.Config's Site, where a test is not about how soon a silent peer is noticed.
const patient = `echo = { interval = "10s", failures = 3 }`

func TestMain(m *testing.M) {
	lab.Quick("^(TestTwoSitesComeUp|TestDemoShowsTheMainJob)$")
	lab.Main(m)
}

func TestTwoSitesComeUp(t *testing.T) {
	w := lab.New(t)
	a, b := w.Start(w.SiteA, lab.Config{}.A()), w.Start(w.SiteB, lab.Config{}.B())
	sa, sb := a.WaitUp("b"), b.WaitUp("a")
	for _, s := range []bridge.SiteStatus{sa, sb} {
		if s.IP.MTU != 1455 {
			t.Errorf("MTU %d (%s), want 1500 - 20 - 8 - 16 - 1", s.IP.MTU, s.IP.MTUSum)
		}
	}
	if out, err := w.HostA.Command("ping", "-c", "3", "-i", "0.2", lab.AddrB).CombinedOutput(); err != nil {
		t.Errorf("ping: %v\n%s", err, out)
	}
}
