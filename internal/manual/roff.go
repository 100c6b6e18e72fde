package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// A Page is a manual page that grows.
type Page struct{ b strings.Builder }

// NewPage begins the page of name in a section of the manual. It has no date: the same
// sources are the same page.
func NewPage(name, section, about string) *Page {
	p := &Page{}
	fmt.Fprintf(&p.b, ".\\\" Made by a test from other files of the project: see CONTRIBUTING.md.\n")
	fmt.Fprintf(&p.b, ".TH %s %s \"\" sitebridge \"sitebridge manual\"\n", quoted(strings.ToUpper(name)), section)
	fmt.Fprintf(&p.b, ".SH NAME\n%s \\- %s\n", Escape(name), Escape(about))
	return p
}

func (p *Page) String() string { return p.b.String() }

// Chapter begins a chapter, Section a part of one.
func (p *Page) Chapter(title string) { fmt.Fprintf(&p.b, ".SH %s\n", quoted(strings.ToUpper(title))) }
func (p *Page) Section(title string) { fmt.Fprintf(&p.b, ".SS %s\n", quoted(title)) }

// Text writes paragraphs, which an empty line divides. Their code and bold words are
// those of Markdown.
func (p *Page) Text(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		p.paragraph()
		p.b.WriteString(inline(paragraph) + "\n")
	}
}

// paragraph begins one, which a heading has done already.
func (p *Page) paragraph() {
	lines := strings.Split(p.b.String(), "\n")
	if last := lines[max(0, len(lines)-2)]; !strings.HasPrefix(last, ".S") {
		p.b.WriteString(".PP\n")
	}
}

// Item writes a word and what it is, with paragraphs of its own.
func (p *Page) Item(word, text string) {
	fmt.Fprintf(&p.b, ".TP\n%s\n%s\n", atStart("\\fB"+Escape(word)+"\\fR"), strings.ReplaceAll(inline(text), "\n\n", "\n.IP\n"))
}

// Code writes lines as they are.
func (p *Page) Code(lines string) {
	p.paragraph()
	p.b.WriteString(".RS 4\n.nf\n")
	for line := range strings.Lines(lines) {
		p.b.WriteString(atStart(Escape(strings.TrimSuffix(line, "\n"))) + "\n")
	}
	p.b.WriteString(".fi\n.RE\n")
}

// Escape makes a text fit for roff: its characters stand for themselves.
func Escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}

// atStart keeps the first letter of a line from being a request.
func atStart(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

func quoted(s string) string { return `"` + strings.ReplaceAll(Escape(s), `"`, `\(dq`) + `"` }

// span is code or bold text in Markdown, or a character with a backslash before it.
var span = regexp.MustCompile("`[^`]+`|\\*\\*[^*]+\\*\\*|\\\\[|*_<]")

// inline turns the Markdown inside a paragraph into roff.
func inline(text string) string {
	var b strings.Builder
	at := 0
	for _, m := range span.FindAllStringIndex(text, -1) {
		b.WriteString(Escape(text[at:m[0]]))
		switch s := text[m[0]:m[1]]; s[0] {
		case '`':
			b.WriteString(`\fB` + Escape(strings.ReplaceAll(strings.Trim(s, "`"), `\|`, "|")) + `\fR`)
		case '*':
			b.WriteString(`\fI` + Escape(strings.Trim(s, "*")) + `\fR`)
		default:
			b.WriteString(Escape(s[1:]))
		}
		at = m[1]
	}
	b.WriteString(Escape(text[at:]))
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = atStart(line)
	}
	return strings.Join(lines, "\n")
}

// Markdown writes a document of ours: headings, paragraphs, lists, tables, and code
// that is indented or fenced. Its own title is left out.
func (p *Page) Markdown(text string) {
	m := markdown{page: p}
	for line := range strings.Lines(text) {
		m.line(strings.TrimRight(line, " \n"))
	}
	m.end()
}

type markdown struct {
	page   *Page
	fenced bool
	kind   string   // what the lines are: "text", "code" or "item"
	lines  []string // that belong together and are not written yet
	rows   int
}

func (m *markdown) line(line string) {
	if strings.HasPrefix(line, "```") {
		m.end()
		m.fenced = !m.fenced
		return
	}
	switch {
	case m.fenced:
		m.add("code", line)
	case line == "":
		if m.kind == "code" {
			m.add("code", "")
		} else {
			m.end()
		}
	case strings.HasPrefix(line, "#"):
		m.end()
		m.heading(line)
	case strings.HasPrefix(line, "    ") && m.kind != "text" && m.kind != "item":
		m.add("code", line[4:])
	case strings.HasPrefix(line, "|"):
		m.row(line)
	case strings.HasPrefix(line, "- "):
		m.end()
		m.add("item", line[2:])
	case m.kind == "item":
		m.add("item", strings.TrimSpace(line))
	default:
		m.add("text", line)
	}
}

func (m *markdown) heading(line string) {
	level := len(line) - len(strings.TrimLeft(line, "#"))
	title := strings.ReplaceAll(strings.TrimSpace(line[level:]), "`", "")
	switch level {
	case 1:
	case 2:
		m.page.Chapter(title)
	default:
		m.page.Section(title)
	}
}

func (m *markdown) add(kind, line string) {
	if kind != m.kind {
		m.end()
		m.kind = kind
	}
	m.lines = append(m.lines, line)
}

// end writes the lines that belong together.
func (m *markdown) end() {
	text := strings.Join(m.lines, "\n")
	switch m.kind {
	case "text":
		m.page.Text(text)
	case "code":
		m.page.Code(strings.TrimRight(text, "\n") + "\n")
	case "item":
		fmt.Fprintf(&m.page.b, ".IP \\(bu 2\n%s\n", inline(text))
	}
	m.kind, m.lines, m.rows = "", nil, 0
}

// row writes a row of a table as an item: the first cell is its word.
func (m *markdown) row(line string) {
	if m.kind != "table" {
		m.end()
		m.kind = "table"
	}
	m.rows++
	cells := Cells(line)
	if m.rows <= 2 || len(cells) < 2 { // the heads, and the line below them
		return
	}
	fmt.Fprintf(&m.page.b, ".TP\n%s\n%s\n", atStart(`\fB`+Escape(strings.ReplaceAll(cells[0], "`", ""))+`\fR`), inline(strings.Join(cells[1:], ": ")))
}

// Cells are those of a row of a table in Markdown.
func Cells(row string) []string {
	row = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(row), "|"), "|")
	cells := strings.Split(strings.ReplaceAll(row, `\|`, "\x00"), "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(c, "\x00", `|`))
	}
	return cells
}
