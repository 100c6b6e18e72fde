package router

import (
	"bytes"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

// Wires of the captures: a NetWare-compatible server with network 5EA1 inside
// is on A0A0, clients on B0B0, Linux routers between.
const (
	netA0A0 ipx.Network = 0xA0A0
	netB0B0 ipx.Network = 0xB0B0
	netC0C0 ipx.Network = 0xC0C0
)

var (
	router0A = node("02000000990A") // the recorded router, on A0A0
	router0B = node("02000000990B")
	server0A = node("020000000A01")
)

// A recorded frame.
type recorded struct {
	src, dst ipx.Node
	h        ipx.Header
	pkt      []byte
}

func record(t *testing.T, name string) (all []recorded) {
	t.Helper()
	for _, frame := range ipxtest.Capture(t, "../testdata/"+name) {
		_, dst, src, pkt, err := ipx.Decapsulate(frame)
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := ipx.Parse(pkt)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, recorded{src, dst, h, pkt})
	}
	return all
}

// play hands a what others than the recorded router sent on its wire.
func play(a *Attached, mac ipx.Node, all []recorded) {
	for _, r := range all {
		if r.src != mac {
			a.Input([]In{{buffer(r.pkt), Addressee(r.dst, mac)}})
		}
	}
}

// forwarded returns what the recorded router forwarded to its wire.
func forwarded(all []recorded, mac ipx.Node) (pkts [][]byte) {
	for _, r := range all {
		if r.src == mac && r.h.Hops > 0 {
			pkts = append(pkts, r.pkt)
		}
	}
	return pkts
}

// TestReplayRouted: a session between a client and a server, as Lendecke's ipxd
// on Linux routed it, leaves us octet for octet the same.
func TestReplayRouted(t *testing.T) {
	onA, onB := record(t, "05-routed-ipxd-lanA-8022.pcap"), record(t, "05-routed-ipxd-lanB-8023.pcap")
	var wireA, wireB wire
	r := New(Config{})
	lab := &lab{Router: r}
	a := lab.attach(t, Attachment{Name: "a", Network: netA0A0, Node: router0A, Send: &wireA})
	b := lab.attach(t, Attachment{Name: "b", Network: netB0B0, Node: router0B, Send: &wireB})
	lab.addRoutes(a, Route{Network: 0x5EA1, Hops: 1, Ticks: 2, Next: server0A})
	play(b, router0B, onB)
	// The recording on B0B0 ends seven packets before the other.
	toServer, toClient := forwarded(onA, router0A), forwarded(onB, router0B)
	compare(t, "to the server", wireA.take(), toServer[:len(toServer)-7])
	play(a, router0A, onA)
	got := wireB.take()
	compare(t, "to the client", got[:len(got)-7], toClient)
}

// TestReplayTunnel: type 20, a directed broadcast and every size, through two
// Linux routers and a tunnel of network C0C0 whose MTU was too small: what came
// out there comes out here, and the long ones do too.
func TestReplayTunnel(t *testing.T) {
	onA, onB := record(t, "08-type20-mtu-lanA.pcap"), record(t, "08-type20-mtu-lanB.pcap")
	var wireA wire
	east, west := &lab{Router: New(Config{})}, &lab{Router: New(Config{})}
	var into *Attached
	pipe := sendFunc(func(_ ipx.Node, pkts []*packet.Buffer) error { into.InputPackets(pkts); return nil })
	b := east.attach(t, Attachment{Name: "b", Network: netB0B0, Node: router0B, Send: new(wire)})
	out := east.attach(t, Attachment{Name: "tunnel", Kind: Link, Network: netC0C0, Node: nodeL, Send: pipe})
	east.addRoutes(out, Route{Network: netA0A0, Hops: 1, Ticks: 7})
	west.attach(t, Attachment{Name: "a", Network: netA0A0, Node: router0A, Send: &wireA})
	into = west.attach(t, Attachment{Name: "tunnel", Kind: Link, Network: netC0C0, Node: peer, Send: new(wire)})
	west.addRoutes(into, Route{Network: netB0B0, Hops: 1, Ticks: 7})

	play(b, router0B, onB)
	var short []sent
	longest := 0
	for _, s := range wireA.take() {
		if longest = max(longest, len(s.pkt)); len(s.pkt) <= 1396 {
			short = append(short, s)
		}
	}
	compare(t, "through the tunnel", short, forwarded(onA, router0A))
	if longest != ipx.MaxLen {
		t.Errorf("longest packet has %d octets, want %d", longest, ipx.MaxLen)
	}
}

func compare(t *testing.T, what string, got []sent, want [][]byte) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s: %d packets, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if !bytes.Equal(got[i].pkt, want[i]) {
			t.Errorf("%s: packet %d\n%x, want\n%x", what, i, got[i].pkt, want[i])
		}
	}
}
