package e2e

import (
	"errors"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/test/judge"
	"sitebridge/test/lab"
	"sitebridge/test/netware"
)

// TestHold: what becomes of a NetWare login when the tunnel is lost.
func TestHold(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(t *testing.T){
		"a login lives through a flap": loginLivesThroughFlap,
		"hold ends":                    holdEnds,
		"no watchdogs by default":      noWatchdogsByDefault,
	})
}

// noticed is a silence after which a server asks. The tunnel's loss is noticed
// before that: what is asked, and not answered, while the tunnel counts as up looks
// like a client that is gone, and we do not speak for it.
const noticed = 7 * time.Second

// A holdWorld is a workstation at site b that is logged in at the server of site a.
type holdWorld struct {
	*lab.World
	a, b      *lab.Daemon
	server    *netware.Server
	client    *netware.Client
	clientOff func()
}

// routeInfo is short for what these tests ask about.
type routeInfo = router.RouteInfo

// newHoldWorld has a server that asks a client that is silent for so long whether
// it lives, each second and so many times at most.
func newHoldWorld(t *testing.T, silent time.Duration, times int, keys string) *holdWorld {
	t.Helper()
	w := lab.New(t)
	x := &holdWorld{World: w}
	quick := ipxOnly(keys)
	quick.Site = `echo = { interval = "1s", failures = 1 }`
	x.a, x.b = w.Start(w.SiteA, quick.A()), w.Start(w.SiteB, quick.B())
	fs := fileServer()
	fs.Watchdog = netware.Watchdog{First: silent, Every: time.Second, Times: times}
	x.server, _ = w.Server(w.HostA, fs)
	x.client, x.clientOff = w.Client(w.HostB, nwFrame)
	x.b.WaitService(fsName, true)
	x.a.WaitRoute(lanB, "by the site", func(r routeInfo) bool { return r.Via == "b" })
	works(t, w, x.client)
	return x
}

// cut takes site b off the WAN, and waits until both have noticed.
func (x *holdWorld) cut() {
	x.Unplug("site-b")
	x.a.WaitSite("b", "down", notUp)
	x.b.WaitSite("a", "down", notUp)
}

// stays is the connection that the server has.
func (x *holdWorld) stays() bool { return len(x.server.Connections()) == 1 }

// answered is how often site a has answered for the client.
func (x *holdWorld) answered() uint64 {
	s := x.a.Site("b")
	if s.Watchdogs == nil {
		return 0
	}
	return s.Watchdogs.Answered
}

// loginLivesThroughFlap: the WAN is gone for longer than the server is patient.
// Our answers keep the login, no LAN hears that anything is gone, and the client
// goes on with its next request.
func loginLivesThroughFlap(t *testing.T) {
	x := newHoldWorld(t, noticed, 3, "hold = \"60s\"\nwatchdogs = true")
	lanA, lanB := x.Capture(x.HostA, "lan"), x.Capture(x.HostB, "lan")
	before := x.b.Site("a").Ups
	x.cut()
	lab.Wait(t, "the client is spoken for, for longer than the server waits for a dead one", func() bool { return x.answered() >= 2 })
	if !x.stays() {
		t.Error("the server has cleared the connection")
	}
	if r, known := x.a.Route(0x20); !known || r.Held.IsZero() {
		t.Errorf("site a does not say that network 20 is held: %+v", r)
	}
	if out, _, _ := x.b.Run("ipx", "slist"); len(out) == 0 || !x.b.Knows(fsName) {
		t.Errorf("the server is not known at b meanwhile: %s", out)
	}
	x.Plug("site-b")
	x.b.WaitSite("a", "up again", func(s bridge.SiteStatus) bool { return s.State == bridge.StateUp && s.Ups > before })
	x.a.WaitUp("b")
	if err := x.client.CopyFile(x.Patiently(), fileOctets); err != nil {
		t.Errorf("after the flap: %v", err)
	}
	asked := x.client.Watchdogs()
	lab.Wait(t, "the client answers for itself", func() bool { return x.client.Watchdogs() > asked })
	for name, stop := range map[string]func() string{"host-a": lanA, "host-b": lanB} {
		if n := judge.Count(t, stop(), "ipxrip.hops == 16 || ipxsap.server.intermediate_networks == 16"); n > 0 {
			t.Errorf("%s heard %d times that something is gone", name, n)
		}
	}
}

// holdEnds: what does not come back within hold is told as gone, and then no
// watchdog is answered.
func holdEnds(t *testing.T) {
	x := newHoldWorld(t, noticed, 3, "hold = \"10s\"\nwatchdogs = true")
	heard := x.Capture(x.HostA, "lan")
	x.cut()
	lab.Wait(t, "a watchdog is answered", func() bool { return x.answered() > 0 })
	x.a.WaitNoRoute(lanB)
	x.b.WaitService(fsName, false)
	select {
	case <-x.server.Dropped():
	case <-time.After(lab.Patience):
		t.Error("the server was not let clear the connection")
	}
	if pcap := heard(); judge.Count(t, pcap, "ipxrip.route_vector == 0x20 && ipxrip.hops == 16") == 0 {
		t.Errorf("the LAN of site a was not told that network 20 is gone")
	}
}

// noWatchdogsByDefault: who did not ask for it does not get it: the server
// clears the connection in spite of hold.
func noWatchdogsByDefault(t *testing.T) {
	x := newHoldWorld(t, time.Second, 3, `hold = "60s"`)
	x.cut()
	select {
	case <-x.server.Dropped():
	case <-time.After(lab.Patience):
		t.Error("the server has not cleared the connection")
	}
	if _, held := x.a.Route(lanB); !held {
		t.Error("hold does not hold")
	}
	if s := x.a.Site("b"); s.Watchdogs != nil {
		t.Errorf("watchdogs: %+v", s.Watchdogs)
	}
	x.Plug("site-b")
	x.b.WaitUp("a")
	x.a.WaitUp("b")
	if err := x.client.CopyFile(x.Patiently(), 1); !errors.Is(err, netware.ErrCleared) {
		t.Errorf("after the flap: %v, want %v", err, netware.ErrCleared)
	}
}

// TestAttackX6DeadClient: the client was switched off before the tunnel was lost.
// Nobody keeps it alive: neither with the tunnel up nor while it is held.
func TestAttackX6DeadClient(t *testing.T) {
	t.Parallel()
	x := newHoldWorld(t, 2*time.Second, 12, "hold = \"60s\"\nwatchdogs = true")
	x.clientOff()
	grave := newTap(x.World, x.HostB)
	lab.Wait(t, "the server asks the dead client", func() bool { return len(grave.heard(ipx.ServerNode)) > 0 })
	asked := time.Now()
	lab.Wait(t, "the tunnel works for longer than a living client takes to answer", func() bool {
		s := x.a.Site("b")
		return s.Tunnel != nil && s.Tunnel.PPP.LastHeard.Sub(asked) > 6*time.Second
	})
	x.cut()
	select {
	case <-x.server.Dropped():
	case <-time.After(lab.Patience):
		t.Error("the server has not cleared the dead client")
	}
	if n := x.answered(); n != 0 {
		t.Errorf("%d watchdogs were answered for a dead client", n)
	}
}
