package bridge

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/bridge/config"
	"sitebridge/control/gre"
	"sitebridge/internal/packet"
	"sitebridge/internal/secret"
	"sitebridge/ipx"
	"sitebridge/ipx/ping"
	"sitebridge/ppp/ipcp"
	"sitebridge/ppp/ipv6cp"
)

// Whole daemons of which one has a pool, in virtual time. Callers speak IPX alone;
// their addresses are given out all the same.

const roadNetwork ipx.Network = 0xFF03

// noEnd is a caller's part of a kernel that is not there.
type noEnd struct{}

func (noEnd) deliver(uint16, []*packet.Buffer)   {}
func (noEnd) up4(*networks, ipcp.Result) error   { return errors.New("no kernel") }
func (noEnd) up6(*networks, ipv6cp.Result) error { return errors.New("no kernel") }
func (noEnd) down(*networks, bool, bool)         {}
func (noEnd) measure(*networks)                  {}
func (noEnd) keep(*networks)                     {}

type noKernel struct{ noIP }

func (noKernel) end(*remote) ipEnd { return noEnd{} }

// roadSite is a site with a pool, with a user of each name.
func roadSite(pool string, limit int, names ...string) *config.Site {
	s := peerSite("alpha", "", false, true)
	s.Name = "road"
	s.Auth.SecretIn, s.Auth.SecretOut = "", ""
	s.IPX = &config.IPX{Network: roadNetwork, Workstation: true, Exchange: config.ExchangeStatic}
	s.IP = &config.IP{Mode: config.Static, Address: netip.MustParseAddr("10.9.0.1"), Pool: netip.MustParsePrefix(pool)}
	s.Remote = &config.Remote{Limit: limit, Users: map[string]*config.User{}}
	for _, n := range names {
		s.Remote.Users[n] = &config.User{Name: n, Secret: "secret of " + secret.Secret(n)}
	}
	return s
}

// caller is the site of a daemon that calls alpha under a name.
func callerSite(name string) *config.Site {
	s := peerSite(name, "alpha", true, false)
	s.IPX = &config.IPX{Exchange: config.ExchangeStatic}
	return s
}

func (w *world) startRoad(s *config.Site, more ...*config.Site) *testDaemon {
	w.shareIP = func(*site) (sharedIP, error) { return noKernel{}, nil }
	return w.start("alpha", append([]*config.Site{s}, more...)...)
}

func (t *testDaemon) callers() []CallerStatus { return t.allSites()[0].status().Callers }

func (t *testDaemon) callersUp(n int) func() bool {
	return func() bool {
		all := t.callers()
		return len(all) == n && !slices.ContainsFunc(all, func(c CallerStatus) bool { return !c.Up })
	}
}

func addresses(all []CallerStatus) string {
	var words []string
	for _, c := range all {
		words = append(words, fmt.Sprintf("%s=%v", c.Name, c.Address))
	}
	return strings.Join(words, " ")
}

func TestManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		road := roadSite("10.9.0.0/24", 64, "beta", "gamma", "delta")
		road.Remote.Users["gamma"].Address = netip.MustParseAddr("10.9.0.77")
		a := w.startRoad(road)
		if s := a.allSites()[0].status(); s.State != StateListening || s.Pool.Now != 0 {
			t.Errorf("%+v", s)
		}
		b, g, d := w.start("beta", callerSite("beta")), w.start("gamma", callerSite("gamma")), w.start("delta", callerSite("delta"))
		reaches(t, 5*time.Second, "three callers", a.callersUp(3))
		reaches(t, 5*time.Second, "all of them know it", func() bool { return b.is(StateUp)() && g.is(StateUp)() && d.is(StateUp)() })
		s := a.allSites()[0].status()
		if s.State != StateUp || s.Pool.Calls != 3 || s.Tunnel != nil {
			t.Errorf("%+v", s)
		}
		for _, c := range s.Callers {
			if c.Method != "mschapv2" || c.Peer != addrOf[c.Name] || c.Encryption != "none" || c.Node == "" || c.Reason != "" {
				t.Errorf("%+v", c)
			}
		}
		had := addresses(s.Callers)
		if !strings.Contains(had, "gamma=10.9.0.77") || strings.Contains(had, "10.9.0.1 ") {
			t.Error(had)
		}

		// A caller that comes again has the address that it had.
		b.stop()
		reaches(t, 5*time.Second, "beta is gone", a.callersUp(2))
		synctest.Wait() // its account is written
		if log := a.log.String(); !strings.Contains(log, `msg="caller gone"`) || !strings.Contains(log, "caller=beta") || !strings.Contains(log, "octets_in=") {
			t.Errorf("no account of beta:\n%s", log)
		}
		var told []string
		for _, e := range a.kinds(t, "/v1/events?follow=0") {
			told = append(told, string(e.Kind)+" "+e.Caller)
			if e.Site != a.allSites()[0].cfg.Name || e.Caller == "" || e.Peer != addrOf[e.Caller] || (e.Kind == EventCallerGone) != (e.Reason != "") {
				t.Errorf("event %+v", e)
			}
		}
		slices.Sort(told)
		if want := []string{"caller-gone beta", "caller-up beta", "caller-up delta", "caller-up gamma"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		w.start("beta", callerSite("beta"))
		reaches(t, 5*time.Second, "beta is back", a.callersUp(3))
		if got := addresses(a.callers()); got != had {
			t.Errorf("%s, and before %s", got, had)
		}
	})
}

// Callers reach the router behind us, and each other, by IPX.
func TestCallersSpeakIPX(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.startRoad(roadSite("10.9.0.0/24", 64, "beta", "gamma"))
		b, g := w.start("beta", callerSite("beta")), w.start("gamma", callerSite("gamma"))
		reaches(t, 5*time.Second, "both there", a.callersUp(2))
		reaches(t, 5*time.Second, "they know it", both(b, g, StateUp))
		node := func(d *testDaemon) ipx.Node { return d.allSites()[0].status().IPX.Local }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := b.ipx.router.Ping(ctx, ping.Novell, roadNetwork, ipx.Node{2, 0, 0, 0, 0, 1}, 0); err != nil {
			t.Errorf("beta to alpha: %v", err)
		}
		if _, _, err := b.ipx.router.Ping(ctx, ping.Novell, roadNetwork, node(g), 0); err != nil {
			t.Errorf("beta to gamma: %v", err)
		}
		if _, _, err := a.ipx.router.Ping(ctx, ping.Novell, roadNetwork, node(g), 0); err != nil {
			t.Errorf("alpha to gamma: %v", err)
		}

		// One that sends under the node of another is not heard.
		wire := a.allSites()[0].remotes.wire
		forged := packet.Get()
		h := ipx.Header{Checksum: ipx.NoChecksum, Length: ipx.HeaderLen,
			Dst: ipx.Addr{Network: roadNetwork, Node: node(b), Socket: 0x4000}, Src: ipx.Addr{Network: roadNetwork, Node: node(g), Socket: 0x4000}}
		forged.Set(ipx.AppendPacket(nil, h, nil))
		(*wire.stations.Load())[node(b)].wire.Load().input([]*packet.Buffer{forged})
		if n := a.allSites()[0].status().Pool.ForeignIPX; n != 1 {
			t.Errorf("%d packets under another's address", n)
		}
	})
}

func TestRefusedCallers(t *testing.T) {
	for _, c := range []struct {
		name    string
		road    *config.Site
		want    string
		refused RemoteRefusals
	}{
		{"as many as may be", roadSite("10.9.0.0/24", 2, "beta", "gamma", "delta"), "callers = 2 allows no more", RemoteRefusals{Limit: 1}},
		{"as many as the pool has", roadSite("10.9.0.0/30", 9, "beta", "gamma", "delta"), "all addresses of the pool 10.9.0.0/30 are in use", RemoteRefusals{NoAddress: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.startRoad(c.road)
				n := 3 - int(c.refused.sum())
				for _, name := range []string{"beta", "gamma", "delta"}[:n] {
					w.start(name, callerSite(name))
				}
				reaches(t, 5*time.Second, "those who fit", a.callersUp(n))
				for _, name := range []string{"beta", "gamma", "delta"}[n:] {
					d := w.start(name, callerSite(name))
					reaches(t, 20*time.Second, "refused", d.is(StateWaiting))
				}
				if s := a.allSites()[0].status(); len(s.Callers) != n || s.Pool.Refused != c.refused {
					t.Errorf("%+v", s.Pool)
				}
				if r := a.refused.snapshot(); r.Count != 0 || !strings.Contains(a.log.String(), c.want) {
					t.Errorf("%+v\n%s", r, a.log)
				}
			})
		})
	}
}

func TestWrongSecretOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.startRoad(roadSite("10.9.0.0/24", 64, "beta"))
		var reasons []string
		for _, name := range []string{"beta", "gamma"} { // gamma is nobody's name
			wrong := callerSite(name)
			wrong.Auth.SecretOut = "guess"
			d := w.start(name, wrong)
			reaches(t, time.Minute, "refused", d.is(StateWaiting))
			reasons = append(reasons, strings.ReplaceAll(d.allSites()[0].status().Reason, name, "NAME"))
		}
		if reasons[0] != reasons[1] {
			t.Errorf("a wrong secret and an unknown name are told apart: %q", reasons)
		}
		if g := a.guard.snapshot(time.Now()); g.Wrong != 2 || len(a.callers()) != 0 {
			t.Errorf("%+v", g)
		}
	})
}

// Two machines have one name: the second gets in when the first is dead.
func TestOneCallForEachName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.startRoad(roadSite("10.9.0.0/24", 64, "beta"))
		first := w.start("beta", callerSite("beta"))
		reaches(t, 5*time.Second, "the first", a.callersUp(1))
		twin := callerSite("beta")
		g := w.start("gamma", twin)
		reaches(t, 20*time.Second, "the second is refused", g.is(StateWaiting))
		if s := a.allSites()[0].status(); s.Pool.Refused.Busy != 1 || s.Callers[0].Peer != addrOf["beta"] {
			t.Errorf("%+v", s)
		}
		first.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		w.cutTCP("beta")
		reaches(t, 10*time.Minute, "the second has its place", func() bool {
			all := a.callers()
			return len(all) == 1 && all[0].Up && all[0].Peer == addrOf["gamma"]
		})
	})
}

func TestOperatorEndsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.startRoad(roadSite("10.9.0.0/24", 64, "beta", "gamma"), peerSite("alpha", "delta", false, true))
		b := w.start("beta", callerSite("beta"))
		w.start("gamma", callerSite("gamma"))
		reaches(t, 5*time.Second, "both there", a.callersUp(2))
		post := func(path string, want int) {
			t.Helper()
			got := httptest.NewRecorder()
			a.apiHandler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil))
			if got.Code != want {
				t.Errorf("%s: %d %s", path, got.Code, got.Body)
			}
		}
		post("/v1/sites/road/callers/nobody/down", http.StatusNotFound)
		post("/v1/sites/way/callers/beta/down", http.StatusNotFound)
		post("/v1/sites/delta/callers/beta/down", http.StatusConflict)
		b.stop()
		reaches(t, 5*time.Second, "beta is gone", a.callersUp(1))
		post("/v1/sites/road/callers/gamma/down", http.StatusOK)
		if len(a.callers()) != 0 {
			t.Error("gamma is still there")
		}
		reaches(t, time.Minute, "it may call again", a.callersUp(1))
		post("/v1/sites/road/down", http.StatusOK)
		if s := a.allSites()[0].status(); s.State != StateStopped || len(s.Callers) != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		if s := a.allSites()[0].status(); s.State != StateStopped || len(s.Callers) != 0 || s.Pool.Refused.Stopped == 0 {
			t.Errorf("%+v", s.Pool)
		}
		post("/v1/sites/road/up", http.StatusOK)
		reaches(t, 10*time.Minute, "and again", a.callersUp(1))
	})
}

// Users that are taken out, or changed, lose their calls when that is read.
func TestUsersAreLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		road := roadSite("10.9.0.0/24", 64, "beta", "gamma", "delta")
		a := w.startRoad(road)
		for _, n := range []string{"beta", "gamma", "delta"} {
			w.start(n, callerSite(n))
		}
		reaches(t, 5*time.Second, "all there", a.callersUp(3))
		a.allSites()[0].remotes.recheck()
		if len(a.callers()) != 3 {
			t.Fatal("somebody was ended, and nothing has changed")
		}
		cfg := *a.config()
		changed := *road
		changed.Remote = &config.Remote{Limit: 64, Users: map[string]*config.User{
			"beta":  {Name: "beta", Secret: "secret of beta"},
			"gamma": {Name: "gamma", Secret: "another"},
		}}
		cfg.Sites = []*config.Site{&changed}
		a.configured.Store(&cfg)
		a.allSites()[0].remotes.recheck()
		if got := a.callers(); len(got) != 1 || got[0].Name != "beta" {
			t.Errorf("%s", addresses(got))
		}
		time.Sleep(10 * time.Minute)
		if got := a.callers(); len(got) != 1 {
			t.Errorf("they are back: %s", addresses(got))
		}
	})
}

func (t *testDaemon) peerOfCaller(name string) []netip.Addr {
	t.peersMu.Lock()
	defer t.peersMu.Unlock()
	return t.peerOf["road/"+name]
}

// Where callers are stays known while they are there: no route of another site may catch
// the packets to them.
func TestCallersStayProtected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		road := roadSite("10.9.0.0/24", 64, "beta")
		a := w.startRoad(road)
		b := w.start("beta", callerSite("beta"))
		reaches(t, 5*time.Second, "beta", a.callersUp(1))
		if _, err := a.Reload(a.withSites(road, peerSite("alpha", "delta", false, true))); err != nil {
			t.Fatal(err)
		}
		if got := a.peerOfCaller("beta"); !slices.Equal(got, []netip.Addr{addrOf["beta"]}) {
			t.Errorf("after a reload that does not touch the site: %v", got)
		}

		// A call that ends late takes nothing from the one that has its place.
		old := a.site("road").remotes.find("beta")
		b.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		w.cutTCP("beta")
		w.start("gamma", callerSite("beta"))
		reaches(t, 10*time.Minute, "beta calls from elsewhere", func() bool {
			all := a.callers()
			return len(all) == 1 && all[0].Up && all[0].Peer == addrOf["gamma"]
		})
		<-old.session.over
		old.all.left(old)
		if got := a.peerOfCaller("beta"); !slices.Equal(got, []netip.Addr{addrOf["gamma"]}) {
			t.Errorf("after the end of the call before: %v", got)
		}
	})
}

func TestAddressesOfAPool(t *testing.T) {
	road := roadSite("10.9.0.0/29", 64, "x")
	road.Remote.Users["x"].Address = netip.MustParseAddr("10.9.0.3")
	other := &config.Site{IP: &config.IP{Peer: netip.MustParseAddr("10.9.0.4")}}
	d := configured(&config.Config{Sites: []*config.Site{road, other}})
	r := &remotes{site: &site{d: d, cfg: road}, byAddr: map[netip.Addr]*remote{}}
	r.last.limit = 3
	get := func(name string) string {
		a, err := r.address(road, name, road.Remote.User(name))
		if err != nil {
			return "none"
		}
		r.last.keep(name, a)
		r.byAddr[a] = &remote{name: name, addr: a}
		return a.String()
	}
	free := func(a string) { delete(r.byAddr, netip.MustParseAddr(a)) }
	for _, c := range []struct{ free, name, want string }{
		{"", "a", "10.9.0.2"}, // .0 is the network, .1 is ours
		{"", "b", "10.9.0.5"}, // .3 is x's, .4 is another peer's
		{"10.9.0.2", "c", "10.9.0.6"},
		{"10.9.0.5", "a", "10.9.0.2"},
		{"10.9.0.2", "d", "10.9.0.5"}, // b's, since nobody else's is left that nobody had
		{"", "x", "10.9.0.3"},
		{"", "x", "none"},
		{"", "e", "10.9.0.2"},
		{"", "f", "none"},
	} {
		if c.free != "" {
			free(c.free)
		}
		if got := get(c.name); got != c.want {
			t.Errorf("%s gets %s, want %s", c.name, got, c.want)
		}
	}
	if len(r.last.addr) > 3 {
		t.Errorf("%d are remembered", len(r.last.addr))
	}
}

// A certificate whose name is that of a site does not lead to it by way of a pool's
// CA.
func TestNameOfACertifiedCaller(t *testing.T) {
	road := roadSite("10.9.0.0/24", 64, "anna")
	way := roadSite("10.8.0.0/24", 64, "bert")
	way.Name = "way"
	d := configured(&config.Config{Daemon: config.Daemon{Name: "alpha"}, Sites: []*config.Site{road, peerSite("alpha", "beta", false, true), way}})
	for name, ok := range map[string]bool{"anna": true, "carl": true, "beta": false, "alpha": false, "bert": false} {
		leaf := testLeaf(name)
		got, err := d.nameOfRemote(road, "", leaf)
		if (err == nil) != ok || ok && got != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := d.nameOfRemote(road, "b", testLeaf("a", "b")); got != "b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func testLeaf(names ...string) *x509.Certificate { return &x509.Certificate{DNSNames: names} }
