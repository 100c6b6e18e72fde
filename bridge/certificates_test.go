package bridge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
	"sitebridge/control/gre"
	"sitebridge/ipx/router"
	"sitebridge/ppp/auth"
)

// must is for what only fails when the machine is out of randomness.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newCA(name string) *identity.Own {
	return must(identity.NewCA(name, time.Now().Add(-24*time.Hour), identity.CALife))
}

// issued is a certificate that identity would not make: for several names, or for one
// of the two uses.
func issued(ca *identity.Own, uses []x509.ExtKeyUsage, names ...string) []*x509.Certificate {
	signer := must(ca.TLS(time.Now()))
	own := must(identity.SelfSigned("key", time.Now(), time.Hour))
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: uses,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, ca.Leaf(), own.Leaf().PublicKey, signer.PrivateKey))
	return []*x509.Certificate{must(x509.ParseCertificate(der))}
}

// chain is what a peer with the certificate shows.
func chain(own *identity.Own) []*x509.Certificate { return []*x509.Certificate{own.Leaf()} }

var (
	forClients = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	forServers = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	forBoth    = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// certified is an answering site whose peer, of the same name, has a certificate.
func certified(name string, trust identity.Trust) *config.Site {
	trust.Name = name
	return &config.Site{Name: "site-" + name, Answer: true, Auth: config.Auth{
		Methods: []auth.Method{auth.EAPTLS}, Name: "hq", PeerName: name, Trust: &trust,
	}}
}

func trustIn(ca *identity.Own) identity.Trust {
	return identity.Trust{CAs: []*x509.Certificate{ca.Leaf()}}
}

// TestWhoCalls: the certificate decides which site calls. What the caller has called
// itself before settles which of its names counts, and nothing else.
func TestWhoCalls(t *testing.T) {
	one, two := newCA("one"), newCA("two")
	pinned := must(identity.SelfSigned("pinned", time.Now(), time.Hour))
	sites := []*config.Site{
		certified("b1", trustIn(one)),
		certified("b2", trustIn(one)),
		certified("b3", trustIn(two)),
		certified("pinned", identity.Trust{Pinned: true, Fingerprint: identity.Of(pinned.Leaf())}),
	}
	old := must(two.Issue("b3", time.Now().Add(-2*time.Hour), time.Hour))
	for _, c := range []struct {
		name  string
		says  string
		shows []*x509.Certificate
		want  string // the site, or what is wrong
	}{
		{"its own name", "b1", issued(one, forBoth, "b1"), "site-b1"},
		{"no name", "", issued(one, forBoth, "b2"), "site-b2"},
		{"the other CA", "b3", issued(two, forBoth, "b3"), "site-b3"},
		{"the pinned one", "pinned", chain(pinned), "site-pinned"},
		{"a certificate for clients only", "b1", issued(one, forClients, "b1"), "site-b1"},
		{"two names, and says the first", "b1", issued(one, forBoth, "b1", "b2"), "site-b1"},
		{"two names, and says the second", "b2", issued(one, forBoth, "b1", "b2"), "site-b2"},
		{"two names, and says none", "", issued(one, forBoth, "b2", "b1"), "site-b1"},
		{"two names, and says the one that is no site's", "b9", issued(one, forBoth, "b9", "b2"), "site-b2"},
		{"two names, one of them of another CA", "b3", issued(one, forBoth, "b3", "b2"), "site-b2"},

		{"the name of another site", "b2", issued(one, forBoth, "b1"), `peer says that it is "b2", and its certificate is that of "b1"`},
		{"a name that nobody has", "b9", issued(one, forBoth, "b1"), `peer says that it is "b9", and its certificate is that of "b1"`},
		{"the name of another site, pinned", "b1", chain(pinned), `peer says that it is "b1", and its certificate is that of "pinned"`},
		{"a certificate for servers only", "b1", issued(one, forServers, "b1"), "site site-b1: the peer's certificate is not for this use"},
		{"the wrong CA", "b3", issued(one, forBoth, "b3"), "no site's CA or fingerprint fits"},
		{"another CA of that name", "b1", issued(newCA("one"), forBoth, "b1"), "no site's CA or fingerprint fits"},
		{"the pinned name, of another key", "pinned", chain(must(identity.SelfSigned("pinned", time.Now(), time.Hour))), "no site's CA or fingerprint fits"},
		{"one that has expired", "b3", chain(old), "site site-b3: the peer's certificate expired"},
		{"no certificate", "b1", nil, "peer sent no certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := whoCalls(sites, c.says, c.shows, time.Now())
			switch {
			case err != nil && (s != nil || !strings.HasPrefix(err.Error(), c.want)):
				t.Errorf("%v, want %s", err, c.want)
			case err == nil && s.Name != c.want:
				t.Errorf("it is %s, want %s", s.Name, c.want)
			}
		})
	}
	if sites[0].Name != "site-b1" || sites[1].Name != "site-b2" {
		t.Error("the daemon's sites have changed places")
	}
}

// TestOneSiteIsToldWhatIsWrong: with one site there is no doubt which was meant.
func TestOneSiteIsToldWhatIsWrong(t *testing.T) {
	sites := []*config.Site{certified("b1", trustIn(newCA("one")))}
	_, err := whoCalls(sites, "b1", issued(newCA("two"), forBoth, "b1"), time.Now())
	if err == nil || !strings.HasPrefix(err.Error(), "site site-b1: the peer's certificate is signed by") {
		t.Error(err)
	}
}

// TestDialTLS: who answers must have the certificate of the site that was dialled, and
// one for servers.
func TestDialTLS(t *testing.T) {
	one, two := newCA("one"), newCA("two")
	pinned := must(identity.SelfSigned("b1", time.Now(), time.Hour))
	pin := identity.Trust{Pinned: true, Fingerprint: identity.Of(pinned.Leaf())}
	for _, c := range []struct {
		name  string
		trust identity.Trust
		shows []*x509.Certificate
		want  string // what is wrong; empty: nothing
	}{
		{"of its CA", trustIn(one), issued(one, forBoth, "b1"), ""},
		{"for servers only", trustIn(one), issued(one, forServers, "b1"), ""},
		{"for clients only", trustIn(one), issued(one, forClients, "b1"), "the peer's certificate is not for this use"},
		{"for two names", trustIn(one), issued(one, forBoth, "b2", "b1"), ""},
		{"of another CA", trustIn(one), issued(two, forBoth, "b1"), "the peer's certificate is signed by"},
		{"of another site", trustIn(one), issued(one, forBoth, "b2"), `the peer's certificate is for "b2" and not for "b1"`},
		{"the pinned one", pin, chain(pinned), ""},
		{"of a CA, where one is pinned", pin, issued(one, forBoth, "b1"), "the peer's certificate has the fingerprint"},
		{"none", trustIn(one), nil, "the peer showed no certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var shown credential
			s := &site{d: configured(&config.Config{}), cfg: certified("b1", c.trust), log: slog.New(slog.DiscardHandler)}
			name, err := s.dialTLS(&shown).Verify("", c.shows)
			switch {
			case c.want == "" && (err != nil || name != "b1" || shown.leaf != c.shows[0]):
				t.Errorf("Verify = %q, %v, and the certificate is kept: %v", name, err, shown.leaf != nil)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || name != "" || shown.leaf != nil):
				t.Errorf("Verify = %q, %v, want %s", name, err, c.want)
			}
		})
	}
}

// TestAnswerTLS: the sites that may call by EAP-TLS are those whose certificates are
// looked for, and each has the TLS 1.3 that it says.
func TestAnswerTLS(t *testing.T) {
	ca := newCA("one")
	caller, dialled, secretive, ancient := certified("b1", trustIn(ca)), certified("b2", trustIn(ca)), certified("b3", trustIn(ca)), certified("b4", trustIn(ca))
	dialled.Answer = false
	secretive.Auth.Methods, secretive.Auth.Trust = []auth.Method{auth.MSCHAPv2}, nil
	ancient.Auth.OldTLS13 = true
	d := configured(&config.Config{Sites: []*config.Site{caller, dialled, secretive, ancient}})
	var shown credential
	c := d.answerTLS(&shown)
	for name, want := range map[string]bool{"b1": true, "b2": false, "b3": false, "b4": true} {
		shown = credential{}
		certificate := issued(ca, forClients, name)
		proved, err := c.Verify(name, certificate)
		if (err == nil) != want || want && (proved != name || shown.leaf != certificate[0]) || !want && shown.leaf != nil {
			t.Errorf("%s: Verify = %q, %v, want it taken: %v", name, proved, err, want)
		}
		if c.Old(name) != (name == "b4") {
			t.Errorf("%s has the old TLS 1.3: %v", name, c.Old(name))
		}
	}
	d.config().Sites = []*config.Site{caller, dialled}
	if c = d.answerTLS(&shown); c.Old != nil {
		t.Error("nobody has the old TLS 1.3, and it is spoken")
	}
	d.config().Sites = []*config.Site{dialled, secretive}
	if d.answerTLS(&shown) != nil {
		t.Error("nobody may call by EAP-TLS, and it is offered")
	}
	if (&site{cfg: secretive}).dialTLS(&shown) != nil {
		t.Error("the site has no certificate to know, and EAP-TLS is spoken")
	}
}

// TestOwnCertificateIsLookedAtEachTime: one that expires while the daemon runs is not
// shown any more.
func TestOwnCertificateIsLookedAtEachTime(t *testing.T) {
	d := configured(&config.Config{})
	own := func() (*tls.Certificate, error) { return d.ownCertificate() }
	if _, err := own(); err == nil || !strings.Contains(err.Error(), "daemon.certificate names it") {
		t.Errorf("without one: %v", err)
	}
	d.config().Daemon.Identity = must(identity.SelfSigned("hq", time.Now(), time.Hour))
	if c, err := own(); err != nil || !c.Leaf.Equal(d.config().Daemon.Identity.Leaf()) {
		t.Errorf("a good one: %v", err)
	}
	d.config().Daemon.Identity = must(identity.SelfSigned("hq", time.Now().Add(-2*time.Hour), time.Hour))
	if _, err := own(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("one that has expired: %v", err)
	}
}

// A sharedText is a log that is read while somebody writes it.
type sharedText struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (s *sharedText) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *sharedText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestExpiryIsToldEachDay: a daemon that has run for a long time tells of its
// certificate in its log: from the last third of its life on, once a day.
func TestExpiryIsToldEachDay(t *testing.T) {
	const day = 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		var text sharedText
		log := slog.New(slog.NewTextHandler(&text, nil))
		own := must(identity.SelfSigned("hq", time.Now(), 12*day))
		d := newDaemon(&config.Config{Daemon: config.Daemon{Name: "hq", Identity: own}}, log, "test")
		var network gre.Network
		d.mux = gre.NewMux(network.Attach(addrOf["alpha"]), nil, log)
		d.ipx = &ipxPlane{log: log, router: router.New(router.Config{Log: log})}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- d.serve(ctx, nil) }()
		began := time.Now()
		for _, c := range []struct {
			after time.Duration
			lines int
			last  string
		}{
			{8*day - time.Second, 0, ""},
			{8*day + time.Second, 1, "our certificate expires in 4 days"},
			{10*day + time.Second, 3, "our certificate expires in 2 days"},
			{13*day + time.Second, 6, "our certificate expired on"},
		} {
			time.Sleep(time.Until(began.Add(c.after)))
			synctest.Wait()
			var told []string
			for line := range strings.Lines(text.String()) {
				if strings.Contains(line, "level=WARN msg=certificate") {
					told = append(told, line)
				}
			}
			if len(told) != c.lines || c.lines > 0 && !strings.Contains(told[c.lines-1], c.last) {
				t.Errorf("after %v %d warnings, want %d, the last with %q:\n%s", c.after, len(told), c.lines, c.last, strings.Join(told, ""))
			}
		}
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}
