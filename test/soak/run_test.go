package soak

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/test/lab"
)

// A run is a world under traffic, and what was seen of it.
type run struct {
	*world
	traffic *traffic
	sampler *sampler
	order   []trouble
	events  []event
	began   time.Time
	ended   time.Time
	bases   []base // as places are
}

// A base is what a daemon took when it was new and warm, beside which it is judged.
type base struct {
	first  reading // of the place's first daemon
	memory reading // of the daemon that runs now
	of     int     // its process; 0: it is not warm yet
	at     time.Time
	last   reading
}

func newRun(t *testing.T) *run {
	t.Helper()
	r := &run{world: newWorld(t), order: append([]trouble{}, troubles...)}
	r.bring()
	r.traffic = r.world.begin(r.mixed())
	r.bases = make([]base, len(r.places()))
	return r
}

// warm is how long a daemon runs until it has all that it needs.
func warm() time.Duration {
	if long() {
		return *lasts / 12
	}
	return time.Second
}

// calm is how long there are no more faults in the end.
func calm() time.Duration {
	if long() {
		return time.Minute
	}
	return 0
}

// warmUp waits until all traffic flows, and daemons are warm.
func (r *run) warmUp() {
	r.t.Helper()
	r.began = time.Now()
	r.sampler = newSampler(r.world, r.traffic, interval(*lasts))
	r.wait("traffic flows", func() bool { return r.flows(r.began) })
	r.pause(warm())
	r.baselines(true)
}

// baselines notes what daemons take that are warm now.
func (r *run) baselines(first bool) {
	for i, p := range r.places() {
		p.mu.Lock()
		age := time.Since(p.began)
		p.mu.Unlock()
		b, pid := &r.bases[i], p.get().Pid()
		if b.of == pid || age < warm() {
			continue
		}
		now := r.leastOf(p)
		b.memory, b.of, b.at = now, pid, time.Now()
		if first {
			b.first = now
		}
	}
}

// leastOf is the least that a daemon takes within a few looks: what is under way at one of
// them, such as the answer to another question, is not at all.
func (r *run) leastOf(p *place) (least reading) {
	least, _ = look(p.get(), true)
	for range 4 {
		r.pause(100 * time.Millisecond)
		now, _ := look(p.get(), true)
		least = reading{lower(least.goroutines, now.goroutines), lower(least.descriptors, now.descriptors),
			lower(least.resident, now.resident), lower(least.heap, now.heap)}
	}
	return least
}

// lower is the lesser of two, of which the first may be none.
func lower(a, b float64) float64 {
	if a < b || b != b {
		return a
	}
	return b
}

// flows reports whether every asker had an answer to a question that was asked at a time
// or later.
func (r *run) flows(at time.Time) bool { return len(r.silent(at)) == 0 }

func (r *run) silent(at time.Time) (names []string) {
	for _, a := range r.traffic.askers() {
		if !a.flowsSince(at) {
			names = append(names, a.name)
		}
	}
	return names
}

// turn is how often somebody who waits looks. Waiting is measured in turns and not by a
// clock, since we may be halted.
const turn = 20 * time.Millisecond

func (r *run) pause(d time.Duration) {
	for range d / turn {
		time.Sleep(turn)
	}
}

// waits is how often somebody looks until it is in vain.
func waits() int {
	if long() || *again > young {
		return int(3 * time.Minute / turn)
	}
	return int(lab.Patience / turn / 2)
}

// wait waits until a condition is true.
func (r *run) wait(what string, condition func() bool) {
	r.t.Helper()
	began := time.Now()
	for range waits() {
		if condition() {
			return
		}
		time.Sleep(turn)
		for _, p := range r.places() {
			select {
			case <-p.get().Ended():
				if r.t.Failed() {
					return
				}
				r.t.Fatalf("%s: the daemon ended by itself", p.name)
			default:
			}
		}
	}
	for _, p := range r.places() {
		for _, s := range r.sites(p) {
			r.t.Logf("%s: %s is %s: %s", p.name, s.Name, s.State, s.Reason)
		}
	}
	r.t.Fatalf("in vain: %s; silent: %v", what, r.silent(began))
}

func (r *run) sites(p *place) []bridge.SiteStatus {
	s, err := p.get().Status()
	if err != nil {
		r.t.Logf("%s: %v", p.name, err)
	}
	return s.Sites
}

// settle ends the faults and waits for what is still under way.
func (r *run) settle() {
	r.t.Helper()
	r.pause(calm())
	r.baselines(false)
	r.wait("traffic flows", func() bool { return r.flows(time.Now().Add(-time.Second)) })
	var all sync.WaitGroup
	for i, p := range r.places() {
		all.Go(func() { r.bases[i].last = r.settled(p, r.bases[i].first) })
	}
	all.Wait()
	r.sampler.end()
	r.ended = time.Now()
	r.traffic.hush()
	r.sessionsEnd()
}

// sessionsEnd waits until all that was said by TCP has come back.
func (r *run) sessionsEnd() {
	for range waits() { // sessions that a long silence has made slow
		whole := true
		for _, s := range r.traffic.sessions {
			whole = whole && (s.failed() != nil || s.whole())
		}
		if whole {
			break
		}
		time.Sleep(turn)
	}
}

// settled waits until a daemon has no more goroutines and descriptors than it had, as long
// as that makes sense.
func (r *run) settled(p *place, was reading) (is reading) {
	for range 60 {
		is = r.leastOf(p)
		if is.goroutines <= was.goroutines && is.descriptors <= was.descriptors {
			break
		}
	}
	return is
}

func (r *run) String() string {
	return fmt.Sprintf("%v with %d faults, seed %d", r.ended.Sub(r.began).Round(time.Second), len(r.events), *seed)
}
