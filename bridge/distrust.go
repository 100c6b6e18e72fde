package bridge

import (
	"crypto/x509"
	"fmt"
	"time"

	"sitebridge/bridge/identity"
)

// What the ends of a call have shown each other counts for as long as the call: it ends
// when the configuration is read anew and would not take it again.

// shownCertificates are those by which the ends of a call have proved themselves. They do
// not change.
type shownCertificates struct {
	peers []*x509.Certificate // leaf first
}

// distrust is why a call ends whose certificates would not do any more.
type distrust struct{ error }

func (d distrust) Unwrap() error { return d.error }

// show is called when the ends have proved themselves to each other by certificates.
// It is an error when a reload has decided otherwise meanwhile.
func (s *session) show(st *site) error {
	s.shown.Store(&shownCertificates{s.credential.chain})
	st.met(s.credential.leaf)
	if s.epoch != s.d.epoch.Load() { // the reload may have looked before this was to be seen
		if err := s.distrusted(time.Now()); err != nil {
			return err
		}
	}
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
