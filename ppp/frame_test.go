package ppp

import (
	"bytes"
	"encoding/hex"
	"testing"

	"sitebridge/internal/packet"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func buffer(t testing.TB, p []byte) *packet.Buffer {
	t.Helper()
	b := packet.Get()
	if !b.Set(p) {
		t.Fatalf("%d octets do not fit a buffer", len(p))
	}
	return b
}

func TestParseFrame(t *testing.T) {
	for _, c := range []struct {
		name     string
		frame    string
		protocol uint16
		info     string
		bad      bool
	}{
		{name: "full header", frame: "ff03 c021 01", protocol: 0xc021, info: "01"},
		{name: "ACFC", frame: "c021 01", protocol: 0xc021, info: "01"},
		{name: "PFC", frame: "ff03 21 45", protocol: 0x0021, info: "45"},
		{name: "ACFC and PFC", frame: "21 45", protocol: 0x0021, info: "45"},
		{name: "zero octet kept", frame: "0021 45", protocol: 0x0021, info: "45"},
		{name: "no information", frame: "ff03 0021", protocol: 0x0021},
		{name: "one octet is a frame", frame: "57", protocol: 0x0057},
		{name: "protocol 0003 compressed, not a control field", frame: "03 ff", protocol: 0x0003, info: "ff"},
		{name: "empty", frame: "", bad: true},
		{name: "half an address field", frame: "ff", bad: true},
		{name: "header only", frame: "ff03", bad: true},
		{name: "half a protocol", frame: "ff03 c0", bad: true},
		{name: "half a protocol after ACFC", frame: "c0", bad: true},
		{name: "even low octet", frame: "ff03 c022 00", bad: true},
		{name: "address without control field", frame: "ff04 c021", bad: true},
		{name: "header twice", frame: "ff03 ff03 c021", bad: true},
		{name: "00FF is no protocol", frame: "00ff 03 c021", bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := buffer(t, unhex(t, c.frame))
			protocol, ok := parseFrame(b)
			if ok == c.bad {
				t.Fatalf("ok = %v, want %v", ok, !c.bad)
			}
			if got, want := b.Bytes(), unhex(t, c.info); ok && (protocol != c.protocol || !bytes.Equal(got, want)) {
				t.Errorf("got %04x % x, want %04x % x", protocol, got, c.protocol, want)
			}
		})
	}
}

func TestPutFrame(t *testing.T) {
	for _, c := range []struct {
		name     string
		framing  framing
		protocol uint16
		want     string
	}{
		{"nothing agreed", framing{}, 0x0021, "ff03 0021 aa"},
		{"PFC", framing{pfc: true}, 0x0021, "ff03 21 aa"},
		{"ACFC", framing{acfc: true}, 0x0021, "0021 aa"},
		{"both", framing{acfc: true, pfc: true}, 0x0021, "21 aa"},
		{"both, high octet not zero", framing{acfc: true, pfc: true}, 0x8021, "8021 aa"},
		{"LCP is never shortened", framing{acfc: true, pfc: true}, 0xc021, "ff03 c021 aa"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := buffer(t, []byte{0xaa})
			c.framing.put(b, c.protocol)
			if want := unhex(t, c.want); !bytes.Equal(b.Bytes(), want) {
				t.Errorf("got % x, want % x", b.Bytes(), want)
			}
		})
	}
}

// What is read from any octets is read again, the same, from every way to write
// it; and nothing panics.
func FuzzParseFrame(f *testing.F) {
	for _, s := range []string{"", "ff", "ff03", "ff03c021", "21", "0021ff", "ff0321", "03ff", "ff03ff03", "00ff03"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		b := new(packet.Buffer)
		if !b.Set(p) {
			return
		}
		protocol, ok := parseFrame(b)
		if !ok {
			return
		}
		if !bytes.HasSuffix(p, b.Bytes()) || len(p)-b.Len() > maxHeader {
			t.Fatalf("% x has the information % x", p, b.Bytes())
		}
		info := bytes.Clone(b.Bytes())
		for _, f := range []framing{{}, {acfc: true}, {pfc: true}, {acfc: true, pfc: true}} {
			b.Set(info)
			f.put(b, protocol)
			again, ok := parseFrame(b)
			if !ok || again != protocol || !bytes.Equal(b.Bytes(), info) {
				t.Errorf("%+v: %04x % x came back as %04x % x, %v", f, protocol, info, again, b.Bytes(), ok)
			}
		}
	})
}
