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
	g.must(t, "python3 %s %v %v 3", nping, link, s.IPX.Local)
	g.must(t, "python3 %s %08X %v 5", nping, lanNetwork, host.Addr().Node)

	g.must(t, "python3 /run/share/lib/ipxtool.py echo ppp0 30 >/run/share/echo.out 2>&1 &")
	if _, err := host.Ping(ctx, ipx.Addr{Network: link, Node: guest}, way.Router, 64); err != nil {
		t.Errorf("the station pings the guest: %v", err)
	}
	to := fmt.Sprintf("%v:%v", link, guest)
	for _, kind := range [][]string{nil, {"--cisco"}} {
		args := append([]string{"ipx", "ping", "--socket", filepath.Join(d.dir, "s"), "-c", "2", "--size", "1300"}, kind...)
		out, err := l.hq.Command(filepath.Join(os.Getenv(workDir), "sitebridge"), append(args, to)...).CombinedOutput()
		if err != nil {
			t.Errorf("sitebridge ipx ping %v: %v\n%s", kind, err, out)
		}
	}
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
		{"our number is higher", `network = "0000FF09"`, callersIP, []string{"--ipx-network", "FF02", "--ipx-router-name", "RIGROUTER"}, 0xFF09},
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
				g.ping(t, "10.255.0.1")
			}
			d.stop()
			g.exit(t)
			if n := judge.Count(t, stop(), "ipx && gre"); n < 20 {
				t.Errorf("%d frames of IPX in the capture, want at least 20", n)
			}
		})
	}
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
		{"the server's number is higher", `network = "0000FF01"`, givenIP, []string{"--ipx-network", "FF02"}, 0xFF02},
		{"only we have a number", `network = "0000FF01"`, staticIP, nil, 0xFF01},
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
				g.ping(t, "10.255.0.101")
			}
		})
	}
}

// A pppd whose kernel has no IPX rejects IPXCP as a protocol, or closes it as
// soon as it is open. IP lives on where that is enough.
func TestIPXThatThePeerCannotHave(t *testing.T) {
	l := newLab(t)
	g := l.boot(t, "client", guestPPP, "--peer", ourAddr, "--idle")
	const both = callersIP + "\n[site.alice.ipx]\nnetwork = \"0000FF01\"\n"
	for _, c := range []struct{ name, mode, reason string }{
		{"IPXCP rejected", "native", "peer rejects"},
		{"IPXCP closed once it was open", "wire", "Interface configuration failed"},
	} {
		t.Run(c.name+", IP required", func(t *testing.T) {
			l.capture(t)
			d := l.start(t, answering("mschapv2", "", both+"\n[site.alice]\nrequired = [\"ip\"]\n"))
			g.again(t, "--ipx", c.mode, "--ipx-network", "FF01")
			d.waitUp()
			g.linkUp(t)
			d.wait(20*time.Second, "IPXCP is closed, and status says why", func(s bridge.SiteStatus) bool {
				for _, n := range s.Tunnel.PPP.NCPs {
					if n.Name == "IPXCP" && !n.Opened && strings.Contains(n.Reason, c.reason) {
						return true
					}
				}
				return false
			})
			g.ping(t, "10.255.0.1")
			if s := d.status(); s.State != bridge.StateUp || s.Ups != 1 {
				t.Errorf("site is %s, up %d times; want up since the first time", s.State, s.Ups)
			}
		})
		t.Run(c.name+", IPX required", func(t *testing.T) {
			l.capture(t)
			d := l.start(t, answering("mschapv2", "", both+"\n[site.alice]\nrequired = [\"ip\", \"ipx\"]\n"))
			g.again(t, "--ipx", c.mode, "--ipx-network", "FF01")
			d.wantReason("IPXCP", c.reason)
			g.exit(t)
		})
	}
}
