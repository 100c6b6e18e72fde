package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A table is what was measured: by quantity and way, a value for each round.
type table struct {
	notes strings.Builder
	of    map[*quantity]map[string][]float64
}

func newTable() *table { return &table{of: map[*quantity]map[string][]float64{}} }

func (t *table) printf(format string, args ...any) { fmt.Fprintf(&t.notes, format, args...) }

func (t *table) add(q *quantity, way string, v float64) {
	if t.of[q] == nil {
		t.of[q] = map[string][]float64{}
	}
	t.of[q][way] = append(t.of[q][way], v)
}

// median is 0 where nothing was measured.
func (t *table) median(q *quantity, way string) float64 { return median(t.of[q][way]) }

// columns are the ways with which ours are compared.
var columns = []string{wireGuard, openVPNNone, openVPNCBC, openVPNGCM, tinc, plain, plainPackets}

// write writes the notes and the table.
func (t *table) write(test *testing.T) {
	test.Helper()
	text := t.notes.String()
	if rows := t.rows(); len(rows) > 1 {
		text += "\n" + layOut(rows)
	}
	if *out == "" {
		test.Log("\n" + text)
		return
	}
	if err := os.WriteFile(*out, []byte(text), 0o644); err != nil {
		test.Fatal(err)
	}
}

// rows are the cells: one row for each of our ways and each thing measured of it, with all
// others beside it.
func (t *table) rows() (rows [][]string) {
	rows = append(rows, append(append([]string{"what", "way of ours", "ours"}, columns...), "ratio round by round (least to most), goal"))
	for _, q := range quantities {
		for _, ours := range ourPaths {
			if len(t.of[q][ours]) == 0 {
				continue
			}
			row := []string{q.name, ours, q.show(t.of[q][ours])}
			for _, c := range columns {
				row = append(row, q.show(t.of[q][c]))
			}
			rows = append(rows, append(row, t.verdicts(q, ours)))
		}
	}
	return rows
}

// verdicts says how one of our ways stands to what it should reach.
func (t *table) verdicts(q *quantity, ours string) string {
	var all []string
	for _, g := range goals {
		if g.of == q && slices.Contains(g.ours, ours) {
			all = append(all, g.verdict(t.of[q][ours], t.of[q][g.peer]))
		}
	}
	return strings.Join(all, "; ")
}

// layOut aligns cells, as a table of Markdown.
func layOut(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %-*s ", width[i], cell)
		}
		b.WriteString("|\n")
		if n == 0 {
			b.WriteString(strings.Repeat("| --- ", len(row)) + "|\n")
		}
	}
	return b.String()
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// ratios are those of each round.
func ratios(ours, measure []float64) (r []float64) {
	for i := range min(len(ours), len(measure)) {
		r = append(r, ours[i]/measure[i])
	}
	return r
}

func mean(v []float64) (sum float64) {
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}

func span(v []float64) string {
	return fmt.Sprintf("%.2f to %.2f", slices.Min(v), slices.Max(v))
}
