package ipx

import (
	"encoding/json"
	"testing"
)

func TestParseAddr(t *testing.T) {
	tests := []struct {
		name, text string
		want       Addr
		shown      string // "" when the text must be refused
	}{
		{"whole", "0000BEEF:000000000001:0451", Addr{0xBEEF, ServerNode, SocketNCP}, "0000BEEF:000000000001:0451"},
		{"lower case, short", "5ea1:020000001001:451", Addr{0x5EA1, Node{2, 0, 0, 0, 0x10, 1}, SocketNCP}, "00005EA1:020000001001:0451"},
		{"broadcast", "0:ffffffffffff:0453", Addr{0, Broadcast, SocketRIP}, "00000000:FFFFFFFFFFFF:0453"},
		{"all ones", "FFFFFFFF:FFFFFFFFFFFF:FFFF", Addr{AllNetworks, Broadcast, 0xFFFF}, "FFFFFFFF:FFFFFFFFFFFF:FFFF"},
		{"no socket", "0000BEEF:000000000001", Addr{}, ""},
		{"nine digits", "00000BEEF:000000000001:0451", Addr{}, ""},
		{"short node", "0000BEEF:1:0451", Addr{}, ""},
		{"prefix", "0xBEEF:000000000001:0451", Addr{}, ""},
		{"sign", "+BEEF:000000000001:0451", Addr{}, ""},
		{"underscore", "BE_EF:000000000001:0451", Addr{}, ""},
		{"socket too long", "BEEF:000000000001:10451", Addr{}, ""},
		{"empty", "", Addr{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAddr(tt.text)
			if ok := err == nil; ok != (tt.shown != "") {
				t.Fatalf("ParseAddr(%q) = %v, %v", tt.text, got, err)
			}
			if got != tt.want || err == nil && got.String() != tt.shown {
				t.Errorf("ParseAddr(%q) = %v, want %v", tt.text, got, tt.want)
			}
		})
	}
}

func TestParseNodeTakesMACNotation(t *testing.T) {
	want := Node{0x02, 0, 0, 0, 0x10, 0x0A}
	for _, s := range []string{"02000000100a", "02:00:00:00:10:0A", "02-00-00-00-10-0a", "0200.0000.100a"} {
		if got, err := ParseNode(s); err != nil || got != want {
			t.Errorf("ParseNode(%q) = %v, %v", s, got, err)
		}
	}
}

func TestAddressesPassThroughJSON(t *testing.T) {
	type all struct {
		A Addr
		N Network
		M map[Network]Node
		S Socket
	}
	in := all{Addr{1, ServerNode, 2}, 0xC0DE, map[Network]Node{7: Broadcast}, SocketSAP}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"A":"00000001:000000000001:0002","N":"0000C0DE","M":{"00000007":"FFFFFFFFFFFF"},"S":"0452"}`
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	var out all
	if err := json.Unmarshal(text, &out); err != nil || out.A != in.A || out.N != in.N || out.M[7] != Broadcast || out.S != in.S {
		t.Errorf("came back as %+v, %v", out, err)
	}
}

func TestWhatAddressesMean(t *testing.T) {
	for n, want := range map[Network]bool{0: false, 1: true, 0xFFFFFFFD: true, DefaultRoute: false, AllNetworks: false} {
		if n.Assignable() != want {
			t.Errorf("%v.Assignable() = %v", n, !want)
		}
	}
	if !Broadcast.IsGroup() || !(Node{0x01, 0, 0x5E}).IsGroup() || ServerNode.IsGroup() || (Node{}).IsGroup() {
		t.Error("IsGroup is not the lowest bit of the first octet")
	}
	if !(Node{}).IsZero() || ServerNode.IsZero() {
		t.Error("IsZero")
	}
}
