package soak

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// draw writes the curves; without a file, to one that nobody keeps.
func (r *run) draw(file string) {
	r.t.Helper()
	if file == "" {
		file = filepath.Join(r.dir, "soak.svg")
	}
	if err := os.WriteFile(file, []byte(r.plot().write()), 0o644); err != nil {
		r.t.Error(err)
	}
}

func (r *run) plot() *plot {
	p := &plot{
		title: "Soak: a hub and three branches, " + r.String(),
		notes: []string{fmt.Sprintf("b1: %v. b2: %v. b3: %v.", ways[0], ways[1], ways[2]),
			"Rows: each fault, from its beginning until all traffic flows again, in the colour of where it was. Dark grey: the run was halted, and not measured."},
		length: r.ended.Sub(r.began),
	}
	p.rows = r.rows()
	for _, h := range r.sampler.halts {
		p.grey = append(p.grey, mark{from: h.from.Sub(r.began), to: h.to.Sub(r.began)})
	}
	mib := func(v float64) float64 { return v / (1 << 20) }
	p.panels = []panel{
		r.perDaemon("resident memory", "MiB", func(v reading) float64 { return mib(v.resident) }),
		r.perDaemon("heap, with what is not collected yet", "MiB", func(v reading) float64 { return mib(v.heap) }),
		r.perDaemon("goroutines", "", func(v reading) float64 { return v.goroutines }),
		r.perDaemon("descriptors", "", func(v reading) float64 { return v.descriptors }),
		r.latency("round trip by UDP", func(s sample) latency { return s.udp }),
		r.latency("round trip by IPX", func(s sample) latency { return s.ipx }),
		r.missing(),
		r.dropPanel(),
	}
	return p
}

func (r *run) rows() (rows []row) {
	for _, kind := range troubles {
		one := row{name: kind.name}
		for _, e := range r.events {
			if e.kind == kind.name {
				one.marks = append(one.marks, mark{e.began.Sub(r.began), e.flows.Sub(r.began), e.place,
					fmt.Sprintf("%s at %s, for %v; traffic %v later", e.kind, r.places()[e.place].name,
						e.healed.Sub(e.began).Round(10*time.Millisecond), e.flows.Sub(e.healed).Round(10*time.Millisecond))})
			}
		}
		rows = append(rows, one)
	}
	return rows
}

// curve is one line of all samples.
func (r *run) curve(name string, colour int, y func(s sample) float64) line {
	l := line{name: name, colour: colour}
	for _, s := range r.sampler.samples {
		l.x, l.y = append(l.x, s.at.Sub(r.began)), append(l.y, y(s))
	}
	return l
}

func (r *run) perDaemon(title, unit string, y func(reading) float64) panel {
	one := panel{title: title, unit: unit}
	for i, p := range r.places() {
		one.lines = append(one.lines, r.curve(p.name, i, func(s sample) float64 { return y(s.daemons[i]) }))
	}
	return one
}

// latency has a gap where there was no answer, or we were halted.
func (r *run) latency(title string, of func(sample) latency) panel {
	ms := func(s sample, d time.Duration) float64 {
		if s.halted || d == 0 {
			return math.NaN()
		}
		return float64(d) / float64(time.Millisecond)
	}
	return panel{title: title + ", all pairs of hosts", unit: "ms", log: true, lines: []line{
		r.curve("p50", 0, func(s sample) float64 { return ms(s, of(s).p50) }),
		r.curve("p99", 1, func(s sample) float64 { return ms(s, of(s).p99) }),
	}}
}

func (r *run) missing() panel {
	share := func(s sample, l latency) float64 {
		if s.halted || l.of == 0 {
			return math.NaN()
		}
		return float64(l.missing) / float64(l.of) * 100
	}
	return panel{title: "questions without an answer", unit: "%", lines: []line{
		r.curve("UDP", 0, func(s sample) float64 { return share(s, s.udp) }),
		r.curve("IPX", 1, func(s sample) float64 { return share(s, s.ipx) }),
	}}
}

// dropPanel shows the reasons that occur most, and all others together.
func (r *run) dropPanel() panel {
	names := byCount(r.drops())
	most := names[:min(len(names), len(colours)-1)]
	one := panel{title: "drops of the daemons in each interval, by reason", stacked: true}
	for i, name := range most {
		one.lines = append(one.lines, r.curve(name, i, func(s sample) float64 { return s.drops[name] }))
	}
	one.lines = append(one.lines, r.curve("all others", len(colours)-1, func(s sample) (sum float64) {
		for name, n := range s.drops {
			if !slices.Contains(most, name) {
				sum += n
			}
		}
		return sum
	}))
	return one
}
