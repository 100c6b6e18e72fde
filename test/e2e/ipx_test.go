package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/station"
	"sitebridge/test/lab"
)

// An IPX packet with a Novell ping has this much around its data: the IPX
// header, and the ping's own.
const pingOverhead = ipx.HeaderLen + 10

// pingIPX pings across routers: from finds the way to the network of to, and to
// finds its own number, as hosts do. The packets have size octets.
func pingIPX(t *testing.T, w *lab.World, from, to *station.Station, network ipx.Network, sizes ...int) {
	t.Helper()
	ctx := w.Patiently()
	route, err := from.FindRoute(ctx, network)
	if err != nil {
		t.Fatal(err)
	}
	if to.Addr().Network == 0 {
		if _, err := to.FindRoute(ctx, from.Addr().Network); err != nil {
			t.Fatal(err)
		}
	}
	if to.Addr().Network != network {
		t.Fatalf("%v has found network %v, want %v", to.Addr().Node, to.Addr().Network, network)
	}
	for _, size := range sizes {
		if _, err := from.Ping(ctx, to.Addr(), route.Router, size-pingOverhead); err != nil {
			t.Fatalf("%d octets: %v", size, err)
		}
	}
}

// fourTypes is a LAN with a network for each frame type, and the other site's.
func fourTypes(ours, theirs ipx.Network) lab.Config {
	c := lab.Config{IP: "none"}
	var routes []string
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		c.LAN += fmt.Sprintf("%v = %q\n", e, (ours + ipx.Network(e)).String())
		routes = append(routes, fmt.Sprintf("%q", (theirs+ipx.Network(e)).String()+" hops 1 ticks 7"))
	}
	c.IPX = "routes = [" + strings.Join(routes, ", ") + ", \"00005EA1 hops 2 ticks 8\"]\n" +
		"services = [\"0004 FS1 00005EA1:000000000001:0451 hops 2\"]"
	return c
}

// TestFourFrameTypesRouted: a station in each frame type on each LAN, all at
// once, each frame type a network of its own. Clients that know nothing find
// their number, the way, and the server; pings cross between all of them, in
// every length.
func TestFourFrameTypesRouted(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	ca, cb := fourTypes(0x10, 0x20), fourTypes(0x20, 0x10)
	cb.IPX = strings.NewReplacer(", \"00005EA1 hops 2 ticks 8\"", "", "services", "#").Replace(cb.IPX)
	a, b := w.Start(w.SiteA, ca.A()), w.Start(w.SiteB, cb.B())
	a.WaitUp("b")
	b.WaitUp("a")
	ctx := w.Patiently()
	var near, far []*station.Station
	for e := range ipx.Encapsulation(ipx.Encapsulations) {
		near = append(near, w.Station(w.HostA, "lan", e))
		far = append(far, w.Station(w.HostB, "lan", e))
	}
	for i, from := range near {
		for j, to := range far {
			sizes := []int{pingOverhead, pingOverhead + 1, 60, 61, 575, 576}
			if i == j {
				e := ipx.Encapsulation(i)
				sizes = append(sizes, e.MaxPacket()-1, e.MaxPacket())
			}
			pingIPX(t, w, from, to, 0x20+ipx.Network(j), sizes...)
			pingIPX(t, w, to, from, 0x10+ipx.Network(i), 41)
		}
		if from.Addr().Network != 0x10+ipx.Network(i) {
			t.Errorf("the station in %v has found network %v", ipx.Encapsulation(i), from.Addr().Network)
		}
	}
	want := sap.Service{Type: sap.FileServer, Name: "FS1", Addr: ipx.Addr{Network: 0x5EA1, Node: ipx.ServerNode, Socket: 0x0451}, Hops: 3}
	for i := range near {
		client := w.Station(w.HostA, "lan", ipx.Encapsulation(i)) // knows nothing
		if s, err := client.FindServer(ctx, sap.FileServer); err != nil || s != want {
			t.Errorf("%v: nearest server %+v, %v; want %+v", ipx.Encapsulation(i), s, err, want)
		}
		if n := client.Addr().Network; n != 0x10+ipx.Network(i) {
			t.Errorf("%v: the answer says that the network is %v", ipx.Encapsulation(i), n)
		}
		if s, err := client.FindServers(ctx, sap.AnyType); err != nil || len(s) != 1 || s[0] != want {
			t.Errorf("%v: servers %+v, %v; want %+v", ipx.Encapsulation(i), s, err, want)
		}
		if r, err := client.FindRoute(ctx, 0x5EA1); err != nil || r.Hops != 3 {
			t.Errorf("%v: way to the server %+v, %v; want 3 hops", ipx.Encapsulation(i), r, err)
		}
	}
	ipxCommands(t, a, b, far)
}

// ipxCommands: what an operator asks the daemon of site a.
func ipxCommands(t *testing.T, a, b *lab.Daemon, far []*station.Station) {
	atB, err := b.Status()
	if err != nil || len(atB.LANs) == 0 {
		t.Fatalf("status of b: %+v, %v", atB.LANs, err)
	}
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"ipx", "routes"}, 0, []string{"NETWORK", "00000010", "00000013", "00000023", "00005EA1", "static"}},
		{[]string{"ipx", "services"}, 0, []string{"0004", "FS1", "00005EA1:000000000001:0451"}},
		{[]string{"ipx", "nodes"}, 0, []string{"NODE", "00000012", "lan/ethernet_802_3"}},
		{[]string{"ipx", "ping", "-c", "1", "--size", "33", far[0].Addr().Network.String() + ":" + far[0].Addr().Node.String()}, 0, []string{"1 of 1 answered", "1 hop\n"}},
		{[]string{"ipx", "ping", "00000020:" + atB.LANs[0].MAC.String(), "-c", "1"}, 0, []string{"1 of 1 answered"}},
		{[]string{"ipx", "ping", "-c", "1", "00000020"}, 4, []string{"00000020:000000000001: no answer in 3s: a LAN has no such node: ask NETWORK:MAC"}},
		{[]string{"ipx", "ping", "-c", "1", "0000AAAA"}, 4, []string{"0 of 1 answered"}},
		{[]string{"ipx", "ping", "nonsense"}, 1, nil},
		{[]string{"status"}, 0, []string{"site b: UP", "LAN lan: up on lan", "lan/ethernet_snap is network 00000013"}},
	} {
		out, errs, code := a.Run(c.args...)
		if code != c.code {
			t.Errorf("%v: exit status %d, want %d: %s", c.args, code, c.code, errs)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, out)
			}
		}
	}
	var routes []router.RouteInfo
	decode(t, a, &routes, "ipx", "routes", "--json")
	if len(routes) != 9 { // 4 here, 4 there, the server's; the link has no number
		t.Errorf("%d routes, want 9: %+v", len(routes), routes)
	}
	var services []router.ServiceInfo
	decode(t, a, &services, "ipx", "services", "--json")
	if len(services) != 1 || services[0].Name != "FS1" {
		t.Errorf("services: %+v", services)
	}
	var nodes []bridge.IPXNode
	decode(t, a, &nodes, "ipx", "nodes", "--json")
	if len(nodes) != 4 {
		t.Errorf("%d nodes, want one in each frame type: %+v", len(nodes), nodes)
	}
	var s bridge.Status
	decode(t, a, &s, "status", "--json")
	if len(s.Sites) != 1 || s.Sites[0].State != bridge.StateUp || len(s.LANs) != 1 || len(s.LANs[0].Wires) != 4 || s.LANs[0].Stats.In.EthernetSNAP == 0 {
		t.Errorf("status: %+v", s)
	}
}

// decode runs a command that prints JSON, of which v has every key.
func decode(t *testing.T, d *lab.Daemon, v any, args ...string) {
	t.Helper()
	out, errs, code := d.Run(args...)
	if code != 0 {
		t.Errorf("%v: exit status %d: %s", args, code, errs)
	}
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Errorf("%v: %v in\n%s", args, err, out)
	}
}

// TestLinkNumberRefused: the peer wants the link to have the number of a LAN
// here: two networks of one number would be a loop.
func TestLinkNumberRefused(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{IP: "none"}.A())
	b := w.Start(w.SiteB, lab.Config{IP: "none", IPX: `network = "00000010"`}.B())
	for _, end := range []struct {
		d    *lab.Daemon
		site string
	}{{a, "b"}, {b, "a"}} {
		s := end.d.WaitSite(end.site, "down, with the number", func(s bridge.SiteStatus) bool {
			return s.State != bridge.StateUp && strings.Contains(s.Reason, "00000010")
		})
		if s.IPX != nil {
			t.Errorf("%s: IPX is up: %+v", end.d.NS.Name(), s.IPX)
		}
	}
}

// TestLinkWithNumber: the link's own number, agreed on by both ends though only
// one is set up with it.
func TestLinkWithNumber(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := w.Start(w.SiteA, lab.Config{IP: "none", IPX: "network = \"0000FF01\"\nroutes = [\"00000020 hops 1 ticks 7\"]\nhold = \"0s\""}.A())
	b := w.Start(w.SiteB, lab.Config{IP: "none"}.B())
	sa, sb := a.WaitUp("b").IPX, b.WaitUp("a").IPX
	if sa.Network != 0xFF01 || sb.Network != 0xFF01 || sa.Local != sb.Peer || sa.Peer != sb.Local {
		t.Errorf("a has %+v, b has %+v", sa, sb)
	}
	pingIPX(t, w, w.Station(w.HostA, "lan", ipx.Ethernet8022), w.Station(w.HostB, "lan", ipx.Ethernet8022), 0x20, 100)

	// What is behind the peer is known as long as the peer is there.
	for _, known := range []bool{true, false, true} {
		if known {
			b.Run("up", "a")
		} else {
			b.Run("down", "a")
		}
		lab.Wait(t, fmt.Sprintf("the way to network 20 is known: %v", known), func() bool {
			out, _, _ := a.Run("ipx", "routes")
			return strings.Contains(out, "00000020") && !strings.Contains(out, "down\n") == known
		})
	}
}

// TestTAPPort: the LAN is a port that the daemon makes, which the host joins with
// a bridge to the wire of its station.
func TestTAPPort(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	textA := strings.Replace(lab.Config{IP: "none"}.A(), `interface = "lan"`, `tap = "ipx0"`, 1)
	a, b := w.Start(w.SiteA, textA), w.Start(w.SiteB, lab.Config{IP: "none"}.B())
	a.WaitUp("b")
	b.WaitUp("a")
	w.SiteA.Bridge("br0", "lan", "ipx0")
	near, far := w.Station(w.HostA, "lan", ipx.Ethernet8022), w.Station(w.HostB, "lan", ipx.Ethernet8022)
	pingIPX(t, w, near, far, 0x20, 40, 41, 1497)
	pingIPX(t, w, far, near, 0x10, 40, 41, 1497)
	s, err := a.Status()
	if err != nil || s.LANs[0].Device != "ipx0" || !s.LANs[0].Up {
		t.Errorf("status: %+v, %v", s.LANs, err)
	}
	a.Stop()
	wantClean(t, w, w.SiteA)
}
