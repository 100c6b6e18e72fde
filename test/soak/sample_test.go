package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/test/lab"
)

// A reading is what one daemon took of its host at a moment. NaN: it did not answer.
type reading struct {
	goroutines, descriptors, resident, heap float64
}

var nothing = reading{math.NaN(), math.NaN(), math.NaN(), math.NaN()}

// A sample is all that is drawn of an interval.
type sample struct {
	at       time.Time // its end
	halted   bool      // we stood still meanwhile: what was late says nothing
	daemons  []reading // as places are
	udp, ipx latency
	drops    map[string]float64 // by layer and reason
}

// A latency is what askers found out in an interval.
type latency struct {
	p50, p99 time.Duration // 0: no answer
	missing  int
	of       int
}

// A sampler looks at everything again and again.
type sampler struct {
	w       *world
	traffic *traffic
	every   time.Duration
	stop    chan struct{}
	ended   sync.WaitGroup
	dropped []map[string]float64 // by place: what its counters were

	mu      sync.Mutex // guards what follows
	samples []sample
	halts   []span
}

// A span is from one time to another.
type span struct{ from, to time.Time }

func (s span) overlaps(o span) bool { return s.from.Before(o.to) && o.from.Before(s.to) }

// interval is how long one is: a few hundred are drawn.
func interval(total time.Duration) time.Duration { return max(total/360, 500*time.Millisecond) }

func newSampler(w *world, tr *traffic, every time.Duration) *sampler {
	s := &sampler{w: w, traffic: tr, every: every, stop: make(chan struct{})}
	for range w.places() {
		s.dropped = append(s.dropped, map[string]float64{})
	}
	s.ended.Go(s.run)
	w.t.Cleanup(s.end)
	return s
}

func (s *sampler) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.ended.Wait()
}

// halt is by how much a look may be late until we say that we were halted.
const halt = time.Second

// run takes a sample each interval, and looks in between whether it was halted.
func (s *sampler) run() {
	const look = 100 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, due, halted := time.Now(), time.Now().Add(s.every), false
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(last) > look+halt {
			halted = true
			s.mu.Lock()
			s.halts = append(s.halts, span{last, now})
			s.mu.Unlock()
		}
		last = now
		if now.Before(due) {
			continue
		}
		one := s.take(now)
		one.halted = halted
		s.mu.Lock()
		s.samples = append(s.samples, one)
		s.mu.Unlock()
		halted, due, last = false, now.Add(s.every), time.Now()
	}
}

func (s *sampler) take(now time.Time) sample {
	one := sample{at: now, drops: map[string]float64{}, daemons: make([]reading, len(s.w.places()))}
	one.udp, one.ipx = latencies(s.traffic.udp, now), latencies(s.traffic.ipx, now)
	var all sync.WaitGroup
	var mu sync.Mutex // guards one.drops
	for i, p := range s.w.places() {
		all.Go(func() {
			var drops map[string]float64
			one.daemons[i], drops = look(p.get(), false)
			mu.Lock()
			defer mu.Unlock()
			for path, n := range drops {
				more := n - s.dropped[i][path]
				if more < 0 { // another call, or another daemon
					more = n
				}
				s.dropped[i][path] = n
				if more > 0 {
					one.drops[label(path)] += more
				}
			}
		})
	}
	all.Wait()
	return one
}

func latencies(all []*asker, now time.Time) (l latency) {
	var round []time.Duration
	for _, a := range all {
		some, missing, of := a.take(now)
		round, l.missing, l.of = append(round, some...), l.missing+missing, l.of+of
	}
	if len(round) > 0 {
		slices.Sort(round)
		l.p50, l.p99 = round[len(round)/2], round[len(round)*99/100]
	}
	return l
}

// patience is how long a daemon that may be frozen is waited for.
const patience = time.Second

// look asks a daemon what it takes, and what it has dropped. collected says that it
// shall throw away first what nobody needs any more.
func look(d *lab.Daemon, collected bool) (r reading, drops map[string]float64) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := bridge.Client{Socket: d.Socket}
	r = nothing
	path := "/debug/pprof/heap?debug=1"
	if collected {
		path += "&gc=1"
	}
	if text, err := client.Stream(ctx, path); err == nil {
		defer text.Close()
		for lines := bufio.NewScanner(text); lines.Scan(); {
			if n, ok := strings.CutPrefix(lines.Text(), "# HeapAlloc = "); ok {
				r.heap, _ = strconv.ParseFloat(n, 64)
			}
		}
	}
	var status struct {
		Process bridge.ProcessStatus `json:"process"`
	}
	var raw json.RawMessage
	if client.Get(ctx, "/v1/status", &raw) != nil || json.Unmarshal(raw, &status) != nil {
		return r, nil
	}
	r.goroutines, r.descriptors, r.resident = float64(status.Process.Goroutines), float64(status.Process.Descriptors), float64(status.Process.Resident)
	var all any
	drops = map[string]float64{}
	if json.Unmarshal(raw, &all) == nil {
		collectDrops(all, "", false, drops)
	}
	return r, drops
}

// collectDrops finds every counter below a key "drops" of a status, by its path. What a
// cipher counts is drops but for what it has done.
func collectDrops(v any, path string, inside bool, into map[string]float64) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			drops := inside || key == "drops" || key == "dropped" || key == "packets" && strings.HasSuffix(path, "/encryption")
			collectDrops(value, path+"/"+key, drops, into)
		}
	case []any:
		for i, value := range v {
			collectDrops(value, fmt.Sprintf("%s/%d", path, i), inside, into)
		}
	case float64:
		if inside && !strings.HasSuffix(path, "/packets/opened") && !strings.HasSuffix(path, "/packets/sealed") {
			into[path] = v
		}
	}
}

// label is what a drop is called in the drawing: the layer and the reason.
func label(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	reason := parts[len(parts)-1]
	for i := len(parts) - 2; i >= 0; i-- {
		switch parts[i] {
		case "drops", "dropped", "packets", "stats":
			continue
		}
		if _, err := strconv.Atoi(parts[i]); err == nil {
			continue
		}
		return strings.ReplaceAll(strings.TrimSuffix(parts[i], "s"), "_", " ") + ": " + strings.ReplaceAll(reason, "_", " ")
	}
	return reason
}

func TestDrops(t *testing.T) {
	var v any
	text := `{"gre":{"received":9,"drops":{"unknown_call":3}},"sites":[{"ip":{"stats":{"packets_in":4,"drops":{"source":1}}},
		"tunnel":{"ppp":{"encryption":{"packets":{"opened":8,"sealed":8,"damaged":2}}}}}]}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	collectDrops(v, "", false, got)
	byLabel := map[string]float64{}
	for path, n := range got {
		byLabel[label(path)] = n
	}
	want := map[string]float64{"gre: unknown call": 3, "ip: source": 1, "encryption: damaged": 2}
	if fmt.Sprint(byLabel) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", byLabel, want)
	}
}
