package diag

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"sitebridge/ipx"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

var (
	one = ipx.Node{2, 0, 0, 0, 0, 1}
	two = ipx.Node{2, 0, 0, 0, 0, 2}
)

func TestRequest(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       Request
		again      string // what Append makes of it, when not the same
	}{
		{"to all", "00", Request{}, ""},
		{"but two", "02 020000000001 020000000002", Request{[]ipx.Node{one, two}}, ""},
		{"list cut", "02 020000000001 0200", Request{[]ipx.Node{one}}, "01 020000000001"},
		{"something behind", "01 020000000001 ffff", Request{[]ipx.Node{one}}, "01 020000000001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire, again := unhex(tt.wire), unhex(tt.again)
			if tt.again == "" {
				again = wire
			}
			got, err := ParseRequest(wire)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("ParseRequest = %v, %v, want %v", got, err, tt.want)
			}
			if got := got.Append(nil); !bytes.Equal(got, again) {
				t.Errorf("Append = % x, want % x", got, again)
			}
		})
	}
	if _, err := ParseRequest(nil); !errors.Is(err, ErrShort) {
		t.Errorf("nothing: %v", err)
	}
	if n := len(Request{make([]ipx.Node, 1000)}.Append(nil)); n > ipx.SafeLen-ipx.HeaderLen {
		t.Errorf("a thousand excluded: %d octets", n)
	}
}

func TestResponse(t *testing.T) {
	nets := []Network{{LAN, 0x1001, one}, {Redirected, 0xF, two}}
	for _, tt := range []struct {
		name, wire string
		want       Response
		again      string
	}{
		{"nothing but itself", "01 00 0000 00", Response{Major: 1}, ""},
		{"workstation", "02 01 4003 03 00 02 03", Response{2, 1, 0x4003, []Component{{ID: IPXSPX}, {ID: LANDriver}, {ID: Shell}}}, ""},
		{"router of two networks", "01 00 0000 02 00 05 02 00 00001001 020000000001 02 0000000f 020000000002",
			Response{Major: 1, Components: []Component{{ID: IPXSPX}, {Router, nets}}}, ""},
		{"file server", "01 00 0000 01 06 01 00 00001001 020000000001",
			Response{Major: 1, Components: []Component{{FileServerRouter, nets[:1]}}}, ""},
		{"unknown component ends it", "01 00 0000 03 00 07 03", Response{Major: 1, Components: []Component{{ID: IPXSPX}}}, "01 00 0000 01 00"},
		{"router cut", "01 00 0000 02 00 05 02 00 00001001 020000000001", Response{Major: 1, Components: []Component{{ID: IPXSPX}}}, "01 00 0000 01 00"},
		{"router without count", "01 00 0000 01 05", Response{Major: 1}, "01 00 0000 00"},
		{"fewer than counted", "01 00 0000 09 00", Response{Major: 1, Components: []Component{{ID: IPXSPX}}}, "01 00 0000 01 00"},
		{"something behind", "01 00 0000 01 00 03", Response{Major: 1, Components: []Component{{ID: IPXSPX}}}, "01 00 0000 01 00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire, again := unhex(tt.wire), unhex(tt.again)
			if tt.again == "" {
				again = wire
			}
			got, err := ParseResponse(wire)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("ParseResponse = %+v, %v, want %+v", got, err, tt.want)
			}
			if got := got.Append(nil); !bytes.Equal(got, again) {
				t.Errorf("Append = % x, want % x", got, again)
			}
		})
	}
	for _, s := range []string{"", "01 00 0000"} {
		if _, err := ParseResponse(unhex(s)); !errors.Is(err, ErrShort) {
			t.Errorf("%q: %v", s, err)
		}
	}
	full := Response{Components: []Component{{ID: IPXSPX}, {Router, make([]Network, MaxNetworks)}}}
	if n := ipx.HeaderLen + len(full.Append(nil)); n > ipx.SafeLen || n+networkLen <= ipx.SafeLen {
		t.Errorf("%d networks make %d octets", MaxNetworks, n)
	}
}

func TestWords(t *testing.T) {
	if Router.String() != "router" || ComponentID(77).String() != "unknown" {
		t.Errorf("%v, %v", Router, ComponentID(77))
	}
}

// What parses is whole: written and read again, it is the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"00", "02 020000000001 020000000002", "02 01 4003 03 00 02 03",
		"01 00 0000 02 00 05 02 00 00001001 020000000001 02 0000000f 020000000002", "01 00 0000 03 00 07 03"} {
		f.Add(unhex(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRequest(b); err == nil && len(r.Exclude) <= MaxExclude {
			if again, err := ParseRequest(r.Append(nil)); err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("request %v came back as %v, %v", r, again, err)
			}
		}
		if r, err := ParseResponse(b); err == nil {
			out := r.Append(nil)
			if again, err := ParseResponse(out); err != nil || !reflect.DeepEqual(again, r) || len(out) > len(b) {
				t.Errorf("response %v came back as %v, %v", r, again, err)
			}
		}
	})
}
