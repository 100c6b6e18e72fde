package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxwan"
	"sitebridge/test/lab"
)

// Protocols of PPP, and what is in IPXCP.
const (
	pppIPX           = 0x002B
	pppIPXCP         = 0x802B
	configureRequest = 1
	configureReject  = 4
	optionComplete   = 6 // Configuration-Complete (RFC 1552, section 3.6)
)

// A wanRouter makes of site b a router that speaks IPXWAN: it has both ends of the
// link do without Configuration-Complete, and holds the conversation with site a.
type wanRouter struct {
	middle *lab.Middle
	heard  chan []byte
}

func (r *wanRouter) meddle(p lab.Packet) []lab.Packet {
	switch {
	case p.Protocol == pppIPXCP && len(p.Data) > 4 && p.Data[0] == configureRequest && bytes.HasSuffix(p.Data, []byte{optionComplete, 2}):
		return []lab.Packet{{From: p.From.Other(), Protocol: pppIPXCP, Data: []byte{configureReject, p.Data[1], 0, 6, optionComplete, 2}}}
	case p.Protocol == pppIPX && p.From == lab.A && len(p.Data) > ipx.HeaderLen && ipx.Socket(binary.BigEndian.Uint16(p.Data[16:])) == ipx.SocketIPXWAN:
		select {
		case r.heard <- bytes.Clone(p.Data):
		default:
		}
		return nil // site b does not speak it
	}
	return []lab.Packet{p}
}

// run is the conversation, from when site a has IPX, until ctx ends.
func (r *wanRouter) run(ctx context.Context) error {
	m := ipxwan.New(ipxwan.Config{
		NodeID: 0xFFFFFF01, Name: "WANROUTER", // the higher number leads
		InUse: func(ipx.Network) bool { return false },
		Send:  func(pkt []byte) { r.middle.Forge(lab.Packet{From: lab.B, Protocol: pppIPX, Data: pkt}) },
	})
	m.Up(time.Now())
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case pkt := <-r.heard:
			m.Receive(pkt, time.Now())
		case <-tick.C:
			m.Tick(time.Now())
		}
	}
}

// TestIPXWAN: a router that wants IPXWAN gets it where ipxwan = true says so, and
// what the ends agreed on by it is used.
func TestIPXWAN(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	r := &wanRouter{w.Middle(), make(chan []byte, 16)}
	r.middle.Meddle(r.meddle)
	config := ipxOnly("ipxwan = true\nexchange = \"rip-sap\"")
	config.Daemon = `ipx_internal_network = "0000BEE1"`
	a, b := w.Start(w.SiteA, config.InGRE().A()), w.Start(w.SiteB, ipxOnly(`exchange = "rip-sap"`).InGRE().B())
	a.WaitUp("b")
	b.WaitUp("a")
	w.Background(r.run)
	s := a.WaitSite("b", "agreed by IPXWAN", func(s bridge.SiteStatus) bool { return s.IPX != nil && s.IPX.IPXWAN })
	if s.IPX.PeerRouter != "WANROUTER" {
		t.Errorf("the peer's name is %q", s.IPX.PeerRouter)
	}
	a.WaitRoute(lanB, "by the site", func(r routeInfo) bool { return r.Via == "b" })
	pingIPX(t, w, w.Station(w.HostA, "lan", nwFrame), w.Station(w.HostB, "lan", nwFrame), lanB, 100, 576)
}

// TestIPXWANNotNeeded: two of our daemons know all by IPXCP. Whether one or both may
// speak IPXWAN, neither begins, and the link works.
func TestIPXWANNotNeeded(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(t *testing.T){
		"both may": func(t *testing.T) { withoutIPXWAN(t, "ipxwan = true\nnetwork = \"0000FF01\"", "ipxwan = true") },
		"one may":  func(t *testing.T) { withoutIPXWAN(t, "ipxwan = true", "# by default") },
	})
}

func withoutIPXWAN(t *testing.T, keysA, keysB string) {
	w := lab.New(t)
	a, b := w.Start(w.SiteA, ipxOnly(keysA).A()), w.Start(w.SiteB, ipxOnly(keysB).B())
	a.WaitRoute(lanB, "by the site", func(r routeInfo) bool { return r.Via == "b" })
	b.WaitRoute(lanA, "by the site", func(r routeInfo) bool { return r.Via == "a" })
	pingIPX(t, w, w.Station(w.HostA, "lan", nwFrame), w.Station(w.HostB, "lan", nwFrame), lanB, 100)
	if sa, sb := a.Site("b").IPX, b.Site("a").IPX; sa.IPXWAN || sb.IPXWAN || sa.Network != sb.Network {
		t.Errorf("a has %+v, b has %+v", sa, sb)
	}
}
