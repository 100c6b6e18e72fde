package policy

import (
	"reflect"
	"strings"
	"testing"

	"sitebridge/internal/race"
	"sitebridge/ipx"
)

func rule(t testing.TB, s string) Rule {
	t.Helper()
	r, err := ParseRule(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func filter(t testing.TB, rules ...string) (f Filter) {
	t.Helper()
	for _, s := range rules {
		f = append(f, rule(t, s))
	}
	return f
}

func TestParseRule(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Rule
		shown      string // "" when the text must be refused
	}{
		{"everything", "deny", Rule{}, "deny"},
		{"a socket", "deny socket 455", Rule{Terms: []Term{{Field: Socket, First: 0x455, Last: 0x455}}}, "deny socket 0455"},
		{"sockets", "deny dst-socket 0550-0555", Rule{Terms: []Term{{Side: Destination, Field: Socket, First: 0x550, Last: 0x555}}}, "deny dst-socket 0550-0555"},
		{"a range of one socket", "deny socket 0455-0455", Rule{Terms: []Term{{Field: Socket, First: 0x455, Last: 0x455}}}, "deny socket 0455"},
		{"two terms", "permit  src-network 20-2f dst-socket 0451", Rule{true, []Term{
			{Side: Source, Networks: NetworkRange{0x20, 0x2F}}, {Side: Destination, Field: Socket, First: 0x451, Last: 0x451}}},
			"permit src-network 00000020-0000002F dst-socket 0451"},
		{"senders without a number", "deny src-network 0", Rule{Terms: []Term{{Side: Source}}}, "deny src-network 00000000"},
		{"a node", "deny node 02:00:00:00:10:01", Rule{Terms: []Term{{Field: Node, Node: ipx.Node{2, 0, 0, 0, 0x10, 1}}}}, "deny node 020000001001"},
		{"a type", "deny type 20", Rule{Terms: []Term{{Field: Type, Type: ipx.TypePropagated}}}, "deny type 20"},

		{"nothing", "", Rule{}, ""},
		{"another verb", "drop socket 0455", Rule{}, ""},
		{"large letters", "DENY", Rule{}, ""},
		{"a word without a value", "deny socket", Rule{}, ""},
		{"an unknown word", "deny port 0455", Rule{}, ""},
		{"an unknown side", "deny any-socket 0455", Rule{}, ""},
		{"both sides at once", "deny src-dst-socket 0455", Rule{}, ""},
		{"a socket too long", "deny socket 10455", Rule{}, ""},
		{"sockets the wrong way round", "deny socket 0555-0550", Rule{}, ""},
		{"half a range", "deny socket 0550-", Rule{}, ""},
		{"the other half", "deny socket -0550", Rule{}, ""},
		{"networks the wrong way round", "deny network 2F-20", Rule{}, ""},
		{"a range from network 0", "deny network 0-20", Rule{}, ""},
		{"all networks", "deny network FFFFFFFF", Rule{}, ""},
		{"a type of one side", "deny src-type 20", Rule{}, ""},
		{"a type too large", "deny type 256", Rule{}, ""},
		{"a type in hexadecimal", "deny type 0x14", Rule{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseRule(c.text)
			if ok := err == nil; ok != (c.shown != "") {
				t.Fatalf("ParseRule(%q) = %+v, %v", c.text, got, err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), `such as "deny socket 0455"`) {
					t.Errorf("the error does not say what is wanted: %v", err)
				}
				return
			}
			if !reflect.DeepEqual(got, c.want) || got.String() != c.shown {
				t.Errorf("ParseRule(%q) = %+v, printed %q; want %+v, %q", c.text, got, got, c.want, c.shown)
			}
		})
	}
}

// A packet from 00000020:020000001001:4003 to 00000030:FFFFFFFFFFFF:0455.
var broadcast = ipx.Header{
	Type: ipx.TypePEP,
	Src:  ipx.Addr{Network: 0x20, Node: ipx.Node{2, 0, 0, 0, 0x10, 1}, Socket: 0x4003},
	Dst:  ipx.Addr{Network: 0x30, Node: ipx.Broadcast, Socket: 0x0455},
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []string
		want  bool
	}{
		{"no rules", nil, true},
		{"everything denied", []string{"deny"}, false},
		{"the first that fits decides", []string{"permit dst-socket 0455", "deny"}, true},
		{"the others are not asked", []string{"deny dst-socket 0455", "permit"}, false},
		{"none fits", []string{"deny socket 0456"}, true},
		{"either socket: the source's", []string{"deny socket 4003"}, false},
		{"either socket: the destination's", []string{"deny socket 0455"}, false},
		{"the source's socket is not the destination's", []string{"deny dst-socket 4003"}, true},
		{"the destination's socket is not the source's", []string{"deny src-socket 0455"}, true},
		{"the first socket of a range", []string{"deny socket 4003-4FFF"}, false},
		{"the last socket of a range", []string{"deny socket 4000-4003"}, false},
		{"below a range of sockets", []string{"deny src-socket 4004-4FFF"}, true},
		{"a network", []string{"deny src-network 00000020"}, false},
		{"a range of networks", []string{"deny network 0000002F-00000031"}, false},
		{"networks between the two", []string{"deny network 00000021-0000002F"}, true},
		{"a network of the other side", []string{"deny dst-network 00000020"}, true},
		{"a number that the sender knows", []string{"deny src-network 00000000"}, true},
		{"a node", []string{"deny src-node 020000001001"}, false},
		{"broadcasts", []string{"deny dst-node FFFFFFFFFFFF"}, false},
		{"another node", []string{"deny node 020000001002"}, true},
		{"a type", []string{"deny type 4"}, false},
		{"another type", []string{"deny type 20"}, true},
		{"all terms must be true", []string{"deny type 4 src-network 00000021"}, true},
		{"all terms are true", []string{"deny type 4 src-network 00000020 dst-node FFFFFFFFFFFF"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := filter(t, c.rules...).Passes(&broadcast); got != c.want {
				t.Errorf("passes: %v, want %v", got, c.want)
			}
		})
	}
	if unknown := (ipx.Header{}); filter(t, "deny src-network 0").Passes(&unknown) {
		t.Error("a sender that does not know its number passes")
	}
}

func TestFilterDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		return // the race detector allocates: test/run looks at it without
	}
	f := filter(t, "permit socket 0451", "deny src-network 00000040-0000004F dst-node 020000001002", "deny type 20")
	if n := testing.AllocsPerRun(100, func() {
		if !f.Passes(&broadcast) {
			t.Error("denied")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"deny", "permit src-network 00000020-0000002F dst-socket 0451", "deny type 20",
		"deny node 02-00-00-00-10-01 network 0", "deny socket 0550-0555", "deny socket 1 socket 2", "deny\u00a0type 4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%q is printed as %q, which is %+v, %v", s, r, again, err)
		}
	})
}
