package router

import (
	"encoding/binary"
	"fmt"
	"testing"

	"sitebridge/ipx"
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

func TestPropagation(t *testing.T) {
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
		{"nine hops", tooFar, "", "", "type20_hops=1"},
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
	bare.SetRoutes("far", []Route{{Network: netFar, Hops: 1, Ticks: 7, Via: in}})
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
}
