package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/policy"
)

// type20 is a propagated broadcast that crossed some networks.
func type20(from string, crossed ...ipx.Network) pk {
	data := make([]byte, slotsLen+10)
	for i, n := range crossed {
		binary.BigEndian.PutUint32(data[4*i:], uint32(n))
	}
	return pk{from: from, to: from[:9] + "FFFFFFFFFFFF:0455", typ: ipx.TypePropagated, hops: byte(len(crossed)), data: string(data)}
}

func eight() []ipx.Network { return []ipx.Network{1, 2, 3, 4, 5, 6, 7, 8} }

// TestAttackX4: attack row X4, and what is propagated beside it (ipx.md, section
// 8, rule by rule).
func TestAttackX4(t *testing.T) {
	const everyB = "to FFFFFFFFFFFF: " + hostA + " > 0000000B:FFFFFFFFFFFF:0455 hops %d type 20"
	const everyL = "to FFFFFFFFFFFF: " + hostA + " > 0000000F:FFFFFFFFFFFF:0455 hops %d type 20"
	short := type20(hostA)
	short.data = short.data[:slotsLen-1]
	tooFar := type20(hostA, eight()...)
	tooFar.hops = 9
	summed := type20(hostA)
	summed.sum = true
	for _, tt := range []struct {
		name       string
		pk         pk
		outB, outL string
		drop       string
	}{
		{"fresh", type20(hostA), fmt.Sprintf(everyB, 1), fmt.Sprintf(everyL, 1), ""},
		{"with a checksum", summed, fmt.Sprintf(everyB, 1), fmt.Sprintf(everyL, 1), ""},
		{"crossed B before", type20(hostA, 7, netB), "", fmt.Sprintf(everyL, 3), ""},
		{"crossed this wire before", type20(hostA, 7, netA), "", "", "type20_seen=1"},
		{"seven networks", type20(hostA, eight()[:7]...), fmt.Sprintf(everyB, 8), fmt.Sprintf(everyL, 8), ""},
		{"eight networks", type20(hostA, eight()...), "", "", "type20_hops=1"},
		{"own number in the last slot", type20(hostA, append(eight()[:7], netA)...), "", "", "type20_hops=1"},
		{"nine hops", tooFar, "", "", "type20_hops=1"},
		{"255 hops", func() pk { p := tooFar; p.hops = 255; return p }(), "", "", "too_many_hops=1"},
		{"what a slot beyond the hops holds means nothing", func() pk {
			p := type20(hostA, 7, netA)
			p.hops = 1
			return p
		}(), fmt.Sprintf(everyB, 2), fmt.Sprintf(everyL, 2), ""},
		{"no room for networks", short, "", "", "type20_short=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lab := newLab(t)
			input(lab.a, tt.pk.bytes(), ToAll)
			outB, outL := lab.wireB.take(), lab.wireL.take()
			if got := show(outB); got != tt.outB {
				t.Errorf("on B: %q, want %q", got, tt.outB)
			}
			if got := show(outL); got != tt.outL {
				t.Errorf("on the link: %q, want %q", got, tt.outL)
			}
			if got := dropped(lab.a); got != tt.drop || len(lab.wireA.take()) != 0 {
				t.Errorf("dropped %q, want %q; or echoed", got, tt.drop)
			}
			for _, s := range append(outB, outL...) {
				if !crossed(s.pkt, s.pkt[4], netA) {
					t.Errorf("the wire is not among those crossed: %x", s.pkt[ipx.HeaderLen:])
				}
				if n := s.pkt[4]; int(n) <= slots && crossed(s.pkt, n-1, netA) {
					t.Errorf("the wire is twice among those crossed: %x", s.pkt[ipx.HeaderLen:])
				}
				if sum := binary.BigEndian.Uint16(s.pkt); sum != ipx.NoChecksum && sum != ipx.Checksum(s.pkt) {
					t.Errorf("checksum %04x, want %04x", sum, ipx.Checksum(s.pkt))
				}
			}
		})
	}
}

// TestPropagationUnnumbered: over links without a number, the router's internal
// network tells a loop.
func TestPropagationUnnumbered(t *testing.T) {
	lab := newLab(t)
	if err := lab.l.SetNetwork(ipx.ThisNetwork); err != nil {
		t.Fatal(err)
	}
	var second wire
	lab.attach(t, Attachment{Name: "m", Kind: Link, Node: nodeL, Send: &second})
	input(lab.l, type20("00000000:020000000F01:0455").bytes(), ToUs)
	out := second.take()
	if got, want := show(out), "to FFFFFFFFFFFF: 00000000:020000000F01:0455 > 00000000:FFFFFFFFFFFF:0455 hops 1 type 20"; got != want {
		t.Fatalf("to the next link: %q, want %q", got, want)
	}
	input(lab.l, out[0].pkt, ToUs) // round
	if got := dropped(lab.l); got != "type20_seen=1" {
		t.Errorf("dropped %q", got)
	}
}

// TestPropagationNeedsANumber: without an internal network, nothing could tell a
// loop over an unnumbered link.
func TestPropagationNeedsANumber(t *testing.T) {
	var l wire
	bare := &lab{Router: New(Config{})}
	in := bare.attach(t, Attachment{Name: "l", Kind: Link, Node: nodeL, Send: &l})
	bare.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: &l})
	input(in, type20("00000020:020000000F01:0455").bytes(), ToUs)
	bare.addRoutes(in, Route{Network: netFar, Hops: 1, Ticks: 7})
	input(in, type20("00000020:020000000F01:0455").bytes(), ToUs)
	if got := dropped(in); got != "source_not_behind_peer=1 type20_unnumbered=1" || len(l.take()) != 0 {
		t.Errorf("without an internal network: dropped %q", got)
	}
}

// TestPropagatedIsHeard: a socket of our own hears it too.
func TestPropagatedIsHeard(t *testing.T) {
	lab := newLab(t)
	s, err := lab.OpenSocket(ipx.SocketNetBIOS)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	input(lab.a, type20(hostA).bytes(), ToAll)
	var b [100]byte
	if n, h, err := s.ReadFrom(t.Context(), b[:]); err != nil || n != slotsLen+10 || h.Hops != 0 {
		t.Errorf("ReadFrom = %d octets, %+v, %v", n, h, err)
	}
	if len(lab.wireB.take()) != 1 {
		t.Error("heard, but not passed on")
	}
	for name, p := range map[string]pk{"seen before": type20(hostA, netA), "eight networks": type20(hostA, eight()...)} {
		input(lab.a, p.bytes(), ToAll)
		if _, _, err := s.ReadFrom(t.Context(), b[:]); err != nil || len(lab.wireB.take()) != 0 || dropped(lab.a) != "" {
			t.Errorf("%s: not heard (%v), passed on, or dropped: %q", name, err, dropped(lab.a))
		}
	}
}

// TestAttackX4WhereItIsOff: off, and by the reverse path only, for LANs and
// links.
func TestAttackX4WhereItIsOff(t *testing.T) {
	const on, off, reverse = policy.PropagateOn, policy.PropagateOff, policy.PropagateReverse
	for _, tt := range []struct {
		name    string
		a, b, l policy.Propagation
		in      string // a or l
		from    string
		b1, l1  int // copies on B and on the link, or on A when in is l
		drop    string
	}{
		{"on", on, on, on, "a", hostA, 1, 1, ""},
		{"off where it comes from", off, on, on, "a", hostA, 0, 0, "type20_off=1"},
		{"off on a LAN that it would go to", on, off, on, "a", hostA, 0, 1, ""},
		{"off on a link that it would go to", on, on, off, "a", hostA, 1, 0, ""},
		{"off on the link that it comes by", on, on, off, "l", hostFar, 0, 0, "type20_off=1"},
		{"reverse path, from the wire itself", reverse, on, on, "a", hostA, 1, 1, ""},
		{"reverse path, from a network behind the link", on, on, reverse, "l", hostFar, 1, 1, ""},
		{"reverse path, from a network behind another wire", reverse, on, on, "a", hostFar, 0, 0, "type20_not_reverse_path=1"},
		{"reverse path, from an unknown network", reverse, on, on, "a", "00000077:020000000A01:4001", 0, 0, "type20_not_reverse_path=1"},
		{"reverse path where it goes to", on, reverse, reverse, "a", hostA, 1, 1, ""},
		{"off wherever it would go to", on, off, off, "a", hostA, 0, 0, "type20_nowhere=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lab := newLab(t)
			lab.a.Detach()
			lab.b.Detach()
			lab.a = lab.attach(t, Attachment{Name: "a", Network: netA, Node: nodeA, Send: &lab.wireA, NetBIOS: tt.a})
			lab.b = lab.attach(t, Attachment{Name: "b", Network: netB, Node: nodeB, Send: &lab.wireB, NetBIOS: tt.b})
			lab.relink(t, Attachment{Name: "l", Kind: Link, Network: netL, Node: nodeL, Send: &lab.wireL, NetBIOS: tt.l})
			at, other := lab.a, &lab.wireL
			if tt.in == "l" {
				at, other = lab.l, &lab.wireA
			}
			input(at, type20(tt.from).bytes(), ToAll)
			if b, l := len(lab.wireB.take()), len(other.take()); b != tt.b1 || l != tt.l1 || dropped(at) != tt.drop {
				t.Errorf("%d on B, %d on the other, dropped %q", b, l, dropped(at))
			}
		})
	}
}

// TestAttackX4Ring: three routers in a ring of links, numbered, make of one
// broadcast a bounded number of packets, and then it is quiet.
func TestAttackX4Ring(t *testing.T) {
	const n = 3
	var routers [n]*Router
	var left, right [n]*Attached
	var lans [n]wire
	type carried struct {
		to  *Attached
		pkt []byte
	}
	var waiting []carried
	over := func(to **Attached) Interface {
		return sendFunc(func(_ ipx.Node, pkts []*packet.Buffer) error {
			for _, p := range pkts {
				waiting = append(waiting, carried{*to, bytes.Clone(p.Bytes())})
			}
			return nil
		})
	}
	for i := range n {
		routers[i] = New(Config{InternalNetwork: ipx.Network(0x100 + i)})
		lab := &lab{Router: routers[i]}
		me := ipx.Node{2, 0, 0, 0, 9, byte(i)}
		lab.attach(t, Attachment{Name: "lan", Network: ipx.Network(0x10 + i), Node: me, Send: &lans[i]})
		left[i] = lab.attach(t, Attachment{Name: "left", Kind: Link, Network: ipx.Network(0x20 + i), Node: me, Send: over(&right[(i+n-1)%n])})
		right[i] = lab.attach(t, Attachment{Name: "right", Kind: Link, Network: ipx.Network(0x20 + (i+1)%n), Node: me, Send: over(&left[(i+1)%n])})
		lab.addRoutes(left[i], Route{Network: 0x10, Hops: 1, Ticks: 2})
		lab.addRoutes(right[i], Route{Network: 0x10, Hops: 1, Ticks: 2})
	}
	input(routers[0].attached[0], type20("00000010:020000000A01:0455").bytes(), ToAll)
	steps := 0
	for ; len(waiting) > 0 && steps < 1000; steps++ {
		next := waiting[0]
		waiting = waiting[1:]
		input(next.to, next.pkt, ToUs)
	}
	if steps > 12 || len(lans[0].take()) != 0 || len(lans[1].take()) == 0 || len(lans[2].take()) == 0 {
		t.Errorf("%d packets on the ring", steps)
	}
}
