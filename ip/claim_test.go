package ip

import (
	"strings"
	"testing"

	"sitebridge/internal/netlab"
)

// TestClaim starts a second daemon beside one that runs, and one in another
// namespace: the first shall not come to CleanStale, which would take the routes
// of the running one.
func TestClaim(t *testing.T) {
	hub, two := newHubAndISP(t)
	one := hub.Namespace
	claim := func(g *netlab.Namespace) (release func() error, err error) {
		nsErr := g.Do(func() error { release, err = Claim(); return nil })
		must(t, nsErr)
		return release, err
	}
	release, err := claim(one)
	must(t, err)
	if _, err := claim(one); err == nil || !strings.Contains(err.Error(), "another sitebridge (process ") {
		t.Errorf("a second claim: %v", err)
	}
	other, err := claim(two)
	must(t, err)
	must(t, other())
	must(t, release())
	release, err = claim(one)
	must(t, err)
	must(t, release())
}
