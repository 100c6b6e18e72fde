package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/station"
	"sitebridge/test/judge"
)

const (
	lanNetwork = 0x10
	guestNode  = "00000000A001"
	ourNode    = "00000000B001" // that a guest wants for us
)

// ipxLAN is our LAN as an IPX network.
const ipxLAN = `
[lan.office]
interface = "lan0"
ethernet_802_2 = "00000010"
`

// host puts an IPX station on our LAN.
func (l *lab) ipxHost(t *testing.T) *station.Station {
	t.Helper()
	var p port.Port
	err := l.host.Do(func() (err error) {
		p, err = port.OpenLAN(port.LANConfig{Interface: "lan1"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := station.New(p, ipx.Ethernet8022)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		p.Close()
		if err := <-ended; err != nil {
			t.Errorf("the IPX station: %v", err)
		}
	})
	return s
}

// wantIPX asserts that packets pass: from the guest to our router and to the
// station on our LAN, from our router to the guest, and from the station.
func wantIPX(t *testing.T, l *lab, d *daemon, g *guest) {
	t.Helper()
	s := d.wait(10*time.Second, "status has the IPX link", func(s bridge.SiteStatus) bool { return s.IPX != nil })
	link, guest := s.IPX.Network, s.IPX.Peer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	host := l.ipxHost(t)
	way, err := host.FindRoute(ctx, link)
	if err != nil {
		t.Fatalf("the station asks for the way to the link: %v", err)
	}
	nping := fmt.Sprintf("/run/share/lib/ipxtool.py nping ppp0 %v %v", link, guest)
	g.must(t, "python3 %[1]s %[2]v %[3]v 3 && python3 %[1]s %08[4]X %[5]v 5", nping, link, s.IPX.Local, lanNetwork, host.Addr().Node)

	g.must(t, "python3 /run/share/lib/ipxtool.py echo ppp0 20 >/dev/null 2>&1 &")
	if _, err := host.Ping(ctx, ipx.Addr{Network: link, Node: guest}, way.Router, 64); err != nil {
		t.Errorf("the station pings the guest: %v", err)
	}
	for _, kind := range []string{"--cisco=false", "--cisco"} {
		d.pingIPX(t, kind, fmt.Sprintf("%v:%v", link, guest))
	}
}

// pingIPX runs `sitebridge ipx ping` until it is answered.
func (d *daemon) pingIPX(t *testing.T, kind, to string) {
	t.Helper()
	var out []byte
	var err error
	for range 3 { // the guest may hold a frame back: see its README
		ping := d.lab.hq.Command(filepath.Join(os.Getenv(workDir), "sitebridge"),
			"ipx", "ping", "--socket", d.client.Socket, "-c", "1", "--size", "1300", kind, to)
		if out, err = ping.CombinedOutput(); err == nil {
			return
		}
	}
	t.Errorf("sitebridge ipx ping %s %s: %v\n%s", kind, to, err, out)
}

func TestIPXWithPPPDThatCallsUs(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "client", guestPPP, "--peer", ourAddr, "--idle", "--ipx", "open")
	for _, c := range []struct {
		name, our string // our IPX network
		ip        string
		guest     []string
		network   ipx.Network // that is agreed on
	}{
		{"one number at both ends", `network = "0000FF01"`, callersIP, []string{"--ipx-network", "FF01", "--ipx-node", guestNode + ":" + ourNode}, 0xFF01},
		{"the caller's number is higher", `network = "0000FF01"`, callersIP, []string{"--ipx-network", "FF02"}, 0xFF02},
		{"our number is higher", `network = "0000FF09"`, callersIP, []string{"--ipx-network", "FF02", "--ipx-router-name", "RIGROUTER", "--pppd-opt", "ipxcp-accept-network"}, 0xFF09},
		{"only the caller has a number", "", callersIP, []string{"--ipx-network", "FF02"}, 0xFF02},
		{"no IP", `network = "0000FF01"`, "", []string{"--ipx-network", "FF01", "--ip", "off"}, 0xFF01},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop := l.capture(t)
			d := l.start(t, answering("mschapv2", "", ipxLAN+c.ip+"\n[site.alice.ipx]\n"+c.our+"\n"))
			g.again(t, append([]string{"--ipx", "open"}, c.guest...)...)
			s := d.waitUp()
			g.ipxUp(t)
			if s.IPX == nil || s.IPX.Network != c.network {
				t.Fatalf("IPX is %+v, want network %v", s.IPX, c.network)
			}
			if strings.Contains(strings.Join(c.guest, " "), guestNode) {
				if s.IPX.Peer.String() != guestNode {
					t.Errorf("the guest's node is %v, want what it was told: %s", s.IPX.Peer, guestNode)
				}
			}
			wantIPX(t, l, d, g)
			if c.ip != "" {
				g.linkUp(t)
				g.ping(t, "10.255.0.1")
			}
			d.stop()
			g.exit(t)
			if n := judge.Count(t, stop(), "ipx && gre"); n < 20 {
				t.Errorf("%d frames of IPX in the capture, want at least 20", n)
			}
		})
	}
	noIPX(t, l, g)
}

func TestIPXWithPPTPDThatWeCall(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "server", guestPPTP, "--ipx", "open")
	for _, c := range []struct {
		name, our string
		ip        string
		guest     []string
		network   ipx.Network
	}{
		{"one number at both ends", `network = "0000FF01"`, staticIP, []string{"--ipx-network", "FF01", "--ipx-node", guestNode + ":" + ourNode}, 0xFF01},
		{"only we have a number", `network = "0000FF01"`, givenIP, nil, 0xFF01},
		{"no IP", `network = "0000FF01"`, "", []string{"--ipx-network", "FF01", "--ip", "off"}, 0xFF01},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.capture(t)
			g.again(t, append([]string{"--ipx", "open"}, c.guest...)...)
			d := l.start(t, dialing("mschapv2", "secret", ipxLAN+c.ip+"\n[site.rigserver.ipx]\n"+c.our+"\n"))
			s := d.waitUp()
			g.ipxUp(t)
			if s.IPX == nil || s.IPX.Network != c.network {
				t.Fatalf("IPX is %+v, want network %v", s.IPX, c.network)
			}
			wantIPX(t, l, d, g)
			if c.ip != "" {
				g.linkUp(t)
				g.ping(t, "10.255.0.101")
			}
		})
	}
}

// noIPX: a pppd whose kernel has no IPX rejects IPXCP as a protocol, or closes
// it as soon as it is open, and one may insist on a number that is not the
// higher one. IP lives on where it is required.
func noIPX(t *testing.T, l *lab, g *guest) {
	const (
		networkFF09 = "\n[site.alice.ipx]\nnetwork = \"0000FF09\"\n"
		onlyIP      = callersIP + networkFF09 + "\n[site.alice]\nrequired = [\"ip\"]\n"
		rejected    = "IPXCP: peer does not speak the protocol (Protocol-Reject)"
	)
	for _, c := range []struct{ name, mode, toml, reason string }{
		{"rejected, IP required", "native", onlyIP, rejected},
		{"rejected, both required", "native", callersIP + networkFF09, rejected},
		{"rejected, no IP", "native", networkFF09, rejected},
		{"closed once it was open, IP required", "wire", onlyIP, `IPXCP: peer terminated it: "Interface configuration failed"`},
		{"another number, IP required", "open", onlyIP, "IPXCP: peer insists on network 0000FF02 for the link, ours is 0000FF09 and higher"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l.capture(t)
			d := l.start(t, answering("mschapv2", "", c.toml))
			number := "FF02"
			if c.mode == "wire" {
				number = "FF09"
			}
			g.again(t, "--ipx", c.mode, "--ipx-network", number)
			if !strings.Contains(c.toml, callersIP) {
				d.wantReason("no network protocol can run", c.reason)
				g.exit(t)
				return
			}
			g.linkUp(t)
			if c.toml != onlyIP {
				if s := d.wantReason(c.reason); s.State != bridge.StateNegotiating || s.Ups != 0 {
					t.Errorf("site is %s, up %d times; want it never up without IPX", s.State, s.Ups)
				}
				g.ping(t, "10.255.0.1")
				return
			}
			d.wait(20*time.Second, "IPXCP is closed, and status says why", func(s bridge.SiteStatus) bool { return s.Tunnel != nil && down(s, c.reason) })
			g.ping(t, "10.255.0.1")
			if s := d.status(); s.State != bridge.StateUp || s.Ups != 1 {
				t.Errorf("site is %s, up %d times; want up since the first time", s.State, s.Ups)
			}
		})
	}
}

// down reports whether a protocol is down for the reason given.
func down(s bridge.SiteStatus, reason string) bool {
	for _, n := range s.Tunnel.PPP.NCPs {
		if !n.Opened && n.Name+": "+n.Reason == reason {
			return true
		}
	}
	return false
}
