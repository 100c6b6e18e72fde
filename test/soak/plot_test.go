package soak

import (
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// A plot is curves over one stretch of time, in panels one below the other, written as
// SVG that is readable on a light and on a dark page.
type plot struct {
	title  string
	notes  []string // below the title
	length time.Duration
	rows   []row  // above the panels: what happened when
	grey   []mark // during which nothing was measured
	panels []panel
}

// A row is one kind of things that happened.
type row struct {
	name  string
	marks []mark
}

// A mark is one of them. Colour is that of a line of the same number.
type mark struct {
	from, to time.Duration
	colour   int
	tip      string
}

// A panel is curves with a common axis.
type panel struct {
	title, unit string
	log         bool // the axis is logarithmic
	stacked     bool // the curves are bars that stand on each other, one for each x
	lines       []line
}

// A line is a curve. NaN is a gap.
type line struct {
	name   string
	colour int
	x      []time.Duration
	y      []float64
}

// The measures of the drawing, in pixels.
const (
	plotWidth   = 1220
	plotLeft    = 150
	plotRight   = 230 // for the legend
	plotTop     = 80
	rowHeight   = 16
	panelHeight = 120
	panelGap    = 46
)

// colours are for a light page and for a dark one, told apart by who does not see red or
// green too (Okabe and Ito).
var colours = [][2]string{
	{"#0072b2", "#56b4e9"}, {"#d55e00", "#f08a3c"}, {"#009e73", "#2fc79b"}, {"#b5679b", "#e39fc8"},
	{"#8a7a00", "#e6d645"}, {"#555555", "#bbbbbb"}, {"#6a3d9a", "#b497e0"}, {"#a6341b", "#ef7f63"}, {"#3b7d23", "#8fcf70"},
}

func (p *plot) inner() float64 { return plotWidth - plotLeft - plotRight }

func (p *plot) x(at time.Duration) float64 {
	return plotLeft + p.inner()*float64(max(0, min(at, p.length)))/float64(p.length)
}

// write makes the drawing.
func (p *plot) write() string {
	var b strings.Builder
	tops := plotTop + rowHeight*float64(len(p.rows)) + 26
	height := tops + float64(len(p.panels))*(panelHeight+panelGap) + 6
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img" aria-label="%s">`+"\n",
		plotWidth, height, plotWidth, height, html.EscapeString(p.title))
	p.style(&b)
	fmt.Fprintf(&b, `<rect class="page" width="%d" height="%.0f"/>`+"\n", plotWidth, height)
	text(&b, "title", 14, 24, "start", p.title)
	for i, n := range p.notes {
		text(&b, "small", 14, 42+15*float64(i), "start", n)
	}
	for _, g := range p.grey {
		fmt.Fprintf(&b, `<rect class="halt" x="%.1f" y="%d" width="%.1f" height="%.0f"/>`+"\n",
			p.x(g.from), plotTop, max(1, p.x(g.to)-p.x(g.from)), height-plotTop-40)
	}
	p.writeRows(&b, tops)
	for i, one := range p.panels {
		p.writePanel(&b, one, tops+float64(i)*(panelHeight+panelGap))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p *plot) style(b *strings.Builder) {
	b.WriteString("<style>\ntext{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:16px;font-weight:600}.small{font-size:11px;fill:#59636e}" +
		".page{fill:#ffffff}.grid{stroke:#d1d9e0;stroke-width:1}.axis{stroke:#59636e;stroke-width:1;fill:none}" +
		".halt{fill:#818b98;fill-opacity:.28}.band{fill:#818b98;fill-opacity:.11}.line{fill:none;stroke-width:1.4;stroke-linejoin:round}\n")
	for i, c := range colours {
		fmt.Fprintf(b, ".l%d{stroke:%s}.f%d{fill:%s}\n", i, c[0], i, c[0])
	}
	b.WriteString("@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.page{fill:#0d1117}.grid{stroke:#30363d}.axis{stroke:#9198a1}\n")
	for i, c := range colours {
		fmt.Fprintf(b, ".l%d{stroke:%s}.f%d{fill:%s}\n", i, c[1], i, c[1])
	}
	b.WriteString("}\n</style>\n")
}

func text(b *strings.Builder, class string, x, y float64, anchor, s string) {
	fmt.Fprintf(b, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(s))
}

// writeRows draws what happened, and faintly through all panels.
func (p *plot) writeRows(b *strings.Builder, bottom float64) {
	for i, r := range p.rows {
		y := float64(plotTop + rowHeight*i)
		text(b, "small", plotLeft-6, y+11, "end", r.name)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n", plotLeft, plotLeft+p.inner(), y+rowHeight-1, y+rowHeight-1)
		for _, m := range r.marks {
			x, w := p.x(m.from), max(1.5, p.x(m.to)-p.x(m.from))
			fmt.Fprintf(b, `<rect class="f%d" x="%.1f" y="%.1f" width="%.1f" height="%d"><title>%s</title></rect>`+"\n",
				m.colour%len(colours), x, y+2, w, rowHeight-5, html.EscapeString(m.tip))
			for n := range p.panels {
				fmt.Fprintf(b, `<rect class="band" x="%.1f" y="%.1f" width="%.1f" height="%d"/>`+"\n",
					x, bottom+float64(n)*(panelHeight+panelGap), w, panelHeight)
			}
		}
	}
}

func (p *plot) writePanel(b *strings.Builder, one panel, top float64) {
	low, high, ticks := one.axis()
	y := func(v float64) float64 {
		if one.log {
			return top + panelHeight*(1-(math.Log10(max(v, low))-math.Log10(low))/(math.Log10(high)-math.Log10(low)))
		}
		return top + panelHeight*(1-(v-low)/(high-low))
	}
	title := one.title
	if one.unit != "" {
		title += ", " + one.unit
	}
	text(b, "", plotLeft, top-7, "start", title)
	for _, t := range ticks {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n", plotLeft, plotLeft+p.inner(), y(t), y(t))
		text(b, "small", plotLeft-6, y(t)+4, "end", number(t))
	}
	step := nice(p.length.Seconds() / 10)
	if p.length > 5*time.Minute {
		step = max(1, math.Round(p.length.Minutes()/12)) * 60
	}
	for s := 0.0; s <= p.length.Seconds(); s += step {
		x := p.x(time.Duration(s * float64(time.Second)))
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`+"\n", x, x, top+panelHeight, top+panelHeight+4)
		label := number(s) + " s"
		if p.length > 5*time.Minute {
			label = number(s/60) + " min"
		}
		text(b, "small", x, top+panelHeight+16, "middle", label)
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %.1fV%.1fH%.1f"/>`+"\n", plotLeft, top, top+panelHeight, plotLeft+p.inner())
	if one.stacked {
		p.writeBars(b, one, y)
	} else {
		for _, l := range one.lines {
			p.writeLine(b, l, y)
		}
	}
	for i, l := range one.lines {
		at := top + 10 + 14*float64(i)
		fmt.Fprintf(b, `<rect class="f%d" x="%.1f" y="%.1f" width="12" height="4"/>`+"\n", l.colour%len(colours), plotLeft+p.inner()+12, at-6)
		text(b, "small", plotLeft+p.inner()+30, at, "start", l.name)
	}
}

func (p *plot) writeLine(b *strings.Builder, l line, y func(float64) float64) {
	var d strings.Builder
	pen := "M"
	for i, v := range l.y {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", pen, p.x(l.x[i]), y(v))
		pen = "L"
	}
	if d.Len() > 0 {
		fmt.Fprintf(b, `<path class="line l%d" d="%s"/>`+"\n", l.colour%len(colours), d.String())
	}
}

// writeBars draws, for each x, the lines' values one on the other.
func (p *plot) writeBars(b *strings.Builder, one panel, y func(float64) float64) {
	if len(one.lines) == 0 || len(one.lines[0].x) == 0 {
		return
	}
	xs := one.lines[0].x
	width := max(1, p.inner()/float64(len(xs))-0.5)
	for i, x := range xs {
		sum := 0.0
		for _, l := range one.lines {
			if v := l.y[i]; v > 0 {
				fmt.Fprintf(b, `<rect class="f%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`+"\n",
					l.colour%len(colours), p.x(x)-width, y(sum+v), width, y(sum)-y(sum+v))
				sum += v
			}
		}
	}
}

// axis is from where to where a panel's axis goes, and where it has lines.
func (one *panel) axis() (low, high float64, ticks []float64) {
	least, most := math.Inf(1), math.Inf(-1)
	for i, l := range one.lines {
		for j, v := range l.y {
			if math.IsNaN(v) || one.log && v <= 0 {
				continue
			}
			if one.stacked && i == 0 {
				for _, other := range one.lines[1:] {
					v += other.y[j]
				}
			}
			least, most = min(least, v), max(most, v)
		}
	}
	if math.IsInf(most, 0) {
		least, most = 0, 1
	}
	if one.log {
		low, high = math.Pow(10, math.Floor(math.Log10(max(least, 1e-3)))), math.Pow(10, math.Ceil(math.Log10(max(most, 2e-3))))
		if low == high {
			high *= 10
		}
		for t := low; t <= high*1.001; t *= 10 {
			ticks = append(ticks, t)
		}
		return low, high, ticks
	}
	if one.stacked || least < 0.6*most {
		least = 0
	}
	step := nice((most - least) / 4)
	low, high = math.Floor(least/step)*step, math.Ceil(most/step)*step
	if low == high {
		high += step
	}
	for t := low; t <= high+step/2; t += step {
		ticks = append(ticks, t)
	}
	return low, high, ticks
}

// nice is the next step of 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

func number(v float64) string {
	s := fmt.Sprintf("%.3f", v)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func TestPlot(t *testing.T) {
	second := func(n ...int) (all []time.Duration) {
		for _, s := range n {
			all = append(all, time.Duration(s)*time.Second)
		}
		return all
	}
	p := plot{title: "a & <b>", notes: []string{`"c"`}, length: 10 * time.Second,
		rows: []row{{"cut", []mark{{second(2)[0], second(3)[0], 1, "b1 < b2"}}}},
		grey: []mark{{from: time.Second, to: 2 * time.Second}},
		panels: []panel{
			{title: "memory", unit: "MiB", lines: []line{{"hub", 0, second(0, 5, 10), []float64{4, math.NaN(), 5}}}},
			{title: "latency", unit: "ms", log: true, lines: []line{{"p50", 1, second(1), []float64{0.3}}, {"p99", 2, second(1), []float64{30}}}},
			{title: "drops", stacked: true, lines: []line{{"late", 0, second(1, 2), []float64{1, 2}}, {"far", 1, second(1, 2), []float64{0, 3}}}},
			{title: "nothing"},
		}}
	words := map[string]int{}
	text := p.write()
	for in := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := in.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			words[token.Name.Local]++
			for _, a := range token.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s of %s is %s", a.Name.Local, token.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			words[strings.TrimSpace(string(token))]++
		}
	}
	for _, want := range []string{"a & <b>", "memory, MiB", "latency, ms", "p99", "late", "b1 < b2", "10 s"} {
		if words[want] == 0 {
			t.Errorf("no %q", want)
		}
	}
	if words["svg"] != 1 || words["path"] != 3+4 { // NaN is a gap in the first, not an end; and an axis each
		t.Errorf("%v", words)
	}
	low, high, ticks := p.panels[2].axis()
	if low != 0 || high < 5 || !slices.Contains(ticks, 0) {
		t.Errorf("stacked: from %v to %v, %v", low, high, ticks)
	}
	for v, want := range map[float64]float64{0: 1, 0.7: 1, 1.1: 2, 3: 5, 51: 100, 0.03: 0.05} {
		if got := nice(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("nice(%v) = %v, want %v", v, got, want)
		}
	}
}
