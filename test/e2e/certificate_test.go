package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/identity"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
	"sitebridge/test/lab"
)

// An authority signs certificates that something is wrong with.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

// authorityOf is the CA of a World.
func authorityOf(t *testing.T, w *lab.World) authority {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(w.Dir, "ca.pem"), filepath.Join(w.Dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	return authority{t, pair.Leaf, pair.PrivateKey.(crypto.Signer)}
}

// strangeAuthority is another CA, of that name.
func strangeAuthority(t *testing.T, name string) authority {
	t.Helper()
	ca, err := identity.NewCA(name, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(ca.Certificate(), ca.Key())
	if err != nil {
		t.Fatal(err)
	}
	return authority{t, pair.Leaf, pair.PrivateKey.(crypto.Signer)}
}

// issue makes a certificate for a site, as changed.
func (ca authority) issue(name string, change func(*x509.Certificate)) *tls.Certificate {
	ca.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, SerialNumber: big.NewInt(now.UnixNano()),
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// write puts a certificate and its key beside those of the World.
func write(t *testing.T, w *lab.World, name string, c *tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})))
	w.Write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// A showing is a certificate that a peer shows, and what a daemon says of it.
type showing struct {
	name string
	show func(ca authority, name string, usage x509.ExtKeyUsage) *tls.Certificate
	says string // in Response/Identity, if not its name
	want string
}

func with(change func(*x509.Certificate)) func(authority, string, x509.ExtKeyUsage) *tls.Certificate {
	return func(ca authority, name string, _ x509.ExtKeyUsage) *tls.Certificate { return ca.issue(name, change) }
}

var showings = []showing{
	{name: "of another CA", want: `is signed by "CN=other-CA", and not by a CA of the site: "test-CA"`,
		show: func(ca authority, name string, _ x509.ExtKeyUsage) *tls.Certificate {
			return strangeAuthority(ca.t, "other-CA").issue(name, nil)
		}},
	{name: "of another CA of that name", want: `is not signed by our CA "test-CA", but by another of that name`,
		show: func(ca authority, name string, _ x509.ExtKeyUsage) *tls.Certificate {
			return strangeAuthority(ca.t, "test-CA").issue(name, nil)
		}},
	{name: "expired", want: "the peer's certificate expired on ", show: with(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
	{name: "not yet valid", want: "the peer's certificate is not valid before ", show: with(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })},
	{name: "for signing programs", want: "its extended key usage lacks ", show: with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} })},
	{name: "for the other role", want: "its extended key usage lacks ",
		show: func(ca authority, name string, usage x509.ExtKeyUsage) *tls.Certificate {
			other := x509.ExtKeyUsageClientAuth + x509.ExtKeyUsageServerAuth - usage
			return ca.issue(name, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{other} })
		}},
	{name: "of another name", want: `is for "c" and not for `,
		show: func(ca authority, _ string, _ x509.ExtKeyUsage) *tls.Certificate { return ca.issue("c", nil) }},
	{name: "no names", want: `is for no name and not for `,
		show: with(func(c *x509.Certificate) { c.Subject, c.DNSNames = pkix.Name{Organization: []string{"x"}}, nil })},
}

// TestAttackA13Certificates: a peer that holds its key, and whose certificate is not
// what it should be, is refused in words, whoever called and by either TLS.
func TestAttackA13Certificates(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){}
	for version, name := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
		tests[name+", of the dialler"] = func(t *testing.T) { callersRefused(t, version) }
		tests[name+", of the answerer"] = func(t *testing.T) { answererRefused(t, version) }
	}
	lab.Together(t, tests)
}

// callersRefused has a daemon judge who calls it. Row A10 is here too: a good
// certificate of one peer, in the name of another.
func callersRefused(t *testing.T, version uint16) {
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{}.Certified().A())
	a.WaitSite("b", "listening", anyState)
	ca, p := authorityOf(t, w), newPeer(t, w.SiteB)
	lying := showing{name: "under another name", says: "somebody", show: with(nil), want: `peer says that it is "somebody", and its certificate is that of "b"`}
	for _, c := range append(showings, lying) {
		t.Run(c.name, func(t *testing.T) {
			before, err := a.Status()
			if err != nil {
				t.Fatal(err)
			}
			own := c.show(ca, "b", x509.ExtKeyUsageClientAuth)
			says := c.says
			if says == "" {
				says = "b"
			}
			p.call(w, w.SiteB, lab.WANA, ppp.Config{MRU: 1500, Prove: []auth.Method{auth.EAPTLS},
				Peer: auth.PeerConfig{Name: says, TLS: trusting(func() (*tls.Certificate, error) { return own, nil }, version)}})
			lab.Wait(t, "refused: "+c.want, func() bool {
				s, err := a.Status()
				return err == nil && s.Strangers.Count > before.Strangers.Count && strings.Contains(s.Strangers.Reason, c.want)
			})
		})
	}
	if s := a.Site("b"); s.Ups > 0 || s.Tunnel != nil {
		t.Errorf("somebody got in: %+v", s)
	}
}

// answererRefused has a daemon judge whom it has called.
func answererRefused(t *testing.T, version uint16) {
	w := lab.New(t)
	var own atomic.Pointer[tls.Certificate]
	ca := authorityOf(t, w)
	own.Store(ca.issue("x", nil))
	newPeer(t, w.SiteA).answer(w, w.SiteA, ppp.Config{MRU: 1500, Ask: []auth.Method{auth.EAPTLS}, Authenticator: auth.AuthenticatorConfig{
		Name: "a", TLS: trusting(func() (*tls.Certificate, error) { return own.Load(), nil }, version),
	}})
	b := w.Start(w.SiteB, lab.Config{}.Certified().B())
	refused := func(t *testing.T, since int, want string) {
		lab.Wait(t, "refused: "+want, func() bool { return tells(b.Log()[since:], "site down", want) })
		if s := b.Site("a"); s.Ups > 0 {
			t.Errorf("up with it: %+v", s)
		}
	}
	refused(t, 0, `is for "x" and not for "a"`)
	for _, c := range showings {
		t.Run(c.name, func(t *testing.T) {
			own.Store(c.show(ca, "a", x509.ExtKeyUsageServerAuth))
			since := len(b.Log())
			b.Run("up", "a")
			refused(t, since, c.want)
		})
	}
}

// trusting takes every certificate for a good one.
func trusting(own func() (*tls.Certificate, error), version uint16) *auth.TLSConfig {
	return &auth.TLSConfig{
		Certificate: own, MinVersion: version, MaxVersion: version,
		Verify: func(string, []*x509.Certificate) (string, error) { return "whoever", nil },
	}
}

// TestAttackA10CertificateDecides: two daemons, one of which has a certificate that is
// not the right one. The end that refuses says why; the other says that it was
// refused.
func TestAttackA10CertificateDecides(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	ca, other := authorityOf(t, w), strangeAuthority(t, "other-CA")
	write(t, w, "c", ca.issue("c", nil))
	write(t, w, "stranger-a", other.issue("a", nil))
	write(t, w, "stranger-b", other.issue("b", nil))
	asItIs := func(text string) string { return text }
	shows := func(own, instead string) func(string) string {
		return func(text string) string { return strings.Replace(text, own+".pem", instead+".pem", 1) }
	}
	pins := func(peer string) func(string) string {
		return func(text string) string {
			certs, err := identity.ReadCertificates(filepath.Join(w.Dir, peer+".pem"))
			if err != nil {
				t.Fatal(err)
			}
			return strings.Replace(text, `ca = "ca.pem"`, `fingerprint = "`+identity.Of(certs[0]).String()+`"`, 1)
		}
	}
	alsoC := func(text string) string {
		return text + "[site.c]\n[site.c.auth]\nca = \"ca.pem\"\n[site.c.ipx]\nroutes = [\"00000030 hops 1 ticks 7\"]\n"
	}
	const refused = "peer refuses our certificate: bad certificate"
	for _, c := range []struct {
		name         string
		a, b         func(text string) string // changes of the configuration
		saysA, saysB string                   // empty: the site comes up
	}{
		{"the dialler has another's", asItIs, shows("b", "c"), `site b: the peer's certificate is for "c" and not for "b"`, refused},
		{"the answerer has another's", shows("a", "c"), asItIs, refused, `the peer's certificate is for "c" and not for "a"`},
		{"the dialler has that of another site, and its own name", alsoC, shows("b", "c"), `peer says that it is "b", and its certificate is that of "c"`, refused},
		{"the dialler's is of another CA", asItIs, shows("b", "stranger-b"), `is signed by "CN=other-CA", and not by a CA of the site`, refused},
		{"the answerer's is of another CA", shows("a", "stranger-a"), asItIs, refused, `is signed by "CN=other-CA", and not by a CA of the site`},
		{"both pin the right one", pins("b"), pins("a"), "", ""},
		{"the answerer pins a wrong one", pins("c"), pins("a"), "has the fingerprint sha256:", refused},
		{"the dialler pins a wrong one", pins("b"), pins("c"), refused, "has the fingerprint sha256:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := lab.StartDaemon(t, w.Dir, w.SiteA, c.a(lab.Config{}.Certified().A()))
			a.WaitSite("b", "listening", anyState)
			b := lab.StartDaemon(t, w.Dir, w.SiteB, c.b(lab.Config{}.Certified().B()))
			if c.saysA == "" {
				a.WaitUp("b")
				b.WaitUp("a")
				return
			}
			refusal{a: a, b: b}.want(t, c.saysA, c.saysB)
			if out, _, code := b.Run("status"); code != 4 || !strings.Contains(out, c.saysB) {
				t.Errorf("status: exit status %d\n%s", code, out)
			}
		})
	}
}

// A refusal is what the ends have said so far of why site a did not let b in.
type refusal struct {
	a, b      *lab.Daemon
	strangers uint64
	log       int
}

func refusalSoFar(t *testing.T, a, b *lab.Daemon) refusal {
	t.Helper()
	s, err := a.Status()
	if err != nil {
		t.Fatal(err)
	}
	return refusal{a, b, s.Strangers.Count, len(b.Log())}
}

// want waits until both have said more.
func (r refusal) want(t *testing.T, saysA, saysB string) {
	t.Helper()
	lab.Wait(t, "a says: "+saysA, func() bool {
		s, err := r.a.Status()
		return err == nil && s.Strangers.Count > r.strangers && strings.Contains(s.Strangers.Reason, saysA)
	})
	lab.Wait(t, "b says: "+saysB, func() bool { return tells(r.b.Log()[r.log:], "site down", saysB) })
}

// again has the link made anew.
func again(a, b *lab.Daemon) {
	b.Run("down", "a")
	a.WaitSite("b", "down", notUp)
	b.Run("up", "a")
}

// revocation is the list of the World's CA, and who puts just these names on it.
func revocation(t *testing.T, w *lab.World) (list string, revoke func(names ...string)) {
	t.Helper()
	list = filepath.Join(w.Dir, "ca.crl")
	ca, err := identity.LoadFiles(filepath.Join(w.Dir, "ca.pem"), filepath.Join(w.Dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	return list, func(names ...string) {
		t.Helper()
		next := list + ".next" // nobody may find that there is no list
		os.Remove(next)        // what was revoked is good again
		var certs []*x509.Certificate
		for _, name := range names {
			c, err := identity.ReadCertificates(filepath.Join(w.Dir, name+".pem"))
			if err != nil {
				t.Fatal(err)
			}
			certs = append(certs, c[0])
		}
		_, err := ca.UpdateList(next, certs, time.Now(), time.Hour)
		if err == nil {
			err = os.Rename(next, list)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAttackA13RevokedWhileRunning: the list of the CA is read in each handshake. What
// is on it is refused in the next one, and let in when it is not on it any more.
// Without a list nobody is let in.
func TestAttackA13RevokedWhileRunning(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	list, revoke := revocation(t, w)
	revoke()
	c := lab.Config{Auth: "ca = \"ca.pem\"\ncrl = \"ca.crl\""}.Certified()
	a, b := w.Start(w.SiteA, c.A()), w.Start(w.SiteB, c.B())
	const refused = "peer refuses our certificate: bad certificate"
	for _, step := range []struct {
		name         string
		do           func()
		saysA, saysB string
	}{
		{"the dialler is revoked", func() { revoke("b") }, `the certificate of "b" was revoked by "test-CA" on `, refused},
		{"the answerer is revoked", func() { revoke("a") }, refused, `the certificate of "a" was revoked by "test-CA" on `},
		{"there is no list", func() { os.Remove(list) }, refused, "cannot tell whether the peer's certificate is revoked"},
	} {
		t.Run(step.name, func(t *testing.T) {
			revoke()
			b.Run("up", "a")
			a.WaitUp("b")
			before := b.WaitUp("a")
			step.do()
			w.WantPing(w.HostA, lab.AddrB)
			if s := b.Site("a"); !s.Since.Equal(before.Since) {
				t.Errorf("the list is for handshakes, and the link has not stayed: %s, %s", s.State, s.Reason)
			}
			r := refusalSoFar(t, a, b)
			again(a, b)
			r.want(t, step.saysA, step.saysB)
		})
	}
}

// TestAttackA13OwnCertificateExpires while the daemon runs: the next handshake does not
// begin, and the end whose certificate it is says why.
func TestAttackA13OwnCertificateExpires(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){}
	for whose, says := range map[string][2]string{
		"a": {"our own certificate expired on ", `peer refused us as "b" before it asked for a proof`},
		"b": {`peer ended the link: "authentication failed"`, "our own certificate expired on "},
	} {
		tests["of site "+whose] = func(t *testing.T) {
			w := lab.New(t)
			c := lab.Config{}.Certified()
			a, b := w.Start(w.SiteA, c.A()), w.Start(w.SiteB, c.B())
			a.WaitUp("b")
			b.WaitUp("a")
			end := reloadShortLived(t, w, whose, map[string]*lab.Daemon{"a": a, "b": b}[whose])
			lab.Wait(t, "the certificate has expired", func() bool { return time.Since(end) > time.Second })
			r := refusalSoFar(t, a, b)
			again(a, b)
			r.want(t, says[0], says[1])
		}
	}
	lab.Together(t, tests)
}

// reloadShortLived has a daemon take over a certificate that will soon expire, and returns
// when. It must be good still when the daemon reads it.
func reloadShortLived(t *testing.T, w *lab.World, name string, d *lab.Daemon) (end time.Time) {
	t.Helper()
	ca := authorityOf(t, w)
	for valid := 2 * time.Second; valid < lab.Patience; valid *= 2 {
		end = time.Now().Add(valid).Truncate(time.Second)
		write(t, w, name, ca.issue(name, func(c *x509.Certificate) { c.NotAfter = end }))
		if _, _, code := d.Run("reload"); code == 0 {
			return end
		}
	}
	t.Fatal("no certificate was read before it expired")
	return end
}

// TestCertificateExpiryIsTold days ahead: by status, by check, and in the log.
func TestCertificateExpiryIsTold(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	old := func(days time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-300*24*time.Hour), time.Now().Add(days*24*time.Hour+time.Hour)
		}
	}
	own := authorityOf(t, w).issue("a", old(9))
	write(t, w, "a", own)
	a, b := w.Start(w.SiteA, lab.Config{}.Certified().A()), w.Start(w.SiteB, lab.Config{}.Certified().B())
	b.WaitUp("a")
	a.WaitUp("b")
	var s bridge.Status
	decode(t, a, &s, "status", "--json")
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]identity.Info{}
	for _, c := range s.Certificates {
		told[c.Use] = c
	}
	if c := told["own"]; c.Name != "a" || c.DaysLeft != 9 || c.Fingerprint != identity.Of(leaf) || !c.NotAfter.Equal(leaf.NotAfter) {
		t.Errorf("our own: %+v of %+v", c, s.Certificates)
	}
	for use, name := range map[string]string{"ca of site b": "test-CA", "peer of site b": "b"} {
		if c := told[use]; c.Name != name || c.DaysLeft != 0 {
			t.Errorf("%s: %+v of %+v", use, c, s.Certificates)
		}
	}
	const warning = "our certificate expires in 9 days, on "
	out, _, _ := a.Run("status")
	for _, want := range []string{warning, "certificate a (own): until " + leaf.NotAfter.Format(time.DateOnly) + ", 9 days left; " + identity.Of(leaf).String()} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %q:\n%s", want, out)
		}
	}
	if !tells(a.Log(), "level=WARN", warning) {
		t.Errorf("the log does not say %q", warning)
	}
	if !tells(b.Log(), "level=WARN", "the peer's certificate expires soon", "site=a", "days_left=9") {
		t.Error("the peer's log does not say that it expires soon")
	}
	file := w.Write("check.toml", lab.Config{}.Certified().A())
	if out, code := w.Command(w.SiteA, "check", "--config", file); code != 0 || !strings.Contains(out, warning) {
		t.Errorf("check: exit status %d, want 0 and %q:\n%s", code, warning, out)
	}
	write(t, w, "a", authorityOf(t, w).issue("a", old(-1)))
	if out, code := w.Command(w.SiteA, "check", "--config", file); code != 3 || !strings.Contains(out, "our certificate expired on ") {
		t.Errorf("check with one that has expired: exit status %d, want 3:\n%s", code, out)
	}
}
