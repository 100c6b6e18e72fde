package e2e

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/router"
	"sitebridge/test/lab"
)

// measured is a daemon whose metrics metricsOf can read.
func measured(c lab.Config) lab.Config {
	c.Daemon += "\nmetrics = \"" + metricsAt + `"`
	return c
}

// metricsOf reads all metrics of a daemon.
func metricsOf(w *lab.World, d *lab.Daemon) string {
	w.T.Helper()
	conn := w.Dial(d.NS, metricsAt)
	defer conn.Close()
	fmt.Fprint(conn, "GET /metrics HTTP/1.0\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil {
		w.T.Error(err)
	}
	return string(answer)
}

// clashOf waits for a clash and returns it.
func clashOf(d *lab.Daemon, kind string, n ipx.Network) (c router.Clash) {
	d.T.Helper()
	lab.Wait(d.T, fmt.Sprintf("%s: clash %s of network %v", d.NS.Name(), kind, n), func() bool {
		s, err := d.Status()
		i := slices.IndexFunc(s.Clashes, func(c router.Clash) bool { return c.Kind == kind && c.Network == n })
		if err != nil || i < 0 {
			return false
		}
		c = s.Clashes[i]
		return true
	})
	return c
}

// linkNode is the node of a daemon on the link to its peer.
func linkNode(d *lab.Daemon, site string) ipx.Node { return d.Site(site).IPX.Local }

// TestClashes: two LANs of one number, a server that takes a LAN for another
// network, two servers with one internal network, and somebody with our own
// node number. Each is told in log, status and metrics, with the node addresses of
// both who claim it.
func TestClashes(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	config := measured(ipxOnly("# all by default"))
	config.LAN = `ethernet_802_2 = "00000010"`
	a, b := w.Start(w.SiteA, config.A()), w.Start(w.SiteB, config.B())
	one, two, other := fileServer(), fileServer(), fileServer()
	two.Name = "FS2"
	other.Name, other.Network, other.Internal = "FS9", 0x99, 0x5EA9
	w.Server(w.HostA, one)
	w.Server(w.HostB, two)
	w.Server(w.HostA, other)
	a.WaitUp("b")
	b.WaitUp("a")

	double := w.Port(w.HostA, "lan") // has our node, and another card
	ours := macOf(w, w.SiteA)
	m := rip.Message{Operation: rip.OpResponse, Entries: []rip.Entry{{Network: 0x77, Hops: 1, Ticks: 2}}}
	h := ipx.Header{Type: ipx.TypeRIP, Src: ipx.Addr{Network: 0x10, Node: ours, Socket: ipx.SocketRIP}, Dst: ipx.Addr{Network: 0x10, Node: ipx.Broadcast, Socket: ipx.SocketRIP}}
	forge(t, double, double.MAC(), ipx.Broadcast, ipx.AppendPacket(nil, h, m.Append(nil)))

	hostA, hostB := macOf(w, w.HostA), macOf(w, w.HostB)
	for _, c := range []struct {
		at        *lab.Daemon
		kind      string
		network   ipx.Network
		claimants []ipx.Node
	}{
		{a, router.NetworkElsewhere, 0x10, []ipx.Node{ours, linkNode(b, "a")}},
		{b, router.NetworkElsewhere, 0x10, []ipx.Node{macOf(w, w.SiteB), linkNode(a, "b")}},
		{a, router.OtherNumber, 0x99, []ipx.Node{ours, hostA}},
		{a, router.InternalTwice, fsInside, []ipx.Node{hostA, linkNode(b, "a")}},
		{b, router.InternalTwice, fsInside, []ipx.Node{hostB, linkNode(a, "b")}},
		{a, router.OwnNode, 0x10, []ipx.Node{ours, ours}},
	} {
		got := clashOf(c.at, c.kind, c.network)
		text, _, _ := c.at.Run("status")
		for i, node := range c.claimants {
			switch {
			case len(got.Claimants) != 2 || !slices.ContainsFunc(got.Claimants, func(c router.Claimant) bool { return c.Node == node }):
				t.Errorf("%s: clash %s: claimants %+v, want node %v", c.at.NS.Name(), c.kind, got.Claimants, node)
			case !strings.Contains(got.Text, node.String()):
				t.Errorf("%s: clash %s: claimant %d, %v, is not in %q", c.at.NS.Name(), c.kind, i, node, got.Text)
			}
		}
		if !strings.Contains(text, got.Text) {
			t.Errorf("%s: status does not show %q:\n%s", c.at.NS.Name(), got.Text, text)
		}
		if log := c.at.Log(); !strings.Contains(log, "clash of network numbers") || !strings.Contains(log, "kind="+c.kind) {
			t.Errorf("%s: clash %s is not in the log", c.at.NS.Name(), c.kind)
		}
		if all, want := metricsOf(w, c.at), `sitebridge_ipx_clashes{kind="`+c.kind+`"} `; !strings.Contains(all, want) || strings.Contains(all, want+"0") {
			t.Errorf("%s: metrics do not have %s", c.at.NS.Name(), want)
		}
	}
	if r, _ := a.Route(0x10); r.Origin != "own" {
		t.Errorf("our own LAN: %+v", r)
	}
}

// TestCheckRefusesClashes: what a file shows does not even start.
func TestCheckRefusesClashes(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	file := w.Write("bad.toml", strings.ReplaceAll(lab.Config{
		Daemon: `ipx_internal_network = "00000011"`,
		LAN:    "ethernet_802_2 = \"00000010\"\nethernet_ii = \"00000011\"",
		IP:     "none",
		IPX:    "network = \"00000010\"\nroutes = [\"00000011 hops 1 ticks 2\"]",
		More:   "[lan.other]\ninterface = \"lan2\"\nethernet_802_2 = \"00000010\"\n",
	}.A(), "STATUS", w.Dir+"/s"))
	out, code := w.Command(w.SiteA, "check", "--config", file)
	if code != 3 {
		t.Errorf("exit status %d, want 3", code)
	}
	for _, key := range []string{"lan.lan.ethernet_ii", "lan.other.ethernet_802_2", "site.b.ipx.network", "site.b.ipx.routes"} {
		if !strings.Contains(out, key) {
			t.Errorf("check says nothing of %s:\n%s", key, out)
		}
	}
}
