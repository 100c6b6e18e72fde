package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ipx/ipxnet"
	"sitebridge/ipx/port"
	"sitebridge/ipx/station"
	"sitebridge/test/dosbox/box"
	"sitebridge/test/lab"
)

// TestDOSBoxAtEachEndOfATunnel: Debian's DOSBox at each site and a real machine on
// the LAN of one, whose frame type is another, are on one cable.
func TestDOSBoxAtEachEndOfATunnel(t *testing.T) {
	t.Parallel()
	box.Need(t)
	w := lab.New(t)
	a, _ := pair(w, bridging{lans: arcade(lab.LANA)}, bridging{lans: arcade(lab.LANB)})
	machine := newTap(w, w.HostB)
	machine.answerPings(t, ipx.Ethernet8023)

	near, far := box.Start(t, w.HostA), box.Start(t, w.HostB)
	nearNode, farNode := near.MustConnect(emulators(lab.LANA)), far.MustConnect(emulators(lab.LANB))
	machine.send(t, ipx.Ethernet8023, ipx.Broadcast, announce(machine.port.MAC(), 1, 1)) // its frame type is known by it
	for _, look := range []struct {
		who  *box.Box
		sees []ipx.Node
	}{
		{near, []ipx.Node{farNode, machine.port.MAC()}},
		{far, []ipx.Node{nearNode, machine.port.MAC()}},
	} {
		saw, pings := map[ipx.Node]int{}, 0
		lab.Wait(t, "a player sees the other one and the machine", func() bool {
			pings++
			for _, n := range look.who.Ping() {
				saw[n]++ // an answer to an earlier one may come late
			}
			return !slices.ContainsFunc(look.sees, func(n ipx.Node) bool { return saw[n] == 0 })
		})
		for n, times := range saw {
			if !slices.Contains(look.sees, n) || times > pings {
				t.Errorf("a player who asked %d times sees %v %d times, want %v once each time", pings, n, times, look.sees)
			}
		}
	}
	machine.send(t, ipx.Ethernet8023, ipx.Broadcast, ipxnet.AppendPing(nil, machine.port.MAC()))
	for _, n := range []ipx.Node{nearNode, farNode} {
		lab.Wait(t, "the machine sees "+n.String(), func() bool { return machine.hearsFrom(n, machine.port.MAC()) })
	}
	out, _, _ := a.Run("ipx", "nodes")
	for _, n := range []ipx.Node{nearNode, farNode, machine.port.MAC()} {
		if !strings.Contains(out, n.String()) {
			t.Errorf("ipx nodes does not show %v:\n%s", n, out)
		}
	}
	s, err := a.Status()
	i := slices.IndexFunc(s.LANs, func(l bridge.LANStatus) bool { return l.Name == "arcade" })
	if err != nil || i < 0 || s.LANs[i].DOSBox == nil || len(s.LANs[i].DOSBox.Clients) != 1 || s.LANs[i].DOSBox.Clients[0].Node != nearNode {
		t.Errorf("status does not show the player: %+v, %v", s.LANs, err)
	}
}

// TestEmulatorsOnARoutedNetwork: the port for DOSBox is a network of its own. What
// runs in an emulator finds it, and reaches a machine at the other site, and is
// reached from there; so is the daemon's address on that network.
func TestEmulatorsOnARoutedNetwork(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a := lab.Config{IP: "none", More: fmt.Sprintf("[lan.arcade]\ndosbox = \"%s:10213\"\nnetwork = \"000000D0\"\n", lab.LANA)}
	b := lab.Config{IP: "none", IPX: `routes = ["00000010", "000000D0 hops 1 ticks 7"]`}
	atA, atB := w.Start(w.SiteA, a.A()), w.Start(w.SiteB, b.B())
	atA.WaitUp("b")
	atB.WaitUp("a")
	far := w.Station(w.HostB, "lan", ipx.Ethernet8022)
	card := w.Emulator(w.HostA, emulators(lab.LANA))
	player := station.New(card, port.DOSBoxEncapsulation)
	w.Background(player.Run)
	other := station.New(w.Emulator(w.HostA, emulators(lab.LANA)), port.DOSBoxEncapsulation)
	w.Background(other.Run)

	pingIPX(t, w, player, far, 0x20, 40, 41, ipxnet.MaxPacket)
	pingIPX(t, w, far, player, 0xD0, 40, 41, ipxnet.MaxPacket)
	pingIPX(t, w, player, w.Station(w.HostA, "lan", ipx.Ethernet8022), 0x10, 100)
	if _, err := other.FindRoute(w.Patiently(), 0x20); err != nil {
		t.Fatal(err)
	}
	if _, err := player.Ping(w.Patiently(), other.Addr(), other.Addr().Node, 100); err != nil {
		t.Errorf("two players on one network: %v", err)
	}
	wantOutput(t, atB, "1 of 1 answered", "ipx", "ping", "-c", "1", "000000D0:"+card.MAC().String())
	s, err := atA.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range s.LANs {
		if l.Name == "arcade" {
			wantOutput(t, atB, "1 of 1 answered", "ipx", "ping", "-c", "1", "000000D0:"+l.MAC.String())
		}
	}
}

func wantOutput(t *testing.T, d *lab.Daemon, want string, args ...string) {
	t.Helper()
	if out, errs, code := d.Run(args...); code != 0 || !strings.Contains(out, want) {
		t.Errorf("%v: exit status %d, %s%s", args, code, out, errs)
	}
}

// TestAttackX8AnyChecksumAndHopsCrossBridges: between two LANs and two emulators a
// packet crosses octet for octet, whatever its hop count and its checksum are, and
// broken ones are dropped and counted.
func TestAttackX8AnyChecksumAndHopsCrossBridges(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Allow("Malformed Packet (Exception occurred)") // the broken ones, as they are sent
	a, _ := pair(w, bridging{lans: arcade(lab.LANA)}, bridging{lans: arcade(lab.LANB)})
	all := taps(w, w.HostA, w.HostB)
	all = append(all, player(w, w.HostA, emulators(lab.LANA)), player(w, w.HostB, emulators(lab.LANB)))
	for i, x := range all {
		others := append(slices.Clone(all[:i]), all[i+1:]...)
		ready(t, ipx.EthernetII, x, others...)
		var sent [][]byte
		for _, hops := range []byte{0, 15, 16, 17, 127, 255} {
			for _, sum := range []string{"none", "zero", "right", "wrong"} {
				sent = append(sent, oddPacket(x.port.MAC(), hops, sum))
				x.send(t, ipx.EthernetII, ipx.Broadcast, sent[len(sent)-1])
			}
		}
		for j, o := range others {
			for _, pkt := range sent {
				lab.Wait(t, fmt.Sprintf("%x, from %d to %d, once", pkt, i, j), func() bool { return o.times(pkt) == 1 })
			}
		}
	}
	good := announce(all[0].port.MAC(), 77, 40)
	for _, length := range []int{29, 0, len(good) + 1, 0xFFFF} {
		bad := bytes.Clone(good)
		bad[2], bad[3] = byte(length>>8), byte(length)
		mac := all[0].port.MAC()
		w.SendFrames(w.HostA, "lan", slices.Concat(ipx.Broadcast[:], mac[:], []byte{0x81, 0x37}, bad))
		all[2].send(t, ipx.EthernetII, ipx.Broadcast, bad)
	}
	all[0].send(t, ipx.EthernetII, ipx.Broadcast, good)
	lab.Wait(t, "what comes after the broken ones", func() bool { return all[1].times(good) == 1 })
	s, err := a.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range s.LANs {
		if d := l.Stats.Drops; d.Short != 2 || d.Overlong != 2 {
			t.Errorf("LAN %s: drops %+v, want 2 short and 2 overlong", l.Name, d)
		}
	}
}

// player is a game at an emulator, which has said its first word: one that says none
// is taken for one that may still wait to be let in.
func player(w *lab.World, ns *netlab.Namespace, server netip.AddrPort) *tap {
	w.T.Helper()
	x := tapOn(w, w.Emulator(ns, server))
	x.send(w.T, port.DOSBoxEncapsulation, ipx.Broadcast, announce(x.port.MAC(), 0, 0))
	return x
}

// oddPacket is a broadcast of a game's with a hop count and a checksum, of which
// none is like another one.
func oddPacket(from ipx.Node, hops byte, sum string) []byte {
	pkt := announce(from, int(hops), 21+len(sum))
	pkt[4] = hops
	switch sum {
	case "zero":
		pkt[0], pkt[1] = 0, 0
	case "right", "wrong":
		n := ipx.Checksum(pkt)
		if sum == "wrong" {
			n ^= 0x0101
		}
		pkt[0], pkt[1] = byte(n>>8), byte(n)
	}
	return pkt
}

// TestDOSBoxAtThePortOfSystemd: the daemon, which may not open port 213 itself, gets
// the socket handed over, and players who name no port find it.
func TestDOSBoxAtThePortOfSystemd(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	at := netip.AddrPortFrom(netip.MustParseAddr(lab.LANA), 213)
	conn := w.ListenUDP(w.SiteA, "0.0.0.0:213")
	socket, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	conn.Close()
	c := bridging{
		name: "a", answers: []string{"b"},
		lans: map[string]string{"lan": `interface = "lan"`, "arcade": `dosbox = "0.0.0.0:213"`},
	}
	w.StartWithSockets(w.SiteA, c.text(), socket)
	one, other := player(w, w.HostA, at), player(w, w.HostA, at)
	real := newTap(w, w.HostA)
	ready(t, ipx.EthernetII, one, other, real)
	ready(t, ipx.EthernetII, real, one, other)

	without := w.Start(w.SiteB, bridging{name: "b", dials: map[string]string{"a": lab.WANA}, lans: c.lans}.text())
	<-without.Ended()
	if !strings.Contains(without.Log(), "packaging/sitebridge-dosbox.socket") {
		t.Errorf("the log of the one without a socket does not say what to do:\n%s", without.Log())
	}
}
