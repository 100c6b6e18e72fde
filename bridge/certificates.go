package bridge

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/bridge/identity"
	"sitebridge/ppp/auth"
)

// certificateInterval is how often the dates of certificates are looked at.
const certificateInterval = 24 * time.Hour

// ownCertificate is our own one, for a handshake now.
func (d *Daemon) ownCertificate() (*tls.Certificate, error) {
	own := d.config().Daemon.Identity
	if own == nil {
		return nil, errors.New("we have no certificate: daemon.certificate names it")
	}
	return own.TLS(time.Now())
}

// A credential is what the peer of one call has shown. It is believed when the peer
// is admitted, and not before: anybody can show the certificate of another, and TLS
// asks for its key a moment later.
type credential struct {
	leaf  *x509.Certificate
	chain []*x509.Certificate // leaf first
	site  string              // the name of the site whose it is, where we were called
	own   *x509.Certificate   // what we have shown
}

// ours is our own certificate, which is noted.
func (c *credential) ours(d *Daemon) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) {
		own, err := d.ownCertificate()
		if err == nil {
			c.own = own.Leaf
		}
		return own, err
	}
}

// dialTLS is our side of EAP-TLS where we called: the authenticator must be the
// site's peer. Nil: the site does not allow it.
func (s *site) dialTLS(c *credential) *auth.TLSConfig {
	if s.cfg.Auth.Trust == nil {
		return nil
	}
	t := &auth.TLSConfig{
		Certificate: c.ours(s.d),
		Verify: func(_ string, chain []*x509.Certificate) (string, error) {
			if err := s.trust().Check(chain, x509.ExtKeyUsageServerAuth, time.Now()); err != nil {
				return "", err
			}
			c.leaf, c.chain = chain[0], chain
			return s.cfg.Auth.PeerName, nil
		},
	}
	if s.cfg.Auth.OldTLS13 {
		t.Old = func(string) bool { return true }
	}
	return t
}

// answerTLS is our side of EAP-TLS where we were called: the certificate decides
// which site it is. Nil: no answering site allows it.
func (d *Daemon) answerTLS(c *credential) *auth.TLSConfig {
	var any, anyOld bool
	for _, s := range d.config().Sites {
		may := s.Answer && s.Auth.Allows(auth.EAPTLS)
		any, anyOld = any || may, anyOld || may && s.Auth.OldTLS13
	}
	if !any {
		return nil
	}
	t := &auth.TLSConfig{
		Certificate: c.ours(d),
		Verify: func(name string, chain []*x509.Certificate) (string, error) {
			sc, err := whoCalls(d.config().Callers(auth.EAPTLS), name, chain, time.Now()) // now: a link keeps no list of all sites
			if err != nil {
				return "", err
			}
			c.leaf, c.chain, c.site = chain[0], chain, sc.Name
			if sc.Remote != nil {
				return d.nameOfRemote(sc, name, chain[0])
			}
			return sc.Auth.PeerName, nil
		},
	}
	if anyOld {
		t.Old = func(name string) bool {
			s := d.config().Caller(name)
			return s != nil && s.Auth.OldTLS13
		}
	}
	return t
}

// whoCalls finds the site that a caller's certificate belongs to. The name that the
// caller gave before (RFC 3748, section 5.1) is a hint that nobody has proved: it
// must be one of the certificate's, or else somebody mixes two peers up.
func whoCalls(sites []*config.Site, name string, chain []*x509.Certificate, now time.Time) (*config.Site, error) {
	if len(chain) == 0 {
		return nil, errors.New("peer sent no certificate")
	}
	var errs []error
	sites = slices.Clone(sites) // a certificate may have the names of two
	slices.SortStableFunc(sites, func(a, b *config.Site) int { return claimed(b, name) - claimed(a, name) })
	for _, s := range sites {
		err := s.Auth.Trust.Check(chain, x509.ExtKeyUsageClientAuth, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("site %s: %w", s.Name, err))
			continue
		}
		if names := identity.Names(chain[0]); name != "" && (name != s.Auth.PeerName || s.Remote != nil) && !slices.Contains(names, name) {
			return nil, fmt.Errorf("peer says that it is %q, and its certificate is that of %q", name, cmp.Or(s.Auth.PeerName, names[0]))
		}
		return s, nil
	}
	return nil, nearest(errs)
}

// claimed is 1 for the site whose peer has the name, and else 0. A site whose callers
// may have any name comes last.
func claimed(s *config.Site, name string) int {
	switch {
	case s.Remote != nil:
		return -1
	case s.Auth.PeerName == name:
		return 1
	}
	return 0
}

// nameOfRemote is the name of a caller with a certificate that a CA of the site has
// signed: the one that it claims, or else the first. It must be nobody else's, since
// the name decides whose call is replaced.
func (d *Daemon) nameOfRemote(sc *config.Site, claimed string, leaf *x509.Certificate) (string, error) {
	name := cmp.Or(claimed, identity.Names(leaf)[0])
	if slices.Contains(d.config().OwnNames(), name) {
		return "", fmt.Errorf("the caller's certificate is for %q, which is our own name", name)
	}
	for _, s := range d.config().Sites {
		if s != sc && (s.Remote == nil && s.Auth.PeerName == name || s.Remote.User(name) != nil) {
			return "", fmt.Errorf("the caller's certificate is for %q, which is the name of a caller of site %s", name, s.Name)
		}
	}
	return name, nil
}

// nearest returns what is wrong with a certificate for the site that it is closest
// to being for: that it is another's says nothing where it is ours and has expired.
func nearest(errs []error) error {
	for _, err := range errs {
		var not *identity.UntrustedError
		if !errors.As(err, &not) {
			return err
		}
	}
	switch len(errs) {
	case 0:
		return errors.New("no site takes certificates any more")
	case 1:
		return errs[0]
	}
	return fmt.Errorf("no site's CA or fingerprint fits: %w", errors.Join(errs...))
}

// certificates tells of all that have a date: our own one, and those of the sites.
func (d *Daemon) certificates(now time.Time) []identity.Info {
	var all []identity.Info
	if own := d.config().Daemon.Identity; own != nil {
		all = append(all, identity.Describe(own.Leaf(), "own", now))
	}
	for _, s := range d.config().Sites {
		if s.Auth.Trust == nil {
			continue
		}
		for _, ca := range s.Auth.Trust.CAs {
			all = append(all, identity.Describe(ca, "ca of site "+s.Name, now))
		}
		for _, l := range lists(s.Auth.Trust) {
			all = append(all, identity.DescribeList(l, "revocation list of site "+s.Name, now))
		}
	}
	for _, s := range d.allSites() {
		if leaf := s.peerCertificate.Load(); leaf != nil {
			all = append(all, identity.Describe(leaf, "peer of site "+s.cfg.Name, now))
		}
	}
	return all
}

// lists reads the revocation lists anew; one that cannot be read lets nobody in, and
// the handshake says so.
func lists(t *identity.Trust) []*x509.RevocationList {
	if t.CRL == "" {
		return nil
	}
	all, _ := identity.LoadLists(t.CRL)
	return all
}

// met keeps a certificate that the peer of a site has proved to be its own, and tells
// when it will not do for long: the peer may not look at its own log.
func (s *site) met(leaf *x509.Certificate) {
	if old := s.peerCertificate.Swap(leaf); old == nil || !old.Equal(leaf) {
		s.warnOfPeer()
	}
}

func (s *site) warnOfPeer() {
	leaf := s.peerCertificate.Load()
	if leaf == nil {
		return
	}
	if days, soon := identity.ExpiresSoon(leaf, time.Now()); soon {
		s.log.Warn("the peer's certificate expires soon", "days_left", days, "not_after", leaf.NotAfter)
		s.d.emit(Event{Kind: EventExpiry, Site: s.cfg.Name, Reason: "the peer's certificate expires soon", Numbers: map[string]int64{"days_left": int64(days)}})
	}
}

// watchCertificates warns once a day of a certificate that is about to expire: a
// daemon that runs for years has told it at its start when nobody cared.
func (d *Daemon) watchCertificates(ctx context.Context) error {
	tick := time.NewTicker(certificateInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.warnOfExpiry()
		}
	}
}

func (d *Daemon) warnOfExpiry() {
	expiring := d.config().Expiring(time.Now())
	for _, w := range expiring {
		d.log.Warn("certificate", "warning", w)
	}
	d.tellExpiry(expiring)
	for _, s := range d.allSites() {
		s.warnOfPeer()
		if s.remotes == nil {
			continue
		}
		for _, m := range s.remotes.present() {
			m.site.warnOfPeer()
		}
	}
}
