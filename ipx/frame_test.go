package ipx

import (
	"bytes"
	"encoding/binary"
	"testing"

	"sitebridge/internal/packet"
	"sitebridge/ipx/internal/ipxtest"
)

var (
	stationA = Node{2, 0, 0, 0, 0x10, 1}
	stationB = Node{2, 0, 0, 0, 0x10, 2}
)

// novell maps the short names of the vectors.
var novell = map[string]Encapsulation{
	"II": EthernetII, "802.3": Ethernet8023, "802.2": Ethernet8022, "SNAP": EthernetSNAP,
}

// frameOf returns pkt as a frame from stationA to stationB.
func frameOf(tb testing.TB, enc Encapsulation, pkt []byte) []byte {
	tb.Helper()
	b := packet.Get()
	defer packet.Put(b)
	b.Set(pkt)
	if err := EncapsulateInPlace(b, enc, stationB, stationA); err != nil {
		tb.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

// packetOf returns a packet of n octets.
func packetOf(n int) []byte {
	return AppendPacket(nil, helloHeader, bytes.Repeat([]byte{0xA5}, n-HeaderLen))
}

func TestVectors(t *testing.T) {
	for _, v := range ipxtest.Vectors(t, "testdata") {
		t.Run(v.Name, func(t *testing.T) {
			enc, dst, src, pkt, err := Decapsulate(v.Frame)
			if err != nil || enc != novell[v.Encapsulation] || !bytes.Equal(pkt, v.Packet) {
				t.Fatalf("Decapsulate = %v, % x, %v", enc, pkt, err)
			}
			b := new(packet.Buffer)
			b.Set(v.Packet)
			if err := EncapsulateInPlace(b, enc, dst, src); err != nil || !bytes.Equal(b.Bytes(), v.Frame) {
				t.Errorf("came back as % x, %v\nwant % x", b.Bytes(), err, v.Frame)
			}
		})
	}
}

// Every frame that real peers sent is recognised, and its packet survives all
// four encapsulations.
func TestCapturesOfRealPeers(t *testing.T) {
	type frames [Encapsulations]int // by encapsulation
	// As tshark counts them. The odd 802.2 frames in 02 and 03 are from a router
	// on the same wire.
	want := map[string]frames{
		"01-samelan-8022-mars-slist-login.pcap": {Ethernet8022: 299},
		"02-samelan-8023raw.pcap":               {Ethernet8023: 196, Ethernet8022: 1},
		"03-samelan-ethernet2.pcap":             {EthernetII: 196, Ethernet8022: 1},
		"04-samelan-snap.pcap":                  {EthernetSNAP: 196},
		"05-routed-ipxd-lanA-8022.pcap":         {Ethernet8022: 140},
		"05-routed-ipxd-lanB-8023.pcap":         {Ethernet8023: 180},
		"08-type20-mtu-lanA.pcap":               {Ethernet8022: 9},
		"08-type20-mtu-lanB.pcap":               {Ethernet8023: 14},
		"09-client-net0-lanB.pcap":              {Ethernet8023: 5},
		"13-dosbox-ipxbox-8023raw.pcap":         {Ethernet8023: 3}, // two with checksum 0
		"13-dosbox-ipxbox-ethernet2.pcap":       {EthernetII: 2},
	}
	for name, capture := range ipxtest.Captures(t, "testdata") {
		var count frames
		for i, frame := range capture {
			enc, dst, src, pkt, err := Decapsulate(frame)
			if err != nil {
				t.Fatalf("%s frame %d: %v: % x", name, i+1, err, frame)
			}
			count[enc]++
			for e := range Encapsulation(Encapsulations) {
				if len(pkt) > e.MaxPacket() {
					continue
				}
				b := new(packet.Buffer)
				b.Set(pkt)
				if err := EncapsulateInPlace(b, e, dst, src); err != nil {
					t.Fatalf("%s frame %d as %v: %v", name, i+1, e, err)
				}
				enc, dst2, src2, pkt2, err := Decapsulate(b.Bytes())
				if err != nil || enc != e || dst2 != dst || src2 != src || !bytes.Equal(pkt2, pkt) {
					t.Fatalf("%s frame %d as %v came back as %v, %v: % x", name, i+1, e, enc, err, b.Bytes())
				}
			}
		}
		if count != want[name] {
			t.Errorf("%s holds %v, want %v", name, count, want[name])
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("missing captures: %v", want)
	}
}

func TestWhatIsNotIPX(t *testing.T) {
	frame := func(typeAndBody string) []byte {
		return append(append(append([]byte(nil), stationB[:]...), stationA[:]...), unhex(typeAndBody)...)
	}
	ipx := string("ffff001e00040000100102000000100240020000100102000000100140010000")
	zero := string("0000001e00040000100102000000100240020000100102000000100140010000")
	tests := []struct {
		name  string
		frame []byte
		want  error
	}{
		{"empty", nil, NotIPX},
		{"addresses only", frame("")[:12], NotIPX},
		{"header only", frame("0028"), NotIPX},
		{"IPv4", frame("0800 4500001c0000"), NotIPX},
		{"Novell's other type", frame("8138" + ipx), NotIPX},
		{"between length and type", frame("05dd" + ipx), NotIPX},
		{"last before type", frame("05ff" + ipx), NotIPX},
		{"VLAN tag", frame("8100 0005 8137" + ipx), Tagged},
		{"service tag", frame("88a8 0005 8100 0006 8137" + ipx), Tagged},
		{"spanning tree", frame("0026 424203 0000000000"), NotIPX},
		{"NetBEUI", frame("0026 f0f003 0000000000"), NotIPX},
		{"XID to NetWare", frame("0006 e0e0af 810100"), NotIPX},
		{"TEST to NetWare", frame("0003 e0e0f3"), NotIPX},
		{"SNAP of AppleTalk", frame("0026 aaaa03 080007809b 00"), NotIPX},
		{"SNAP of an organization", frame("0026 aaaa03 00000c 8137" + ipx), NotIPX},
		{"raw with a checksum in use", frame("001e b6a7" + ipx[4:]), NotIPX},
		{"DOSBox", frame("001e" + zero), nil},
		{"DOSBox, length made even", frame("0020 0000 001f" + zero[8:]), nil},
		{"null SAP, lengths differ", frame("0028" + zero), NotIPX},
		{"null SAP, three octets", frame("0003 0000f3"), NotIPX},
		{"802.2, IPX longer than the LLC frame", frame("0020 e0e003" + ipx), Overlong},
		{"802.2, IPX as long as the LLC frame", frame("0021 e0e003" + ipx), nil},
		{"raw, IPX longer than the frame says", frame("001d" + ipx), Overlong},
		{"raw, frame says more than there is", frame("05dc" + ipx), nil},
		{"SNAP, length too small for the header", frame("0004 aaaa030000008137" + ipx), Overlong},
		{"raw, cut in the IPX header", frame("001e ffff"), Truncated},
		{"null SAP, cut", frame("001e 0000 00"), NotIPX},
		{"802.2, cut in the IPX header", frame("0010 e0e003" + ipx)[:40], Truncated},
		{"from a group", append(unhex("020000001002 030000001001 8137"), unhex(ipx)...), BadSource},
		{"from nobody", append(unhex("020000001002 000000000000 8137"), unhex(ipx)...), BadSource},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if enc, _, _, pkt, err := Decapsulate(tt.frame); err != tt.want {
				t.Errorf("Decapsulate = %v, % x, %v, want %v", enc, pkt, err, tt.want)
			}
		})
	}
}

// The lengths at which padding, evenness and the frame's limit change.
func TestLengths(t *testing.T) {
	tests := []struct {
		enc           Encapsulation
		packet, frame int
		lengthOrType  uint16
		tooLong       bool
	}{
		{enc: EthernetII, packet: 30, frame: 60, lengthOrType: 0x8137},
		{enc: EthernetII, packet: 45, frame: 60, lengthOrType: 0x8137},
		{enc: EthernetII, packet: 46, frame: 60, lengthOrType: 0x8137},
		{enc: EthernetII, packet: 47, frame: 62, lengthOrType: 0x8137},
		{enc: EthernetII, packet: 1499, frame: 1514, lengthOrType: 0x8137},
		{enc: EthernetII, packet: 1500, frame: 1514, lengthOrType: 0x8137},
		{enc: EthernetII, packet: 1501, tooLong: true},
		{enc: Ethernet8023, packet: 30, frame: 60, lengthOrType: 30},
		{enc: Ethernet8023, packet: 31, frame: 60, lengthOrType: 32},
		{enc: Ethernet8023, packet: 63, frame: 78, lengthOrType: 0x40},
		{enc: Ethernet8023, packet: 1499, frame: 1514, lengthOrType: 1500},
		{enc: Ethernet8023, packet: 1500, frame: 1514, lengthOrType: 1500},
		{enc: Ethernet8023, packet: 1501, tooLong: true},
		{enc: Ethernet8022, packet: 43, frame: 61, lengthOrType: 47},
		{enc: Ethernet8022, packet: 63, frame: 81, lengthOrType: 0x43},
		{enc: Ethernet8022, packet: 1496, frame: 1513, lengthOrType: 1499},
		{enc: Ethernet8022, packet: 1497, frame: 1514, lengthOrType: 1500}, // full: not made even
		{enc: Ethernet8022, packet: 1498, tooLong: true},
		{enc: EthernetSNAP, packet: 63, frame: 86, lengthOrType: 0x48},
		{enc: EthernetSNAP, packet: 1491, frame: 1514, lengthOrType: 1500},
		{enc: EthernetSNAP, packet: 1492, frame: 1514, lengthOrType: 1500},
		{enc: EthernetSNAP, packet: 1493, tooLong: true},
	}
	for _, tt := range tests {
		b := new(packet.Buffer)
		b.Set(bytes.Repeat([]byte{0xEE}, packet.MaxLen)) // what padding must overwrite
		b.Set(packetOf(tt.packet))
		err := EncapsulateInPlace(b, tt.enc, stationB, stationA)
		if tt.tooLong {
			if err != TooLong || b.Len() != tt.packet {
				t.Errorf("%v of %d octets: %v, %d octets left, want %v", tt.enc, tt.packet, err, b.Len(), TooLong)
			}
			continue
		}
		frame := b.Bytes()
		if err != nil || len(frame) != tt.frame || binary.BigEndian.Uint16(frame[12:]) != tt.lengthOrType {
			t.Errorf("%v of %d octets: %v, %d octets, length %#x, want %d, %#x",
				tt.enc, tt.packet, err, len(frame), frame[12:14], tt.frame, tt.lengthOrType)
		}
		if pad := frame[tt.enc.HeaderLen()+tt.packet:]; len(bytes.Trim(pad, "\x00")) != 0 {
			t.Errorf("%v of %d octets: padded with % x", tt.enc, tt.packet, pad)
		}
	}
}

func TestRawHasNoChecksum(t *testing.T) {
	pkt := bytes.Clone(hello)
	binary.BigEndian.PutUint16(pkt, Checksum(pkt))
	enc, _, _, got, err := Decapsulate(frameOf(t, Ethernet8023, pkt))
	if err != nil || enc != Ethernet8023 || !bytes.Equal(got, hello) {
		t.Errorf("arrived as %v, % x, %v", enc, got, err)
	}
	if _, _, _, got, err := Decapsulate(frameOf(t, Ethernet8022, pkt)); err != nil || !bytes.Equal(got, pkt) {
		t.Errorf("with LLC arrived as % x, %v", got, err)
	}
}

func TestEncapsulationNames(t *testing.T) {
	for e := range Encapsulation(Encapsulations) {
		if got, err := ParseEncapsulation(e.String()); err != nil || got != e {
			t.Errorf("%v came back as %v, %v", e, got, err)
		}
	}
	if _, err := ParseEncapsulation("802.2"); err == nil {
		t.Error(`"802.2" was taken for a frame type`)
	}
}

// What decapsulates goes back into a frame from which the same packet comes.
func FuzzDecapsulate(f *testing.F) {
	for _, v := range ipxtest.Vectors(f, "testdata") {
		f.Add(v.Frame)
	}
	for _, frames := range ipxtest.Captures(f, "testdata") {
		f.Add(frames[0])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		enc, dst, src, pkt, err := Decapsulate(frame)
		if err != nil {
			return
		}
		b := new(packet.Buffer)
		if !b.Set(pkt) || len(pkt) > enc.MaxPacket() {
			return // a jumbo frame
		}
		raw := enc == Ethernet8023
		want := bytes.Clone(pkt)
		if raw && ChecksumInUse(want) {
			copy(want, "\xFF\xFF")
		}
		if err := EncapsulateInPlace(b, enc, dst, src); err != nil {
			t.Fatalf("% x does not go back: %v", pkt, err)
		}
		enc2, dst2, src2, pkt2, err := Decapsulate(b.Bytes())
		if err != nil || enc2 != enc || dst2 != dst || src2 != src || !bytes.Equal(pkt2, want) {
			t.Errorf("% x came back as % x, %v", frame, b.Bytes(), err)
		}
	})
}

func TestFramingAllocatesNothing(t *testing.T) {
	b := new(packet.Buffer)
	for e := range Encapsulation(Encapsulations) {
		if n := testing.AllocsPerRun(100, func() {
			b.Set(hello)
			if err := EncapsulateInPlace(b, e, stationB, stationA); err != nil {
				t.Fatal(err)
			}
			_, _, _, pkt, err := Decapsulate(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Parse(pkt); err != nil {
				t.Fatal(err)
			}
			_, _, _, _, _ = Decapsulate(pkt) // refused
		}); n != 0 {
			t.Errorf("%v: %v allocations a packet", e, n)
		}
	}
}

func BenchmarkEncapsulate(b *testing.B) {
	for e := range Encapsulation(Encapsulations) {
		b.Run(e.String(), func(b *testing.B) {
			buf, pkt := new(packet.Buffer), packetOf(1400)
			buf.Set(pkt)
			b.SetBytes(int64(len(pkt)))
			for b.Loop() {
				if err := EncapsulateInPlace(buf, e, stationB, stationA); err != nil {
					b.Fatal(err)
				}
				buf.TrimFront(e.HeaderLen())
				buf.Truncate(len(pkt))
			}
		})
	}
}

func BenchmarkDecapsulate(b *testing.B) {
	for e := range Encapsulation(Encapsulations) {
		b.Run(e.String(), func(b *testing.B) {
			frame := frameOf(b, e, packetOf(1400))
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, _, _, _, err := Decapsulate(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
