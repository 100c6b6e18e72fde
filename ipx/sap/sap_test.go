package sap

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ipx/internal/ipxtest"
)

var fsOne = Service{
	Type: FileServer, Name: "FS-ONE", Hops: 1,
	Addr: ipx.Addr{Network: 0xA001, Node: ipx.ServerNode, Socket: ipx.SocketNCP},
}

// wire is a service field by field, its name filled up with tail.
func wire(s Service, tail byte) []byte {
	b := []byte{byte(s.Type >> 8), byte(s.Type)}
	b = append(append(b, s.Name...), 0)
	b = append(b, bytes.Repeat([]byte{tail}, nameLen-len(s.Name)-1)...)
	b = append(b, "\x00\x00\xa0\x01"+"\x00\x00\x00\x00\x00\x01"+"\x04\x51"...)
	return append(b, byte(s.Hops>>8), byte(s.Hops))
}

func TestParse(t *testing.T) {
	down := fsOne
	down.Hops = Infinity
	long := fsOne
	long.Name = strings.Repeat("X", MaxName)
	endless := append([]byte{0, 2}, wire(long, 0)...)
	endless[2+2+MaxName] = 'X' // no NUL in all of the field
	tests := []struct {
		name  string
		wire  []byte
		want  Message
		exact bool // Append gives the same octets
	}{
		{"general request", []byte{0, 1, 0, 4}, Message{Operation: OpRequest, Type: FileServer}, true},
		{"request for all", []byte{0, 1, 0xFF, 0xFF}, Message{Operation: OpRequest, Type: AnyType}, true},
		{"nearest request", []byte{0, 3, 2, 0x78}, Message{Operation: OpNearestRequest, Type: Directory}, true},
		{"request with more behind it", []byte{0, 3, 0, 4, 9, 9}, Message{Operation: OpNearestRequest, Type: FileServer}, false},
		{"nearest response", append([]byte{0, 4}, wire(fsOne, 0)...),
			Message{Operation: OpNearestResponse, Services: []Service{fsOne}}, true},
		{"two services, one down", slices.Concat([]byte{0, 2}, wire(fsOne, 0), wire(down, 0)),
			Message{Operation: OpResponse, Services: []Service{fsOne, down}}, true},
		{"old data behind the name", append([]byte{0, 2}, wire(fsOne, 'Z')...),
			Message{Operation: OpResponse, Services: []Service{fsOne}}, false},
		{"longest name", append([]byte{0, 2}, wire(long, 0)...),
			Message{Operation: OpResponse, Services: []Service{long}}, true},
		{"endless name", endless, Message{Operation: OpResponse, Services: []Service{long}}, false},
		{"remainder", slices.Concat([]byte{0, 2}, wire(fsOne, 0), wire(fsOne, 0)[:63]),
			Message{Operation: OpResponse, Services: []Service{fsOne}}, false},
		{"no service", []byte{0, 2}, Message{Operation: OpResponse}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.wire)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("Parse = %+v, %v, want %+v", got, err, tt.want)
			}
			if again := got.Append(nil); bytes.Equal(again, tt.wire) != tt.exact {
				t.Errorf("Append = % x of % x", again, tt.wire)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name string
		wire []byte
		want error
	}{
		{"nothing", nil, ErrShort},
		{"half an operation", []byte{0}, ErrShort},
		{"request without a type", []byte{0, 1, 0}, ErrShort},
		{"nearest request without a type", []byte{0, 3}, ErrShort},
		{"operation 0", []byte{0, 0, 0, 4}, ErrOperation},
		{"operation 5", []byte{0, 5, 0, 4}, ErrOperation},
		{"operation 0E, as clients of mars_nwe send it", []byte{0, 0x0E, 0, 4}, ErrOperation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := Parse(tt.wire); err != tt.want {
				t.Errorf("Parse = %+v, %v, want %v", m, err, tt.want)
			}
		})
	}
}

func TestALongNameIsCutWhenSent(t *testing.T) {
	s := fsOne
	s.Name = strings.Repeat("N", 60)
	m, err := Parse(Message{Operation: OpResponse, Services: []Service{s}}.Append(nil))
	if err != nil || len(m.Services) != 1 || m.Services[0].Name != s.Name[:MaxName] || m.Services[0].Addr != s.Addr {
		t.Errorf("arrived as %+v, %v", m, err)
	}
}

func TestServiceTypes(t *testing.T) {
	for text, want := range map[string]ServiceType{"0004": FileServer, "4": FileServer, "278": Directory, "ffff": AnyType} {
		if got, err := ParseServiceType(text); err != nil || got != want {
			t.Errorf("ParseServiceType(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0x4", "+4", "00004", "4_4", "10000", "FS"} {
		if got, err := ParseServiceType(text); err == nil {
			t.Errorf("ParseServiceType(%q) = %v", text, got)
		}
	}
	if !fsOne.Matches(AnyType) || !fsOne.Matches(FileServer) || fsOne.Matches(Directory) {
		t.Error("Matches")
	}
}

func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"FS1": "FS1", "M\xfcLLER": `M\xfcLLER`, "Müller": "Müller", "A\x1b[2J\n": `A\x1b[2J\n`, `A\x41"B"`: `A\\x41"B"`, "": "",
	} {
		if got := Printable(name); got != want {
			t.Errorf("Printable(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestOperationsHaveNames(t *testing.T) {
	for o, want := range map[Operation]string{
		OpRequest: "request", OpResponse: "response", OpNearestRequest: "nearest request",
		OpNearestResponse: "nearest response", 5: "operation(5)",
	} {
		if o.String() != want {
			t.Errorf("got %q, want %q", o, want)
		}
	}
}

// payloads calls f with every SAP payload of the vectors and the captures.
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
		if h.Src.Socket == ipx.SocketSAP || h.Dst.Socket == ipx.SocketSAP {
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
	names, largest := map[string]bool{}, 0
	payloads(t, func(name string, payload []byte) {
		m, err := Parse(payload)
		if err == ErrOperation && payload[1] == 0x0E {
			return
		}
		if err != nil {
			t.Errorf("%s: %v: % x", name, err, payload)
		}
		if got := m.Append(nil); !bytes.Equal(got, payload) {
			t.Errorf("%s: % x came back as % x", name, payload, got)
		}
		for _, s := range m.Services {
			names[s.Name] = true
		}
		largest = max(largest, len(m.Services))
	})
	for _, want := range []string{"MARSVR", "WRAPSRV", "FS-ONE"} {
		if !names[want] {
			t.Errorf("no server %s among %v", want, names)
		}
	}
	if largest != MaxServices {
		t.Errorf("the largest message has %d services", largest)
	}
}

// What parses survives being sent and parsed again, and is not longer than it was.
func FuzzParse(f *testing.F) {
	payloads(f, func(_ string, payload []byte) { f.Add(payload) })
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		wire := m.Append(nil)
		again, err := Parse(wire)
		if err != nil || len(wire) > len(b) || !reflect.DeepEqual(again, m) {
			t.Errorf("% x came back as % x: %+v, %v", b, wire, again, err)
		}
	})
}
