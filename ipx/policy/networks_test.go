package policy

import (
	"slices"
	"strings"
	"testing"

	"sitebridge/ipx"
)

func TestParseNetworkRange(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       NetworkRange
		shown      string // "" when the text must be refused
	}{
		{"one number", "00000020", NetworkRange{0x20, 0x20}, "00000020"},
		{"short, small letters", "be-ef", NetworkRange{0xBE, 0xEF}, "000000BE-000000EF"},
		{"a range of one", "20-20", NetworkRange{0x20, 0x20}, "00000020"},
		{"all that there are", "1-FFFFFFFE", NetworkRange{1, ipx.DefaultRoute}, "00000001-FFFFFFFE"},
		{"the default route", "FFFFFFFE", NetworkRange{ipx.DefaultRoute, ipx.DefaultRoute}, "FFFFFFFE"},
		{"nothing", "", NetworkRange{}, ""},
		{"network 0", "0", NetworkRange{}, ""},
		{"from network 0", "0-20", NetworkRange{}, ""},
		{"all networks", "FFFFFFFF", NetworkRange{}, ""},
		{"up to all networks", "20-FFFFFFFF", NetworkRange{}, ""},
		{"the wrong way round", "2F-20", NetworkRange{}, ""},
		{"three ends", "20-2F-3F", NetworkRange{}, ""},
		{"half a range", "20-", NetworkRange{}, ""},
		{"nine digits", "000000020", NetworkRange{}, ""},
		{"blanks", "20 - 2F", NetworkRange{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseNetworkRange(c.text)
			if ok := err == nil; ok != (c.shown != "") {
				t.Fatalf("ParseNetworkRange(%q) = %v, %v", c.text, got, err)
			}
			if err == nil && (got != c.want || got.String() != c.shown) {
				t.Errorf("ParseNetworkRange(%q) = %v, want %v", c.text, got, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), `want "00000020" or "00000020-0000002F"`) {
				t.Errorf("the error does not say what is wanted: %v", err)
			}
		})
	}
}

func TestNetworksHave(t *testing.T) {
	some := Networks{{0x10, 0x10}, {0x20, 0x2F}}
	for _, c := range []struct {
		name string
		in   Networks
		n    ipx.Network
		want bool
	}{
		{"nil allows all", nil, 0x99, true},
		{"an empty one allows none", Networks{}, 0x99, false},
		{"one number", some, 0x10, true},
		{"the first of a range", some, 0x20, true},
		{"the last of a range", some, 0x2F, true},
		{"below a range", some, 0x1F, false},
		{"above a range", some, 0x30, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.in.Has(c.n); got != c.want {
				t.Errorf("has %v: %v, want %v", c.n, got, c.want)
			}
		})
	}
}

func FuzzParseNetworkRange(f *testing.F) {
	for _, s := range []string{"00000020", "20-2f", "1-FFFFFFFE", "0", "2F-20"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseNetworkRange(s)
		if err != nil {
			return
		}
		again, err := ParseNetworkRange(r.String())
		if err != nil || again != r {
			t.Errorf("%q is printed as %q, which is %v, %v", s, r, again, err)
		}
		if !r.Has(r.First) || !r.Has(r.Last) || slices.ContainsFunc([]ipx.Network{ipx.ThisNetwork, ipx.AllNetworks}, r.Has) {
			t.Errorf("%v has what it must not, or lacks an end", r)
		}
	})
}
