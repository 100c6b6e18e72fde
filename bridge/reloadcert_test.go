package bridge

import (
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
	"sitebridge/ppp/auth"
)

// withPin is the configuration of a daemon with its certificate and one site, whose
// peer's certificate is pinned.
func (d *testDaemon) withPin(own, peer *identity.Own, site *config.Site) func() (*config.Config, error) {
	site.Auth.Methods, site.Auth.SecretIn, site.Auth.SecretOut = []auth.Method{auth.EAPTLS}, "", ""
	site.Auth.Trust = &identity.Trust{Pinned: true, Fingerprint: identity.Of(peer.Leaf()), Name: site.Auth.PeerName}
	load := d.withSites(site)
	return func() (*config.Config, error) {
		cfg, err := load()
		cfg.Daemon.Identity = own
		return cfg, err
	}
}

// Certificates that peers pin are renewed by reloads, whichever end comes first, and
// our own while the tunnel is up without ending it.
func TestPinnedCertificatesAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := func(name string) *identity.Own { return must(identity.SelfSigned(name, time.Now(), time.Hour)) }
		a1, a2, b1, b2 := own("alpha"), own("alpha"), own("beta"), own("beta")
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		reload := func(d *testDaemon, mine, theirs *identity.Own) {
			t.Helper()
			site := peerSite("alpha", "beta", false, true)
			if d == b {
				site = peerSite("beta", "alpha", true, false)
			}
			if _, err := d.Reload(d.withPin(mine, theirs, site)); err != nil {
				t.Fatal(err)
			}
		}
		reload(a, a1, b1)
		reload(b, b1, a1)
		reaches(t, 5*time.Second, "up by certificates", a.up("beta"))

		reload(a, a1, b2) // who answers is told of the new one first
		time.Sleep(time.Minute)
		if a.up("beta")() {
			t.Error("the old certificate is taken still")
		}
		reload(b, b2, a1)
		reaches(t, 5*time.Second, "up by the new certificate", a.up("beta"))

		call := a.callOf("beta")
		reload(a, a2, b2) // our own, while the peer does not know it yet
		time.Sleep(time.Minute)
		if a.callOf("beta") != call {
			t.Error("the tunnel ended for our own certificate")
		}
		reload(b, b2, a2)
		reaches(t, 5*time.Second, "up by both new certificates", func() bool { return a.up("beta")() && a.callOf("beta") != call })
		if leaf := b.site("alpha").peerCertificate.Load(); leaf == nil || !leaf.Equal(a2.Leaf()) {
			t.Error("alpha showed its old certificate")
		}
	})
}
