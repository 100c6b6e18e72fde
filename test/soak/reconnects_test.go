package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
)

// A reconnects is a run in which calls end, one after the other, and come back.
type reconnects struct {
	*run
	lines  map[*place]*held
	ways   map[string][]time.Duration // how long each took, from the end of what ended the call
	held   [2]int                     // packets of old calls that were let out into new ones, by direction
	within int                        // how many of them were counted as drops
	asked  []askedBefore              // all of them
	now    []askedBefore              // those of the call that is ending
	steps  []step
}

// An askedBefore is questions that were held with an old call, and must stay unanswered.
// The last of them may be late at the line, when it is open again and the old call has not
// ended: they are answered before anything is let out.
type askedBefore struct {
	a        *asker
	from, to int
}

// A step is what the daemons took after so many reconnects.
type step struct {
	n       int
	at      time.Duration
	daemons []reading
}

// TestReconnects: what a call leaves behind is nothing, however it ends.
func TestReconnects(t *testing.T) {
	t.Parallel()
	r := newReconnects(t)
	chance := rand.New(rand.NewPCG(*seed, 4))
	var round []ending
	for n := 0; n < *again; n++ {
		if len(round) == 0 {
			for _, e := range endings {
				round = append(round, slices.Repeat([]ending{e}, e.times)...)
			}
			chance.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
		way := round[0]
		round = round[1:]
		if way.may != nil && !way.may(n) {
			n--
			continue
		}
		p := r.branches[n%branches]
		if strings.HasPrefix(way.name, "caller's daemon") {
			p = r.branches[restarted-1]
		}
		r.one(n, way, p)
		if (n+1)%r.stride() == 0 {
			r.measure(n + 1)
		}
	}
	all := r.verdicts()
	report := r.reportReconnects(all)
	fmt.Println(report)
	if *outEnd != "" {
		if err := publish(*outEnd, reconnectMarks, report); err != nil {
			t.Error(err)
		}
	}
	for _, v := range all {
		if !v.ok {
			t.Errorf("%s: %s", v.what, v.figures)
		}
	}
	for _, p := range r.places() {
		p.get().Signal(syscall.SIGTERM)
	}
}

func newReconnects(t *testing.T) *reconnects {
	t.Helper()
	r := &reconnects{run: &run{world: newWorld(t)}, lines: map[*place]*held{}, ways: map[string][]time.Duration{}}
	for _, p := range r.branches {
		r.lines[p] = holdOf(p.line)
	}
	r.bring()
	var talks []talk
	for _, p := range r.branches {
		talks = append(talks, talk{p, r.hub}, talk{r.hub, p})
	}
	r.traffic = r.world.begin(talks, talks)
	r.began = time.Now()
	r.wait("traffic flows", func() bool { return r.flows(r.began) })
	r.measure(0)
	return r
}

// stride is after how many reconnects it is looked what daemons take.
func (r *reconnects) stride() int { return max(*again/10, 30) }

// measure notes what daemons take, as soon as all is up.
func (r *reconnects) measure(n int) {
	r.t.Helper()
	now := time.Now()
	r.wait("traffic flows everywhere", func() bool { return r.flows(now) })
	s := step{n: n, at: time.Since(r.began), daemons: make([]reading, len(r.places()))}
	var all sync.WaitGroup
	for i, p := range r.places() {
		first := reading{goroutines: math.Inf(1), descriptors: math.Inf(1)}
		if len(r.steps) > 0 {
			first = r.steps[0].daemons[i]
		}
		all.Go(func() { s.daemons[i] = r.settled(p, first) })
	}
	all.Wait()
	r.steps = append(r.steps, s)
}

// one ends the call of a branch and waits for the next one, into which it lets out what
// was under way in the old one.
func (r *reconnects) one(n int, way ending, p *place) {
	r.t.Helper()
	line, now := r.lines[p], time.Now()
	r.wait("traffic flows in the call that will end", func() bool { return r.flowsAt(p, now) })
	old := r.tunnel(p, "hub")
	line.begin()
	r.askHeld(p)
	r.wait("packets of the call are held", func() bool {
		if line.enough() {
			return true
		}
		r.askHeld(p)
		return false
	})
	line.end()
	way.do(r, p)
	ended, looks := time.Now(), 0
	r.wait(fmt.Sprintf("call %d of %s ended by %s: another one", n, p.name, way.name), func() bool {
		now := r.site(p, "hub")
		if now.State == bridge.StateWaiting {
			r.ask(p, "hub", "up") // a site that begins anew just now dials anyhow
		}
		goesOn := now.Tunnel != nil && now.Tunnel.Began.Equal(old.Began)
		if looks++; goesOn && way.repeated && looks%100 == 0 {
			way.do(r, p)
		}
		if now.State != bridge.StateUp || now.Tunnel == nil || goesOn {
			return false
		}
		theirs := r.site(r.hub, p.name)
		return theirs.State == bridge.StateUp && theirs.Tunnel != nil && theirs.Tunnel.CallID == now.Tunnel.PeerCallID
	})
	up := time.Now()
	r.wait("traffic flows in it", func() bool { return r.flowsAt(p, up) })
	r.ways[way.name] = append(r.ways[way.name], time.Since(ended))
	r.release(p)
}

// askHeld has all who ask through the line of a branch ask something that is stopped.
func (r *reconnects) askHeld(p *place) {
	for _, a := range r.askersOf(p) {
		a.mu.Lock()
		from := len(a.sent)
		a.mu.Unlock()
		a.ask(2)
		r.now = append(r.now, askedBefore{a, from, from + 2})
	}
}

func (r *reconnects) askersOf(p *place) (some []*asker) {
	for _, a := range r.traffic.askers() {
		if strings.Contains(a.name+" ", " "+p.name+" ") {
			some = append(some, a)
		}
	}
	return some
}

func (r *reconnects) flowsAt(p *place, since time.Time) bool {
	return !slices.ContainsFunc(r.askersOf(p), func(a *asker) bool { return !a.flowsSince(since) })
}

// release lets out what was held of the old call, and waits until both ends have dropped
// and counted it.
func (r *reconnects) release(p *place) {
	r.t.Helper()
	ends := [2]*place{netlab.AToB: p, netlab.BToA: r.hub} // who receives
	before := [2]float64{strays(ends[0]), strays(ends[1])}
	for _, q := range r.now {
		for n := q.from; n < q.to; n++ {
			if !q.a.answered(n) {
				r.asked = append(r.asked, askedBefore{q.a, n, n + 1})
			}
		}
	}
	r.now = nil
	n := r.lines[p].release()
	r.wait("packets of the old call are dropped, and counted", func() bool {
		return strays(ends[0])-before[0] >= float64(n[0]) && strays(ends[1])-before[1] >= float64(n[1])
	})
	for d := range n {
		r.held[d] += n[d]
		r.within += int(strays(ends[d]) - before[d])
	}
}

// strays is how many packets of no call a daemon has dropped so far.
func strays(p *place) (sum float64) {
	_, drops := look(p.get(), false)
	for path, n := range drops {
		if strings.HasPrefix(path, "/gre/drops/") {
			sum += n
		}
	}
	return sum
}

// site is how a site of a daemon stands; the zero status while it does not answer.
func (r *reconnects) site(p *place, name string) bridge.SiteStatus {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var s bridge.Status
	var raw json.RawMessage
	if (bridge.Client{Socket: p.get().Socket}).Get(ctx, "/v1/status", &raw) != nil || json.Unmarshal(raw, &s) != nil {
		return bridge.SiteStatus{}
	}
	for _, one := range s.Sites {
		if one.Name == name {
			return one
		}
	}
	return bridge.SiteStatus{}
}

func (r *reconnects) up(p *place, name string) bool { return r.site(p, name).State == bridge.StateUp }

func (r *reconnects) tunnel(p *place, name string) bridge.Tunnel {
	r.t.Helper()
	var t *bridge.Tunnel
	r.wait(p.name+" is up", func() bool { t = r.site(p, name).Tunnel; return t != nil })
	return *t
}

func (r *reconnects) verdicts() []verdict {
	r.traffic.hush()
	r.sessionsEnd()
	r.ended = time.Now()
	return []verdict{r.linksUp(), r.sessionsWhole(), r.transfersWhole(), r.nothingTwice(), r.nothingOld(),
		r.steady("goroutines", 0, func(v reading) float64 { return v.goroutines }),
		r.steady("descriptors", 0, func(v reading) float64 { return v.descriptors }),
		r.steady("live heap", heapSlack, func(v reading) float64 { return v.heap }),
		r.steady("resident memory", memorySlack, func(v reading) float64 { return v.resident }),
	}
}

// nothingOld wants that no question that was held with an old call was answered in a new
// one, and that the daemons counted what they dropped.
func (r *reconnects) nothingOld() verdict {
	answered, of := 0, 0
	for _, q := range r.asked {
		for n := q.from; n < q.to; n++ {
			of++
			if q.a.answered(n) {
				answered++
			}
		}
	}
	return verdict{"no packet of an old call comes through in a new one, and each is counted", answered == 0 && r.held[0] > 0 && r.held[1] > 0,
		fmt.Sprintf("%d packets towards the callers and %d towards the answerer were held and let out into the next call: %d drops of packets of no call; %d of %d questions that were asked meanwhile were answered",
			r.held[0], r.held[1], r.within, answered, of)}
}

// steady wants that a figure of the daemons that lived on grew no more than it may, from
// the time when all had lived through a hundred calls since answerers were killed for the
// last time: before that pools and histories fill. slack 0: not at all.
func (r *reconnects) steady(what string, slack float64, of func(reading) float64) verdict {
	first := r.steps[0] // before the first one ends, if there are few
	for _, s := range r.steps {
		if s.n <= 2*young && s.n < r.steps[len(r.steps)-1].n {
			first = s
		}
	}
	last := r.steps[len(r.steps)-1]
	v := verdict{what: fmt.Sprintf("%s after reconnect %d and after %d", what, first.n, last.n), ok: true}
	unit, format := 1.0, "%.0f"
	if slack > 0 {
		v.what += fmt.Sprintf(": within %.0f %% or %.2g MiB", mayGrow*100, slack/(1<<20))
		unit, format = 1<<20, "%.2f"
	}
	var list []string
	for i, p := range r.places() {
		was, is := of(first.daemons[i]), of(last.daemons[i])
		short := last.n <= 2*young && slack > 0 // daemons are young, and grow
		killed := p.number == restarted && slack > 0
		if !short && !killed && is-was > math.Max(slack, mayGrow*was*math.Min(slack, 1)) {
			v.ok = false
		}
		list = append(list, fmt.Sprintf("%s "+format+" → "+format, p.name, was/unit, is/unit))
	}
	v.figures = strings.Join(list, ", ")
	if slack > 0 {
		v.figures += fmt.Sprintf(" MiB (b%d was killed again and again)", restarted)
	}
	return v
}

func (r *reconnects) reportReconnects(all []verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d reconnects in %v, seed %d, on %s. b1: %v; b2: %v; b3: %v.\n\n", *again, r.ended.Sub(r.began).Round(time.Second), *seed, machine(), ways[0], ways[1], ways[2])
	b.WriteString(verdicts(all))
	b.WriteString("\n| the call ends by | times | traffic flows in the next: median | at the worst |\n| --- | --- | --- | --- |\n")
	for _, e := range endings {
		if took := slices.Sorted(slices.Values(r.ways[e.name])); len(took) > 0 {
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", e.name, len(took), short(took[len(took)/2]), short(took[len(took)-1]))
		}
	}
	return b.String()
}
