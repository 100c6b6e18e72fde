package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control"
	"sitebridge/control/gre"
	"sitebridge/internal/secret"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

// announcedWindow is how many packets we say we can buffer (RFC 2637, section
// 2.7). Our reorder buffer takes fewer; nobody was seen to mind.
const announcedWindow = 64

// answer decides about an Outgoing-Call-Request, on the goroutine of its
// control connection. The receive side of the data channel is made before the
// reply leaves.
func (d *Daemon) answer(o *control.Offer) {
	d.enterGate()
	defer d.gate.RUnlock()
	if d.closed {
		o.Refuse(control.DoNotAccept, control.NoError)
		return
	}
	path := pathOf(o.Conn)
	channel, err := d.mux.Open(path.Remote, gre.ChannelConfig{
		Window: announcedWindow, Unpaced: isOurs(o.Conn.Peer()), Tap: o.Conn.Tap(),
	})
	if err != nil {
		o.Refuse(control.OutgoingGeneralError, control.NoResource)
		d.log.Warn("call refused", "peer", path.Remote, "reason", err)
		return
	}
	by := d.letChoose(o, channel)
	call := o.Accept(channel.ID(), announcedWindow)
	c, g := new(credential), d.guard.source(path.Remote)
	s := d.newSession(call, channel, path, by, d.answerLink(g, c), d.log)
	s.credential = c
	context.AfterFunc(s.ctx, g.gone)
	if out := d.strangers.enter(s); out != nil {
		out.link.HangUp("too many calls whose callers are not known")
	}
	s.start()
}

// enterGate holds the gate for reading, when no configuration is being exchanged any
// more.
func (d *Daemon) enterGate() {
	d.gate.RLock()
	for d.exchange != nil {
		over := d.exchange
		d.gate.RUnlock()
		<-over
		d.gate.RLock()
	}
}

// holdCalls has calls wait until they are let go. None is being answered when it
// returns.
func (d *Daemon) holdCalls() (letGo func()) {
	d.gate.Lock()
	defer d.gate.Unlock()
	over := make(chan struct{})
	d.exchange = over
	return func() {
		d.gate.Lock()
		defer d.gate.Unlock()
		d.exchange = nil
		close(over)
	}
}

func pathOf(c *control.Conn) gre.Path {
	p := c.Peer()
	return gre.Path{Local: p.Local.Addr().Unmap(), Remote: p.Remote.Addr().Unmap()}
}

// answerLink is the PPP side of an answered call. Who calls is not known before
// authentication, so the methods are those of all answering sites; afterwards
// the method must be in the site's own list (admit).
func (d *Daemon) answerLink(g auth.Guard, c *credential) ppp.Config {
	cfg := ppp.Config{
		MRU: mru(d.config().Sites...),
		Ask: d.config().Listen.Methods,
		Authenticator: auth.AuthenticatorConfig{
			Name:     d.config().Daemon.Name,
			OwnNames: d.config().OwnNames(),
			Lookup:   d.secretOf,
			Remote:   d.asksRadius,
			TLS:      d.answerTLS(c),
			Guard:    g,
		},
	}
	// A caller may ask back, by PAP or CHAP, before it has proved who it is.
	// CHAP's challenge says whom it claims to be; with PAP we speak first, so
	// there one answer must be right for every site that could be calling.
	cfg.Peer = auth.PeerConfig{Name: d.config().Daemon.Name, ForChallenger: d.proofFor}
	for _, s := range d.config().Sites {
		if provesBack(s, auth.CHAP) {
			cfg.Prove = []auth.Method{auth.CHAP}
		}
	}
	if own, ok := onePAP(d.config().Sites); ok {
		cfg.Prove = append(cfg.Prove, auth.PAP)
		cfg.Peer.Name, cfg.Peer.Secret = own.Name, own.SecretOut
	}
	return cfg
}

// proofFor finds what we prove ourselves with to a caller that claims a name.
func (d *Daemon) proofFor(name string) (own string, s secret.Secret, ok bool) {
	st := d.config().Caller(name)
	if st == nil || !provesBack(st, auth.CHAP) {
		return "", "", false
	}
	return st.Auth.Name, st.Auth.SecretOut, true
}

// provesBack reports whether we prove ourselves to the callers of a site by m,
// which proves one end only.
func provesBack(s *config.Site, m auth.Method) bool {
	return s.Answer && s.Auth.SecretOut != "" && s.Auth.Allows(m)
}

// secretOf finds what a caller of that name must know.
func (d *Daemon) secretOf(name string) (secret.Secret, bool) {
	s := d.config().Caller(name)
	switch {
	case s == nil:
		return "", false
	case s.Remote != nil:
		in := s.Remote.User(name).Secret
		return in, in != ""
	}
	return s.Auth.SecretIn, s.Auth.SecretIn != ""
}

// siteOf finds the site of a caller that has authenticated, with the certificate that
// it has shown: the name of one that a CA has signed may be anybody's.
func (d *Daemon) siteOf(id ppp.Identity, c *credential, g *grant) (*site, error) {
	if !id.Proved {
		return nil, errors.New("caller did not prove who it is")
	}
	sc := d.config().Caller(id.Name)
	if id.Method == auth.EAPTLS {
		sc = d.config().Site(c.site)
	}
	if g != nil {
		sc = d.config().AskRadius()
	}
	if sc == nil {
		return nil, fmt.Errorf("no answering site has the peer name %q", id.Name)
	}
	if !sc.Auth.Allows(id.Method) {
		return nil, fmt.Errorf("site %q does not allow %v, by which its caller proved itself: auth.methods lists what it allows", sc.Name, id.Method)
	}
	if s := d.site(sc.Name); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("site %q could not be opened when the configuration was read anew: see the log of that", sc.Name)
}

// onePAP returns how we prove ourselves by PAP, if that is the same for every
// answering site.
func onePAP(sites []*config.Site) (own config.Auth, ok bool) {
	for _, s := range sites {
		if !provesBack(s, auth.PAP) {
			continue
		}
		if ok && (own.Name != s.Auth.Name || own.SecretOut != s.Auth.SecretOut) {
			return config.Auth{}, false
		}
		own, ok = s.Auth, true
	}
	return own, ok
}

// refusals keeps the log readable when strangers knock: one line in ten seconds,
// with a count of those in between.
type refusals struct {
	mu    sync.Mutex // guards what follows
	last  time.Time  // when one was logged
	quiet int        // not logged since
	seen  Strangers
}

// Strangers are calls that ended before their caller was known: somebody guesses,
// or a peer is set up wrong.
type Strangers struct {
	Count  uint64     `json:"count"`
	Last   time.Time  `json:"last,omitzero"`
	From   netip.Addr `json:"from,omitzero"`
	Reason string     `json:"reason,omitempty"` // of the last one
}

func (r *refusals) snapshot() Strangers {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// note remembers one, and reports whether to log it, and how many were not logged
// since the last one. Another reason than the last is news, once a second.
func (r *refusals) note(now time.Time, from netip.Addr, reason string) (quiet int, log bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := 10 * time.Second
	if reason != r.seen.Reason {
		wait = time.Second
	}
	r.seen = Strangers{r.seen.Count + 1, now, from, reason}
	if now.Sub(r.last) < wait {
		r.quiet++
		return 0, false
	}
	quiet, r.quiet, r.last = r.quiet, 0, now
	return quiet, true
}

// logStranger tells of a call that ended before its peer was known. Whoever
// knocks decides how many there are, so most only count.
func (d *Daemon) logStranger(s *session) {
	if quiet, ok := d.refused.note(time.Now(), s.path.Remote, s.err().Error()); ok {
		d.log.Warn("call ended before its caller was known", "peer", s.path.Remote, "reason", s.err(), "similar_since_last", quiet)
	}
}
