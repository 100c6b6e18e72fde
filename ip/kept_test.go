package ip

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"sitebridge/internal/netlab"
)

// What HasLive sees is what InstallLive made: the kernel's form of a route and ours are
// one, for both families, in all tables.
func TestHasLiveKnowsTheRoutesOfInstallLive(t *testing.T) {
	lab := netlab.New(t, "/dev/net/tun")
	err := lab.Namespace("host").Do(func() error {
		h, err := OpenHost()
		if err != nil {
			return err
		}
		defer h.Close()
		dev, err := Open(Config{Name: "site", Host: h})
		if err != nil {
			return err
		}
		defer dev.Close()
		all := []netip.Prefix{
			netip.MustParsePrefix("10.7.0.0/16"), netip.MustParsePrefix("10.8.0.1/32"),
			netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2001:db8:7::/48"),
		}
		unprotect, err := h.ProtectMarked(all[2:3]) // it has a table of its own
		if err != nil {
			return err
		}
		defer unprotect()
		for _, metric := range []uint32{0, 77} {
			if _, err := h.InstallUnreachable(all); err != nil {
				return err
			}
			if _, err := h.InstallLive(dev, all, metric, netip.Addr{}); err != nil {
				return err
			}
			h.kept.at = time.Time{}
			for _, p := range all {
				if !h.HasLive(dev, p, metric) {
					t.Errorf("route to %v with metric %d is not seen; there are %v", p, metric, h.kept.routes)
				}
				if !h.kept.routes[keptRoute{routeKey{p, h.table(p), worstMetric}, 0}] {
					t.Errorf("the unreachable route to %v is not seen", p)
				}
				if h.HasLive(dev, p, 5) {
					t.Errorf("route to %v with another metric is seen", p)
				}
			}
		}
		if err := h.nl.RouteDel(&netlink.Route{LinkIndex: dev.Index(), Dst: ipNet(all[0]), Protocol: ProtoLive, Priority: 77, Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
		if !h.HasLive(dev, all[0], 77) {
			t.Error("who asks again at once has the kernel asked again")
		}
		h.kept.at = time.Time{}
		if h.HasLive(dev, all[0], 77) || !h.HasLive(dev, all[0], 0) {
			t.Error("a route that was taken away is seen, or one that is there is not")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
