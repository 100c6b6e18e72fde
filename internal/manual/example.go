package manual

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// A Table is one kind of table of the configuration: what its keys are, in the words of
// the example.
type Table struct {
	Name  string // "site.NAME.ip"; empty: keys before the first table
	About string
	Keys  []Key
}

// A Key is one key as the example shows it.
type Key struct {
	Name    string
	In      string // the example's table that it is shown in, "site.branch1.ip"
	Value   string // as it is shown
	Default string // in words or as a value; empty: there is none, or the text tells
	Text    string // what it is, without the default
	With    string // the key that the text is told of too, before this one
}

// An Example is the whole of sites.toml.example. The keys of [defaults] are those of sites;
// Defaults is what it says of that.
type Example struct {
	Intro    string
	Defaults string
	Tables   []Table
}

var (
	tableLine = regexp.MustCompile(`^#?\[([a-z0-9_.]+)\]$`)
	keyLine   = regexp.MustCompile(`^(#?)([a-z_0-9]+) = (.*)$`)
	namedKind = regexp.MustCompile(`^(lan|segment|site)\.[^.]+`)
)

// kind is the name of the table without the name of what it is for.
func kind(table string) string {
	table = namedKind.ReplaceAllString(table, "$1.NAME")
	if rest, ok := strings.CutPrefix(table, "defaults"); ok {
		return "site.NAME" + rest
	}
	return table
}

// ParseExample takes sites.toml.example apart.
func ParseExample(text string) Example {
	p := parser{tables: map[string]*Table{"": {}}, order: []string{""}}
	for line := range strings.Lines(text) {
		p.line(strings.TrimSuffix(line, "\n"))
	}
	e := Example{Intro: p.intro, Defaults: p.defaults}
	for _, name := range p.order {
		if t := p.tables[name]; len(t.Keys) > 0 || t.About != "" {
			t.toldElsewhere()
			e.Tables = append(e.Tables, *t)
		}
	}
	slices.SortStableFunc(e.Tables, func(a, b Table) int { return cmp.Compare(p.rank(a.Name), p.rank(b.Name)) })
	return e
}

type parser struct {
	tables          map[string]*Table
	order           []string
	in              string   // the table of the line
	comment         []string // lines above, which are of the next key or table
	keys            int      // that the comment has been given to
	first           string   // of those
	intro, defaults string
}

// rank sorts the tables of one kind together, the shorter first.
func (p *parser) rank(name string) int {
	top, rest, _ := strings.Cut(name, ".")
	rank := 0
	for i, n := range p.order {
		if first, _, _ := strings.Cut(n, "."); first == top {
			rank = 2 * i
			break
		}
	}
	if strings.Contains(strings.TrimPrefix(rest, "NAME"), ".") {
		rank++
	}
	return rank
}

func (p *parser) line(line string) {
	text, isText := strings.CutPrefix(line, "# ")
	switch table, key := tableLine.FindStringSubmatch(line), keyLine.FindStringSubmatch(line); {
	case strings.HasPrefix(text, "---"), line == "#":
		p.comment = append(p.comment, "")
	case key != nil:
		p.key(key[1] == "#", key[2], key[3])
	case table != nil:
		p.table(table[1])
	case isText:
		if p.keys > 0 {
			p.comment, p.keys = nil, 0
		}
		p.comment = append(p.comment, text)
	case line == "":
		if p.intro == "" {
			p.intro = p.said()
		}
		p.comment, p.keys = nil, 0
	}
}

// said is the comment as one paragraph for each of its own.
func (p *parser) said() string {
	var paragraphs []string
	for _, lines := range splitAt(p.comment, "") {
		paragraphs = append(paragraphs, strings.Join(lines, " "))
	}
	return strings.Join(paragraphs, "\n\n")
}

func splitAt(lines []string, at string) (parts [][]string) {
	var part []string
	for _, line := range append(lines, at) {
		if line != at {
			part = append(part, line)
		} else if len(part) > 0 {
			parts, part = append(parts, part), nil
		}
	}
	return parts
}

func (p *parser) table(name string) {
	about := p.said()
	p.comment, p.keys, p.in = nil, 0, name
	if strings.HasPrefix(name, "defaults") && p.defaults == "" {
		p.defaults, about = about, ""
	}
	k := kind(name)
	if p.tables[k] == nil {
		p.tables[k] = &Table{Name: k}
		p.order = append(p.order, k)
	}
	if t := p.tables[k]; t.About == "" {
		t.About = about
	}
}

func (p *parser) key(commented bool, name, value string) {
	t := p.tables[kind(p.in)]
	text := p.said()
	said, fallback := cutDefault(text)
	k := Key{Name: name, In: p.in, Value: value, Text: said, Default: fallback}
	switch p.keys++; {
	case text == "":
	case p.keys == 1:
		p.first = name
	default:
		k.Text, k.With = "", p.first
	}
	if commented && (p.keys > 1 || fallback == "") {
		k.Default = value
	}
	if i := slices.IndexFunc(t.Keys, func(o Key) bool { return o.Name == name }); i < 0 {
		t.Keys = append(t.Keys, k)
	}
}

// toldElsewhere finds for each key without a text one that tells of it too: by its name,
// or by one that begins alike.
func (t *Table) toldElsewhere() {
	for i := range t.Keys {
		k := &t.Keys[i]
		if k.Text != "" || k.With != "" {
			continue
		}
		named := regexp.MustCompile(`\b` + k.Name + `\b`)
		family, _, _ := strings.Cut(k.Name, "_")
		for _, o := range t.Keys {
			if o.Text != "" && (named.MatchString(o.Text) || strings.HasPrefix(o.Name, family+"_")) {
				k.With = o.Name
			}
		}
	}
}

// defaultSentence ends at a full stop that ends a sentence.
var defaultSentence = regexp.MustCompile(`(?:Default: (.*?)|(No default))\.( |$)`)

// none is the default of what must be written.
const none = "no default"

// cutDefault takes the sentence that tells the default out of a text.
func cutDefault(text string) (rest, fallback string) {
	m := defaultSentence.FindStringSubmatchIndex(text)
	if m == nil {
		return text, ""
	}
	fallback = none
	if m[2] >= 0 {
		fallback = text[m[2]:m[3]]
	}
	return strings.TrimSpace(text[:m[0]] + text[m[1]:]), fallback
}
