package e2e

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ipx/port"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
	"sitebridge/test/lab"
)

// A liar is a station that says whatever it likes.
type liar struct {
	t       *testing.T
	port    port.Port
	network ipx.Network
	router  ipx.Node
}

// newLiar puts a liar on the LAN of site b.
func newLiar(w *lab.World) *liar {
	return &liar{w.T, w.Port(w.HostB, "lan"), lanB, macOf(w, w.SiteB)}
}

// say sends a packet to everybody, in the liar's own name: on his wire, or by the
// router on that of dst.
func (l *liar) say(typ ipx.PacketType, socket ipx.Socket, dst ipx.Network, data []byte) {
	l.t.Helper()
	h := ipx.Header{
		Type: typ, Src: ipx.Addr{Network: l.network, Node: l.port.MAC(), Socket: socket},
		Dst: ipx.Addr{Network: dst, Node: ipx.Broadcast, Socket: socket},
	}
	to := ipx.Broadcast
	if dst != l.network && dst != ipx.ThisNetwork {
		to = l.router
	}
	forge(l.t, l.port, l.port.MAC(), to, ipx.AppendPacket(nil, h, data))
}

func (l *liar) networks(hops uint16, all ...ipx.Network) {
	l.t.Helper()
	m := rip.Message{Operation: rip.OpResponse}
	for _, n := range all {
		m.Entries = append(m.Entries, rip.Entry{Network: n, Hops: hops, Ticks: hops + 1})
	}
	l.say(ipx.TypeRIP, ipx.SocketRIP, l.network, m.Append(nil))
}

func (l *liar) service(typ sap.ServiceType, name string, network ipx.Network) {
	l.t.Helper()
	m := sap.Message{Operation: sap.OpResponse, Services: []sap.Service{{
		Type: typ, Name: name, Addr: ipx.Addr{Network: network, Node: ipx.ServerNode, Socket: ipx.SocketNCP}, Hops: 1,
	}}}
	l.say(ipx.TypePEP, ipx.SocketSAP, l.network, m.Append(nil))
}

// networksVia and servicesVia are what a daemon knows by a LAN or site, in order.
func networksVia(d *lab.Daemon, via string) (all []ipx.Network) {
	for _, r := range d.IPX().Routes {
		if r.Via == via && !r.Down {
			all = append(all, r.Network)
		}
	}
	return all
}

func servicesVia(d *lab.Daemon, via string) (all []string) {
	for _, s := range d.IPX().Services {
		if s.Via == via {
			all = append(all, fmt.Sprintf("%04X %s", uint16(s.Type), s.Name))
		}
	}
	return all
}

// TestAttackX1X2Limits: a peer is told what it may be told, and what it says
// counts where it may say that: networks, services, how many of them. Reserved
// numbers count nowhere, and our own LAN stays ours.
func TestAttackX1X2Limits(t *testing.T) {
	for _, exchange := range []string{"triggered", "rip-sap"} {
		t.Run(exchange, func(t *testing.T) {
			t.Parallel()
			w := lab.New(t)
			a := w.Start(w.SiteA, ipxOnly(fmt.Sprintf(`exchange = %q
accept_networks = ["00000020-00000022", "00000030"]
accept_services = ["* FS*"]
max_services = 2`, exchange)).A())
			b := w.Start(w.SiteB, ipxOnly(fmt.Sprintf(`exchange = %q
announce_networks = ["00000010", "00000020-0000002F"]
announce_services = ["0004 *"]`, exchange)).B())
			a.WaitUp("b")
			b.WaitUp("a")
			l := newLiar(w)
			l.networks(1, 0, 0x10, 0x21, 0x22, 0x23, 0x30, ipx.AllNetworks)
			l.networks(15, 0x24) // known, and too far for others
			l.networks(16, 0x25)
			l.networks(0xFFFF, 0x26)
			l.service(sap.FileServer, "FS1", 0x21)
			l.service(sap.FileServer, "OTHER", 0x21) // no name to accept
			l.service(7, "FSPRINT", 0x22)            // no type to announce
			l.service(sap.FileServer, "FS3", 0x23)   // no network to accept
			lab.Wait(t, "all is known at b", func() bool { return len(servicesVia(b, "lan/ethernet_802_2")) == 4 })
			if got, want := networksVia(b, "lan/ethernet_802_2"), []ipx.Network{0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x30}; !slices.Equal(got, want) {
				t.Errorf("b knows on its LAN %v, want %v", got, want)
			}
			a.WaitService("FS1", true)
			l.service(sap.FileServer, "FS2", 0x22)
			a.WaitService("FS2", true)
			l.service(sap.FileServer, "FS0", 0x22) // comes before the others by name, and too late
			b.WaitService("FS0", true)
			l.networks(1, 0x27) // when that is at a, so would FS0 be
			b.WaitRoute(0x27, "known", func(r routeInfo) bool { return true })
			lab.Wait(t, "what was announced is known at a", func() bool { return len(networksVia(a, "b")) == 3 })
			if got, want := networksVia(a, "b"), []ipx.Network{0x20, 0x21, 0x22}; !slices.Equal(got, want) {
				t.Errorf("a knows %v by the site, want %v", got, want)
			}
			if got, want := servicesVia(a, "b"), []string{"0004 FS1", "0004 FS2"}; !slices.Equal(got, want) {
				t.Errorf("a knows %q by the site, want %q", got, want)
			}
			if r, _ := a.Route(lanA); r.Origin != "own" {
				t.Errorf("a's own LAN: %+v", r)
			}
		})
	}
}

// Sockets that do not cross links by default.
const (
	socketSerial   ipx.Socket = 0x0457
	socketNetBIOS  ipx.Socket = 0x0455
	socketSNMP     ipx.Socket = 0x900F
	socketSNMPTrap ipx.Socket = 0x9010
	socketGame     ipx.Socket = 0x5001
)

// typeTwenty is the data of a NetBIOS broadcast that has crossed these networks.
func typeTwenty(text string, crossed ...ipx.Network) []byte {
	data := make([]byte, 32, 64)
	for i, n := range crossed {
		binary.BigEndian.PutUint32(data[4*i:], uint32(n))
	}
	return append(data, text...)
}

// socketsHeard is to which sockets packets of a node came, each as often.
func socketsHeard(x *tap, from ipx.Node) (all []string) {
	for _, p := range x.heard(from) {
		h, _, _ := ipx.Parse(p.pkt)
		all = append(all, fmt.Sprintf("%04X/%d", uint16(h.Dst.Socket), h.Type))
	}
	slices.Sort(all)
	return all
}

// TestAttackX7WhatDoesNotCross: NetWare's copy protection, SNMP and NetBIOS stay on
// their LAN by default, whichever end lets them pass; they are counted under their
// names in status and metrics, and cross when both ends allow them.
func TestAttackX7WhatDoesNotCross(t *testing.T) {
	t.Parallel()
	const allow = "network = \"0000FF01\"\nserial = true\nsnmp = true\nnetbios = \"on\""
	const deny = `network = "0000FF01"`
	never := []string{"5001/4"}
	lab.Together(t, map[string]func(t *testing.T){
		"neither end allows": func(t *testing.T) { whatCrosses(t, deny, deny, never) },
		"the sender allows":  func(t *testing.T) { whatCrosses(t, deny, allow, never) },
		"both allow": func(t *testing.T) {
			whatCrosses(t, allow, allow, []string{"0455/20", "0455/4", "0457/4", "5001/4", "900F/4", "9010/4"})
		},
	})
}

// whatCrosses has host b send one of each, and looks at what comes to host a.
func whatCrosses(t *testing.T, keysA, keysB string, want []string) {
	w := lab.New(t)
	a, b := w.Start(w.SiteA, measured(ipxOnly(keysA)).A()), w.Start(w.SiteB, measured(ipxOnly(keysB)).B())
	a.WaitRoute(lanB, "by the site", func(r routeInfo) bool { return r.Via == "b" })
	b.WaitRoute(lanA, "by the site", func(r routeInfo) bool { return r.Via == "a" })
	near := newTap(w, w.HostA)
	l := newLiar(w)
	for _, s := range []ipx.Socket{socketSerial, socketSNMP, socketSNMPTrap, socketNetBIOS} {
		l.say(ipx.TypePEP, s, lanA, []byte("serial"))
	}
	l.say(ipx.TypePropagated, socketNetBIOS, 0, typeTwenty("a name"))
	l.say(ipx.TypePEP, socketGame, lanA, []byte("last")) // after all others
	lab.Wait(t, "what may always cross has crossed", func() bool { return slices.Contains(socketsHeard(near, l.port.MAC()), "5001/4") })
	if got := socketsHeard(near, l.port.MAC()); !slices.Equal(got, want) {
		t.Errorf("host a hears %v, want %v", got, want)
	}
	if len(want) > 1 {
		return
	}
	// Where they were stopped they are counted.
	at, wire := b, "lan/ethernet_802_2"
	if keysB != keysA {
		at, wire = a, "b"
	}
	all := metricsOf(w, at)
	status, _, _ := at.Run("status", "--json")
	for name, n := range map[string]int{"serial_number_broadcast": 1, "snmp": 2, "netbios": 1} {
		line := fmt.Sprintf("sitebridge_wire_drops_total{reason=%q,wire=%q} ", name, wire)
		if wire == "b" {
			line = fmt.Sprintf("sitebridge_site_drops_total{layer=\"ipx\",reason=%q,site=%q} ", name, wire)
		}
		_, rest, _ := strings.Cut(all, line)
		if got, _, _ := strings.Cut(rest, "\n"); got < fmt.Sprint(n) || got > fmt.Sprint(n+1) { // type 20 counts as NetBIOS, or as off
			t.Errorf("metrics: %s%s, want %d", line, got, n)
		}
		if !strings.Contains(status, `"`+name+`": `) {
			t.Errorf("status has no %q", name)
		}
	}
}

// TestAttackX4Type20: a NetBIOS broadcast crosses each network once: one that comes
// back, by another router, one that went too far and one without room for the
// networks crossed die, and are counted.
func TestAttackX4Type20(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Allow("Malformed Packet (Exception occurred)") // the short one
	config := ipxOnly("network = \"0000FF01\"\nnetbios = \"on\"")
	a, b := w.Start(w.SiteA, config.A()), w.Start(w.SiteB, config.B())
	a.WaitRoute(lanB, "by the site", func(r routeInfo) bool { return r.Via == "b" })
	b.WaitRoute(lanA, "by the site", func(r routeInfo) bool { return r.Via == "a" })
	near, far := newTap(w, w.HostA), newTap(w, w.HostB)
	l := newLiar(w)
	from := l.port.MAC()
	l.say(ipx.TypePropagated, socketNetBIOS, 0, typeTwenty("once"))
	lab.Wait(t, "it has crossed", func() bool { return len(near.heard(from)) == 1 })
	crossed := near.heard(from)[0].pkt
	h, data, _ := ipx.Parse(crossed)
	if h.Hops != 2 || string(data[:8]) != "\x00\x00\x00\x20\x00\x00\xFF\x01" || !strings.HasSuffix(string(data), "once") {
		t.Errorf("it arrives with %d hops and %x", h.Hops, data)
	}

	// A router on the LAN of a sends it on by another way, and it comes to the LAN
	// of b; and one sends it back where it came from.
	forge(t, near.port, near.port.MAC(), ipx.Broadcast, crossed)
	back := ipx.AppendPacket(nil, ipx.Header{
		Hops: 3, Type: ipx.TypePropagated, Src: h.Src,
		Dst: ipx.Addr{Network: lanB, Node: ipx.Broadcast, Socket: socketNetBIOS},
	}, typeTwenty("once", 0x20, 0xFF01, 0x10))
	forge(t, far.port, far.port.MAC(), ipx.Broadcast, back)
	far2 := ipx.Header{Hops: 9, Type: ipx.TypePropagated, Src: h.Src, Dst: ipx.Addr{Node: ipx.Broadcast, Socket: socketNetBIOS}}
	forge(t, far.port, far.port.MAC(), ipx.Broadcast, ipx.AppendPacket(nil, far2, typeTwenty("far")))
	far2.Hops = 0
	forge(t, far.port, far.port.MAC(), ipx.Broadcast, ipx.AppendPacket(nil, far2, []byte("short")))
	l.say(ipx.TypePEP, socketGame, lanA, []byte("last"))
	lab.Wait(t, "the last one has crossed", func() bool { return slices.Contains(socketsHeard(near, from), "5001/4") })
	if got, want := socketsHeard(near, from), []string{"0455/20", "5001/4"}; !slices.Equal(got, want) {
		t.Errorf("host a hears %v, want %v", got, want)
	}
	s, err := b.Status()
	if err != nil || len(s.LANs) != 1 || len(s.LANs[0].Wires) != 1 {
		t.Fatalf("status: %+v, %v", s.LANs, err)
	}
	if d := s.LANs[0].Wires[0].Stats.Drops; d.PropagatedSeen != 1 || d.PropagatedHops != 1 || d.PropagatedShort != 1 {
		t.Errorf("b counts %d seen, %d too far, %d short, want one of each", d.PropagatedSeen, d.PropagatedHops, d.PropagatedShort)
	}
}
