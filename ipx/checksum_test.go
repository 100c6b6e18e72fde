package ipx

import (
	"bytes"
	"encoding/binary"
	"testing"

	"sitebridge/ipx/internal/ipxtest"
)

func checksumOf(pkt []byte) uint16 { return binary.BigEndian.Uint16(pkt) }

func TestChecksum(t *testing.T) {
	odd := bytes.Clone(hello[:39])
	odd[offLength+1] = 39
	hops := bytes.Clone(odd)
	hops[offHops] = 3
	tests := []struct {
		name string
		pkt  []byte
		want uint16
	}{
		{"even", hello, 0xB6A7},
		{"odd", odd, 0xB6C9},
		{"odd, the padding holds old data", append(bytes.Clone(odd), 0xAA), 0xB6C9},
		{"hops are not covered", hops, 0xB6C9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Checksum(tt.pkt); got != tt.want {
				t.Errorf("Checksum = %04x, want %04x", got, tt.want)
			}
		})
	}
	for _, v := range ipxtest.Vectors(t, "testdata") {
		if want := checksumOf(v.Packet); want != NoChecksum && Checksum(v.Packet) != want {
			t.Errorf("%s: Checksum = %04x, want %04x", v.Name, Checksum(v.Packet), want)
		}
	}
}

// rewrites is every change that a router makes to a packet on its way.
var rewrites = map[string]func(pkt []byte){
	"hops":                   func(p []byte) { SetHops(p, p[offHops]+1) },
	"destination network":    func(p []byte) { SetDstNetwork(p, 0xC0DE0002) },
	"source network":         func(p []byte) { SetSrcNetwork(p, 0x2002) },
	"destination network 0":  func(p []byte) { SetDstNetwork(p, 0) },
	"destination node":       func(p []byte) { SetDstNode(p, Broadcast) },
	"source node":            func(p []byte) { SetSrcNode(p, ServerNode) },
	"first octets of data":   func(p []byte) { SetPayload(p, 0, []byte{0, 0, 0x10, 1}) },
	"the same network again": func(p []byte) { SetDstNetwork(p, 0x1001) },
}

func TestRewritingKeepsChecksums(t *testing.T) {
	for name, rewrite := range rewrites {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct {
				name    string
				initial uint16
				want    func(pkt []byte) uint16
			}{
				{"none stays none", NoChecksum, func([]byte) uint16 { return NoChecksum }},
				{"DOSBox's 0 stays 0", 0, func([]byte) uint16 { return 0 }},
				{"right stays right", Checksum(hello), Checksum},
			} {
				pkt := bytes.Clone(hello)
				binary.BigEndian.PutUint16(pkt, tt.initial)
				rewrite(pkt)
				if got, want := checksumOf(pkt), tt.want(pkt); got != want {
					t.Errorf("%s: %04x, want %04x", tt.name, got, want)
				}
			}
			wrong := bytes.Clone(hello)
			binary.BigEndian.PutUint16(wrong, Checksum(hello)+1)
			rewrite(wrong)
			if checksumOf(wrong) == Checksum(wrong) {
				t.Errorf("a wrong checksum became right")
			}
		})
	}
}

func TestSettersWriteWhatParseReads(t *testing.T) {
	pkt := bytes.Clone(hello)
	SetHops(pkt, 7)
	SetDstNetwork(pkt, 1)
	SetSrcNetwork(pkt, 2)
	SetDstNode(pkt, Node{3})
	SetSrcNode(pkt, Node{4})
	SetPayload(pkt, 2, []byte("!?"))
	want := helloHeader
	want.Hops, want.Dst.Network, want.Src.Network, want.Dst.Node, want.Src.Node = 7, 1, 2, Node{3}, Node{4}
	if h, payload, err := Parse(pkt); err != nil || h != want || string(payload) != "HE!?O IPX!" {
		t.Errorf("got %+v, %q, %v", h, payload, err)
	}
}

func TestChecksumInUse(t *testing.T) {
	zero := bytes.Clone(hello) // data chosen so that the sum comes out as 0
	SetPayload(zero, 0, []byte{0, 0})
	binary.BigEndian.PutUint16(zero[HeaderLen:], Checksum(zero))
	binary.BigEndian.PutUint16(zero, 0)
	if Checksum(zero) != 0 {
		t.Fatalf("the example's checksum is %04x", Checksum(zero))
	}
	if !ChecksumInUse(zero) {
		t.Error("a right checksum of 0 counts as none")
	}
	SetSrcNetwork(zero, 5)
	if checksumOf(zero) != Checksum(zero) {
		t.Errorf("after a change: %04x, want %04x", checksumOf(zero), Checksum(zero))
	}
}

// Changing a packet by difference gives the checksum that summing it anew does.
func FuzzRewrite(f *testing.F) {
	for _, v := range ipxtest.Vectors(f, "testdata") {
		f.Add(v.Packet, uint32(0x1001))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint32) {
		if Check(b) != nil {
			return
		}
		pkt := b[:Length(b)]
		binary.BigEndian.PutUint16(pkt, Checksum(pkt))
		SetSrcNetwork(pkt, Network(n))
		SetDstNetwork(pkt, Network(n))
		if got, want := checksumOf(pkt), Checksum(pkt); got != want {
			t.Errorf("%04x, want %04x in % x", got, want, pkt)
		}
	})
}

func BenchmarkSetSrcNetwork(b *testing.B) {
	pkt := bytes.Clone(hello)
	binary.BigEndian.PutUint16(pkt, Checksum(pkt))
	for i := range b.N {
		SetSrcNetwork(pkt, Network(i))
	}
}
