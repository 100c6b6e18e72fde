package ip

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sitebridge/internal/netlab"
)

// twoUplinks is a host with two of them; the default route is by the first.
//
//	host eth1 192.0.2.10/24 ---- 192.0.2.1 one
//	     eth2 198.51.100.10/24 - 198.51.100.1 two
func twoUplinks(t *testing.T) (host, one *netlab.Namespace, h *Host, w *Watch) {
	t.Helper()
	lab := netlab.New(t)
	host, one = lab.Namespace("host"), lab.Namespace("one")
	two := lab.Namespace("two")
	lab.Veth(host, "eth1", one, "wan")
	lab.Veth(host, "eth2", two, "wan")
	host.Addr("eth1", "192.0.2.10/24")
	host.Addr("eth2", "198.51.100.10/24")
	host.Route("default", "192.0.2.1")
	err := host.Do(func() (err error) {
		if h, err = OpenHost(); err != nil {
			return err
		}
		w, err = OpenWatch()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	t.Cleanup(func() { w.Close() })
	return host, one, h, w
}

func TestUplink(t *testing.T) {
	host, one, h, _ := twoUplinks(t)
	peer := netip.MustParseAddr("203.0.113.7")
	addr1, addr2 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("198.51.100.10")
	byOne := Uplink{Way{"eth1", addr1, netip.MustParseAddr("192.0.2.1")}, true}
	for name, c := range map[string]struct {
		local  netip.Addr
		device string
		want   Uplink
	}{
		"as the kernel likes":       {netip.Addr{}, "", byOne},
		"from one":                  {addr1, "", byOne},
		"from two, by the one":      {addr2, "", Uplink{Way{"eth1", addr2, netip.MustParseAddr("192.0.2.1")}, true}},
		"by one":                    {netip.Addr{}, "eth1", byOne},
		"by two, on its wire alone": {netip.Addr{}, "eth2", Uplink{Way{"eth2", addr2, netip.Addr{}}, true}},
	} {
		if got, err := h.Uplink(peer, c.local, c.device); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		local  netip.Addr
		device string
	}{"from a stranger's address": {peer, ""}, "by an interface that is not there": {netip.Addr{}, "eth9"}} {
		if got, err := h.Uplink(peer, c.local, c.device); !errors.Is(err, ErrNoWay) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	wantHome(t, h, addr1, "eth1", true)
	wantHome(t, h, peer, "", false)

	one.Down("wan") // the carrier
	waitFor(t, "no carrier", func() bool { w, err := h.Uplink(peer, addr1, ""); return err == nil && !w.Up })
	wantHome(t, h, addr1, "eth1", false)
	host.Down("eth1")
	for _, device := range []string{"", "eth1"} {
		if got, err := h.Uplink(peer, netip.Addr{}, device); !errors.Is(err, ErrNoWay) && got.Usable() {
			t.Errorf("by %q, which is down: %+v, %v", device, got, err)
		}
	}
	wantHome(t, h, addr1, "eth1", false)
	wantHome(t, h, peer, "", false) // and no default route either
}

func wantHome(t *testing.T, h *Host, a netip.Addr, device string, up bool) {
	t.Helper()
	if got, gotUp, err := h.Home(a); err != nil || got != device || gotUp != up {
		t.Errorf("home of %v: %q, up %v, %v, want %q, %v", a, got, gotUp, err, device, up)
	}
}

// A full tunnel's route does not count: our packets do not take it.
func TestUplinkKeepsOutOfTheTunnels(t *testing.T) {
	host, _, h, _ := twoUplinks(t)
	host.Route("203.0.113.0/24", "198.51.100.1")
	marked := netlink.NewRule()
	marked.Family, marked.Priority, marked.Mark, marked.Table = unix.AF_INET, 100, Mark, 77
	err := errors.Join(host.Handle().RuleAdd(marked), host.Handle().RouteAdd(&netlink.Route{
		Dst: ipNet(netip.MustParsePrefix("203.0.113.0/24")), Gw: netip.MustParseAddr("192.0.2.1").AsSlice(), Table: 77,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Uplink(netip.MustParseAddr("203.0.113.7"), netip.Addr{}, ""); err != nil || got.Device != "eth1" {
		t.Errorf("%+v, %v, want the way of what is marked", got, err)
	}
}

func TestWatchHearsWhatMatters(t *testing.T) {
	host, one, _, w := twoUplinks(t)
	rule := netlink.NewRule()
	rule.Family, rule.Priority, rule.Table = unix.AF_INET, 100, 77
	route := &netlink.Route{Dst: ipNet(netip.MustParsePrefix("203.0.113.0/24")), Gw: netip.MustParseAddr("192.0.2.1").AsSlice()}
	addr, _ := netlink.ParseAddr("192.0.2.11/24")
	eth1, err := host.Handle().LinkByName("eth1")
	if err != nil {
		t.Fatal(err)
	}
	heard := listen(t, w)
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"an address", func() error { return host.Handle().AddrAdd(eth1, addr) }},
		{"a route", func() error { return host.Handle().RouteAdd(route) }},
		{"a rule", func() error { return host.Handle().RuleAdd(rule) }},
		{"the carrier", func() error { one.Down("wan"); return nil }},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-heard:
		case <-time.After(time.Minute):
			t.Errorf("%s: not heard", c.what)
		}
	}
}

// listen reports what w reports, until the test ends.
func listen(t *testing.T, w *Watch) <-chan time.Time {
	heard := make(chan time.Time, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for w.Next(ctx) == nil {
			heard <- time.Now()
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return heard
}

// A table that flaps without end is looked at once a second, and more than the socket
// holds is no error.
func TestWatchRestsWhileATableFlaps(t *testing.T) {
	host, _, _, w := twoUplinks(t)
	heard := listen(t, w)
	route := &netlink.Route{Dst: ipNet(netip.MustParsePrefix("203.0.113.0/24")), Gw: netip.MustParseAddr("192.0.2.1").AsSlice()}
	began, changes := time.Now(), 0
	for time.Since(began) < 2500*time.Millisecond {
		if err := errors.Join(host.Handle().RouteAdd(route), host.Handle().RouteDel(route)); err != nil {
			t.Fatal(err)
		}
		changes += 2
	}
	if n := len(heard); n < 2 || n > 4 {
		t.Errorf("%d reports of %d changes in 2.5 s", n, changes)
	}
}

// Our own routes change with each tunnel: who looks at his uplinks for that has
// something to look at without end.
func TestWatchIsDeafToOurRoutes(t *testing.T) {
	host, _, h, w := twoUplinks(t)
	for range 50 {
		remove, err := h.InstallUnreachable([]netip.Prefix{netip.MustParsePrefix("10.7.0.0/16")})
		if err == nil {
			err = remove()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	host.Route("203.0.113.0/24", "192.0.2.1")
	for {
		switch changed, err := w.read(); {
		case err != nil:
			t.Fatal(err)
		case changed: // the last one, which is not ours
			if _, err := unix.Read(int(w.f.Fd()), w.buf); err != unix.EAGAIN {
				t.Errorf("a route of ours was reported: %v", err)
			}
			return
		}
	}
}

func TestOthers(t *testing.T) {
	message := func(kind uint16, body ...byte) []byte {
		b := make([]byte, nlHeaderLen, nlHeaderLen+len(body)+3)
		b[0], b[4] = byte(nlHeaderLen+len(body)), byte(kind)
		b = append(b, body...)
		return append(b, make([]byte, -len(body)&3)...)
	}
	routeOf := func(kind uint16, protocol byte) []byte {
		return message(kind, unix.AF_INET, 24, 0, 0, 254, protocol, 0, 1, 0, 0, 0, 0)
	}
	by := func(port int, message []byte) []byte {
		binary.NativeEndian.PutUint32(message[nlPortAt:], uint32(port))
		return message
	}
	mine := routeOf(unix.RTM_NEWROUTE, 173)
	for name, c := range map[string]struct {
		b    []byte
		want bool
	}{
		"nothing":               {nil, false},
		"a live route":          {mine, false},
		"an unreachable route":  {routeOf(unix.RTM_DELROUTE, 172), false},
		"we remove one":         {by(os.Getpid(), routeOf(unix.RTM_DELROUTE, 173)), false},
		"we, on another socket": {by(-5000, routeOf(unix.RTM_DELROUTE, 173)), false},
		"somebody takes one":    {by(os.Getpid()+1, routeOf(unix.RTM_DELROUTE, 173)), true},
		"somebody adds one":     {by(os.Getpid()+1, routeOf(unix.RTM_NEWROUTE, 173)), false},
		"the kernel's":          {routeOf(unix.RTM_NEWROUTE, 2), true},
		"ours, then another":    {append(append([]byte{}, mine...), routeOf(unix.RTM_DELROUTE, 4)...), true},
		"an interface":          {message(unix.RTM_NEWLINK, make([]byte, 16)...), true},
		"a short route":         {message(unix.RTM_NEWROUTE, 2, 24), true},
		"a length of nothing":   {make([]byte, 16), true},
		"a length too long":     {append([]byte{200}, make([]byte, 20)...), true},
	} {
		if got := others(c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzOthers(f *testing.F) {
	f.Add([]byte{28, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 24, 0, 0, 254, 173, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		mine := make([]byte, 28)
		mine[0], mine[4], mine[nlHeaderLen+rtProtocolAt] = 28, unix.RTM_NEWROUTE, byte(ProtoLive)
		if others(b) != others(append(mine, b...)) {
			t.Errorf("% x: is something else after a route of ours", b)
		}
	})
}
