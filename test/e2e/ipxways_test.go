package e2e

import (
	"fmt"
	"testing"

	"sitebridge/test/lab"
)

// wanC is the address of a third site.
const wanC = "192.0.2.3"

// siteTable is a site of another one of our daemons, without IP.
func siteTable(name, keys, auth, ipxKeys string) string {
	return fmt.Sprintf(`[site.%[1]s]
%[2]s
required = ["ipx"]
echo = { interval = "1s", failures = 3 }
[site.%[1]s.auth]
methods = ["mschapv2"]
%[3]s
[site.%[1]s.encryption]
policy = "disabled"
[site.%[1]s.ipx]
%[4]s
`, name, keys, auth, ipxKeys)
}

// TestTwoWays: the LAN of site b is behind two tunnels of site a: its own, and that
// to a third site. The near one is used; when it is lost, the other takes over at
// once, for all that hold says; and when it is back, it is used again.
func TestTwoWays(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	siteC := w.AddSite("site-c", wanC)
	const in, out = `secret_in_file = "secret"`, `secret_out_file = "secret"`
	config := ipxOnly(`hold = "10m"`)
	config.Answer = true
	config.More = siteTable("c", "", in, "")
	config.Auth = "methods = [\"mschapv2\"]\n" + in
	a := w.Start(w.SiteA, config.A())
	config.Auth += "\n" + out
	b := w.Start(w.SiteB, config.B())
	c := w.Start(siteC, "[daemon]\nname = \"c\"\nstatus = \"STATUS\"\n"+
		siteTable("a", `dial = ["`+lab.WANA+`"]`, out, "")+siteTable("b", `dial = ["`+lab.WANB+`"]`, out, ""))
	c.WaitUp("a")
	c.WaitUp("b")
	b.WaitUp("a")
	near, far := w.Station(w.HostA, "lan", nwFrame), w.Station(w.HostB, "lan", nwFrame)
	by := func(site string, hops uint8) func(r routeInfo) bool {
		return func(r routeInfo) bool { return r.Via == site && r.Hops == hops && r.Held.IsZero() }
	}

	a.WaitRoute(lanB, "the near one, and another", func(r routeInfo) bool { return by("b", 1)(r) && len(r.Alternatives) == 1 })
	b.WaitRoute(lanA, "the near one", by("a", 1))
	pingIPX(t, w, near, far, lanB, 100)
	b.Run("down", "a")
	a.WaitRoute(lanB, "round by c", by("c", 2))
	b.WaitRoute(lanA, "round by c", by("c", 2))
	lab.Wait(t, "pings go round", func() bool {
		stats := c.Site("a").IPX
		route, err := near.FindRoute(w.Patiently(), lanB)
		if err != nil || stats == nil {
			return false
		}
		if _, err := near.Ping(w.Patiently(), far.Addr(), route.Router, 64); err != nil {
			return false
		}
		return c.Site("a").IPX.Stats.PacketsIn > stats.Stats.PacketsIn
	})
	b.Run("up", "a")
	a.WaitRoute(lanB, "the near one again", by("b", 1))
	b.WaitRoute(lanA, "the near one again", by("a", 1))
	pingIPX(t, w, near, far, lanB, 100)
}
