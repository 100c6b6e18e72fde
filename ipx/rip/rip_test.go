package rip

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, wire string
		want       Message
		again      string // what Append makes of it, when not the same
	}{
		{"request for all", "0001 ffffffff ffff ffff", Ask(ipx.AllNetworks), ""},
		{"request for two", "0001 00002002 ffff ffff 0000beef ffff ffff", Ask(0x2002, 0xBEEF), ""},
		{"request with an empty way, as ncpfs sends it", "0001 00005ea1 0000 0000",
			Message{OpRequest, []Entry{{0x5EA1, 0, 0}}}, ""},
		{"three routes", "0002 00002002 0001 0002 c0de0002 0001 0002 0000beef 0003 000e",
			Message{OpResponse, []Entry{{0x2002, 1, 2}, {0xC0DE0002, 1, 2}, {0xBEEF, 3, 14}}}, ""},
		{"down", "0002 00002002 0010 0002", Message{OpResponse, []Entry{{0x2002, Infinity, 2}}}, ""},
		{"odd entry in the middle", "0002 00000000 0001 0001 0000beef 0001 0002",
			Message{OpResponse, []Entry{{0, 1, 1}, {0xBEEF, 1, 2}}}, ""},
		{"remainder", "0002 00002002 0001 0002 0000beef 0001", Message{OpResponse, []Entry{{0x2002, 1, 2}}},
			"0002 00002002 0001 0002"},
		{"no entry", "0002", Message{Operation: OpResponse}, ""},
		{"unknown operation", "0007 00002002 0001 0002", Message{7, []Entry{{0x2002, 1, 2}}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire, again := unhex(tt.wire), unhex(tt.again)
			got, err := Parse(wire)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("Parse = %v, %v, want %v", got, err, tt.want)
			}
			if tt.again == "" {
				again = wire
			}
			if got := got.Append(nil); !bytes.Equal(got, again) {
				t.Errorf("Append = % x, want % x", got, again)
			}
		})
	}
}

func TestParseRefusesWhatHasNoOperation(t *testing.T) {
	for _, b := range [][]byte{nil, {0}} {
		var length LengthError
		if _, err := Parse(b); !errors.As(err, &length) || int(length) != len(b) {
			t.Errorf("Parse(% x) = %v", b, err)
		}
	}
}

func TestUsable(t *testing.T) {
	for n, want := range map[ipx.Network]bool{
		ipx.ThisNetwork: false, ipx.AllNetworks: false, ipx.DefaultRoute: true, 0x10: true,
	} {
		if got := (Entry{Network: n}).Usable(); got != want {
			t.Errorf("an entry for %v: Usable = %v", n, got)
		}
	}
}

func TestOperationsHaveNames(t *testing.T) {
	for o, want := range map[Operation]string{OpRequest: "request", OpResponse: "response", 9: "operation(9)"} {
		if o.String() != want {
			t.Errorf("got %q, want %q", o, want)
		}
	}
}

// payloads calls f with every RIP payload of the vectors and the captures.
func payloads(tb testing.TB, f func(name string, payload []byte)) {
	tb.Helper()
	take := func(name string, frame []byte) {
		_, _, _, pkt, err := ipx.Decapsulate(frame)
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		h, payload, err := ipx.Parse(pkt)
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		if h.Src.Socket == ipx.SocketRIP || h.Dst.Socket == ipx.SocketRIP {
			f(name, payload)
		}
	}
	for _, v := range ipxtest.Vectors(tb, "../testdata") {
		take(v.Name, v.Frame)
	}
	for name, frames := range ipxtest.Captures(tb, "../testdata") {
		for _, frame := range frames {
			take(name, frame)
		}
	}
}

func TestEveryRecordedMessageComesBack(t *testing.T) {
	var largest, count int
	payloads(t, func(name string, payload []byte) {
		m, err := Parse(payload)
		if err != nil || m.Operation != OpRequest && m.Operation != OpResponse || len(m.Entries) == 0 {
			t.Errorf("%s: %v, %v", name, m, err)
		}
		if got := m.Append(nil); !bytes.Equal(got, payload) {
			t.Errorf("%s: % x came back as % x", name, payload, got)
		}
		largest, count = max(largest, len(m.Entries)), count+1
	})
	if largest != MaxEntries || count < 40 {
		t.Errorf("%d messages, the largest of %d entries", count, largest)
	}
}

func TestATableCutIntoMessages(t *testing.T) {
	table := make([]Entry, 120)
	var lengths []int
	for chunk := range slices.Chunk(table, MaxEntries) {
		payload := Message{OpResponse, chunk}.Append(nil)
		lengths = append(lengths, ipx.HeaderLen+len(payload))
	}
	if want := []int{432, 432, 192}; !slices.Equal(lengths, want) {
		t.Errorf("packets of %v octets, want %v", lengths, want)
	}
}

// What parses comes back without its remainder, and no shorter.
func FuzzParse(f *testing.F) {
	payloads(f, func(_ string, payload []byte) { f.Add(payload) })
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if len(b) >= operationLen {
				t.Errorf("% x: %v", b, err)
			}
			return
		}
		got := m.Append(nil)
		if !bytes.HasPrefix(b, got) || len(b)-len(got) >= entryLen {
			t.Errorf("% x came back as % x", b, got)
		}
	})
}
