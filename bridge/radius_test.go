package bridge

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	layeh "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"

	"sitebridge/bridge/config"
	"sitebridge/internal/radius"
	"sitebridge/internal/radius/radiustest"
	"sitebridge/internal/secret"
	"sitebridge/ppp/auth"
)

const radiusKey = "between the hub and its servers"

var (
	radiusOne  = netip.MustParseAddrPort("198.51.100.5:1812")
	radiusTwo  = netip.MustParseAddrPort("198.51.100.6:1812")
	radiusAcct = netip.MustParseAddrPort("198.51.100.5:1813")
)

// A radiusWorld is a world in which alpha asks RADIUS about callers.
type radiusWorld struct {
	*world
	alpha *testDaemon
	net   radiustest.Network
	users map[string]layeh.Attributes // who may enter, with what

	mu      sync.Mutex // guards what follows
	records []string
}

func newRadiusWorld(t *testing.T) *radiusWorld {
	w := &radiusWorld{world: newWorld(t), users: map[string]layeh.Attributes{}}
	road := byCHAP(roadSite("198.18.7.0/24", 64))
	road.Remote.Radius = true
	w.alpha = w.startRoad(road)
	w.alpha.radius = newRadiusDesk(radius.Config{Name: "hub", Servers: []netip.AddrPort{radiusOne, radiusTwo}, Accounting: []netip.AddrPort{radiusAcct},
		Secret: radiusKey, Timeout: time.Second, Tries: 2, Listen: w.net.Listen})
	w.alpha.run.group.Go(func() error { w.alpha.radius.Run(w.alpha.run.under); return nil })
	w.net.Serve(radiusAcct, radiustest.Honest(radiusAcct, radiusKey, w.account))
	return w
}

// byCHAP has a site prove by CHAP, whose proofs a test can judge.
func byCHAP(s *config.Site) *config.Site {
	s.Auth.Methods, s.Auth.SecretIn = []auth.Method{auth.CHAP}, ""
	return s
}

func (w *radiusWorld) answers(at netip.AddrPort) {
	w.net.Serve(at, radiustest.Honest(at, radiusKey, func(p *layeh.Packet) *radiustest.Reply {
		name := rfc2865.UserName_GetString(p)
		attributes, known := w.users[name]
		response := rfc2865.CHAPPassword_Get(p)
		if !known || !slices.Equal(response[1:], chapOf(response[0], "secret of "+name, rfc2865.CHAPChallenge_Get(p))) {
			return &radiustest.Reply{Code: layeh.CodeAccessReject, Attributes: layeh.Attributes{text(rfc2865.ReplyMessage_Type, "no\x1b[2J")}}
		}
		return &radiustest.Reply{Code: layeh.CodeAccessAccept, Attributes: attributes}
	}))
}

func (w *radiusWorld) account(p *layeh.Packet) *radiustest.Reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, fmt.Sprint(rfc2866.AcctStatusType_Get(p), " ", rfc2865.UserName_GetString(p), " ", rfc2865.FramedIPAddress_Get(p), " ",
		rfc2866.AcctSessionTime_Get(p), "s ", rfc2866.AcctTerminateCause_Get(p), " ", rfc2865.Class_GetString(p)))
	return &radiustest.Reply{Code: layeh.CodeAccountingResponse}
}

func (w *radiusWorld) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.records, "|")
}

// logged reports whether alpha's log has words.
func (w *radiusWorld) logged(words string) func() bool {
	return func() bool {
		synctest.Wait() // nobody writes to it
		return strings.Contains(w.alpha.log.String(), words)
	}
}

func text(kind layeh.Type, s string) *layeh.AVP { return &layeh.AVP{Type: kind, Attribute: []byte(s)} }
func number(kind layeh.Type, n uint32) *layeh.AVP {
	return &layeh.AVP{Type: kind, Attribute: layeh.NewInteger(n)}
}
func address(a string) *layeh.AVP {
	return &layeh.AVP{Type: rfc2865.FramedIPAddress_Type, Attribute: netip.MustParseAddr(a).AsSlice()}
}

func TestRadiusCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRadiusWorld(t)
		w.answers(radiusTwo) // the first one is dead
		w.users["beta"] = layeh.Attributes{address("198.18.9.9"), text(rfc2865.FramedRoute_Type, "198.18.64.0/24 198.18.9.9 1"),
			number(rfc2865.FramedIPXNetwork_Type, 0xBEEF), text(rfc2865.Class_Type, "branch"), text(rfc2865.ReplyMessage_Type, "wel\ncome")}
		w.users["gamma"] = layeh.Attributes{address("255.255.255.254"), number(rfc2865.FramedIPXNetwork_Type, 0xFFFFFFFE)}
		b, g := w.start("beta", byCHAP(callerSite("beta"))), w.start("gamma", byCHAP(callerSite("gamma")))
		d := w.start("delta", byCHAP(callerSite("delta")))
		reaches(t, 30*time.Second, "two callers", w.alpha.callersUp(2))
		reaches(t, 5*time.Second, "they know it", both(b, g, StateUp))
		s := w.alpha.Status()
		c := s.Sites[0].Callers
		if got := fmt.Sprint(c[0].Name, c[0].Address, c[0].Routes, c[0].Network, " ", c[1].Name, c[1].Address, c[1].Network); got != "beta198.18.9.9 [198.18.64.0/24] 0000BEEF gamma198.18.7.1 00000000" {
			t.Error(got)
		}
		if x := b.allSites()[0].status().IPX; x.Network != 0xBEEF || c[1].Node == "" || c[0].Node != "" {
			t.Errorf("%+v %+v", x, c)
		}
		if r := s.RADIUS.Servers; r[0].Trouble == "" || r[1].Trouble != "" || r[1].Answers < 3 {
			t.Errorf("%+v", r)
		}
		reaches(t, 5*time.Second, "delta is refused", w.logged("rejects"))
		for _, want := range []string{`it says \"no\\x1b[2J\"`, `text="\"wel\\ncome\""`} {
			if log := w.alpha.log.String(); !strings.Contains(log, want) {
				t.Errorf("the log has no %s:\n%s", want, log)
			}
		}
		d.stop()
		b.stop()
		reaches(t, 5*time.Second, "beta is gone", w.alpha.callersUp(1))
		g.stop()
		reaches(t, 5*time.Second, "gamma is gone", w.alpha.callersUp(0))
		synctest.Wait()
		for _, want := range []string{"Start beta 198.18.9.9 AcctSessionTime(0)s AcctTerminateCause(0) branch", "Stop beta 198.18.9.9 ", "s User-Request branch", "Start gamma 198.18.7.1 "} {
			if got := w.told(); !strings.Contains(got, want) {
				t.Errorf("accounting has no %q: %s", want, got)
			}
		}
	})
}

// A17: a name is octets to RADIUS, and escaped wherever we show it.
func TestAttackA17NamesInRadius(t *testing.T) {
	for _, name := range []string{"$(reboot)\n\x1b[2J", strings.Repeat("n", 253), strings.Repeat("n", 254)} {
		synctest.Test(t, func(t *testing.T) {
			w := newRadiusWorld(t)
			w.answers(radiusOne)
			w.users[name] = nil
			s := byCHAP(callerSite("beta"))
			s.Auth.Name, s.Auth.SecretOut = name, secret.Secret("secret of "+name)
			w.start("beta", s)
			if len(name) > 253 {
				reaches(t, 5*time.Second, "too long for RADIUS", w.logged("a name of 254 octets"))
				return
			}
			reaches(t, 5*time.Second, "the caller", w.alpha.callersUp(1))
			synctest.Wait()
			if c := w.alpha.callers()[0]; c.Name != escapeName(name) || strings.ContainsAny(w.alpha.log.String(), "\x1b") || !strings.Contains(w.told(), name) {
				t.Errorf("%+v\n%s\n%q", c, w.alpha.log, w.told())
			}
		})
	}
}

// No server answers: the caller fails, everybody is told why, and nobody is taken for a
// guesser.
func TestRadiusIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRadiusWorld(t)
		w.users["beta"] = nil
		b := w.start("beta", byCHAP(callerSite("beta")))
		reaches(t, 30*time.Second, "the caller fails", func() bool { return w.alpha.Status().Strangers.Count > 0 })
		s := w.alpha.Status()
		if !strings.Contains(s.Strangers.Reason, "the RADIUS server 198.51.100.5:1812 does not answer; the RADIUS server 198.51.100.6:1812 does not answer") || s.Guard.Wrong > 0 {
			t.Errorf("%+v %+v", s.Strangers, s.Guard)
		}
		w.answers(radiusOne)
		reaches(t, 2*time.Minute, "it comes in by itself", both(b, w.alpha, StateUp))
	})
}

// A wrong secret of a caller costs what it costs everywhere.
func TestAttackA16RadiusIsGuarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRadiusWorld(t)
		w.answers(radiusOne)
		w.users["beta"] = nil
		s := byCHAP(callerSite("beta"))
		s.Auth.SecretOut = "guessed"
		w.start("beta", s)
		reaches(t, time.Minute, "a wrong proof", func() bool { return w.alpha.Status().Guard.Wrong == 1 })
	})
}

// The file comes before RADIUS: a user who gets into it calls anew.
func TestRadiusCallerGetsIntoTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRadiusWorld(t)
		w.answers(radiusOne)
		w.users["beta"], w.users["gamma"] = nil, nil
		w.start("beta", byCHAP(callerSite("beta")))
		w.start("gamma", byCHAP(callerSite("gamma")))
		reaches(t, 5*time.Second, "both are in", w.alpha.callersUp(2))
		with, road := *w.alpha.config(), *w.alpha.config().Sites[0]
		remote := *road.Remote
		remote.Users = map[string]*config.User{"beta": {Name: "beta", Secret: "secret of beta", Address: netip.MustParseAddr("198.18.7.99")}}
		road.Remote, with.Sites = &remote, []*config.Site{&road}
		w.alpha.configured.Store(&with)
		asked := len(w.net.Seen())
		w.alpha.allSites()[0].remotes.recheck()
		reaches(t, time.Minute, "beta is in by the file", func() bool {
			c := w.alpha.callers()
			return len(c) == 2 && c[0].Address == netip.MustParseAddr("198.18.7.99")
		})
		if n := len(w.net.Seen()) - asked; n != 1 {
			t.Errorf("%d requests for the end of one call", n)
		}
	})
}

// RADIUS grants what is not its own to grant.
func TestRadiusGrantsOthersThings(t *testing.T) {
	for name, c := range map[string]struct {
		grants layeh.Attributes
		want   string
	}{
		"our address":         {layeh.Attributes{address("10.9.0.1")}, "10.9.0.1, which is ours"},
		"a broadcast":         {layeh.Attributes{address("198.18.7.255")}, "that of the network or its broadcast"},
		"the pool":            {layeh.Attributes{text(rfc2865.FramedRoute_Type, "198.18.7.0/25")}, "in the pool of site road"},
		"behind another site": {layeh.Attributes{text(rfc2865.FramedRoute_Type, "198.18.77.0/24")}, "behind site delta"},
		"loopback":            {layeh.Attributes{text(rfc2865.FramedRoute_Type, "127.0.0.0/8")}, "there are no hosts in that network"},
		"everything":          {layeh.Attributes{text(rfc2865.FramedRoute_Type, "0.0.0.0/0 0.0.0.0 1")}, "too much to be behind one caller"},
		"another gateway":     {layeh.Attributes{text(rfc2865.FramedRoute_Type, "198.18.64.0/24 192.0.2.77")}, "the only gateway behind a caller"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRadiusWorld(t)
				delta := peerSite("alpha", "delta", false, true)
				delta.IP = &config.IP{Routes: []netip.Prefix{netip.MustParsePrefix("198.18.64.0/19")}}
				with := *w.alpha.config()
				with.Sites = append(slices.Clone(with.Sites), delta)
				w.alpha.configured.Store(&with)
				w.answers(radiusOne)
				if name != "behind another site" {
					delta.IP.Routes = nil
				}
				w.users["beta"] = c.grants
				w.start("beta", byCHAP(callerSite("beta")))
				reaches(t, 30*time.Second, "refused: "+c.want, w.logged(c.want))
				if n := len(w.alpha.callers()); n > 0 {
					t.Errorf("%d callers are in", n)
				}
			})
		})
	}
}

func TestRadiusLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limit *layeh.AVP
		cause string
		after time.Duration
	}{
		"session": {number(rfc2865.SessionTimeout_Type, 100), "Session-Timeout", 100 * time.Second},
		"idle":    {number(rfc2865.IdleTimeout_Type, 40), "Idle-Timeout", 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRadiusWorld(t)
				w.answers(radiusOne)
				w.users["beta"] = layeh.Attributes{c.limit, number(85, 60)}
				w.start("beta", byCHAP(callerSite("beta")))
				took := reaches(t, 5*time.Minute, "the end", func() bool { return strings.Contains(w.told(), "Stop") })
				if got := w.told(); !strings.Contains(got, c.cause) || took < c.after || took > c.after+10*time.Second || strings.Contains(got, "Interim") != (name == "session") {
					t.Errorf("after %v: %s", took, got)
				}
			})
		})
	}
}

// Pain 14: the two keys of RADIUS are the halves of an MSK, whose start keys have vectors.
// test/radius compares those that a real server gives.
func TestStartKeysOfRadius(t *testing.T) {
	var msk [64]byte
	for i := range msk {
		msk[i] = byte(i)
	}
	k := auth.NewRemoteKeys(msk[:32], msk[32:])
	if !reflect.DeepEqual(startKeys(k), startKeys(auth.NewTLSKeys(msk, msk, [32]byte{}, [32]byte{}, true))) {
		t.Error("the keys of MS-MPPE-Recv-Key and MS-MPPE-Send-Key are not those of the MSK that they are")
	}
	if s := fmt.Sprintf("%v %+v %x", k, *k, *k); strings.Contains(s, "0102") {
		t.Error(s)
	}
}

func chapOf(id byte, s string, challenge []byte) []byte {
	p := auth.NewPeer(auth.CHAP, auth.PeerConfig{Name: "x", Secret: secret.Secret(s)})
	p.Start()
	pkt := append([]byte{1, id, 0, byte(5 + len(challenge)), byte(len(challenge))}, challenge...)
	return p.Receive(pkt).Send[5:21]
}
