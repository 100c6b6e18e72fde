package ip

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

// TestLook: what the kernel would do, in every way that it can refuse, and what somebody
// took away of a full tunnel.
func TestLook(t *testing.T) {
	lab := netlab.New(t, cloneDevice)
	ns, other := lab.Namespace("host"), lab.Namespace("other")
	lab.Veth(ns, "wan", other, "wan")
	ns.Addr("wan", "192.0.2.2/24")
	g := newGateway(t, ns, "sb-hq")
	peer, local := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for kind, dst := range map[int]string{unix.RTN_PROHIBIT: "198.51.100.1/32", unix.RTN_BLACKHOLE: "198.51.100.2/32", unix.RTN_UNREACHABLE: "198.51.100.3/32"} {
		if err := g.host.nl.RouteAdd(&netlink.Route{Type: kind, Dst: ipNet(netip.MustParsePrefix(dst))}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		from, to string
		device   string
		want     error
	}{
		"there":             {to: "192.0.2.1"},
		"from our address":  {from: "192.0.2.2", to: "192.0.2.1"},
		"from another":      {from: "192.0.2.77", to: "192.0.2.1", want: unix.EADDRNOTAVAIL},
		"by no interface":   {device: "wan9", to: "192.0.2.1", want: unix.ENODEV},
		"prohibit":          {to: "198.51.100.1", want: unix.EACCES},
		"blackhole":         {to: "198.51.100.2", want: unix.EINVAL},
		"unreachable":       {to: "198.51.100.3", want: unix.EHOSTUNREACH},
		"no route":          {to: "203.0.113.1", want: unix.ENETUNREACH},
		"by that interface": {device: "wan", to: "192.0.2.1"},
	} {
		var from netip.Addr
		if c.from != "" {
			from = netip.MustParseAddr(c.from)
		}
		w, err := g.host.Way(from, c.device, netip.MustParseAddr(c.to))
		if !errors.Is(err, c.want) || err == nil && (w.Device != "wan" || w.Source != local || w.Gateway.IsValid()) {
			t.Errorf("%s: %+v, %v; want %v", name, w, err, c.want)
		}
	}

	all := parsePrefixes("0.0.0.0/0", "10.2.0.0/16")
	unprotect, err := g.host.ProtectMarked(all[:1])
	if err != nil {
		t.Fatal(err)
	}
	defer unprotect()
	remove, err := g.host.InstallUnreachable(all)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	defer g.route(t, 100, "0.0.0.0/0", "10.2.0.0/16")()
	states := func() []RouteState {
		s, err := g.host.RouteStates("sb-hq", all)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	missing := func() []string {
		m, err := g.host.MissingRules()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, s := range states() {
		if !s.Live || !s.Unreachable || s.Winner != "sb-hq" || s.Longer != nil {
			t.Errorf("all is there, and it says %+v", s)
		}
	}
	if m := missing(); m != nil {
		t.Errorf("no rule is missing, and it says %v", m)
	}
	// Unmarked, the way to the peer is now: on the same wire, which main knows better.
	err = ns.Do(func() error {
		if f := g.host.Filter(local, peer, "wan"); f.Device != "wan" || f.Back != "wan" || f.Peer != peer {
			t.Errorf("filter: %+v", f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stranger := &netlink.Route{LinkIndex: linkIndex(t, g, "wan"), Dst: ipNet(all[1]), Priority: 5, Scope: netlink.SCOPE_LINK}
	part := &netlink.Route{LinkIndex: stranger.LinkIndex, Dst: ipNet(netip.MustParsePrefix("10.2.3.0/24")), Scope: netlink.SCOPE_LINK}
	if err := errors.Join(g.host.nl.RouteAdd(stranger), g.host.nl.RouteAdd(part)); err != nil {
		t.Fatal(err)
	}
	if s := states()[1]; s.Winner != "wan" || !slices.Equal(s.Longer, []string{"10.2.3.0/24 by wan"}) {
		t.Errorf("another route wins, and it says %+v", s)
	}
	if err := g.host.CleanStale(); err != nil { // takes all away as a stranger would
		t.Fatal(err)
	}
	for _, s := range states() {
		if s.Live || s.Unreachable {
			t.Errorf("all is gone, and it says %+v", s)
		}
	}
	if m := missing(); len(m) != 2 || !strings.Contains(strings.Join(m, "\n"), "not fwmark 0x5b1d lookup 172300") {
		t.Errorf("missing rules: %q", m)
	}
	if d, err := g.host.Device("sb-hq"); err != nil || !d.Up || d.MTU != defaultMTU {
		t.Errorf("device: %+v, %v", d, err)
	}
	if _, err := g.host.Device("sb-gone"); err == nil {
		t.Error("an interface that is not there was found")
	}
	if near, err := g.host.Neighbours(); err != nil || len(near) != 1 || near[0].Name != "wan" {
		t.Errorf("neighbours: %+v, %v", near, err)
	}
}

func linkIndex(t *testing.T, g *gateway, name string) int {
	t.Helper()
	link, err := g.host.nl.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Index
}
