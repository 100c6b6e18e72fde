package bridge

import (
	"crypto/x509"
	"fmt"
	"time"

	"sitebridge/bridge/identity"
)

// What the ends of a call have shown each other counts for as long as the call: it ends
// when the configuration is read anew and would not take it again, and when it expires.

// shownCertificates are those by which the ends of a call have proved themselves. They do
// not change.
type shownCertificates struct {
	peers []*x509.Certificate // leaf first
	own   *x509.Certificate   // nil: the peer did not ask for it
}

// distrust is why a call ends whose certificates would not do any more.
type distrust struct{ error }

func (d distrust) Unwrap() error { return d.error }

// expiryInterval is how often the clock is looked at, since it may be set.
const expiryInterval = time.Hour

// show is called when the ends have proved themselves to each other by certificates, and
// watches over them. It is an error when a reload has decided otherwise meanwhile.
func (s *session) show(st *site) error {
	shown := &shownCertificates{s.credential.chain, s.credential.own}
	s.shown.Store(shown)
	st.met(s.credential.leaf)
	if s.epoch != s.d.epoch.Load() { // the reload may have looked before this was to be seen
		if err := s.distrusted(time.Now()); err != nil {
			return err
		}
	}
	s.chores.after(s.nextExpiry(shown, time.Now()), choreExpired)
	return nil
}

// trust is whose certificate the site takes now: a reload may have changed that, and left
// the site as it is. Nil: nobody's.
func (s *site) trust() *identity.Trust {
	if s.remote != nil {
		return s.remote.all.site.trust()
	}
	if now := s.d.config().Site(s.cfg.Name); now != nil && now.Auth.Trust != nil {
		return now.Auth.Trust
	}
	return s.cfg.Auth.Trust
}

// usage is what the peer's certificate must be for.
func (s *session) usage() x509.ExtKeyUsage {
	if s.outgoing {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// distrusted tells why the peer's certificate would not be taken again; nil: it would, or
// the peer has shown none.
func (s *session) distrusted(now time.Time) error {
	shown, st := s.shown.Load(), s.site.Load()
	if shown == nil || st == nil || st.trust() == nil {
		return nil
	}
	if err := st.trust().Check(shown.peers, s.usage(), now); err != nil {
		return distrust{fmt.Errorf("after the configuration was read anew: %w", err)}
	}
	return nil
}

// expired tells which certificate of the call is past its date. Revocation lists do not
// count here: one that nobody has made anew keeps new calls out, and ends none.
func (s *session) expired(shown *shownCertificates, now time.Time) error {
	if own := shown.own; own != nil && now.After(own.NotAfter) {
		return distrust{fmt.Errorf("our certificate, by which the call began, expired on %s: a call begins anew with another one", own.NotAfter.UTC().Format(time.DateTime))}
	}
	st := s.site.Load()
	if st == nil || st.trust() == nil {
		return nil
	}
	trust := *st.trust()
	trust.CRL = ""
	if err := trust.Check(shown.peers, s.usage(), now); err != nil {
		return distrust{err}
	}
	return nil
}

// checkExpiry ends the call when a certificate of it has expired, and else comes back.
func (s *session) checkExpiry() {
	shown := s.shown.Load()
	if why := s.expired(shown, time.Now()); why != nil {
		s.log.Warn("the call ends", "reason", why)
		s.end(why)
		return
	}
	s.chores.after(s.nextExpiry(shown, time.Now()), choreExpired)
}

// nextExpiry is how long to wait until one of the certificates may be past its date.
func (s *session) nextExpiry(shown *shownCertificates, now time.Time) time.Duration {
	all := shown.peers
	if shown.own != nil {
		all = append([]*x509.Certificate{shown.own}, all...)
	}
	if st := s.site.Load(); st != nil && st.trust() != nil {
		all = append(all[:len(all):len(all)], st.trust().CAs...)
	}
	wait := expiryInterval
	for _, c := range all {
		if left := c.NotAfter.Sub(now); left >= 0 {
			wait = min(wait, left+time.Second) // it is good through that second
		}
	}
	return wait
}

// end ends the call for the site's sake, whatever kind of site it is of.
func (s *session) end(why error) {
	if st := s.site.Load(); st != nil && st.remote != nil {
		st.remote.end(why)
		return
	}
	s.close(why)
}

// recheck ends the calls of a site that would not be let in again.
func (s *site) recheck() {
	if s.remotes != nil {
		s.remotes.recheck()
		return
	}
	cur, ok := s.supervisor.snapshot().Current.(*session)
	if !ok {
		return
	}
	if why := cur.distrusted(time.Now()); why != nil {
		cur.log.Warn("the call ends", "reason", why)
		cur.end(why)
	}
}
