package bridge

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/ipx"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

// remotes are the callers of a site with a pool, in place of the one tunnel that
// another site has: each by its name, with an address of its own, and with one call at
// a time.
type remotes struct {
	site *site
	ip   sharedIP    // never nil while the site is open
	wire *remoteWire // where their IPX is routed; nil: there is none, or it is bridged

	mu      sync.Mutex // guards what follows
	byName  map[string]*remote
	byAddr  map[netip.Addr]*remote
	last    lastAddresses
	granted map[string]*config.User // what RADIUS granted last, of those with something behind them
	fights  map[string][]time.Time  // when a name's call was replaced, for the limit
	over    bool                    // the site is taken away
	calls   uint64
	refused RemoteRefusals
}

// RemoteRefusals counts callers that proved who they are and were not let in.
type RemoteRefusals struct {
	Busy      uint64 `json:"busy"`       // the name has a call that answers
	Limit     uint64 `json:"limit"`      // there are as many callers as there may be
	NoAddress uint64 `json:"no_address"` // the pool is used up, or the user's address is another's
	Stopped   uint64 `json:"stopped"`    // the operator stopped the site
	Unknown   uint64 `json:"unknown"`    // the user is not in the users file any more
	Granted   uint64 `json:"granted"`    // RADIUS grants what is somebody else's
}

func (r *RemoteRefusals) sum() uint64 {
	return r.Busy + r.Limit + r.NoAddress + r.Stopped + r.Unknown + r.Granted
}

// A remote is one caller while its call lasts.
type remote struct {
	all     *remotes
	name    string
	user    *config.User // nil: it has a certificate, and is in no file
	granted *grant       // nil: it is none of RADIUS's
	method  auth.Method
	addr    netip.Addr
	site    *site // the caller as its link sees it
	session *session
	ip      ipEnd         // nil: no IP
	uplink  chan struct{} // the host's network has changed; holds one

	mu    sync.Mutex // guards what follows
	wasUp bool
	node  ipx.Node
}

func openRemotes(s *site) (*remotes, error) {
	r := &remotes{site: s, byName: map[string]*remote{}, byAddr: map[netip.Addr]*remote{}, fights: map[string][]time.Time{}}
	r.last.limit = maxRemembered
	var err error
	if x := s.cfg.IPX; x != nil && s.cfg.Segment == nil {
		if r.wire, err = openRemoteWire(s); err != nil {
			return nil, err
		}
	}
	if r.ip, err = s.d.shareIP(s); err != nil {
		return nil, errors.Join(err, r.closeWire())
	}
	return r, nil
}

func (r *remotes) closeWire() error {
	if r.wire != nil {
		r.wire.close()
	}
	return nil
}

func (r *remotes) close() error { return errors.Join(r.ip.close(), r.closeWire()) }

// current is the site as the configuration has it now.
func (r *remotes) current() *config.Site {
	if now := r.site.d.config().Site(r.site.cfg.Name); now != nil && now.Remote != nil {
		return now
	}
	return r.site.cfg
}

// admit lets a caller in that has proved its name, and returns it as a site of its
// own. A call of the same name that still answers stays.
func (r *remotes) admit(ctx context.Context, s *session, a ppp.Admission) (*site, error) {
	for {
		m, old, err := r.take(s, a)
		switch {
		case err != nil:
			s.log.Info("caller refused", "caller", escapeName(a.Name), "reason", err)
			return nil, err
		case m != nil:
			r.remember(m)
			s.d.sessions.Go(func() { m.attend(); r.left(m) })
			return m.site, nil
		}
		if err := r.replace(ctx, old); err != nil {
			s.log.Info("caller refused", "caller", escapeName(a.Name), "reason", err)
			return nil, err
		}
	}
}

// take gives a caller its place, or returns the call that has it.
func (r *remotes) take(s *session, a ppp.Admission) (m, old *remote, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.current()
	user, granted := now.Remote.User(a.Name), s.grantOf(a.Name, a.Method)
	if granted != nil {
		user = granted.user
	}
	switch old := r.byName[a.Name]; {
	case r.over:
		return nil, nil, errAway
	case r.site.supervisor.snapshot().State == StateStopped:
		r.refused.Stopped++
		return nil, nil, errors.New("the site was stopped by its operator")
	case user == nil && a.Method != auth.EAPTLS:
		r.refused.Unknown++
		return nil, nil, fmt.Errorf("%q is in the users file no more", a.Name)
	case old != nil:
		return nil, old, nil
	case len(r.byName) >= now.Remote.Limit:
		r.refused.Limit++
		return nil, nil, fmt.Errorf("there are %d callers, and callers = %d allows no more", len(r.byName), now.Remote.Limit)
	}
	if granted != nil {
		if err := r.mayHave(now, user); err != nil {
			r.refused.Granted++
			return nil, nil, err
		}
	}
	m = &remote{all: r, name: a.Name, user: user, granted: granted, method: a.Method, session: s, uplink: make(chan struct{}, 1)}
	if now.IP != nil {
		if m.addr, err = r.address(now, a.Name, user); err != nil {
			r.refused.NoAddress++
			return nil, nil, err
		}
		r.byAddr[m.addr] = m
		r.last.keep(a.Name, m.addr)
	}
	m.site = r.asSite(m)
	m.ip = r.ip.end(m)
	s.log = m.site.log.With("peer", s.path.Remote, "call_id", s.call.ID())
	s.site.Store(m.site)
	r.byName[a.Name] = m
	r.calls++
	return m, nil, nil
}

// replace ends a call that does not answer, so that its name is free; the error says
// that it stays.
func (r *remotes) replace(ctx context.Context, old *remote) error {
	busy := func(why string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refused.Busy++
		return errors.New(why)
	}
	if old.session.leaving() { // it has been taken down, and calls anew
		old.end(errTakenDown)
		return nil
	}
	if !r.mayReplace(old.name) {
		return busy("the caller has replaced its call four times within a minute: do two machines have one name?")
	}
	ctx, cancel := context.WithTimeout(ctx, echoWait)
	defer cancel()
	if old.session.alive(ctx) {
		return busy("another call of this name stays: each machine needs a name of its own")
	}
	if r.site.d.ctx.Err() != nil {
		return errStopping
	}
	old.session.log.Info("call replaced", "reason", "the caller called anew")
	old.end(errReplaced)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fights[old.name] = append(r.fights[old.name], time.Now())
	return nil
}

// mayReplace limits how often two machines of one name push each other out.
func (r *remotes) mayReplace(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	recent := slices.DeleteFunc(r.fights[name], func(t time.Time) bool { return time.Since(t) > time.Minute })
	if len(recent) == 0 {
		delete(r.fights, name)
		return true
	}
	r.fights[name] = recent
	return len(recent) < 4
}

// asSite is the caller as a site of its own, in the words of the configuration.
func (r *remotes) asSite(m *remote) *site {
	cfg := *r.site.cfg
	cfg.Name = cfg.Name + "/" + escapeName(m.name)
	cfg.Auth.PeerName = m.name
	cfg.Remote = nil
	if cfg.IP != nil {
		ip := *cfg.IP
		ip.Pool, ip.Peer = netip.Prefix{}, m.addr
		if m.user != nil {
			ip.Routes = m.user.Routes
		}
		cfg.IP = &ip
	}
	if m.ownNetwork() {
		cfg.IPX = cfg.IPX.Routed(m.user.IPXNetwork)
	}
	st := &site{d: r.site.d, cfg: &cfg, remote: m, log: r.site.log.With("caller", escapeName(m.name))}
	st.learned.Store(new(learned))
	return st
}

// ownNetwork reports whether the caller's link is a network of IPX by itself, with a
// router behind it.
func (m *remote) ownNetwork() bool {
	wire := m.all.wire
	return wire != nil && m.user != nil && m.user.IPXNetwork != 0 && m.user.IPXNetwork != wire.network
}

// nodeOf is the node that a caller gets: its own, or one that its name stands for, so
// that it is the same each time.
func (m *remote) nodeOf() ipx.Node {
	if m.user != nil && !m.user.Node.IsZero() {
		return m.user.Node
	}
	sum := sha256.Sum256([]byte(m.site.cfg.Name))
	n := ipx.Node(sum[:6])
	n[0] = 2 // individual, and locally administered
	return n
}

// end ends a caller's call. Its name and address are free when it returns.
func (m *remote) end(why error) {
	m.session.close(why)
	m.all.release(m)
}

// release frees what a caller has. A second call does nothing.
func (r *remotes) release(m *remote) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName[m.name] == m {
		delete(r.byName, m.name)
	}
	if r.byAddr[m.addr] == m {
		delete(r.byAddr, m.addr)
	}
}

// left is called when nothing of a call is left, and accounts for it.
func (r *remotes) left(m *remote) {
	r.release(m)
	s := m.session
	if err := s.d.peersOf(m.site, nil, never); err != nil {
		s.log.Warn("routes of a caller that is gone", "error", err)
	}
	if r.site.cfg.Segment != nil && !s.d.hasCaller(m.site.cfg.Name) {
		s.d.ipx.forget(m.site.cfg)
	}
	v := s.link.Status().Stats
	s.d.emit(Event{Kind: EventCallerGone, Site: r.site.cfg.Name, Caller: m.name, Peer: s.path.Remote, Reason: s.err().Error(), Numbers: map[string]int64{
		"seconds": int64(time.Since(s.began).Seconds()), "octets_in": int64(v.OctetsIn), "octets_out": int64(v.OctetsOut)}})
	s.log.Info("caller gone", "reason", s.err(), "address", m.addr, "seconds", int(time.Since(s.began).Seconds()),
		"octets_in", v.OctetsIn, "octets_out", v.OctetsOut, "packets_in", v.PacketsIn, "packets_out", v.PacketsOut)
}

// changed is told of each change of the caller's link.
func (m *remote) changed() {
	_, up := m.session.upSince()
	m.mu.Lock()
	news := up && !m.wasUp
	m.wasUp = up
	m.mu.Unlock()
	if news {
		m.session.d.emit(Event{Kind: EventCallerUp, Site: m.all.site.cfg.Name, Caller: m.name, Peer: m.session.path.Remote})
		m.session.log.Info("caller up", "address", m.addr, "method", m.method)
	}
}

// endAll ends all calls.
func (r *remotes) endAll(why error) {
	for _, m := range r.present() {
		m.end(why)
	}
}

// stop ends all calls and lets nobody in any more: the site is taken away, or begun
// anew.
func (r *remotes) stop() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.endAll(errAway)
}

var errAway = errors.New("the site was taken out of the configuration, or begins anew")

// present lists the callers by name.
func (r *remotes) present() []*remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*remote
	for _, m := range r.byName {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *remote) int { return strings.Compare(a.name, b.name) })
	return all
}

// find returns the caller of a name; nil: it is not there.
func (r *remotes) find(name string) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byName[name]
}

// recheck ends the calls of users that the configuration has no more, or has
// otherwise.
func (r *remotes) recheck() {
	now := r.current()
	for _, m := range r.present() {
		user := now.Remote.User(m.name)
		switch {
		case m.granted != nil:
			if user != nil || !now.Remote.Radius || !now.Auth.Allows(m.method) {
				m.end(errors.New("RADIUS is not asked about the caller any more"))
			}
		case m.user != nil && user == nil:
			m.end(errors.New("the user is in the users file no more"))
		case !reflect.DeepEqual(m.user, user):
			m.end(errors.New("the users file says something else of the user now"))
		case !now.Auth.Allows(m.method):
			m.end(fmt.Errorf("the site does not allow %v any more", m.method))
		default:
			if why := m.session.distrusted(time.Now()); why != nil {
				m.end(why)
			}
		}
	}
	r.keepIn(now)
}

// keepIn has nothing of what is behind users that are away leave by the default route.
func (r *remotes) keepIn(now *config.Site) {
	if err := errors.Join(r.ip.users(r.users(now)), r.site.d.reroute()); err != nil {
		r.site.log.Warn("what is behind users is not kept from the default route", "error", err)
	}
}
