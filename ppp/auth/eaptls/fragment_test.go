package eaptls

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestParseFragment(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      fragment
		fault     string
	}{
		{"start", "20", fragment{start: true}, ""},
		{"acknowledgement", "00", fragment{}, ""},
		{"reserved bits", "1f ab", fragment{data: []byte{0xab}}, ""},
		{"in one piece", "00 16 03", fragment{data: []byte{0x16, 3}}, ""},
		{"first", "c0 00000800 16", fragment{length: true, total: 0x800, more: true, data: []byte{0x16}}, ""},
		{"middle", "40 16", fragment{more: true, data: []byte{0x16}}, ""},
		{"length and no data", "80 ffffffff", fragment{length: true, total: 1<<32 - 1}, ""},
		{"nothing", "", fragment{}, "without flags"},
		{"three octets of length", "80 000001", fragment{}, "ends inside its length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseFragment(unhex(t, c.hex))
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("got %+v, %v; want an error with %q", got, err, c.fault)
				}
				return
			}
			if err != nil || !bytes.Equal(got.encode(), c.want.encode()) || got.total != c.want.total {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAssembly(t *testing.T) {
	for _, c := range []struct {
		name      string
		fragments []string
		want      string // the flight
		fault     string // of the last fragment
	}{
		{"in one piece", []string{"00 1603"}, "1603", ""},
		{"in one piece, with its length", []string{"80 00000002 1603"}, "1603", ""},
		{"two", []string{"c0 00000003 1603", "00 01"}, "160301", ""},
		{"length on all", []string{"c0 00000003 16", "c0 00000003 03", "80 00000003 01"}, "160301", ""},
		{"length on the last again", []string{"c0 00000003 16", "40 03", "80 00000003 01"}, "160301", ""},

		{"length is too long", []string{"80 00000003 1603"}, "", "fragments of 2 octets in a TLS flight of 3"},
		{"length is too short", []string{"80 00000001 1603"}, "", "fragments of 2 octets in a TLS flight of 1"},
		{"last comes early", []string{"c0 00000003 16", "00 03"}, "", "fragments of 2 octets in a TLS flight of 3"},
		{"more than its length", []string{"c0 00000003 1603", "40 0102"}, "", "fragments of 4 octets in a TLS flight of 3"},
		{"last is more than its length", []string{"c0 00000003 1603", "00 0102"}, "", "fragments of 4 octets in a TLS flight of 3"},
		{"length grows", []string{"c0 00000003 16", "c0 00000004 03"}, "", "a TLS flight of 3 octets that became one of 4"},
		{"length shrinks", []string{"c0 00000003 16", "80 00000002 03"}, "", "a TLS flight of 3 octets that became one of 2"},
		{"no length on the first", []string{"40 1603"}, "", "does not tell the length"},
		{"no data in the first", []string{"c0 00000003"}, "", "a fragment without TLS data"},
		{"no data in the second", []string{"c0 00000003 16", "40"}, "", "a fragment without TLS data"},
		{"length 0", []string{"80 00000000"}, "", "a TLS flight of 0 octets"},
		{"length 0, more", []string{"c0 00000000 16"}, "", "a TLS flight of 0 octets"},
		{"64 KiB and one", []string{"c0 00010001 16"}, "", "a TLS flight of 65537 octets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a assembly
			var got []byte
			var whole bool
			var err error
			for i, text := range c.fragments {
				f, _ := parseFragment(unhex(t, text))
				if got, whole, err = a.add(f); (err != nil || whole) && i < len(c.fragments)-1 {
					t.Fatalf("fragment %d: %v, %v", i, whole, err)
				}
			}
			switch {
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("got % x, %v; want an error with %q", got, err, c.fault)
			case c.fault == "" && (err != nil || !whole || !bytes.Equal(got, unhex(t, c.want))):
				t.Errorf("got % x, %v, %v; want %s", got, whole, err, c.want)
			}
		})
	}
}

func TestAssemblyTakes64KiB(t *testing.T) {
	flight := bytes.Repeat([]byte{22}, maxFlight)
	out := cutter{size: 1000}
	out.load(flight)
	var a assembly
	for {
		f, err := parseFragment(out.next())
		if err != nil {
			t.Fatal(err)
		}
		got, whole, err := a.add(f)
		if err != nil {
			t.Fatal(err)
		}
		if whole {
			if !bytes.Equal(got, flight) {
				t.Errorf("%d octets came back as %d", len(flight), len(got))
			}
			return
		}
	}
}

func FuzzParseFragment(f *testing.F) {
	for _, s := range []string{"", "00", "20", "80 000001", "c0 00000800 1603", "40 16", "ff ffffffff 00"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseFragment(b)
		if err != nil {
			return
		}
		want := bytes.Clone(b)
		want[0] &= flagLength | flagMore | flagStart
		if !bytes.Equal(got.encode(), want) {
			t.Errorf("% x came back as % x", b, got.encode())
		}
	})
}

// Whatever fragments come, none is kept beyond 64 KiB, and a flight is as long as
// it said.
func FuzzAssembly(f *testing.F) {
	f.Add(unhex(f, "06 c0 00000003 16 03 00 0301"))
	f.Add(unhex(f, "07 c0 00010000 1603 03 40 0102 03 00 0102"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a assembly
		var told uint32
		eachPacket(b, func(pkt []byte) bool {
			p, err := parseFragment(pkt)
			if err != nil {
				return true
			}
			if p.length {
				told = p.total
			}
			flight, whole, err := a.add(p)
			if len(a.flight) > maxFlight || len(flight) > maxFlight {
				t.Errorf("%d octets kept, %d handed over", len(a.flight), len(flight))
			}
			if whole && told != 0 && len(flight) != int(told) {
				t.Errorf("a flight of %d octets came as %d", told, len(flight))
			}
			if whole {
				told = 0
			}
			return err == nil
		})
	})
}

// eachPacket cuts b into packets, each behind an octet with its length.
func eachPacket(b []byte, take func(pkt []byte) (more bool)) {
	for len(b) > 0 {
		n := min(int(b[0]), len(b)-1)
		if !take(b[1 : 1+n]) {
			return
		}
		b = b[1+n:]
	}
}
