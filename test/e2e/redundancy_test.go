package e2e

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx/station"
	"sitebridge/test/lab"
)

// twoHubs is a branch (site b) with a tunnel to each of two hubs on one LAN. The hubs
// know the branch by each other too, should their own tunnel be lost.
//
//	desk --lan-- site-a ==wan== site-b (wan1) --lan-- host-b
//	        \--- hub2   ==wan== site-b (wan)
type twoHubs struct {
	*lab.World
	hub2, desk       *netlab.Namespace
	one, two, branch *lab.Daemon
}

// The second uplink of the branch, to the first hub, and what is on the hubs' LAN.
const (
	wan1A, wan1B = "198.51.100.1", "198.51.100.2"
	lanHub2      = "10.1.0.3"
	deskAddr     = "10.1.0.9"
)

// hubSite is a site of the twoHubs, with echoes that notice a silent peer in seconds.
func hubSite(name, dial, secret, ip string) string {
	return fmt.Sprintf(`[site.%[1]s]
%[2]s
echo = { interval = "1s", failures = 2 }
[site.%[1]s.auth]
methods = ["mschapv2"]
%[3]s = "secret"
[site.%[1]s.encryption]
policy = "disabled"
[site.%[1]s.ip]
%[4]s
[site.%[1]s.ipx]
exchange = "triggered"
hold = "10m"
`, name, dial, secret, ip)
}

func hubDaemon(name, network, more string, sites ...string) string {
	return fmt.Sprintf("[daemon]\nname = %q\nstatus = \"STATUS\"\n%s\n[lan.lan]\ninterface = \"lan\"\nethernet_802_2 = %q\n%s",
		name, more, network, strings.Join(sites, ""))
}

func newTwoHubs(t *testing.T) *twoHubs {
	w := &twoHubs{World: lab.New(t)}
	w.hub2 = w.AddSite("hub2", wanC)
	w.Join(w.HostA, w.hub2)
	w.desk = w.Desk(w.HostA, "desk")
	w.hub2.Addr("lan", lanHub2+"/24")
	w.desk.Addr("lan", deskAddr+"/24")
	w.desk.Route("default", lab.LANA)
	secondUplink(w.World)
	besides(t, w.SiteA, lanHub2)
	besides(t, w.hub2, lab.LANA)

	const in, out, listen = "secret_in_file", "secret_out_file", `listen = ["0.0.0.0:1723"]`
	ends := func(local, peer, more string) string {
		return fmt.Sprintf("address = %q\npeer = %q\n%s", local, peer, more)
	}
	const behindHubs, behindBranch = `routes = ["10.1.0.0/16"]`, `routes = ["10.2.0.0/16"]`
	w.one = w.Start(w.SiteA, hubDaemon("a", "00000010", listen, hubSite("b", "", in, ends("10.255.0.1", "10.255.0.2", behindBranch))))
	w.two = w.Start(w.hub2, hubDaemon("c", "00000010", listen, hubSite("b", "", in, ends("10.255.1.1", "10.255.1.2", behindBranch))))
	w.branch = w.Start(w.SiteB, hubDaemon("b", "00000020", "",
		hubSite("a", `dial = ["`+wan1A+`"]`, out, ends("10.255.0.2", "10.255.0.1", behindHubs+"\nmetric = 100")),
		hubSite("c", `dial = ["`+wanC+`"]`, out, ends("10.255.1.2", "10.255.1.1", behindHubs+"\nmetric = 200"))))
	w.branch.WaitUp("a")
	w.branch.WaitUp("c")
	return w
}

// besides has a hub reach the branch by the other one while its own tunnel is down: the
// route is worse than a live one and better than the unreachable one.
func besides(t *testing.T, hub *netlab.Namespace, other string) {
	t.Helper()
	dst, err := netlink.ParseIPNet("10.2.0.0/16")
	if err == nil {
		gw, _ := netlink.ParseAddr(other + "/32")
		err = hub.Handle().RouteAdd(&netlink.Route{Dst: dst, Gw: gw.IP, Priority: 4000})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Gaps measures how long nothing comes through.
type gaps struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration
	n       int
}

func (g *gaps) heard() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); !g.last.IsZero() {
		g.longest = max(g.longest, now.Sub(g.last))
	}
	g.last = time.Now()
	g.n++
}

// since returns the longest gap since the last question, and begins anew.
func (g *gaps) since() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	longest := max(g.longest, time.Since(g.last))
	g.longest = 0
	return longest
}

func (g *gaps) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// pinging pings from a host until the test ends.
func (w *twoHubs) pinging(from *netlab.Namespace, to string) *gaps {
	g := new(gaps)
	w.Background(func(ctx context.Context) error {
		cmd := from.CommandContext(ctx, "ping", "-n", "-i", "0.05", "-W", "1", to)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "bytes from") {
				g.heard()
			}
		}
		cmd.Wait() // killed
		return nil
	})
	return g
}

// pingingIPX does the same with IPX. A client that gets no answer asks for the way again,
// as NetWare's do.
func (w *twoHubs) pingingIPX(from, to *station.Station) *gaps {
	g := new(gaps)
	w.Background(func(ctx context.Context) error {
		for ctx.Err() == nil {
			if route, err := within(ctx, func(ctx context.Context) (station.Route, error) { return from.FindRoute(ctx, lanA) }); err == nil {
				for err == nil && ctx.Err() == nil {
					if _, err = within(ctx, func(ctx context.Context) (time.Duration, error) { return from.Ping(ctx, to.Addr(), route.Router, 64) }); err == nil {
						g.heard()
						time.Sleep(50 * time.Millisecond) // the rate of the pings
					}
				}
			}
		}
		return nil
	})
	return g
}

// within gives something half a second.
func within[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	return do(ctx)
}

// TestFailOver: whatever cuts the branch from the first hub, its LAN reaches the hubs'
// LAN by the second one, IP and IPX, and by the first one again when that is back. How
// long the two were interrupted is in the log.
func TestFailOver(t *testing.T) {
	t.Parallel()
	w := newTwoHubs(t)
	near, far := w.Station(w.HostB, "lan", nwFrame), w.Station(w.desk, "lan", nwFrame)
	if _, err := far.FindRoute(w.Patiently(), lanB); err != nil {
		t.Fatal(err)
	}
	ip, ipx := w.pinging(w.HostB, deskAddr), w.pingingIPX(near, far)
	lab.Wait(t, "pings of both kinds", func() bool { return ip.count() > 10 && ipx.count() > 10 })
	w.branch.WaitRoute(lanA, "two ways", func(r routeInfo) bool { return len(r.Alternatives) == 1 })

	for _, c := range []struct {
		what      string
		cut, mend func()
		reason    string
		bound     time.Duration // of the interruption
	}{
		{
			"hub 1 is off the network in silence", func() { w.Unplug("site-a") }, func() { w.Plug("site-a") },
			"", 10 * time.Second,
		},
		{
			"the uplink to hub 1 goes down", func() { w.SiteB.Down("wan1") }, func() { w.SiteB.Up("wan1") },
			"interface wan1, by which " + wan1A + " was reached, is down", 5 * time.Second,
		},
	} {
		ip.since()
		ipx.since()
		watch := lab.StartWatch()
		c.cut()
		down := w.branch.WaitSite("a", "down", notUp)
		noticed := watch.Took()
		if log := w.branch.Log(); !strings.Contains(log, c.reason) {
			t.Errorf("%s: no reason with %q in the log (now: %q)", c.what, c.reason, down.Reason)
		}
		w.one.WaitSite("b", "down", notUp)
		before, beforeIPX := ip.count(), ipx.count()
		lab.Wait(t, c.what+": pings of both kinds", func() bool { return ip.count() > before+20 && ipx.count() > beforeIPX+10 })
		gapIP, gapIPX := ip.since(), ipx.since()
		t.Logf("%s: noticed after %v, IP interrupted for %v, IPX for %v", c.what, noticed, gapIP, gapIPX)
		watch.Kept(t, c.what+": the interruption of IP", gapIP, c.bound)
		watch.Kept(t, c.what+": the interruption of IPX", gapIPX, c.bound)

		watch = lab.StartWatch()
		c.mend()
		w.branch.WaitUp("a")
		w.branch.WaitRoute(lanA, "two ways again", func(r routeInfo) bool { return len(r.Alternatives) == 1 })
		before, beforeIPX = ip.count(), ipx.count()
		lab.Wait(t, c.what+": pings of both kinds after it is back", func() bool { return ip.count() > before+20 && ipx.count() > beforeIPX+10 })
		packets := w.branch.Site("a").IP.Stats
		lab.Wait(t, "IP goes by the first hub", func() bool { return w.branch.Site("a").IP.Stats != packets })
		gapIP, gapIPX = ip.since(), ipx.since()
		t.Logf("%s, and back: IP interrupted for %v, IPX for %v", c.what, gapIP, gapIPX)
		watch.Kept(t, c.what+", and back: the interruption of IP", gapIP, c.bound)
		watch.Kept(t, c.what+", and back: the interruption of IPX", gapIPX, c.bound)
	}
	if s := w.branch.Site("c"); s.State != bridge.StateUp || s.Ups != 1 {
		t.Errorf("the other tunnel is %s and was up %d times", s.State, s.Ups)
	}
}
