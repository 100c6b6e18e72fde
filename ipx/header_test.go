package ipx

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"sitebridge/ipx/internal/ipxtest"
)

// hello is the example packet of the test vectors, field by field.
var (
	hello = unhex("ffff 0028 00 04 00001001 020000001002 4002 00001001 020000001001 4001 48454c4c4f2049505821")

	helloHeader = Header{
		Checksum: NoChecksum, Length: 40, Type: TypePEP,
		Dst: Addr{0x1001, Node{2, 0, 0, 0, 0x10, 2}, 0x4002},
		Src: Addr{0x1001, Node{2, 0, 0, 0, 0x10, 1}, 0x4001},
	}
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		panic(err)
	}
	return b
}

func TestParse(t *testing.T) {
	h, payload, err := Parse(append(bytes.Clone(hello), "padding"...))
	if err != nil || h != helloHeader || string(payload) != "HELLO IPX!" {
		t.Errorf("Parse = %+v, %q, %v", h, payload, err)
	}
	if got := AppendPacket(nil, h, payload); !bytes.Equal(got, hello) {
		t.Errorf("came back as % x", got)
	}
}

// Row X8: short or overlong is dropped for a reason; any checksum and any hop
// count passes.
func TestAttackX8HeaderChecks(t *testing.T) {
	edit := func(off int, value ...byte) []byte {
		b := bytes.Clone(hello)
		copy(b[off:], value)
		return b
	}
	tests := []struct {
		name string
		pkt  []byte
		want error
	}{
		{"nothing", nil, Truncated},
		{"one octet less than a header", hello[:29], Truncated},
		{"length 0", edit(offLength, 0, 0), Short},
		{"length 29", edit(offLength, 0, 29), Short},
		{"length 30", edit(offLength, 0, 30), nil},
		{"length of the frame", edit(offLength, 0, 40), nil},
		{"length one more than the frame", edit(offLength, 0, 41), Overlong},
		{"length FFFF", edit(offLength, 0xFF, 0xFF), Overlong},
		{"checksum 0", edit(offChecksum, 0, 0), nil},
		{"right checksum", edit(offChecksum, 0xB6, 0xA7), nil},
		{"wrong checksum", edit(offChecksum, 0x12, 0x34), nil},
		{"hops 15", edit(offHops, 15), nil},
		{"hops 16", edit(offHops, 16), nil},
		{"hops 127", edit(offHops, 127), nil},
		{"hops 255", edit(offHops, 255), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, payload, err := Parse(tt.pkt)
			if err != tt.want {
				t.Fatalf("Parse = %v, want %v", err, tt.want)
			}
			if err == nil && (len(payload) != int(h.Length)-HeaderLen || h.Hops != tt.pkt[offHops]) {
				t.Errorf("%d octets of payload, hops %d in %+v", len(payload), h.Hops, h)
			}
			frame := append(unhex("020000001002 020000001001 8137"), tt.pkt...)
			if _, _, _, _, err := Decapsulate(frame); err != tt.want {
				t.Errorf("Decapsulate = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestEveryVectorCutAnywhere(t *testing.T) {
	for _, v := range ipxtest.Vectors(t, "testdata") {
		for n := range v.Packet {
			if _, _, err := Parse(v.Packet[:n]); err != Truncated && err != Overlong {
				t.Errorf("%s cut to %d: %v", v.Name, n, err)
			}
		}
	}
}

func TestDropReasonsHaveNames(t *testing.T) {
	for r := NotIPX; r <= TooLong; r++ {
		if r.String() == "" || r.String() == "unknown" {
			t.Errorf("reason %d has no name", r)
		}
	}
	var reason DropReason
	if !errors.As(error(Short), &reason) || reason != Short || Short.Error() != "ipx: dropped: short" {
		t.Errorf("Short = %v, %q", reason, Short.Error())
	}
	if DropReason(99).String() != "unknown" || DropReason(0).String() == "not_ipx" {
		t.Error("a reason that is none has the name of one")
	}
}

// A packet that parses is made of its header and payload and nothing else.
func FuzzParse(f *testing.F) {
	for _, v := range ipxtest.Vectors(f, "testdata") {
		f.Add(v.Packet)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := Parse(b)
		if err != nil {
			return
		}
		got := make([]byte, HeaderLen, len(b))
		h.Put(got)
		if got = append(got, payload...); !bytes.Equal(got, b[:h.Length]) {
			t.Errorf("% x came back as % x", b, got)
		}
		if int(binary.BigEndian.Uint16(b[2:])) != len(got) {
			t.Errorf("length %d of % x", len(got), b)
		}
	})
}
