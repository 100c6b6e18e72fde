package gre

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
)

// A vector is one packet and what Wireshark reads in it.
type vector struct {
	Name   string `json:"name"`
	Hex    string `json:"hex"`
	Fields struct {
		PayloadLen *uint16 `json:"gre.key.payload_length"`
		CallID     *uint16 `json:"gre.key.call_id"`
		Seq        *uint32 `json:"gre.sequence_number"`
		Ack        *uint32 `json:"gre.ack_number"`
		Flags      string  `json:"gre.flags_and_version"`
	} `json:"wireshark_fields"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/gre.json")
	if err != nil {
		t.Fatal(err)
	}
	var v []vector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestHeaderVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			b, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			h, payload, err := Parse(b)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			f := v.Fields
			if f.Seq != nil && (!h.HasSeq || h.Seq != *f.Seq) {
				t.Errorf("sequence number %d (%t), want %d", h.Seq, h.HasSeq, *f.Seq)
			}
			if f.Ack != nil && (!h.HasAck || h.Ack != *f.Ack) {
				t.Errorf("acknowledgement %d (%t), want %d", h.Ack, h.HasAck, *f.Ack)
			}
			if f.PayloadLen != nil && h.PayloadLen != *f.PayloadLen {
				t.Errorf("payload length %d, want %d", h.PayloadLen, *f.PayloadLen)
			}
			if f.CallID != nil && h.CallID != *f.CallID {
				t.Errorf("call ID %d, want %d", h.CallID, *f.CallID)
			}
			if word := fmt.Sprintf("0x%02x%02x", b[0], b[1]); f.Flags != "" && word != f.Flags {
				t.Errorf("flag word %s, want %s", word, f.Flags)
			}
			if got := encode(h, payload); !bytes.Equal(got, b) {
				t.Errorf("encoded again:\n% x, want\n% x", got, b)
			}
		})
	}
}

func TestHeadersThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      error
	}{
		{"nothing", "", ErrShort},
		{"7 octets", "3001 880b 0000 00", ErrShort},
		{"sequence number cut", "3001 880b 0000 0001 000000", ErrShort},
		{"acknowledgement cut", "2081 880b 0000 0001 000000", ErrShort},
		{"second number cut", "3081 880b 0000 0001 00000000 000000", ErrShort},
		{"checksum", "b001 880b 0000 0001 00000000", ErrNotEnhanced},
		{"routing", "7001 880b 0000 0001 00000000", ErrNotEnhanced},
		{"no key", "1001 880b 0000 0001 00000000", ErrNotEnhanced},
		{"strict source route", "3801 880b 0000 0001 00000000", ErrNotEnhanced},
		{"recursion", "3101 880b 0000 0001 00000000", ErrNotEnhanced},
		{"reserved flag", "3009 880b 0000 0001 00000000", ErrNotEnhanced},
		{"version 0", "3000 880b 0000 0001 00000000", ErrNotEnhanced},
		{"version 2", "3002 880b 0000 0001 00000000", ErrNotEnhanced},
		{"plain GRE with IPv4", "2001 0800 0000 0001", ErrNotEnhanced},
		{"payload cut", "3001 880b 0002 0001 00000000 ff", ErrPayloadShort},
		{"octets after the payload", "3001 880b 0001 0001 00000000 ff03", ErrPayloadLong},
	} {
		if _, _, err := Parse(unhex(c.hex)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// What Parse takes, Put writes again, octet for octet: no bit is overlooked.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(unhex(v.Hex))
	}
	f.Add(unhex("2001 880b 0000 0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := Parse(b)
		if err != nil {
			return
		}
		if got := encode(h, payload); !bytes.Equal(got, b) {
			t.Errorf("% x came back as % x", b, got)
		}
	})
}

func TestIPHeaders(t *testing.T) {
	good := unhex("45 00 001c 0000 4000 40 2f 0000 c0000201 c0000202  3001880b 00000001")
	options := unhex("47 00 0024 0000 4000 01 2f 0000 c0000201 c0000202 01010101 94040000  3001880b 00000001")
	for _, c := range []struct {
		name string
		b    []byte
		len  int
		ok   bool
	}{
		{"no options", good, 20, true},
		{"options", options, 28, true},
		{"cut", good[:19], 0, false},
		{"header longer than the packet", append([]byte{0x4f}, good[1:]...), 0, false},
		{"header too short", append([]byte{0x44}, good[1:]...), 0, false},
		{"version 6", append([]byte{0x65}, good[1:]...), 0, false},
		{"total length differs", good[:27], 0, false},
		{"nothing", nil, 0, false},
	} {
		path, n, ok := parseIP(c.b)
		if ok != c.ok || ok && n != c.len {
			t.Errorf("%s: header of %d octets (%t), want %d (%t)", c.name, n, ok, c.len, c.ok)
		}
		if want := (Path{Local: pairB, Remote: pairA}); ok && path != want {
			t.Errorf("%s: path %v, want %v", c.name, path, want)
		}
	}
}

func FuzzParseIP(f *testing.F) {
	f.Add(unhex("45 00 001c 0000 4000 40 2f 0000 c0000201 c0000202  3001880b 00000001"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, n, ok := parseIP(b); ok && (n < 20 || n > 60 || n > len(b)) {
			t.Errorf("header of %d octets in a packet of %d", n, len(b))
		}
	})
}
