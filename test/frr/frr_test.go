package frr

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/test/lab"
)

const (
	wanHub2 = "192.0.2.3"
	lanHub2 = "10.1.0.3"
	lanFar  = "10.1.0.9" // the router's
)

// documented returns the configuration that docs/routing.md shows for a role.
func documented(t *testing.T, role string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)<!-- test/frr runs this on " + role + " -->\n```\\w+\n(.*?)```").FindSubmatch(doc)
	if found == nil {
		t.Fatalf("docs/routing.md has no configuration for %s", role)
	}
	return string(found[1])
}

// hubConfig is the configuration of both hubs, which are one to the branch.
func hubConfig(local string) string {
	return fmt.Sprintf(`[daemon]
name = "hub"
status = "STATUS"
listen = ["0.0.0.0:1723"]
[site.branch]
echo = { interval = "1s", failures = 2 }
[site.branch.auth]
methods = ["mschapv2"]
secret_in_file = "secret"
[site.branch.encryption]
policy = "disabled"
[site.branch.ip]
address = %q
peer = "10.255.0.9"
routes = ["10.2.0.0/16"]
`, local)
}

const branchConfig = `[daemon]
name = "branch"
status = "STATUS"
[site.hub]
dial = ["` + lab.WANA + `", "` + wanHub2 + `"]
echo = { interval = "1s", failures = 2 }
[site.hub.auth]
methods = ["mschapv2"]
secret_out_file = "secret"
[site.hub.encryption]
policy = "disabled"
[site.hub.ip]
address = "10.255.0.9"
routes = ["10.1.0.0/16"]
`

// world is the picture in the package's comment, running.
type world struct {
	*lab.World
	hub2, far          *netlab.Namespace
	one, two, branch   *lab.Daemon
	frr1, frr2, router *router
	flushes            int
}

func newWorld(t *testing.T) *world {
	need(t, filepath.Join(programs, "ospfd"))
	w := layWorld(t)
	w.frr1 = start(t, w.SiteA, documented(t, "a hub"))
	w.frr2 = start(t, w.hub2, documented(t, "another hub"))
	w.router = start(t, w.far, documented(t, "a router"))
	t.Cleanup(func() {
		if t.Failed() {
			w.frr1.told()
			w.frr2.told()
			w.router.told()
		}
	})
	w.branch = w.Start(w.SiteB, branchConfig)
	return w
}

// layWorld is the picture without anybody who speaks OSPF, and before the branch dials.
func layWorld(t *testing.T) *world {
	w := &world{World: lab.New(t)}
	w.hub2 = w.AddSite("hub2", wanHub2)
	w.Join(w.HostA, w.hub2)
	w.far = w.Desk(w.HostA, "router")
	w.hub2.Addr("lan", lanHub2+"/24")
	w.far.Addr("lan", lanFar+"/24")
	w.one, w.two = w.Start(w.SiteA, hubConfig("10.255.0.1")), w.Start(w.hub2, hubConfig("10.255.0.2"))
	w.one.WaitSite("branch", "there", func(bridge.SiteStatus) bool { return true })
	w.two.WaitSite("branch", "there", func(bridge.SiteStatus) bool { return true })
	return w
}

// way is how a host sends to the branch: a gateway, an interface, or "unreachable", or
// nothing.
func way(t *testing.T, ns *netlab.Namespace) string {
	t.Helper()
	routes, err := ns.Handle().RouteGet(net.ParseIP(lab.AddrB))
	switch {
	case errors.Is(err, unix.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, unix.ENETUNREACH):
		return ""
	case err != nil || len(routes) != 1:
		t.Fatalf("%s: way to the branch: %v, %v", ns.Name(), routes, err)
	case routes[0].Gw != nil:
		return routes[0].Gw.String()
	}
	link, err := ns.Handle().LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return err.Error()
	}
	return link.Attrs().Name
}

// wantWays waits until hub1, hub2 and the router send to the branch as wanted.
func (w *world) wantWays(what, hub1, hub2, router string) {
	w.T.Helper()
	want := [3]string{hub1, hub2, router}
	var got [3]string
	began := time.Now()
	for got != want {
		if time.Since(began) > patience {
			w.T.Fatalf("%s: hub1, hub2 and the router send to the branch by %q, want %q", what, got, want)
		}
		got = [3]string{way(w.T, w.SiteA), way(w.T, w.hub2), way(w.T, w.far)}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	w.T.Logf("%s: settled after %v", what, time.Since(began).Round(time.Millisecond))
}

// wantAnnounced checks who announces the branch's network, by router ID, once OSPF has
// told everything that FRR on the hubs knows now.
func (w *world) wantAnnounced(what string, want ...string) {
	w.T.Helper()
	w.flush()
	var got []string
	lab.Wait(w.T, fmt.Sprintf("%s: announced by %q", what, want), func() bool {
		got = w.announcers("10.2.0.0")
		return strings.Join(got, " ") == strings.Join(want, " ")
	})
}

// announcers returns who announces a network, by router ID.
func (w *world) announcers(network string) (all []string) {
	w.T.Helper()
	out, err := w.router.show("ip ospf database external " + network)
	if err != nil {
		w.T.Fatalf("vtysh: %v\n%s", err, out)
	}
	for _, m := range regexp.MustCompile(`LS age: (\d+)(?s:.*?)Advertising Router: (\S+)`).FindAllStringSubmatch(out, -1) {
		if m[1] != "3600" { // MaxAge: it is being withdrawn (RFC 2328, section 14)
			all = append(all, m[2])
		}
	}
	return all
}

// flush waits until all that zebra on the hubs has to tell is with the router: it has
// ospfd announce one network more, and that comes after what was there before.
func (w *world) flush() {
	w.T.Helper()
	w.flushes++
	for i, r := range []*router{w.frr1, w.frr2} {
		lab.Wait(w.T, "zebra knows its kernel's routes", func() bool {
			out, err := r.show("ip route 10.2.0.0/16")
			selected := regexp.MustCompile(`distance (\d+), .*best`).FindStringSubmatch(out)
			want := map[string]string{"sb-branch": "0", "unreachable": "255"}[way(w.T, r.ns)]
			if want == "" {
				want = "110"
			}
			return err == nil && selected != nil && selected[1] == want
		})
		canary := fmt.Sprintf("10.99.%d.%d", i, w.flushes)
		r.ns.Addr("lo", canary+"/32")
		lab.Wait(w.T, canary+" is announced", func() bool { return len(w.announcers(canary)) == 1 })
	}
}

// wantUnreachableBelow checks that a hub still has its unreachable route beside whatever else it has.
func (w *world) wantUnreachableBelow(ns *netlab.Namespace) {
	w.T.Helper()
	list, err := ns.Handle().RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: 172}, netlink.RT_FILTER_PROTOCOL)
	if err != nil || len(list) != 1 || list[0].Type != unix.RTN_UNREACHABLE || list[0].Priority != 4294967295 {
		w.T.Errorf("%s: routes of protocol 172: %v, %v", ns.Name(), list, err)
	}
}

// TestHandOverToOSPF: the hub that has the branch hands its network on; when the branch
// is down nobody does; when it comes back, or to the other hub, the route follows.
func TestHandOverToOSPF(t *testing.T) {
	t.Parallel()
	const tunnel, hub1, hub2, nowhere = "sb-branch", lab.LANA, lanHub2, "unreachable"
	w := newWorld(t)
	w.branch.WaitUp("hub")
	w.wantWays("up at hub 1", tunnel, hub1, hub1)
	w.wantAnnounced("up at hub 1", "192.0.2.1")
	w.WantPing(w.far, lab.AddrB)
	w.wantUnreachableBelow(w.SiteA)
	w.wantUnreachableBelow(w.hub2)

	w.branch.Run("down", "hub")
	w.wantWays("down", nowhere, nowhere, "")
	w.wantAnnounced("down")
	w.branch.Run("up", "hub")
	w.branch.WaitUp("hub")
	w.wantWays("up again", tunnel, hub1, hub1)
	w.wantAnnounced("up again", "192.0.2.1")
	w.WantPing(w.far, lab.AddrB)

	w.Unplug("site-a") // the hub stays on its LAN
	w.wantWays("moved to hub 2", hub2, tunnel, hub2)
	w.wantAnnounced("moved to hub 2", "192.0.2.3")
	w.WantPing(w.far, lab.AddrB)
	if s := w.branch.WaitUp("hub"); s.Tunnel == nil || s.Tunnel.Peer.String() != wanHub2 {
		t.Errorf("the branch is at %+v", s.Tunnel)
	}
}
