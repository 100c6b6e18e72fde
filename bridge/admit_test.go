package bridge

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ppp"
	"sitebridge/ppp/auth"
)

func TestSiteOf(t *testing.T) {
	beta, gamma := peerSite("alpha", "beta", false, true), peerSite("alpha", "gamma", true, false)
	d := configured(&config.Config{Sites: []*config.Site{beta, gamma}})
	d.setSites([]*site{{cfg: beta}, {cfg: gamma}})
	for _, c := range []struct {
		name string
		id   ppp.Identity
		want string // what is wrong; empty: it is beta
	}{
		{"its peer", ppp.Identity{Name: "beta", Method: auth.MSCHAPv2, Proved: true}, ""},
		{"nothing proved", ppp.Identity{Name: "beta", Method: auth.MSCHAPv2}, "caller did not prove who it is"},
		{"nobody's name", ppp.Identity{Name: "delta", Method: auth.MSCHAPv2, Proved: true}, `no answering site has the peer name "delta"`},
		{"a site that we only dial", ppp.Identity{Name: "gamma", Method: auth.MSCHAPv2, Proved: true}, `no answering site has the peer name "gamma"`},
		{"a method of others", ppp.Identity{Name: "beta", Method: auth.CHAP, Proved: true}, `site "beta" does not allow chap`},
		{"a stronger method of others", ppp.Identity{Name: "beta", Method: auth.EAPTLS, Proved: true}, `site "beta" does not allow eap-tls`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := d.siteOf(c.id, &credential{site: "beta"}, nil)
			switch {
			case c.want == "" && (err != nil || s != d.allSites()[0]):
				t.Errorf("siteOf = %v, %v", s, err)
			case c.want != "" && (s != nil || err == nil || !strings.HasPrefix(err.Error(), c.want)):
				t.Errorf("siteOf = %v, %v, want %s", s, err, c.want)
			}
		})
	}
}

// Row A3, by a whole daemon: a caller whose secret is right, and who had a method of
// another site taken, does not get in by it.
func TestAttackA3MethodOfTheSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		weak := peerSite("alpha", "gamma", false, true)
		weak.Auth.Methods = []auth.Method{auth.CHAP}
		a := w.start("alpha", peerSite("alpha", "beta", false, true), weak)
		down := peerSite("beta", "alpha", true, false)
		down.Auth.Methods, down.Auth.SecretIn = []auth.Method{auth.CHAP}, "" // it does not ask back
		b := w.start("beta", down)
		reaches(t, time.Minute, "beta is refused", b.is(StateWaiting))
		if r := a.refused.snapshot(); !strings.Contains(r.Reason, `site "beta" does not allow chap`) {
			t.Errorf("alpha: %+v", r)
		}
		if s := a.allSites()[0].status(); s.State != StateListening || s.Ups != 0 {
			t.Errorf("beta is %s, and was up %d times", s.State, s.Ups)
		}
		// The method itself is taken, from whom it is for.
		own := peerSite("gamma", "alpha", true, false)
		own.Auth.Methods = weak.Auth.Methods
		g := w.start("gamma", own)
		reaches(t, 5*time.Second, "gamma is up", func() bool { return g.is(StateUp)() && a.allSites()[1].status().State == StateUp })
	})
}

// TestAdmitAnotherName: who answers a call of ours must be the site's peer, whatever
// the method thinks of the name.
func TestAdmitAnotherName(t *testing.T) {
	s := &session{outgoing: true}
	s.site.Store(&site{cfg: peerSite("alpha", "beta", true, false)})
	_, err := s.admit(ppp.Admission{Identity: ppp.Identity{Name: "gamma", Method: auth.CHAP, Proved: true}})
	if err == nil || !strings.HasPrefix(err.Error(), `peer proved to be "gamma", but this site's peer is "beta"`) {
		t.Errorf("admit = %v", err)
	}
	if s.nets.Load() != nil {
		t.Error("networks were begun")
	}
}

// tunnel returns the session of a daemon's first site, which must have one.
func (t *testDaemon) tunnel() *session {
	s, _ := t.allSites()[0].supervisor.snapshot().Current.(*session)
	return s
}

// routes reports whether the daemon has the way to a network behind its first site.
func (t *testDaemon) routes(n ipx.Network) bool {
	for _, r := range t.ipx.router.Routes() {
		if r.Network == n {
			return true
		}
	}
	return false
}

const behindBeta = 0x1000 + ipx.Network(len("beta")) // see peerSite

// TestLCPNegotiatedAnew: what ran over the link before has nothing of the site in its
// hands any more, and what runs now has all of it.
func TestLCPNegotiatedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		before := []*networks{a.tunnel().nets.Load(), b.tunnel().nets.Load()}
		call := a.tunnel()
		lcp := packet.Get()
		defer packet.Put(lcp)
		lcp.Set([]byte{0xff, 0x03, 0xc0, 0x21, 1, 200, 0, 4}) // a Configure-Request without options
		call.link.Receive([]*packet.Buffer{lcp})
		reaches(t, 10*time.Second, "both up again", func() bool {
			return a.tunnel() == call && call.nets.Load() != before[0] && b.tunnel().nets.Load() != before[1] && both(a, b, StateUp)()
		})
		for i, n := range before {
			if !n.closed.Load() {
				t.Errorf("end %d: the networks of before may still touch the site", i)
			}
		}
		if call.nets.Load().closed.Load() || !a.routes(behindBeta) {
			t.Error("the networks of now have not got the site")
		}
	})
}

// TestReplacedCallLetsGoAtOnce: a call whose place another one took leaves the site's
// routes to that one, however long its own goodbye takes.
func TestReplacedCallLetsGoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", false, true))
		b := w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 5*time.Second, "both up", both(a, b, StateUp))
		old := a.tunnel()
		b.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)}) // the power goes
		w.cutTCP("beta")
		time.Sleep(15 * time.Second)
		w.start("beta", peerSite("beta", "alpha", true, false))
		reaches(t, 30*time.Second, "the new call is there", func() bool { return a.tunnel() != old && a.tunnel() != nil })
		if !old.nets.Load().closed.Load() {
			t.Error("the old call may still touch the site")
		}
		reaches(t, 5*time.Second, "the new call is up", a.is(StateUp))
		reaches(t, time.Minute, "the old call is over", func() bool {
			select {
			case <-old.done():
				return true
			default:
				return false
			}
		})
		if !a.is(StateUp)() || !a.routes(behindBeta) {
			t.Errorf("it has taken the site's routes with it: %v", a.ipx.router.Routes())
		}
	})
}
