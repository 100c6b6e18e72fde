package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Marks between which something stands in a document.
type marks struct{ begin, end string }

var (
	soakMarks      = marks{"<!-- test/soak writes this -->\n", "<!-- end of the soak -->\n"}
	reconnectMarks = marks{"<!-- test/soak writes this of reconnects -->\n", "<!-- end of the reconnects -->\n"}
)

// publish writes a text to a file: between its marks, if it has them.
func publish(file string, m marks, text string) error {
	old, err := os.ReadFile(file)
	if before, rest, ok := strings.Cut(string(old), m.begin); err == nil && ok {
		_, after, _ := strings.Cut(rest, m.end)
		text = before + m.begin + "\n" + text + "\n" + m.end + after
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func machine() string {
	release := "Linux"
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		release += " " + unix.ByteSliceToString(name.Release[:])
	}
	race := "with the race detector"
	if os.Getenv("LAB_NO_RACE") != "" {
		race = "without the race detector"
	}
	return fmt.Sprintf("%d cores (%s) with %s, daemons built by %s %s", runtime.NumCPU(), runtime.GOARCH, release, runtime.Version(), race)
}

// report is what is printed of a run, and stands in docs/reliability.md.
func (r *run) report(all []verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, on %s. b1: %v; b2: %v; b3: %v.", r, machine(), ways[0], ways[1], ways[2])
	if n := len(r.sampler.halts); n > 0 {
		var sum time.Duration
		for _, h := range r.sampler.halts {
			sum += h.to.Sub(h.from)
		}
		fmt.Fprintf(&b, " The machine halted the run %d times, for %v in all, while other things were measured on it; what was under way then is not counted.", n, sum.Round(time.Second))
	}
	b.WriteString("\n\n")
	b.WriteString(verdicts(all))
	b.WriteString("\n| fault | times | traffic flows again after its end: median | at the worst |\n| --- | --- | --- | --- |\n")
	for _, kind := range troubles {
		if took := r.recoveries(kind.name); len(took) > 0 {
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", kind.name, len(took), short(took[len(took)/2]), short(took[len(took)-1]))
		}
	}
	return b.String()
}

func verdicts(all []verdict) string {
	var b strings.Builder
	b.WriteString("| what must hold | | figures |\n| --- | --- | --- |\n")
	for _, v := range all {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", v.what, map[bool]string{true: "ok", false: "**FAILED**"}[v.ok], strings.ReplaceAll(v.figures, "|", `\|`))
	}
	return b.String()
}

// recoveries is how long traffic took to flow again after faults of a kind, the shortest
// first.
func (r *run) recoveries(kind string) (took []time.Duration) {
	for _, e := range r.events {
		halted := slices.ContainsFunc(r.sampler.halts, func(h span) bool { return h.overlaps(e.span()) })
		if e.kind == kind && !halted {
			took = append(took, e.flows.Sub(e.healed))
		}
	}
	slices.Sort(took)
	return took
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(10, d.Round(10*time.Millisecond).Milliseconds()))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func TestPublish(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(file, []byte("above\n"+soakMarks.begin+"old\n"+soakMarks.end+"below\n"+reconnectMarks.begin+reconnectMarks.end+"end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := publish(file, soakMarks, "new"); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	want := "above\n" + soakMarks.begin + "\nnew\n" + soakMarks.end + "below\n" + reconnectMarks.begin + reconnectMarks.end + "end\n"
	if err != nil || string(b) != want {
		t.Errorf("%v\n%s", err, b)
	}
}
