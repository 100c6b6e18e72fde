package soak

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"sitebridge/bridge"
)

// A verdict is one thing that must hold in the end.
type verdict struct {
	what    string
	ok      bool
	figures string
}

// The bounds of what memory may grow by: a share, or so many octets where that is less
// than what comes and goes.
const (
	mayGrow     = 0.05
	heapSlack   = 256 << 10
	memorySlack = 2 << 20
)

func (r *run) judge() []verdict {
	all := []verdict{r.linksUp(), r.sessionsWhole(), r.transfersWhole(), r.nothingTwice(),
		r.noMore("goroutines", func(v reading) float64 { return v.goroutines }),
		r.noMore("descriptors", func(v reading) float64 { return v.descriptors }),
	}
	if long() {
		all = append(all, r.memory("live heap", heapSlack, func(v reading) float64 { return v.heap }),
			r.memory("resident memory", memorySlack, func(v reading) float64 { return v.resident }))
	}
	return append(all, r.dropsNamed())
}

func (r *run) linksUp() verdict {
	up, of, down := 0, 0, []string{}
	for _, p := range r.places() {
		for _, s := range r.sites(p) {
			of++
			if s.State == bridge.StateUp {
				up++
			} else {
				down = append(down, fmt.Sprintf("%s at %s is %s: %s", s.Name, p.name, s.State, s.Reason))
			}
		}
	}
	return verdict{"all links are up", up == 2*branches, fmt.Sprintf("%d of %d ends; %s", up, of, strings.Join(down, "; "))}
}

func (r *run) sessionsWhole() verdict {
	v := verdict{what: "TCP sessions of before the first fault live, and what they carried is whole", ok: true}
	var octets int64
	var wrong []string
	for _, s := range r.traffic.sessions {
		octets += s.back.Load()
		if !s.whole() {
			v.ok = false
			wrong = append(wrong, fmt.Sprintf("%s: %d octets said, %d came back, %v", s.name, s.said.Load(), s.back.Load(), s.failed()))
		}
	}
	v.figures = fmt.Sprintf("%d sessions, %.1f MB there and back", len(r.traffic.sessions), float64(octets)/1e6)
	if !v.ok {
		v.figures += ": " + strings.Join(wrong, "; ")
	}
	return v
}

func (r *run) transfersWhole() verdict {
	tr := r.traffic
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return verdict{"files that were begun arrive whole", tr.whole == tr.began && tr.whole > 0,
		fmt.Sprintf("%d of %d, %.1f MB; %d could not be begun during a fault %s", tr.whole, tr.began, float64(tr.octets)/1e6, tr.refused, strings.Join(tr.failures, "; "))}
}

func (r *run) nothingTwice() verdict {
	twice, wrong, of := 0, 0, 0
	for _, a := range r.traffic.askers() {
		t, w, n := a.faults()
		twice, wrong, of = twice+t, wrong+w, of+n
	}
	return verdict{"no datagram comes twice, or changed", twice == 0 && wrong == 0,
		fmt.Sprintf("%d questions by UDP and IPX: %d answers came twice, %d were wrong", of, twice, wrong)}
}

// each lists a figure of each daemon, before and after.
func (r *run) each(fn func(b base) (was, is float64), unit float64, format string) (figures string) {
	var list []string
	for i, p := range r.places() {
		was, is := fn(r.bases[i])
		list = append(list, fmt.Sprintf("%s "+format+" → "+format, p.name, was/unit, is/unit))
	}
	return strings.Join(list, ", ")
}

func (r *run) noMore(what string, of func(reading) float64) verdict {
	v := verdict{what: "no more " + what + " than in the beginning", ok: true}
	for _, b := range r.bases {
		v.ok = v.ok && of(b.last) <= of(b.first)
	}
	v.figures = r.each(func(b base) (float64, float64) { return of(b.first), of(b.last) }, 1, "%.0f")
	return v
}

func (r *run) memory(what string, slack float64, of func(reading) float64) verdict {
	v := verdict{what: fmt.Sprintf("%s within %.0f %% or %.2g MiB of what the daemon took when it was warm", what, mayGrow*100, slack/(1<<20)), ok: true}
	for i, p := range r.places() {
		b := &r.bases[i]
		grown := of(b.last) - of(b.memory)
		v.ok = v.ok && b.of == p.get().Pid() && grown <= math.Max(slack, mayGrow*of(b.memory))
	}
	v.figures = r.each(func(b base) (float64, float64) { return of(b.memory), of(b.last) }, 1<<20, "%.2f") + " MiB"
	var ages []string
	for i, p := range r.places() {
		ages = append(ages, fmt.Sprintf("%s %v", p.name, r.ended.Sub(r.bases[i].at).Round(time.Minute)))
	}
	v.figures += " (between them: " + strings.Join(ages, ", ") + ")"
	return v
}

// dropsNamed wants that nothing was dropped for no reason that has a name.
func (r *run) dropsNamed() verdict {
	v := verdict{what: "each drop has a reason with a name", ok: true}
	all := r.drops()
	for name := range all {
		_, reason, _ := strings.Cut(name, ": ")
		if reason == "" || slices.Contains([]string{"unknown", "other", "unnamed"}, reason) {
			v.ok = false
		}
	}
	var list []string
	for _, name := range byCount(all) {
		list = append(list, fmt.Sprintf("%s %.0f", name, all[name]))
	}
	v.figures = strings.Join(list, ", ")
	return v
}

// drops is how many of each name were seen in all.
func (r *run) drops() map[string]float64 {
	all := map[string]float64{}
	for _, s := range r.sampler.samples {
		for name, n := range s.drops {
			all[name] += n
		}
	}
	return all
}

// byCount orders names, the greatest first.
func byCount(all map[string]float64) (names []string) {
	for name := range all {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if all[a] != all[b] {
			return int(math.Copysign(1, all[b]-all[a]))
		}
		return strings.Compare(a, b)
	})
	return names
}
