package bridge

import (
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
	"sitebridge/ppp/auth"
)

// byCertificates has the ends of a site prove themselves to each other by certificates.
func byCertificates(s *config.Site, cas ...*identity.Own) *config.Site {
	s.Auth.Methods, s.Auth.SecretIn, s.Auth.SecretOut = []auth.Method{auth.EAPTLS}, "", ""
	s.Auth.Trust = &identity.Trust{Name: s.Auth.PeerName, AnyName: s.Remote != nil}
	for _, ca := range cas {
		s.Auth.Trust.CAs = append(s.Auth.Trust.CAs, ca.Leaf())
	}
	return s
}

// reread gives a daemon that runs a certificate and sites.
func (d *testDaemon) reread(t *testing.T, own *identity.Own, sites ...*config.Site) {
	t.Helper()
	load := d.withSites(sites...)
	if _, err := d.Reload(func() (*config.Config, error) {
		cfg, err := load()
		cfg.Daemon.Identity = own
		return cfg, err
	}); err != nil {
		t.Fatal(err)
	}
}

// A revoker writes revocation lists of a CA.
type revoker struct {
	t    *testing.T
	ca   *identity.Own
	path string
	last *x509.RevocationList
}

// revoke takes a certificate back, and has the site look at the list.
func (r *revoker) revoke(s *config.Site, bad ...*identity.Own) *config.Site {
	r.t.Helper()
	var leaves []*x509.Certificate
	for _, own := range bad {
		leaves = append(leaves, own.Leaf())
	}
	b := must(r.ca.Revoke(r.last, leaves, time.Now(), 24*time.Hour))
	r.last = must(identity.ParseLists(b))[0]
	if err := os.WriteFile(r.path, b, 0o600); err != nil {
		r.t.Fatal(err)
	}
	s.Auth.Trust.CRL, s.Auth.Revoked = r.path, sha256.Sum256(b)
	return s
}

// A CA more, and one that is taken out, ends the calls of those alone whom it has signed;
// so does a certificate that is revoked.
func TestReloadOfWhomWeTrust(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crl.pem")
	synctest.Test(t, func(t *testing.T) {
		one, two := newCA("one"), newCA("two")
		issue := func(ca *identity.Own, name string) *identity.Own {
			return must(ca.Issue(name, time.Now(), 24*time.Hour))
		}
		alpha, beta, gamma := issue(one, "alpha"), issue(one, "beta"), issue(two, "gamma")
		w := newWorld(t)
		a, b, c := w.start("alpha"), w.start("beta"), w.start("gamma")
		sites := func(of func(*config.Site) *config.Site) []*config.Site {
			return []*config.Site{of(peerSite("alpha", "beta", false, true)), of(peerSite("alpha", "gamma", false, true))}
		}
		both := func(s *config.Site) *config.Site { return byCertificates(s, one, two) }
		a.reread(t, alpha, sites(both)...)
		b.reread(t, beta, byCertificates(peerSite("beta", "alpha", true, false), one))
		c.reread(t, gamma, byCertificates(peerSite("gamma", "alpha", true, false), one))
		reaches(t, 5*time.Second, "both up", func() bool { return a.up("beta")() && a.up("gamma")() })
		calls := [2]uint16{a.callOf("beta"), a.callOf("gamma")}
		are := func(when string, up ...bool) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			for i, name := range []string{"beta", "gamma"} {
				if got := a.callOf(name); (got == calls[i]) != up[i] || got != 0 && got != calls[i] {
					t.Errorf("%s: %s has the call %d, before %d", when, name, got, calls[i])
				}
			}
		}
		a.reread(t, alpha, sites(func(s *config.Site) *config.Site { return byCertificates(s, one, two, newCA("three")) })...)
		are("one CA more", true, true)
		b.reread(t, beta, byCertificates(peerSite("beta", "alpha", true, false), one, two))
		are("one CA more at the other end", true, true)
		a.reread(t, alpha, sites(func(s *config.Site) *config.Site { return byCertificates(s, one) })...)
		are("without a CA", true, false)
		if log := a.log.String(); !strings.Contains(log, "after the configuration was read anew: the peer's certificate is signed by") {
			t.Errorf("the log does not say why:\n%s", log)
		}
		r := &revoker{t: t, ca: one, path: path}
		listed := func(bad ...*identity.Own) []*config.Site {
			return sites(func(s *config.Site) *config.Site { return r.revoke(byCertificates(s, one), bad...) })
		}
		a.reread(t, alpha, listed()...)
		are("a list of nobody", true, false)
		a.reread(t, alpha, listed(beta)...)
		are("it is on the list", false, false)
		if s := a.site("beta").status(); !strings.Contains(s.Reason, "was revoked by") || s.Ends.Authentication == 0 {
			t.Errorf("reason %q, %+v", s.Reason, s.Ends)
		}
		b.reread(t, issue(one, "beta"), byCertificates(peerSite("beta", "alpha", true, false), one, two))
		reaches(t, 5*time.Minute, "up by another certificate", a.up("beta"))
	})
}

// The same for callers of a pool.
func TestReloadOfWhatCallersShow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crl.pem")
	synctest.Test(t, func(t *testing.T) {
		ca := newCA("one")
		issue := func(name string) *identity.Own { return must(ca.Issue(name, time.Now(), 24*time.Hour)) }
		w := newWorld(t)
		w.shareIP = func(*site) (sharedIP, error) { return noKernel{}, nil }
		a := w.start("alpha")
		alpha, beta, gamma := issue("alpha"), issue("beta"), issue("gamma")
		r := &revoker{t: t, ca: ca, path: path}
		road := func(bad ...*identity.Own) *config.Site {
			return r.revoke(byCertificates(roadSite("10.9.0.0/24", 64), ca), bad...)
		}
		a.reread(t, alpha, road())
		for name, own := range map[string]*identity.Own{"beta": beta, "gamma": gamma} {
			w.start(name).reread(t, own, byCertificates(callerSite(name), ca))
		}
		reaches(t, 5*time.Second, "both there", a.callersUp(2))
		since := a.callers()[1].Since
		a.reread(t, alpha, road(beta))
		time.Sleep(time.Minute)
		synctest.Wait()
		if all := a.callers(); len(all) != 1 || all[0].Name != "gamma" || !all[0].Since.Equal(since) {
			t.Errorf("there are %s", addresses(all))
		}
	})
}

// A call ends when a certificate expires by which it began, the peer's or our own, and
// not before; with another one it begins anew at once.
func TestCallEndsWithItsCertificate(t *testing.T) {
	const life = time.Hour + 20*time.Minute
	for _, c := range []struct {
		name   string
		lives  map[string]time.Duration
		reason string // at alpha
	}{
		{"the caller's", map[string]time.Duration{"alpha": 24 * time.Hour, "beta": life}, "the peer's certificate expired on"},
		{"that of who answers", map[string]time.Duration{"alpha": life, "beta": 24 * time.Hour}, "our certificate, by which the call began, expired on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := newCA("one")
				own := map[string]*identity.Own{}
				for name, life := range c.lives {
					own[name] = must(ca.Issue(name, time.Now(), life))
				}
				began := time.Now()
				w := newWorld(t)
				a, b := w.start("alpha"), w.start("beta")
				theirs := byCertificates(peerSite("beta", "alpha", true, false), ca)
				a.reread(t, own["alpha"], byCertificates(peerSite("alpha", "beta", false, true), ca))
				b.reread(t, own["beta"], theirs)
				reaches(t, 5*time.Second, "up", a.up("beta"))
				call := a.callOf("beta")
				time.Sleep(time.Until(began.Add(life - time.Minute)))
				if a.callOf("beta") != call {
					t.Fatal("the call has ended before its certificate")
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if a.callOf("beta") != 0 {
					t.Fatal("the call has outlived its certificate")
				}
				logs := a.log.String() + b.log.String()
				if !strings.Contains(logs, c.reason) {
					t.Errorf("nobody says %q:\n%s", c.reason, logs)
				}
				if c.lives["beta"] == life {
					b.reread(t, must(ca.Issue("beta", time.Now(), 24*time.Hour)), theirs)
				} else {
					a.reread(t, must(ca.Issue("alpha", time.Now(), 24*time.Hour)), byCertificates(peerSite("alpha", "beta", false, true), ca))
				}
				reaches(t, 6*time.Minute, "up again", a.up("beta"))
			})
		})
	}
}

// A certificate that was renewed in time costs a moment when the old one expires.
func TestRenewedCertificateTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newCA("one")
		w := newWorld(t)
		a, b := w.start("alpha"), w.start("beta")
		mine, theirs := byCertificates(peerSite("alpha", "beta", false, true), ca), byCertificates(peerSite("beta", "alpha", true, false), ca)
		a.reread(t, must(ca.Issue("alpha", time.Now(), 240*time.Hour)), mine)
		b.reread(t, must(ca.Issue("beta", time.Now(), 2*time.Hour)), theirs)
		reaches(t, 5*time.Second, "up", a.up("beta"))
		call := a.callOf("beta")
		time.Sleep(time.Hour)
		b.reread(t, must(ca.Issue("beta", time.Now(), 240*time.Hour)), theirs)
		time.Sleep(time.Hour - time.Minute)
		if a.callOf("beta") != call {
			t.Fatal("the call has ended before its certificate")
		}
		took := reaches(t, 2*time.Minute, "a new call", func() bool { return a.callOf("beta") != call && a.up("beta")() })
		if took > time.Minute+10*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(2 * time.Hour)
		if s := a.site("beta").status(); s.Ups != 2 {
			t.Errorf("up %d times", s.Ups)
		}
	})
}
