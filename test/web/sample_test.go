package web

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/bridge/identity"
	pageof "sitebridge/bridge/web"
	"sitebridge/control/gre"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/router"
	"sitebridge/ipx/sap"
	"sitebridge/ipx/segment"
	"sitebridge/ipx/words"
	"sitebridge/ppp"
)

// hostile is a name of somebody who wants more than to be named: HTML, codes of a
// terminal, a new line, letters that turn the direction of what follows.
const hostile = "<img src=x onerror=alert(1)>\x1b[31m\nred\u202egnp.exe"

// shown is how the page shows it.
const shown = `<img src=x onerror=alert(1)>\u{1b}[31m\u{a}red\u{202e}gnp.exe`

// A world is what a made-up daemon tells.
type world struct {
	mu     sync.Mutex // guards what follows
	status bridge.Status
	tables bridge.IPXTables
}

// change changes what is told from now on.
func (w *world) change(fn func(*bridge.Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn(&w.status)
}

// now is the status; each look at it finds that more has been carried.
func (w *world) now() bridge.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.Sites = append([]bridge.SiteStatus(nil), s.Sites...)
	seconds := uint64(time.Since(s.Started)/time.Millisecond) / 10
	for i := range s.Sites {
		if t := s.Sites[i].Tunnel; t != nil {
			carried := *t
			carried.GRE.OctetsReceived = seconds * uint64(40000/(i+1))
			carried.GRE.OctetsSent = seconds * uint64(9000/(i+1))
			s.Sites[i].Tunnel = &carried
		}
	}
	return s
}

// serve shows the world until the test ends, and returns its URL.
func (w *world) serve(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(pageof.Handler(pageof.Source{
		Status:   func() any { return w.now() },
		IPX:      func() any { return w.tables },
		Services: words.ServiceNames(),
	}))
	t.Cleanup(srv.Close)
	return srv
}

// A site of a made-up daemon: up, and as one wants it.
func goodSite(name string, i int) bridge.SiteStatus {
	at := time.Now().Add(-26 * time.Hour)
	peer := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	return bridge.SiteStatus{
		Name: name, State: bridge.StateUp, Since: at, Dials: 3, Ups: 2, AuthMethods: []string{"eap-tls"},
		Tunnel: &bridge.Tunnel{
			Dialed: true, Began: at, Local: netip.MustParseAddr("198.51.100.1"), Peer: peer, PeerHost: name, PeerVendor: "sitebridge",
			GRE: gre.Stats{Lost: 3, Reordered: 7},
			PPP: ppp.Status{
				Phase: ppp.PhaseNetwork, Method: "eap-tls", Peer: ppp.PeerStatus{Proved: true, Name: name, Method: "eap-tls"},
				Encryption: ppp.EncryptionStatus{Policy: "required", Method: "aead", Agreed: "AES-256-GCM"},
				RoundTrip:  time.Duration(8+i%40) * time.Millisecond, LastHeard: time.Now(),
				NCPs: []ppp.NCPState{{Name: "IPCP", State: "opened", Opened: true}, {Name: "IPXCP", State: "opened", Opened: true}},
			},
		},
		IP: &bridge.IPStatus{
			Device: fmt.Sprintf("sb%d", i), MTU: 1434,
			Routes: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)},
		},
		IPX: &bridge.IPXStatus{Network: ipx.Network(0x1C0000 + i), Exchange: "rip-sap", Ticks: 2},
	}
}

func badSite(name string, state bridge.State, reason string) bridge.SiteStatus {
	return bridge.SiteStatus{
		Name: name, State: state, Since: time.Now().Add(-17 * time.Minute), Reason: reason, NextTry: time.Now().Add(2 * time.Minute), Dials: 40, Ups: 2,
		IP: &bridge.IPStatus{Device: "sb9", Routes: []netip.Prefix{netip.MustParsePrefix("10.99.0.0/16")}},
	}
}

func node(n int) ipx.Node { return ipx.Node{2, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)} }

// small is an office with four branches, of which not all is well.
func small() *world {
	now := time.Now()
	west := goodSite("west", 2)
	bridged := goodSite("games-club", 3)
	bridged.IPX.Segment = "games"
	s := bridge.Status{
		Name: "hq", Version: "1.4.0", Started: now.Add(-3 * 24 * time.Hour),
		Warnings: []string{"site.old: mschapv2 can be broken by who records it: eap-tls cannot"},
		Sites: []bridge.SiteStatus{
			goodSite("denver", 1), west, bridged,
			badSite("lyon", bridge.StateWaiting, "dial 203.0.113.7: connection refused: nothing answers on TCP 1723 there: is the peer's daemon running?"),
			badSite("summer-house", bridge.StateStopped, "stopped by its operator"),
		},
		LANs: []bridge.LANStatus{
			{Name: "office", Device: "eth1", Up: true, Wires: []router.WireInfo{
				{Name: "office/ethernet_802_2", Network: 0x10}, {Name: "office/ethernet_ii", Network: 0x11, Learned: true}}},
			{Name: "club", Device: "eth2", Up: true, Trouble: []string{"two networks are in use in ethernet_802_3: 00000030 and 00000031"}},
			{Name: "emulators", Device: "dosbox", Up: true, DOSBox: &bridge.DOSBoxStatus{Clients: make([]port.DOSBoxClient, 3)}},
		},
		Segments: []bridge.SegmentStatus{{Name: "games", Network: 0x6A, Ports: []segment.PortInfo{
			{Name: "club", LAN: true, Stations: 4}, {Name: "games-club", Stations: 6}}}},
		Clashes: []router.Clash{{Kind: router.NetworkElsewhere, Network: 0x20, Text: "west says that it has it, and so does our LAN office: give one of them another number", First: now.Add(-time.Hour), Last: now}},
		Certificates: []identity.Info{
			{Name: "hq", Use: "own", NotAfter: now.Add(300 * 24 * time.Hour), DaysLeft: 300},
			{Name: "Branches CA", Use: "ca of site west", NotAfter: now.Add(9 * 24 * time.Hour), DaysLeft: 9},
		},
	}
	tables := bridge.IPXTables{}
	for i := range 40 {
		w := router.Way{Hops: 1, Ticks: 2, Via: "office/ethernet_802_2", Origin: "learned", From: node(9), Next: node(9), Expires: now.Add(time.Minute)}
		if i%2 == 0 {
			w = router.Way{Hops: 2, Ticks: 4, Via: "west", Site: "west", Origin: "learned", From: node(8)}
		}
		tables.Routes = append(tables.Routes, router.RouteInfo{Network: ipx.Network(0x100 + i), Way: w})
		tables.Nodes = append(tables.Nodes, bridge.IPXNode{Network: 0x10, Node: node(i), Via: "office/ethernet_802_2", Last: now.Add(-time.Duration(i) * time.Second)})
	}
	for i, typ := range []sap.ServiceType{0x0004, 0x0007, 0x0278, 0x0640, 0x0999} {
		tables.Services = append(tables.Services, router.ServiceInfo{Type: typ, Name: fmt.Sprintf("SERVER%d", i), Addr: ipx.Addr{Network: 0x100, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, Hops: 2, Via: "west", Site: "west", Origin: "learned"})
	}
	return &world{status: s, tables: tables}
}

// large is a hub of 300 branches and 5000 networks, with hostile names wherever somebody
// else chooses one.
func large() *world {
	w := small()
	now := time.Now()
	s := &w.status
	for i := len(s.Sites); i < 300; i++ {
		s.Sites = append(s.Sites, goodSite(fmt.Sprintf("branch-%03d", i), i))
	}
	s.Sites[7].Tunnel.PeerHost, s.Sites[7].Tunnel.PeerVendor = hostile, hostile
	s.Sites[7].Tunnel.PPP.Peer.Name = hostile
	s.Sites[8] = badSite(hostile, bridge.StateWaiting, "the peer says: "+hostile)
	s.LANs[1].Trouble = append(s.LANs[1].Trouble, hostile)
	s.Warnings = append(s.Warnings, hostile)
	s.Certificates = append(s.Certificates, identity.Info{Name: hostile, Use: "ca of site west", NotAfter: now, DaysLeft: -1})
	s.Clashes = append(s.Clashes, router.Clash{Kind: router.OwnNode, Text: hostile, First: now, Last: now})
	s.Guard = bridge.GuardStatus{Wrong: 9, Names: 1, WorstNames: []bridge.Guesser{{Who: hostile, Wrong: 9}}}
	for i := len(w.tables.Routes); i < 5000; i++ {
		w.tables.Routes = append(w.tables.Routes, router.RouteInfo{Network: ipx.Network(0x10000 + i), Way: router.Way{Hops: uint8(i % 15), Ticks: uint16(i % 90), Via: "west", Site: "west", Origin: "learned"}})
		w.tables.Services = append(w.tables.Services, router.ServiceInfo{Type: sap.FileServer, Name: fmt.Sprintf("FS-%05d", i), Addr: ipx.Addr{Network: ipx.Network(0x10000 + i), Node: ipx.ServerNode, Socket: ipx.SocketNCP}, Hops: 3, Via: "west", Site: "west", Origin: "learned"})
	}
	w.tables.Services[0].Name = hostile
	w.tables.Nodes[0].Via = hostile
	w.tables.Routes[0].Via, w.tables.Routes[0].Site = hostile, ""
	return w
}

// words of a text that the page shows in many places.
func has(t *testing.T, where, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s has no %q:\n%s", where, w, got)
		}
	}
}
