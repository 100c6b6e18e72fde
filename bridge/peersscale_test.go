package bridge

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"sitebridge/bridge/config"
)

// What a call costs grows no faster than the sites: each looks whether a route of ours
// leads to its peer, and none does.
func TestPeersAtScale(t *testing.T) {
	perCall := func(sites int) time.Duration {
		d := newDaemon(&config.Config{Daemon: config.Daemon{Name: "hub"}}, slog.New(slog.DiscardHandler), "")
		var all []*site
		for n := range sites {
			lan := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)
			c := &config.Site{Name: fmt.Sprint(n), IP: &config.IP{Routes: []netip.Prefix{lan}}}
			all = append(all, &site{d: d, cfg: c, ip: &ipPlane{cfg: c.IP}})
		}
		d.setSites(all)
		began := time.Now()
		for n, s := range all {
			if err := d.peersOf(s, []netip.Addr{netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})}, never); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(d.peers()); got != sites {
			t.Errorf("%d peers of %d sites", got, sites)
		}
		return time.Since(began) / time.Duration(sites)
	}
	// What else the machine does falls on one of them now and then, and not each time.
	const times = 8
	var few, many time.Duration
	for range 10 {
		if few, many = perCall(250), perCall(250*times); many <= 4*times*few {
			return
		}
	}
	t.Errorf("a call costs %v with 250 sites and %v with %d times as many", few, many, times)
}
