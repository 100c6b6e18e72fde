package fsm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// unhex turns hex with blanks into octets.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A vector is one packet of testdata, from the code octet on.
type vector struct {
	Name     string
	Protocol string
	Hex      string
}

// configured reports whether the packet holds options.
func (v vector) configured() bool {
	return (v.Protocol == "c021" || v.Protocol > "8000") && v.Hex[:2] >= "01" && v.Hex[:2] <= "04" &&
		v.Protocol != "c023" && v.Protocol != "c223"
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var all []vector
	for _, file := range []string{"testdata/ppp_control.json", "testdata/ipxcp.json"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v []vector
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, v...)
	}
	return all
}

func TestVectorsComeBack(t *testing.T) {
	for _, v := range vectors(t) {
		b := unhex(v.Hex)
		p, err := ParsePacket(b)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if got := AppendPacket(nil, p); !bytes.Equal(got, b) {
			t.Errorf("%s: % x came back as % x", v.Name, b, got)
		}
		if padded, err := ParsePacket(append(bytes.Clone(b), 0xa5, 0xa5)); err != nil || !bytes.Equal(padded.Data, p.Data) {
			t.Errorf("%s: with a tail: % x, %v", v.Name, padded.Data, err)
		}
		for n := range b {
			if _, err := ParsePacket(b[:n]); err == nil {
				t.Errorf("%s cut to %d octets was taken", v.Name, n)
			}
		}
		if !v.configured() {
			continue
		}
		opts, err := ParseOptions(p.Data)
		if got := AppendOptions(nil, opts); err != nil || !bytes.Equal(got, p.Data) {
			t.Errorf("%s: options % x came back as % x, %v", v.Name, p.Data, got, err)
		}
	}
}

func TestPacketLength(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      error
	}{
		{"empty", "", ErrShortPacket},
		{"three octets", "010100", ErrShortPacket},
		{"length 0", "01010000", ErrPacketLength},
		{"length 3", "01010003", ErrPacketLength},
		{"longer than what came", "01010005", ErrPacketLength},
		{"exact", "01010004", nil},
		{"tail", "01010004ffff", nil},
	} {
		if _, err := ParsePacket(unhex(c.hex)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestOptionLength(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		offset    int // of the faulty option; -1: none
	}{
		{"none", "", -1},
		{"type alone", "01", 0},
		{"length 0", "0100", 0},
		{"length 1", "0101", 0},
		{"past the end", "0103", 0},
		{"second past the end", "0102 020400", 2},
		{"no data", "0702 0802", -1},
	} {
		opts, err := ParseOptions(unhex(c.hex))
		var oe *OptionError
		switch {
		case c.offset < 0 && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.offset >= 0 && (!errors.As(err, &oe) || oe.Offset != c.offset || !errors.Is(err, ErrOptionLength)):
			t.Errorf("%s: %v, %v, want a fault at octet %d", c.name, opts, err, c.offset)
		}
	}
}

// FuzzParseOptions is row P5: a list of options either comes back octet for
// octet or is refused; it never loops or panics.
func FuzzParseOptions(f *testing.F) {
	for _, v := range vectors(f) {
		if v.configured() {
			f.Add(unhex(v.Hex)[HeaderLen:])
		}
	}
	f.Add(unhex("0100"))
	f.Add(unhex("0101"))
	f.Add(unhex("01ff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		opts, err := ParseOptions(b)
		if got := AppendOptions(nil, opts); err == nil && !bytes.Equal(got, b) {
			t.Errorf("% x came back as % x", b, got)
		}
		if err != nil && opts != nil {
			t.Errorf("% x: options beside an error", b)
		}
	})
}

func FuzzParsePacket(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(unhex(v.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePacket(b)
		if err != nil {
			return
		}
		if got := AppendPacket(nil, p); !bytes.HasPrefix(b, got) {
			t.Errorf("% x came back as % x", b, got)
		}
	})
}
