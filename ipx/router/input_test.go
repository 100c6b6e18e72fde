package router

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/internal/race"
	"sitebridge/ipx"
)

// Stations of the tests, as they write themselves.
const (
	hostA   = "0000000A:020000000A01:4001"
	hostB   = "0000000B:020000000B02:4002"
	hostFar = "00000020:020000000C03:4003"
)

// TestInputRules goes through the rules of input one by one. Each packet is of
// type 4 unless said otherwise, and comes by a frame for the router.
func TestInputRules(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string // a, b or l: where the packet arrives; a by default
		dst  LinkDst
		pk
		outA, outB, outL string // what leaves
		drop             string // what is counted
	}{
		{name: "1 own packet comes back", pk: pk{from: "0000000A:020000000A99:0453", to: hostB}, drop: "own_frame=1"},
		{name: "1 own packet comes back without its network", pk: pk{from: "00000000:020000000A99:4001", to: hostB}, drop: "own_frame=1"},
		{name: "1 the same node on another network is not ours", pk: pk{from: "00000001:020000000A99:4001", to: hostB},
			outB: "to 020000000B02: 00000001:020000000A99:4001 > " + hostB + " hops 1 type 4"},
		{name: "2 source is a group", pk: pk{from: "0000000A:010000000001:4001", to: hostB}, drop: "bad_source=1"},
		{name: "2 source is node 0", pk: pk{from: "0000000A:000000000000:4001", to: hostB}, drop: "bad_source=1"},
		{name: "2 source network is FFFFFFFF", pk: pk{from: "FFFFFFFF:020000000A01:4001", to: hostB}, drop: "bad_source=1"},
		{name: "2 source network 0 is filled in", pk: pk{from: "00000000:020000000A01:4001", to: hostB},
			outB: "to 020000000B02: " + hostA + " > " + hostB + " hops 1 type 4"},
		{name: "3 destination network 0 is this wire", dst: ToAll, pk: pk{from: hostA, to: "00000000:FFFFFFFFFFFF:5000"}, drop: "no_socket=1"},
		{name: "6 on this wire, another station", pk: pk{from: hostA, to: "0000000A:020000000A02:5000"}, drop: "other_station=1"},
		{name: "6 on this wire, everybody", dst: ToAll, pk: pk{from: hostA, to: "0000000A:FFFFFFFFFFFF:5000"}, drop: "no_socket=1"},
		{name: "6 our node on another wire", pk: pk{from: hostA, to: "0000000B:020000000B99:5000"}, drop: "no_socket=1"},
		{name: "6 our internal network", pk: pk{from: hostA, to: "0000BEEF:000000000001:5000"}, drop: "no_socket=1"},
		{name: "6 nobody else is on the internal network", pk: pk{from: hostA, to: "0000BEEF:000000000002:5000"}, drop: "other_station=1"},
		{name: "6 directed broadcast", pk: pk{from: hostA, to: "0000000B:FFFFFFFFFFFF:5000"},
			outB: "to FFFFFFFFFFFF: " + hostA + " > 0000000B:FFFFFFFFFFFF:5000 hops 1 type 4"},
		{name: "6 directed broadcast from a link", in: "l", pk: pk{from: hostFar, to: "0000000B:FFFFFFFFFFFF:5000"},
			outB: "to FFFFFFFFFFFF: " + hostFar + " > 0000000B:FFFFFFFFFFFF:5000 hops 1 type 4"},
		{name: "6 directed broadcast to every router", dst: ToAll, pk: pk{from: hostA, to: "0000000B:FFFFFFFFFFFF:5000"}, drop: "link_broadcast=1"},
		{name: "6 directed broadcast of RIP", pk: pk{from: hostA, to: "0000000B:FFFFFFFFFFFF:0453"}, drop: "router_broadcast=1"},
		{name: "7 frame for another station", dst: ToSomebody, pk: pk{from: hostA, to: hostB}, drop: "other_station=1"},
		{name: "7 frame for everybody", dst: ToAll, pk: pk{from: hostA, to: hostB}, drop: "link_broadcast=1"},
		{name: "8 fourteen hops", pk: pk{from: hostA, to: hostB, hops: 14},
			outB: "to 020000000B02: " + hostA + " > " + hostB + " hops 15 type 4"},
		{name: "8 fifteen hops", pk: pk{from: hostA, to: hostB, hops: 15}, drop: "too_many_hops=1"},
		{name: "9 no route", pk: pk{from: hostA, to: "00000099:020000000C03:4003"}, drop: "no_route=1"},
		{name: "9 back to the wire it came from", pk: pk{from: hostA, to: "00000030:020000000D04:4004"},
			outA: "to 020000000A77: " + hostA + " > 00000030:020000000D04:4004 hops 1 type 4"},
		{name: "9 back to the link it came from", in: "l", pk: pk{from: hostFar, to: "00000020:020000000C04:4003"}, drop: "routed_back=1"},
		{name: "10 to a station", pk: pk{from: hostA, to: hostB},
			outB: "to 020000000B02: " + hostA + " > " + hostB + " hops 1 type 4"},
		{name: "10 to the next router", in: "b", pk: pk{from: hostB, to: "00000030:020000000D04:4004"},
			outA: "to 020000000A77: " + hostB + " > 00000030:020000000D04:4004 hops 1 type 4"},
		{name: "10 over a link", pk: pk{from: hostA, to: hostFar},
			outL: "to 000000000000: " + hostA + " > " + hostFar + " hops 1 type 4"},
		{name: "10 from a link", in: "l", pk: pk{from: hostFar, to: hostB},
			outB: "to 020000000B02: " + hostFar + " > " + hostB + " hops 1 type 4"},
		{name: "10 too long", in: "b", pk: pk{from: hostB, to: hostFar, data: string(make([]byte, 1400))}, drop: "too_long=1"},
		{name: "destination is node 0", pk: pk{from: hostA, to: "0000000B:000000000000:4001"}, drop: "bad_destination=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lab := newLab(t)
			lab.l.Detach()
			lab.l = lab.attach(t, Attachment{Name: "l", Kind: Link, Network: netL, Node: nodeL, Send: &lab.wireL, MTU: 1400})
			lab.addRoutes(lab.l, Route{Network: netFar, Hops: 1, Ticks: 7})
			lab.addRoutes(lab.a, Route{Network: 0x30, Hops: 1, Ticks: 2, Next: node("020000000A77")})
			tt.typ = ipx.TypePEP
			at := map[string]*Attached{"": lab.a, "a": lab.a, "b": lab.b, "l": lab.l}[tt.in]
			input(at, tt.bytes(), tt.dst)
			for _, out := range []struct {
				name, want string
				wire       *wire
			}{{"a", tt.outA, &lab.wireA}, {"b", tt.outB, &lab.wireB}, {"l", tt.outL, &lab.wireL}} {
				if got := show(out.wire.take()); got != out.want {
					t.Errorf("left by %s: %q, want %q", out.name, got, out.want)
				}
			}
			if got := dropped(at); got != tt.drop {
				t.Errorf("dropped %q, want %q", got, tt.drop)
			}
		})
	}
}

// TestAttackX8IPXHeader: attack row X8, the part of route mode.
func TestAttackX8IPXHeader(t *testing.T) {
	good := pk{from: hostA, to: hostB, typ: 4, data: "HELLO IPX!"}
	with := func(change func(b []byte) []byte) []byte { return change(good.bytes()) }
	for _, tt := range []struct {
		name string
		pkt  []byte
		drop string
	}{
		{"header cut", good.bytes()[:29], "truncated=1"},
		{"empty", nil, "truncated=1"},
		{"length 29", with(func(b []byte) []byte { b[2], b[3] = 0, 29; return b }), "short=1"},
		{"length longer than the frame", with(func(b []byte) []byte { b[3]++; return b }), "overlong=1"},
		{"length 0", with(func(b []byte) []byte { b[2], b[3] = 0, 0; return b }), "short=1"},
		{"length FFFF", with(func(b []byte) []byte { b[2], b[3] = 0xFF, 0xFF; return b }), "overlong=1"},
		{"hops 15", with(func(b []byte) []byte { b[4] = 15; return b }), "too_many_hops=1"},
		{"no checksum", good.bytes(), ""},
		{"checksum 0", with(func(b []byte) []byte { b[0], b[1] = 0, 0; return b }), ""},
		{"right checksum", pk{from: hostA, to: hostB, sum: true}.bytes(), ""},
		{"wrong checksum", with(func(b []byte) []byte { b[0], b[1] = 0x12, 0x34; return b }), ""},
		{"padding behind the packet", append(good.bytes(), make([]byte, 20)...), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lab := newLab(t)
			input(lab.a, tt.pkt, ToUs)
			if got := dropped(lab.a); got != tt.drop {
				t.Fatalf("dropped %q, want %q", got, tt.drop)
			}
			out := lab.wireB.take()
			if tt.drop != "" {
				if len(out) != 0 {
					t.Errorf("%d packets left", len(out))
				}
				return
			}
			want := bytes.Clone(tt.pkt[:ipx.Length(tt.pkt)])
			want[4]++
			if len(out) != 1 || !bytes.Equal(out[0].pkt, want) {
				t.Errorf("left: %v, want %x", out, want)
			}
		})
	}
}

// TestAttackX8Hops: what arrived with more than 15 hops is not taken either when
// it is for ourselves; with 15 it is.
func TestAttackX8Hops(t *testing.T) {
	for hops := 15; hops <= 255; hops++ {
		for _, to := range []string{hostB, "0000000A:020000000A99:0453"} {
			lab := newLab(t)
			input(lab.a, pk{from: hostA, to: to, hops: byte(hops), data: "\x00\x01"}.bytes(), ToUs)
			want := "too_many_hops=1"
			if hops == 15 && to != hostB {
				want = ""
			}
			if got := dropped(lab.a); got != want || len(lab.wireB.take()) != 0 {
				t.Errorf("%d hops to %s: dropped %q, want %q", hops, to, got, want)
			}
		}
	}
}

// TestAttackG8SourceBehindPeer: attack row G8, the part of route mode.
func TestAttackG8SourceBehindPeer(t *testing.T) {
	lab := newLab(t)
	var wireW wire
	ws := lab.attach(t, Attachment{Name: "w", Kind: Workstation, Network: 0xFE, Node: nodeL, Peer: peer, Send: &wireW})
	for _, tt := range []struct {
		name, from string
		at         *Attached
		ok         bool
	}{
		{"a network behind the peer", hostFar, lab.l, true},
		{"the link's own network", "0000000F:020000000F01:4001", lab.l, true},
		{"network 0 is the link's own", "00000000:020000000F01:4001", lab.l, true},
		{"a LAN of ours", hostA, lab.l, false},
		{"our internal network", "0000BEEF:000000000001:4001", lab.l, false},
		{"a network of nobody", "00000077:020000000C03:4001", lab.l, false},
		{"the workstation", "000000FE:020000000F01:4001", ws, true},
		{"the workstation without its network", "00000000:020000000F01:4001", ws, true},
		{"another node beside the workstation", "000000FE:020000000F02:4001", ws, false},
		{"a network behind the workstation", hostFar, ws, false},
	} {
		before := tt.at.Stats().Drops.NotBehindPeer
		tt.at.InputPackets([]*packet.Buffer{buffer(pk{from: tt.from, to: hostB, typ: 4}.bytes())})
		passed, counted := len(lab.wireB.take()) == 1, tt.at.Stats().Drops.NotBehindPeer == before+1
		if passed != tt.ok || counted == tt.ok {
			t.Errorf("from %s: passed %v, counted %v, want passed %v", tt.name, passed, counted, tt.ok)
		}
	}
	lab.l.SetStatic(nil, nil)
	lab.l.InputPackets([]*packet.Buffer{buffer(pk{from: hostFar, to: hostB, typ: 4}.bytes())})
	if n := len(lab.wireB.take()); n != 0 {
		t.Errorf("%d packets from a network that is behind the peer no more", n)
	}
}

func TestDefaultRouteIsBehindPeer(t *testing.T) {
	lab := newLab(t)
	lab.addRoutes(lab.l, Route{Network: ipx.DefaultRoute, Hops: 1, Ticks: 7})
	lab.l.InputPackets([]*packet.Buffer{
		buffer(pk{from: "00000077:020000000C03:4001", to: hostB}.bytes()),
		buffer(pk{from: hostA, to: hostB}.bytes()), // known to be elsewhere
	})
	if got, want := show(lab.wireB.take()), "to 020000000B02: 00000077:020000000C03:4001 > "+hostB+" hops 1 type 0"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
	input(lab.a, pk{from: hostA, to: "00000077:020000000C03:4001"}.bytes(), ToUs)
	if len(lab.wireL.take()) != 1 {
		t.Error("the default route was not taken")
	}
}

func TestFillInKeepsChecksumRight(t *testing.T) {
	lab := newLab(t)
	input(lab.a, pk{from: "00000000:020000000A01:4001", to: hostB, data: "odd", sum: true}.bytes(), ToUs)
	out := lab.wireB.take()
	if len(out) != 1 {
		t.Fatalf("%d packets left", len(out))
	}
	if got, want := uint16(out[0].pkt[0])<<8|uint16(out[0].pkt[1]), ipx.Checksum(out[0].pkt); got != want {
		t.Errorf("checksum %04x, want %04x", got, want)
	}
}

func TestBatchLeavesGroupedByOutput(t *testing.T) {
	lab := newLab(t)
	calls := 0
	lab.b.Detach()
	lab.attach(t, Attachment{Name: "b", Network: netB, Node: nodeB, Send: sendFunc(func(ipx.Node, []*packet.Buffer) error { calls++; return nil })})
	var frames []In
	for i := range 30 {
		to := []string{hostB, hostFar, "0000000B:020000000B03:4001"}[i%3]
		frames = append(frames, In{buffer(pk{from: hostA, to: to, data: string(rune(i))}.bytes()), ToUs})
	}
	lab.a.Input(frames)
	if calls != 2 {
		t.Errorf("%d calls for two stations on b, want 2", calls)
	}
	for i, s := range lab.wireL.take() {
		if got := int(s.pkt[ipx.HeaderLen]); got != 3*i+1 {
			t.Errorf("packet %d of link is number %d", i, got)
		}
	}
}

type sendFunc func(ipx.Node, []*packet.Buffer) error

func (f sendFunc) Send(dst ipx.Node, pkts []*packet.Buffer) error { return f(dst, pkts) }

func TestForwardingDoesNotAllocate(t *testing.T) {
	lab := newLab(t)
	lab.b.Detach()
	lab.attach(t, Attachment{Name: "b", Network: netB, Node: nodeB, Send: sendFunc(func(ipx.Node, []*packet.Buffer) error { return nil })})
	pkt := pk{from: "00000000:020000000A01:4001", to: hostB, data: string(make([]byte, 500))}.bytes()
	frames := make([]In, packet.BatchLen)
	for i := range frames {
		frames[i].Packet = new(packet.Buffer)
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range frames {
			frames[i].Packet.Set(pkt)
		}
		lab.a.Input(frames)
	}); n != 0 && !race.Enabled {
		t.Errorf("%v allocations per batch", n)
	}
}

func TestEveryDropHasAName(t *testing.T) {
	typ := reflect.TypeFor[Drops]()
	if typ.NumField() != int(drops)-1 {
		t.Fatalf("%d fields for %d reasons", typ.NumField(), drops-1)
	}
	seen := make(map[string]bool)
	for why := dropTruncated; why < drops; why++ {
		if name := why.String(); name == "" || seen[name] {
			t.Errorf("reason %d has the name %q", why, name)
		} else {
			seen[name] = true
		}
	}
	var c counters
	c.drop(dropNotBehindPeer)
	c.drop(dropDetached)
	if s := c.snapshot(); s.Drops != (Drops{NotBehindPeer: 1, Detached: 1}) {
		t.Errorf("counted %+v", s.Drops)
	}
	if _, err := json.Marshal(c.snapshot()); err != nil {
		t.Error(err)
	}
}

// FuzzInput: whatever arrives, everything that leaves is a whole packet with
// one hop more, and every packet is either sent, delivered or counted.
func FuzzInput(f *testing.F) {
	f.Add(pk{from: hostA, to: hostB, data: "x"}.bytes(), uint8(0))
	f.Add(pk{from: hostA, to: "00000000:FFFFFFFFFFFF:0453", typ: 1}.bytes(), uint8(1))
	f.Add(pk{from: hostFar, to: hostB}.bytes(), uint8(3))
	f.Add(pk{from: hostA, to: "0000000A:FFFFFFFFFFFF:0455", typ: 20, data: string(make([]byte, 50))}.bytes(), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		if len(b) > packet.MaxLen {
			return
		}
		lab := newLab(t)
		at := lab.a
		if how >= 3 {
			at = lab.l
		}
		input(at, b, LinkDst(how%3))
		out := append(append(lab.wireA.take(), lab.wireB.take()...), lab.wireL.take()...)
		for _, s := range out {
			if h, _, err := ipx.Parse(s.pkt); err != nil || h.Hops != b[4]+1 || len(s.pkt) != int(h.Length) {
				t.Errorf("%x became %x", b, s.pkt)
			}
		}
		s, all := at.Stats(), uint64(0)
		for _, r := range []*Attached{lab.a, lab.b, lab.l} {
			for why := range r.count.drops {
				all += r.count.drops[why].Load()
			}
		}
		if len(out) == 0 && s.Local == 0 && all == 0 && ipx.PacketType(b[5]) != ipx.TypePropagated {
			t.Errorf("%x vanished", b)
		}
	})
}
