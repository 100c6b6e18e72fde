package manual

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseExample(t *testing.T) {
	const example = `# About the file.
#
# Times are in quotes.

# More files. Default: none.
#include = "x"

# --- a part ---

[lan.a]
# Where it is.
interface = "eth1"
# First, and second. Default: neither.
one = "x"
#two = 3
one_more = 1

# For all.
[defaults.auth]
# Who. No default.
who = "me"

# A site.
[site.a]
# Its name. Default: sb- and "a.b".
#device = "sb-a"

# How often.
#[site.a.echo]
#interval = "1s"
`
	got := ParseExample(example)
	want := Example{
		Intro: "About the file.\n\nTimes are in quotes.", Defaults: "For all.",
		Tables: []Table{
			{Keys: []Key{{Name: "include", Value: `"x"`, Default: "none", Text: "More files."}}},
			{Name: "lan.NAME", Keys: []Key{
				{Name: "interface", In: "lan.a", Value: `"eth1"`, Text: "Where it is."},
				{Name: "one", In: "lan.a", Value: `"x"`, Default: "neither", Text: "First, and second."},
				{Name: "two", In: "lan.a", Value: "3", Default: "3", With: "one"},
				{Name: "one_more", In: "lan.a", Value: "1", Default: "neither", With: "one"},
			}},
			{Name: "site.NAME", About: "A site.", Keys: []Key{{Name: "device", In: "site.a", Value: `"sb-a"`, Default: `sb- and "a.b"`, Text: "Its name."}}},
			{Name: "site.NAME.auth", Keys: []Key{{Name: "who", In: "defaults.auth", Value: `"me"`, Default: "no default", Text: "Who."}}},
			{Name: "site.NAME.echo", About: "How often.", Keys: []Key{{Name: "interval", In: "site.a.echo", Value: `"1s"`, Default: `"1s"`}}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What is text to us must not be a request to roff.
func TestMarkdownInRoff(t *testing.T) {
	p := &Page{}
	p.Markdown("# Title\n\n## run `it`\n\n.TH of `a-b` and **bold**,\n'second' line \\| bar\n\n    code \\ -x\n\n    .more\n\n- one\n  and on\n- two\n\n" +
		"| key | what |\n| --- | --- |\n| `k` | v `a\\|b` |\n\n```toml\n[x]\n```\n")
	want := `.SH "RUN IT"
\&.TH of \fBa\-b\fR and \fIbold\fR,
\(aqsecond\(aq line | bar
.PP
.RS 4
.nf
code \e \-x

\&.more
.fi
.RE
.IP \(bu 2
one
and on
.IP \(bu 2
two
.TP
\fBk\fR
v \fBa|b\fR
.PP
.RS 4
.nf
[x]
.fi
.RE
`
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCells(t *testing.T) {
	if got := Cells("| `a\\|b` | c |"); !reflect.DeepEqual(got, []string{"`a|b`", "c"}) {
		t.Errorf("%q", got)
	}
}

func TestReferenceInMarkdown(t *testing.T) {
	e := Example{Tables: []Table{{Name: "lan.NAME", About: "Wires.", Keys: []Key{
		{Name: "a", Default: `"*"`, Text: "What a | b is."}, {Name: "b", With: "a"}, {Name: "c"}}}}}
	text := e.Reference(func(_ Table, k Key) string { return "words of " + k.Name })
	for _, want := range []string{
		"## `[lan.NAME]`\n\nWires.\n",
		"| `a` | words of a | \"\\*\" | What a \\| b is. |\n",
		"| `b` | words of b |  | see `a` |\n| `c` | words of c |  | see above |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
