package ip

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"sitebridge/internal/netlab"
)

// A NextHop is what the kernel would do, or there is none, and the reason says why. What
// changes is told at once.
func TestNextHop(t *testing.T) {
	t.Parallel()
	l := netlab.New(t)
	a, b := l.Namespace("a"), l.Namespace("b")
	l.Veth(a, "wan", b, "wan")
	a.Addr("wan", "192.0.2.1/24")
	b.Addr("wan", "192.0.2.2/24")
	var h *Host
	var w *HopWatch
	if err := a.Do(func() (err error) {
		if h, err = OpenHost(); err == nil {
			w, err = OpenHopWatch()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	defer w.Close()
	us, near, far := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("198.51.100.7")
	refused := func(to netip.Addr, why string) {
		t.Helper()
		if _, err := h.NextHop(us, to, 0); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("NextHop to %v: %v, want %q", to, err, why)
		}
	}

	refused(near, "neighbour 192.0.2.2")
	refused(us, "no plain route")
	refused(far, "way to 198.51.100.7")
	mac := link(t, b, "wan").Attrs().HardwareAddr
	if err := a.Handle().NeighSet(&netlink.Neigh{LinkIndex: link(t, a, "wan").Attrs().Index, IP: near.AsSlice(), HardwareAddr: mac, State: netlink.NUD_STALE}); err != nil {
		t.Fatal(err)
	}
	if err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := NextHop{Device: link(t, a, "wan").Attrs().Index, To: [6]byte(mac), From: [6]byte(link(t, a, "wan").Attrs().HardwareAddr), MTU: 1500}
	a.Route("198.51.100.0/24", near.String())
	for _, to := range []netip.Addr{near, far} {
		if got, err := h.NextHop(us, to, 0); got != want || err != nil {
			t.Errorf("NextHop to %v = %v, %v, want %v", to, got, err, want)
		}
	}

	a.MTU("wan", 1400)
	want.MTU = 1400
	if got, err := h.NextHop(us, far, want.Device); got != want || err != nil {
		t.Errorf("NextHop with a smaller MTU = %v, %v", got, err)
	}
	b.Down("wan")
	for _, err := h.NextHop(us, near, 0); err == nil; _, err = h.NextHop(us, near, 0) { // its wire has no carrier
		if err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, ns *netlab.Namespace, name string) netlink.Link {
	t.Helper()
	l, err := ns.Handle().LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
