package policy

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/race"
	"sitebridge/ipx/sap"
)

func TestParseServicePattern(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       ServicePattern
		shown      string // "" when the text must be refused
	}{
		{"a type", "4", ServicePattern{sap.FileServer, "*"}, "0004 *"},
		{"a type and names", "0004 FS*", ServicePattern{sap.FileServer, "FS*"}, "0004 FS*"},
		{"all types", "* PRINT?", ServicePattern{sap.AnyType, "PRINT?"}, "* PRINT?"},
		{"everything", "*", ServicePattern{sap.AnyType, "*"}, "* *"},
		{"more blanks", " 0278\tTREE_* ", ServicePattern{sap.Directory, "TREE_*"}, "0278 TREE_*"},
		{"the longest name", "4 " + strings.Repeat("N", 47), ServicePattern{4, strings.Repeat("N", 47)}, "0004 " + strings.Repeat("N", 47)},
		{"nothing", "", ServicePattern{}, ""},
		{"a name alone", "FS*", ServicePattern{}, ""},
		{"the type that asks for all", "FFFF", ServicePattern{}, ""},
		{"a type too long", "00004", ServicePattern{}, ""},
		{"a prefix", "0x4", ServicePattern{}, ""},
		{"three words", "0004 MY SERVER", ServicePattern{}, ""},
		{"a name too long", "4 " + strings.Repeat("N", 48), ServicePattern{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseServicePattern(c.text)
			if ok := err == nil; ok != (c.shown != "") {
				t.Fatalf("ParseServicePattern(%q) = %v, %v", c.text, got, err)
			}
			if err == nil && (got != c.want || got.String() != c.shown) {
				t.Errorf("ParseServicePattern(%q) = %+v, want %+v", c.text, got, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), `such as "0004 FS*"`) {
				t.Errorf("the error does not say what is wanted: %v", err)
			}
		})
	}
}

func TestServicesHave(t *testing.T) {
	some := Services{{sap.FileServer, "FS*"}, {sap.AnyType, "PRINT?"}}
	for _, c := range []struct {
		name string
		in   Services
		kind sap.ServiceType
		who  string
		want bool
	}{
		{"nil allows all", nil, 7, "X", true},
		{"an empty one allows none", Services{}, 7, "X", false},
		{"type and name", some, sap.FileServer, "FS1", true},
		{"another type", some, 7, "FS1", false},
		{"another name", some, sap.FileServer, "NW1", false},
		{"any type", some, 7, "PRINT1", true},
		{"small letters", some, sap.FileServer, "fs1", true},
		{"one octet too many", some, 7, "PRINT12", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.in.Has(c.kind, c.who); got != c.want {
				t.Errorf("has %v %q: %v, want %v", c.kind, c.who, got, c.want)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		name, pattern, of string
		want              bool
	}{
		{"the name itself", "FS1", "FS1", true},
		{"letters of either case", "fs1", "FS1", true},
		{"other octets have no case", "a\xe9", "A\xc9", false},
		{"shorter", "FS", "FS1", false},
		{"longer", "FS12", "FS1", false},
		{"nothing in nothing", "", "", true},
		{"a star is nothing", "*", "", true},
		{"stars are nothing", "FS1**", "FS1", true},
		{"a star is anything", "*", "A B\xff", true},
		{"a star in front", "*_TREE", "BIG_TREE", true},
		{"a star in front tries again", "*AB", "AAB", true},
		{"a star in the middle tries again", "A*BC", "ABBBC", true},
		{"two stars", "*A*B*", "xxAxxBxx", true},
		{"two stars in another order", "*A*B*", "xxBxxAxx", false},
		{"a star does not help", "A*C", "AB", false},
		{"one octet", "FS?", "FS1", true},
		{"one octet that is not there", "FS?", "FS", false},
		{"a blank", "MY?SERVER", "MY SERVER", true},
		{"a star in the name is an octet", "A?B", "A*B", true},
		{"a star in the name stands for nothing", "AXB", "A*B", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matches(c.pattern, c.of); got != c.want {
				t.Errorf("%q matches %q: %v, want %v", c.pattern, c.of, got, c.want)
			}
		})
	}
}

// A peer chooses the names: no name may make a pattern take long. The plain way to
// match this one tries some 10^12 ways.
func TestMatchesInBoundedTime(t *testing.T) {
	pattern := strings.Repeat("*A", sap.MaxName/2)
	name := strings.Repeat("A", sap.MaxName-1) + "B"
	start := time.Now()
	for range 1000 {
		if matches(pattern+"C", name) {
			t.Fatal("matches")
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("1000 names took %v", took)
	}
}

func TestServicesDoNotAllocate(t *testing.T) {
	if race.Enabled {
		return // the race detector allocates: test/run looks at it without
	}
	some := Services{{sap.FileServer, "*A*A*A"}, {sap.AnyType, "PRINT?"}}
	if n := testing.AllocsPerRun(100, func() { some.Has(sap.FileServer, "AAAAAAAB") }); n != 0 {
		t.Errorf("%v allocations for a service", n)
	}
}

func FuzzParseServicePattern(f *testing.F) {
	for _, s := range []string{"4", "0004 FS*", "* PRINT?", "*", "278 \xff", "4\u2003x", "4 a\u0085b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseServicePattern(s)
		if err != nil {
			return
		}
		again, err := ParseServicePattern(p.String())
		if err != nil || again != p {
			t.Errorf("%q is printed as %q, which is %v, %v", s, p, again, err)
		}
	})
}

// The pattern as a regular expression is the judge.
func FuzzMatches(f *testing.F) {
	for _, s := range [][2]string{{"FS*", "FS1"}, {"*a*b?", "AxBy"}, {"**", ""}, {"?", "\xff"}, {"A*C", "AB"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > sap.MaxName || len(name) > sap.MaxName {
			return
		}
		if got, want := matches(pattern, name), judge(t, pattern, name); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}

// judge gives each octet a rune of its own, since regular expressions see runes.
func judge(t *testing.T, pattern, name string) bool {
	runes := func(s string) string {
		r := make([]rune, len(s))
		for i := range len(s) {
			r[i] = rune(upper(s[i]))
		}
		return string(r)
	}
	quoted := regexp.QuoteMeta(runes(pattern))
	quoted = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(quoted)
	re, err := regexp.Compile(`(?s)^` + quoted + `$`)
	if err != nil {
		t.Fatal(err)
	}
	return re.MatchString(runes(name))
}
