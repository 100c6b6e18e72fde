package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/test/lab"
)

// Stations of the recordings.
var (
	server1  = mac(0x0A, 0x01) // MARSVR, with network 5EA1 inside
	server2  = mac(0x0A, 0x02) // MARS2, 5EA2
	client1  = mac(0x0C, 0x01)
	client2  = mac(0x0C, 0x02)
	client3  = mac(0x0C, 0x03)
	routerA  = mac(0x99, 0x0A) // ipxd on A0A0
	routerB  = mac(0x99, 0x0B) // and on B0B0
	insider  = node{5: 1}      // a server on the network inside it
	stranger = [sides]node{mac(0x77, 0x0A), mac(0x77, 0x0B)}
)

// inside are the networks inside the servers.
const inside1, inside2 uint32 = 0x5EA1, 0x5EA2

// A plan is two routers with a link between.
type plan struct {
	nets [sides][encaps]uint32
	link uint32
	// exchange is how the routers know what is behind the link: "static" by
	// configuration, which is remote and services, "triggered" or "rip-sap" from
	// each other.
	exchange string
	remote   map[uint32]metric // static: behind LAN B, seen from A
	services []service         // static: likewise
	netbios  bool
}

// startRouted starts two routers.
func startRouted(t *testing.T, plan plan) *rig {
	t.Helper()
	var c [sides]lab.Config
	o := &routed{dynamic: plan.exchange != "static", netbios: plan.netbios}
	for side := range sides {
		var lan, ipx strings.Builder
		for enc, n := range plan.nets[side] {
			fmt.Fprintf(&lan, "%s = \"%08X\"\n", configured[enc], n)
		}
		s := &routedSite{
			nets: plan.nets[side], static: map[uint32]metric{}, learned: map[uint32][]way{},
			offered: map[named][]offer{}, lost: map[uint32]way{},
		}
		for enc := range encaps {
			s.told[enc] = told{newTalk[number, metric](forNetworks, time.Minute, time.Minute), newTalk[named, far](forServices, time.Minute/2, time.Minute)}
		}
		if plan.link != 0 {
			fmt.Fprintf(&ipx, "network = \"%08X\"\n", plan.link)
		}
		if plan.netbios {
			fmt.Fprintf(&ipx, "netbios = \"on\"\n")
		}
		fmt.Fprintf(&ipx, "exchange = %q\n", plan.exchange)
		// No echo is sent that would measure the ticks of the link.
		c[side] = lab.Config{LAN: lan.String(), Site: `echo = { interval = "1h", failures = 3 }`}
		o.site[side] = s
		if !o.dynamic {
			ipx.WriteString(plan.behind(side))
		}
		c[side].IPX = ipx.String()
	}
	o.note() // before the link is up
	for side, s := range o.site {
		s.link = plan.link
		for _, n := range plan.nets[1-side] {
			s.static[n] = metric{1, 7}
		}
	}
	if !o.dynamic {
		maps.Copy(o.site[sideA].static, plan.remote)
		o.site[sideA].services = plan.services
	}
	o.note()
	r := start(t, c[sideA], c[sideB])
	r.oracle = o
	r.probe = o.probe
	for side, s := range o.site {
		s.mac = r.macs[side]
	}
	r.settle("start of the routers")
	return r
}

// behind is what the configuration of a side says about the other one.
func (p *plan) behind(side int) string {
	routes, services := []string{}, []string{}
	add := func(n uint32, m metric) {
		routes = append(routes, fmt.Sprintf(`"%08X hops %d ticks %d"`, n, m.hops, m.ticks))
	}
	for _, n := range p.nets[1-side] {
		add(n, metric{1, 7})
	}
	if side == sideA {
		for n, m := range p.remote {
			add(n, m)
		}
		for _, v := range p.services {
			services = append(services, fmt.Sprintf(`"%04X %s %08X:%X:%04X hops %d"`, v.typ, v.name, v.addr.net, v.addr.node, v.addr.sock, v.hops))
		}
	}
	return fmt.Sprintf("routes = [%s]\nservices = [%s]\n", strings.Join(routes, ", "), strings.Join(services, ", "))
}

// probe makes a packet that crosses, behind all that does. Then a question to
// the router, which answers one after the other; when it is heard, what was
// heard together with the packet before is on its way.
func (o *routed) probe(side, n int) []frame {
	s, far := o.site[side], o.site[1-side]
	me := addr{s.nets[0], stranger[side], 0x4000 + uint16(n)}
	over := compose(typePEP, me, addr{far.nets[0], stranger[1-side], 0x4000}, []byte("probe"))
	ask := compose(typeRIP, me, addr{s.nets[0], everybody, sockRIP}, ripData(1, s.nets[0], 0xFFFF, 0xFFFF))
	return []frame{
		{enc: 0, dst: s.mac, src: me.node, pkt: over},
		{enc: 0, dst: everybody, src: me.node, pkt: ask},
	}
}

func ripData(op byte, net uint32, hops, ticks uint16) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, op}, net)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, hops), ticks)
}

// announce has a server tell, on a wire of side B, that networks are inside it.
func (r *rig) announce(enc encap, server node, hops uint16, nets ...uint32) {
	r.t.Helper()
	n := r.oracle.(*routed).site[sideB].nets[enc]
	var frames []frame
	for _, net := range nets {
		p := compose(typeRIP, addr{n, server, sockRIP}, addr{n, everybody, sockRIP}, ripData(2, net, hops, 2))
		frames = append(frames, frame{enc: enc, dst: everybody, src: server, pkt: p})
	}
	r.play("announcement", sideB, frames)
}

// TestRoutedSessions plays four recordings of a server and a client on one wire,
// one in each frame type, as they were and then routed.
//
// As they were: all frames on LAN A, with the recorded addresses. That is one
// wire, so nothing crosses: not what the two say to each other, not what the
// client says to the server's inside through the server's own address, and not
// the broadcasts, RIP and SAP among them.
//
// Routed: the server's inside, 5EA1 or 5EA2, is behind LAN B. What the client
// says to it is played on LAN A again, now addressed to our router, as a client
// would that was told so by RIP; what the inside answers is played on LAN B,
// from the server to our router there. The recorded server counted itself as one
// router, ours are two more.
//
// Each recording enters in each of the four types, in one test of four. In each
// the server moves through all four on LAN B.
func TestRoutedSessions(t *testing.T) {
	recordings := []struct {
		name           string
		net, inside    uint32
		server, client node
	}{
		{"01-samelan-8022-mars-slist-login", 0xA0A0, inside1, server1, client1},
		{"02-samelan-8023raw", 0xA3A3, inside2, server2, client2},
		{"03-samelan-ethernet2", 0xA11A, inside2, server2, client2},
		{"04-samelan-snap", 0xA55A, inside2, server2, client2},
	}
	recordedIn := [...]encap{llc8022, raw8023, ethernetII, snap}
	for turn := range int(encaps) {
		entry := func(i int) encap { return (recordedIn[i] + encap(turn)) % encaps }
		t.Run(fmt.Sprintf("first in %v", entry(0)), func(t *testing.T) {
			t.Parallel()
			nets := [sides][encaps]uint32{sideB: {0xD000, 0xD001, 0xD002, 0xD003}}
			for i, rec := range recordings {
				nets[sideA][entry(i)] = rec.net
			}
			r := startRouted(t, plan{nets: nets, exchange: "static", remote: map[uint32]metric{inside1: {2, 8}, inside2: {2, 8}}})
			for i, rec := range recordings {
				var asTheyWere []frame
				for _, f := range recording(t, rec.name) {
					asTheyWere = append(asTheyWere, f.as(entry(i), f.dst, f.src))
				}
				r.play(rec.name+" as it was", sideA, asTheyWere)
			}
			var lost []frame // a request to a server that is down
			for exit := range encaps {
				r.announce(exit, server1, 1, inside1)
				r.announce(exit, server2, 1, inside2)
				for i, rec := range recordings {
					var request, reply []frame
					for _, f := range recording(t, rec.name) {
						switch {
						case f.pkt.dstNet() == rec.inside:
							request = append(request, f.as(entry(i), r.macs[sideA], rec.client))
						case f.pkt.srcNet() == rec.inside:
							reply = append(reply, f.as(exit, r.macs[sideB], rec.server))
						}
					}
					what := fmt.Sprintf("%s from %v to %v", rec.name, entry(i), exit)
					r.play(what+", requests", sideA, request)
					r.play(what+", replies", sideB, reply)
					if len(request) < 80 || len(reply) < 80 {
						t.Errorf("%s: %d requests, %d replies", what, len(request), len(reply))
					}
					lost = request[:1]
					r.play(what+", from a client that does not know its number", sideA, numberless(request))
				}
				r.announce(exit, server1, 16, inside1) // shut down; it comes up in the next type
				r.announce(exit, server2, 16, inside2)
				r.play("to a server that is down", sideA, lost)
				r.play("is it down?", sideB, r.whereIs(inside1))
			}
			r.play("what links stop", sideA, beside(r.macs[sideA], addr{net: nets[sideA][0], node: stranger[sideA]}, addr{net: nets[sideB][0], node: stranger[sideB]}))
			r.settle("both servers are down")
			r.farewell()
		})
	}
}

// numberless returns the frames with source network 0, which routers fill in.
func numberless(frames []frame) (zero []frame) {
	for _, f := range frames {
		f = frame{enc: f.enc, dst: f.dst, src: f.src, pkt: slices.Clone(f.pkt)}
		f.pkt.setSrcNet(0)
		zero = append(zero, f)
	}
	return zero
}

// TestRoutedBetweenLANs plays what was recorded on the two LANs of a Linux
// router, ipxd, and on those of two such routers with a tunnel between. Our two
// routers stand where the recorded ones stood: LAN A is the clients' wire, B0B0,
// LAN B the server's, A0A0, and the tunnel has number C0C0 as theirs had. What
// was addressed to the recorded router is addressed to ours; what the recorded
// routers themselves said is not played, but compared with what ours say.
//
// Each pair of frame types has its turn. The other types of each LAN are
// wires with other numbers, which get what is propagated to every network.
func TestRoutedBetweenLANs(t *testing.T) {
	for pair := range encaps * encaps {
		entry, exit := pair/encaps, pair%encaps
		t.Run(fmt.Sprintf("%v to %v", entry, exit), func(t *testing.T) {
			t.Parallel()
			nets := [sides][encaps]uint32{{0xE000, 0xE001, 0xE002, 0xE003}, {0xF000, 0xF001, 0xF002, 0xF003}}
			nets[sideA][entry], nets[sideB][exit] = 0xB0B0, 0xA0A0
			marsvr := service{0x0004, "MARSVR", addr{inside1, insider, 0x0451}, 1}
			r := startRouted(t, plan{
				nets: nets, link: 0xC0C0, netbios: true, exchange: exchanges[pair%encap(len(exchanges))],
				remote: map[uint32]metric{inside1: {2, 8}}, services: []service{marsvr},
			})
			session(r, entry, exit)
			tunnel(r, entry, exit)
			zero := recording(t, "09-client-net0-lanB")
			r.play("a client that does not know its number", sideA, r.said(zero, entry, sideA, routerB))
			for _, name := range []string{"13-dosbox-ipxbox-8023raw", "13-dosbox-ipxbox-ethernet2"} {
				r.play(name, sideA, r.said(recording(t, name), entry, sideA, node{}))
			}
			r.announce(exit, server1, 16, inside1)
			r.settle("the server is down")
			r.farewell()
		})
	}
}

// exchanges are the ways in which routers know of each other's networks.
var exchanges = [...]string{"static", "triggered", "rip-sap"}

// said is what others than the recorded router said, to ours.
func (r *rig) said(frames []frame, enc encap, side int, router node) (said []frame) {
	for _, f := range frames {
		dst := f.dst
		if dst == router {
			dst = r.macs[side]
		}
		if f.src != router && len(f.pkt) <= enc.longest() {
			said = append(said, f.as(enc, dst, f.src))
		}
	}
	return said
}

// session plays a client's session with a server behind the router, both ways.
func session(r *rig, entry, exit encap) {
	t := r.t
	onA, onB := recording(t, "05-routed-ipxd-lanA-8022"), recording(t, "05-routed-ipxd-lanB-8023")
	fromServer, fromClient := r.said(onA, exit, sideB, routerA), r.said(onB, entry, sideA, routerB)
	r.announce(exit, server1, 1, inside1) // as it does when it starts; the recording begins later
	r.play("announcement of services", sideB, services(fromServer))
	r.settle("the server is up")
	r.keep = true
	r.play("session, the client", sideA, fromClient)
	r.play("session, the server", sideB, fromServer)
	toClient, toServer := r.take()
	r.keep = false
	r.play("session, without number", sideA, numberless(routedOnly(fromClient)))
	var toAll, toOther []frame
	for _, f := range routedOnly(fromClient) {
		toAll = append(toAll, f.as(entry, everybody, f.src))
		toOther = append(toOther, f.as(entry, routerB, f.src))
	}
	r.play("session, in frames to all", sideA, toAll) // every router of the wire would copy them
	r.play("session, to another router", sideA, toOther)
	for hops := 12; hops <= 16; hops++ { // two routers: what has passed 13 is the last that arrives
		f := routedOnly(fromClient)[0]
		f = frame{enc: f.enc, dst: f.dst, src: f.src, pkt: slices.Clone(f.pkt)}
		f.pkt[4] = byte(hops)
		r.play(fmt.Sprintf("session, after %d routers", hops), sideA, []frame{f})
	}

	// What the recorded router forwarded is what ours forward, but that they are
	// two. The recording on B0B0 ends seven packets before the other.
	recordedToServer, recordedToClient := forwarded(onA, routerA), forwarded(onB, routerB)
	same(t, "to the server", toServer, recordedToServer[:len(recordedToServer)-7])
	same(t, "to the client", toClient[:len(toClient)-7], recordedToClient)
}

// tunnel plays type 20, a directed broadcast and every size through the tunnel.
// The recorded one lost what was longer than 1396 octets.
func tunnel(r *rig, entry, exit encap) {
	t := r.t
	onA, onB := recording(t, "08-type20-mtu-lanA"), recording(t, "08-type20-mtu-lanB")
	r.keep = true
	r.play("tunnel", sideA, r.said(onB, entry, sideA, routerB))
	_, got := r.take()
	r.keep = false
	want := forwarded(onA, routerA)
	if len(want) != 9 {
		t.Fatalf("the recorded routers forwarded %d packets, not 9", len(want))
	}
	for _, f := range onB {
		if p := pkt(slices.Clone(f.pkt)); len(p) > 1396 && len(p) <= min(entry.longest(), exit.longest()) {
			p[4] += 2
			want = append(want, p)
		}
	}
	got = slices.DeleteFunc(got, func(p pkt) bool { return p.dstNet() != 0xA0A0 }) // type 20 is on every wire
	for _, p := range want {                                                       // batches are sorted by receiver
		if !slices.ContainsFunc(got, func(q pkt) bool { return bytes.Equal(p, q) }) {
			t.Errorf("the recorded routers forwarded and ours did not:\n%x", p)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d packets left, want %d", len(got), len(want))
	}
}

// services leaves what a server announces by SAP.
func services(frames []frame) (told []frame) {
	for _, f := range frames {
		if f.dst == everybody && f.pkt.srcSock() == sockSAP {
			told = append(told, f)
		}
	}
	return told
}

// whereIs asks the router of LAN B for a network, on each wire.
func (r *rig) whereIs(net uint32) (ask []frame) {
	for enc, n := range r.oracle.(*routed).site[sideB].nets {
		me := addr{n, stranger[sideB], 0x4FFF}
		p := compose(typeRIP, me, addr{n, everybody, sockRIP}, ripData(1, net, 0xFFFF, 0xFFFF))
		ask = append(ask, frame{enc: encap(enc), dst: everybody, src: me.node, pkt: p})
	}
	return ask
}

// routedOnly leaves what is for another network.
func routedOnly(frames []frame) (routed []frame) {
	for _, f := range frames {
		if !f.dst.group() && f.pkt.dstNet() == inside1 {
			routed = append(routed, f)
		}
	}
	return routed
}

// forwarded is what a recorded router forwarded.
func forwarded(frames []frame, router node) (pkts []pkt) {
	for _, f := range frames {
		if f.src == router && f.pkt.hops() > 0 {
			pkts = append(pkts, f.pkt)
		}
	}
	return pkts
}

// same compares but for the hop count, where ours is one router more.
func same(t *testing.T, what string, got, want []pkt) {
	t.Helper()
	if len(got) != len(want) || len(want) < 50 {
		t.Errorf("%s: %d packets, the recorded router forwarded %d", what, len(got), len(want))
		return
	}
	for i, p := range want {
		p = slices.Clone(p)
		p[4]++
		if !bytes.Equal(got[i], p) {
			t.Errorf("%s: packet %d\n%x, want\n%x", what, i, got[i], p)
			return
		}
	}
}
