package triggered

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"sitebridge/ipx"
	"sitebridge/ipx/rip"
	"sitebridge/ipx/sap"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

var server = sap.Service{
	Type: sap.FileServer, Name: "FS", Hops: 2,
	Addr: ipx.Addr{Network: 0xA001, Node: ipx.ServerNode, Socket: ipx.SocketNCP},
}

// TestVectors: operation, version, flush, sequence, then the entries as plain
// RIP and SAP have them (RFC 2091, section 5).
func TestVectors(t *testing.T) {
	routes, services := Routes(), Services()
	two := []rip.Entry{{Network: 0x2002, Hops: 1, Ticks: 2}, {Network: 0xBEEF, Hops: rip.Infinity, Ticks: 14}}
	name := "4653" + strings.Repeat("00", 46)
	for _, tt := range []struct {
		name, wire string
		want       Message
	}{
		{"request", "0009 01 00 0000", Message{Operation: OpRequest}},
		{"flush", "000a 01 01 fffe", Message{Operation: OpResponse, Flush: true, Sequence: 0xFFFE, Entries: []byte{}}},
		{"response without entries", "000a 01 00 ffff", Message{Operation: OpResponse, Sequence: 0xFFFF, Entries: []byte{}}},
		{"two routes, one of them gone", "000a 01 00 0102  00002002 0001 0002  0000beef 0010 000e",
			Message{Operation: OpResponse, Sequence: 0x102, Entries: routes.Append(nil, two)}},
		{"service", "000a 01 00 0103  0004 " + name + " 0000a001 000000000001 0451 0002",
			Message{Operation: OpResponse, Sequence: 0x103, Entries: services.Append(nil, []sap.Service{server})}},
		{"acknowledge", "000b 01 00 0102", Message{Operation: OpAcknowledge, Sequence: 0x102}},
		{"acknowledge of a flush", "000b 01 01 fffe", Message{Operation: OpAcknowledge, Flush: true, Sequence: 0xFFFE}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(tt.wire)
			got, err := Parse(wire)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Parse = %+v, %v, want %+v", got, err, tt.want)
			}
			if got := tt.want.Append(nil); !bytes.Equal(got, wire) {
				t.Errorf("Append = % x, want % x", got, wire)
			}
		})
	}
	if got := routes.Parse(routes.Append(nil, two)); !reflect.DeepEqual(got, two) {
		t.Errorf("routes came back as %v", got)
	}
	if got := services.Parse(append(services.Append(nil, []sap.Service{server}), 1, 2, 3)); !reflect.DeepEqual(got, []sap.Service{server}) {
		t.Errorf("the service came back as %v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       error
	}{
		{"nothing", "", ErrShort},
		{"half an operation", "00", ErrShort},
		{"RIP request", "0001 ffffffff ffff ffff", ErrPlain},
		{"RIP response", "0002 00002002 0001 0002", ErrPlain},
		{"Get Nearest Server", "0003 0004", ErrPlain},
		{"nearest response", "0004", ErrPlain},
		{"triggered request of RFC 1582", "0006", ErrOperation},
		{"triggered response of RFC 1582", "0007 0001 01 01", ErrOperation},
		{"operation 12", "000c 01 00 0000", ErrOperation},
		{"response without header", "000a", ErrShort},
		{"half a header", "000b 01 00 01", ErrShort},
		{"version 2", "000a 02 00 0001", ErrVersion},
		{"flush 2", "000a 01 02 0001", ErrFlush},
		{"bare request", "0009", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse(unhex(tt.wire)); !errors.Is(err, tt.want) {
				t.Errorf("Parse = %v, want %v", err, tt.want)
			}
		})
	}
}

// What parses comes back, but for what follows a request or acknowledgement, and
// its entries can be read.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0009", "0009 01 00 0000", "000a 01 01 0001", "000b 01 00 0001",
		"000a 01 00 0102 00002002 0001 0002 0000beef 0010 000e", "000a 02 00 0001", "0002 00002002 0001 0002"} {
		f.Add(unhex(s))
	}
	f.Add(Message{Operation: OpResponse, Entries: Services().Append(nil, []sap.Service{server, server})}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		if got := m.Append(nil); !bytes.HasPrefix(b, got) && len(b) != operationLen || m.Operation == OpResponse && len(got) != len(b) {
			t.Errorf("% x came back as % x", b, got)
		}
		if n := len(Routes().Parse(m.Entries)); n != len(m.Entries)/8 {
			t.Errorf("%d routes in %d octets", n, len(m.Entries))
		}
		if n := len(Services().Parse(m.Entries)); n != len(m.Entries)/64 {
			t.Errorf("%d services in %d octets", n, len(m.Entries))
		}
	})
}

func TestWords(t *testing.T) {
	for want, s := range map[string]interface{ String() string }{
		"update request": OpRequest, "update response": OpResponse, "update acknowledge": OpAcknowledge, "operation(6)": Operation(6),
		"asking": Asking, "synchronizing": Synchronizing, "synchronized": Synchronized, "absent": Absent, "state(9)": State(9),
	} {
		if s.String() != want {
			t.Errorf("got %q, want %q", s, want)
		}
	}
}
