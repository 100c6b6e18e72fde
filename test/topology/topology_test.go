package topology

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/ipx"
	"sitebridge/ipx/router"
	"sitebridge/test/lab"
)

const (
	// patience is how long tables may take to be right: a third more than pacing
	// makes of 2000 services would do on a quiet machine.
	patience = 45 * time.Second
	// tooBig is more memory than any daemon may take, in KiB.
	tooBig = 96 << 10
)

// A run is the test with its report.
type run struct {
	*world
	began  time.Time
	report strings.Builder
}

func (r *run) printf(format string, args ...any) { fmt.Fprintf(&r.report, format, args...) }

// TestTopology: whatever goes and comes, each table is in the end exactly what there
// is, and those who are not concerned hear of nothing that concerns them.
func TestTopology(t *testing.T) {
	r := &run{world: newWorld(t), began: time.Now()}
	defer func() { t.Log("\n" + r.report.String()) }()
	b1, b2, b3, b4 := r.branches[0], r.branches[1], r.branches[2], r.branches[3]
	for _, p := range r.branches {
		r.hub.daemon.WaitUp(p.name)
		p.daemon.WaitUp(r.hub.name)
	}
	r.hub.daemon.WaitUp(games)
	r.bridged()
	r.sizes("idle")

	r.announced()
	r.sizes("full")

	r.withdrawn(b1)
	r.flap("b1, rip-sap", b1, b2, b4)
	r.flap("b2, triggered", b2, b1, b4)
	r.flutter(b2)
	r.static(b3)
	r.bridged()
	r.quiet()
	r.sizes("after flapping")
	r.printf("all of it: %v\n", time.Since(r.began).Round(100*time.Millisecond))
}

// A watch waits until somebody knows exactly what he should.
type watch struct {
	p     *place
	wire  bool // what his LAN was told, and not his own tables
	wants []*place
}

// settled waits until all watches are right, and returns how long each took from
// began on. What is not right in the end fails the test.
func (r *run) settled(what string, began time.Time, watches ...watch) (took []time.Duration) {
	r.t.Helper()
	took = make([]time.Duration, len(watches))
	var all sync.WaitGroup
	for i, v := range watches {
		all.Go(func() {
			var wrong []string
			for end := began.Add(patience); ; time.Sleep(150 * time.Millisecond) {
				if wrong = r.wrong(v); len(wrong) == 0 {
					took[i] = time.Since(began)
					return
				}
				if time.Now().After(end) {
					break
				}
			}
			r.t.Errorf("%s: %s (on its LAN: %v): %d differences:\n%s", what, v.p.name, v.wire, len(wrong), strings.Join(wrong[:min(len(wrong), 10)], "\n"))
		})
	}
	all.Wait()
	if r.t.Failed() {
		r.t.FailNow()
	}
	return took
}

// wrong lists what is not as it should be. The tables are asked for only if their
// sizes are right.
func (r *run) wrong(v watch) []string {
	s, err := v.p.status()
	if err != nil {
		return []string{err.Error()}
	}
	want := r.knows(v.p, v.wants...)
	if v.wire {
		return want.told(v.p).untold(v.p.neighbor)
	}
	routes, services := sum(s.IPX.Networks), sum(s.IPX.Services)
	if routes != len(want.routes) || services != len(want.services) {
		return []string{fmt.Sprintf("%d networks and %d services, want %d and %d", routes, services, len(want.routes), len(want.services))}
	}
	got, err := v.p.tables()
	if err != nil {
		return []string{err.Error()}
	}
	return want.differences(got)
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// announced: all branches come to know all. The static one asks when it is told to,
// and so does the hub for it.
func (r *run) announced() {
	b1, b2, b3, b4 := r.branches[0], r.branches[1], r.branches[2], r.branches[3]
	for _, p := range r.branches {
		if _, err := p.status(); err != nil { // how far its links are, before anything is told
			r.t.Fatal(err)
		}
	}
	began := time.Now()
	var telling sync.WaitGroup
	for _, p := range r.branches {
		p.offer = offerOf(p.number)
		telling.Go(func() { p.neighbor.announce(p.offer) })
	}
	telling.Wait()
	r.settled("announced", began, watch{p: b3})
	r.update(r.hub, b3)
	all := r.places()
	took := r.settled("announced", began, watch{p: r.hub, wants: all}, watch{p: b1, wants: all}, watch{p: b2, wants: all}, watch{p: b4, wants: all}, watch{p: r.hub, wire: true, wants: all})
	r.printf("cold start, from the first packet of the announcers: hub %v, b1 %v, b2 %v, b4 %v, hub's LAN %v\n", rounded(took)...)
	r.update(b3, r.hub)
	r.settled("updated", time.Now(), watch{p: b3, wants: all})
	r.printed("after the start", all)
}

// update has a static place ask its peer once, as its operator does.
func (r *run) update(p, peer *place) {
	r.t.Helper()
	began := time.Now()
	out, errs, code := p.daemon.Run("ipx", "update", peer.name)
	if code != 0 {
		r.t.Fatalf("%s: ipx update %s: exit status %d\n%s", p.name, peer.name, code, errs)
	}
	last := strings.Split(strings.TrimSpace(out), "\n")
	r.printf("auto-static: %s asks %s: %v: %s\n", p.name, peer.name, time.Since(began).Round(100*time.Millisecond), last[max(0, len(last)-2)])
}

// printed compares what an operator sees at the hub.
func (r *run) printed(when string, there []*place) {
	r.t.Helper()
	got := bridge.IPXTables{Routes: printed[router.RouteInfo](r.hub, "routes"), Services: printed[router.ServiceInfo](r.hub, "services")}
	if wrong := r.knows(r.hub, there...).differences(got); len(wrong) > 0 {
		r.t.Fatalf("%s: the hub prints %d differences:\n%s", when, len(wrong), strings.Join(wrong[:min(len(wrong), 10)], "\n"))
	}
}

// withdrawn: a few networks and services of one branch go, and others come.
func (r *run) withdrawn(p *place) {
	some := p.offer.some(0, 20)
	p.offer = p.offer.some(20, perBranch)
	began := time.Now()
	p.neighbor.announce(some.gone())
	all := r.places()
	took := r.settled("taken back", began, r.concerned(p, all)...)
	r.printf("20 networks and services taken back behind %s: gone everywhere after %v\n", p.name, longest(took))
}

// concerned are all who learn of what is behind p: those on its side know all, the
// rest what there is. The static branch is not told.
func (r *run) concerned(p *place, there []*place) (watches []watch) {
	for _, o := range r.places() {
		if o != p && o.exchange != "auto-static" {
			watches = append(watches, watch{p: o, wants: there})
		}
	}
	return watches
}

// flap cuts a branch off until all have forgotten it, and mends it. far is the
// branch whose times stand for the others.
func (r *run) flap(name string, p, far, other *place) {
	before := r.hub.sent(other.name)
	since := r.cutOff(p)
	there := r.without(p)
	took := r.settled(name+" lost", since, watch{p: r.hub, wants: there}, watch{p: far, wants: there}, watch{p: other, wants: there}, watch{p: r.hub, wire: true, wants: there}, watch{p: p})
	r.printf("%s, lost (after %v of hold): hub %v, %s %v, %s %v, hub's LAN %v; the others gone at the branch %v\n",
		name, hold, (took[0] - hold).Round(10*time.Millisecond), far.name, (took[1] - hold).Round(10*time.Millisecond), other.name, (took[2] - hold).Round(10*time.Millisecond), (took[3] - hold).Round(10*time.Millisecond), took[4].Round(10*time.Millisecond))
	r.printed(name+" lost", there)
	lost := r.hub.sent(other.name) - before

	r.mend(p)
	up := r.hub.daemon.WaitUp(p.name).Since
	all := r.places()
	took = r.settled(name+" back", up, watch{p: r.hub, wants: all}, watch{p: far, wants: all}, watch{p: other, wants: all}, watch{p: r.hub, wire: true, wants: all}, watch{p: p, wants: all})
	r.printf("%s, back: hub %v, %s %v, %s %v, hub's LAN %v; the branch itself %v; packets that %s was sent: %d for the loss, %d for the return\n",
		append(append([]any{name}, interleave(rounded(took), r.hub.name, far.name, other.name)...), other.name, lost, r.hub.sent(other.name)-before-lost)...)
	r.printed(name+" back", all)
}

func interleave(took []any, _, far, other string) []any {
	return []any{took[0], far, took[1], other, took[2], took[3], took[4]}
}

// cutOff cuts a branch off, and returns when the hub noticed.
func (r *run) cutOff(p *place) (since time.Time) {
	began := time.Now()
	r.cut(p)
	s := r.hub.daemon.WaitSite(p.name, "lost", func(s bridge.SiteStatus) bool { return s.State != bridge.StateUp })
	p.daemon.WaitSite(r.hub.name, "lost", func(s bridge.SiteStatus) bool { return s.State != bridge.StateUp })
	r.printf("%s cut off: noticed after %v\n", p.name, s.Since.Sub(began).Round(10*time.Millisecond))
	return s.Since
}

// without are all places but one.
func (r *run) without(p *place) (there []*place) {
	for _, o := range r.places() {
		if o != p {
			there = append(there, o)
		}
	}
	return there
}

// flutter loses a branch while it is still telling what it knows, takes some of its
// networks while it is away, and mends it again before its hold is over.
func (r *run) flutter(p *place) {
	r.cutOff(p)
	r.mend(p)
	r.hub.daemon.WaitUp(p.name)
	time.Sleep(1500 * time.Millisecond) // a third of its services has come
	lost := r.cutOff(p)
	p.neighbor.announce(p.offer.some(0, 40).gone())
	p.offer = p.offer.some(40, len(p.offer.routes))
	r.mend(p)
	up := r.hub.daemon.WaitUp(p.name).Since
	took := r.settled("fluttered", up, append(r.concerned(p, r.places()), watch{p: p, wants: r.places()})...)
	r.printf("%s lost while it was telling, back %v later: all right after %v\n", p.name, up.Sub(lost).Round(100*time.Millisecond), longest(took))
}

// static: the branch that learns nothing by itself still has what it was told once,
// and tells its LAN of it.
func (r *run) static(p *place) {
	for _, o := range r.branches { // what has gone since
		o.offer = offerOf(o.number)
	}
	r.settled("static", time.Now(), watch{p: p, wants: r.places()}, watch{p: p, wire: true, wants: r.places()})
}

// bridged: the segment beside works, whatever happens to the routed links.
func (r *run) bridged() {
	r.t.Helper()
	w := &lab.World{Lab: r.Lab, T: r.t, Dir: r.dir}
	near, far := w.Station(r.hub.host, "lan", ipx.Ethernet8023), w.Station(r.branches[3].host, "lan", ipx.Ethernet8023)
	if _, err := near.Ping(w.Patiently(), far.Addr(), far.Addr().Node, 500); err != nil {
		r.t.Fatalf("ping in the segment: %v", err)
	}
}

// quiet: nobody was told of his own networks, nothing was dropped, no clash was seen,
// and the links that nobody touched are those of the beginning.
func (r *run) quiet() {
	for _, p := range r.places() {
		n := p.neighbor
		n.mu.Lock()
		if len(n.echoes) > 0 {
			r.t.Errorf("%s: its LAN was told of its own, %d times: %v", p.name, len(n.echoes), n.echoes[:min(len(n.echoes), 10)])
		}
		n.mu.Unlock()
		s, err := p.status()
		if err != nil {
			r.t.Fatal(err)
		}
		if len(s.Clashes) > 0 {
			r.t.Errorf("%s: clashes %+v", p.name, s.Clashes)
		}
		for _, site := range s.Sites {
			touched := site.Name == "b1" || site.Name == "b2" || p == r.branches[0] || p == r.branches[1]
			if !touched && site.Ups != 1 {
				r.t.Errorf("%s: site %s came up %d times, want once", p.name, site.Name, site.Ups)
			}
			if site.IPX == nil || site.IPX.Stats == nil {
				continue
			}
			if d := site.IPX.Stats.Drops; d.RateLimit+d.QueueFull+d.SendFailed > 0 {
				r.t.Errorf("%s: site %s: drops %+v", p.name, site.Name, d)
			}
		}
	}
}

// sizes notes what each daemon holds in memory.
func (r *run) sizes(when string) {
	r.printf("memory, %s (MiB resident, and the most so far):", when)
	for _, p := range r.places() {
		now, peak := p.memory()
		r.printf(" %s %.1f (%.1f)", p.name, float64(now)/1024, float64(peak)/1024)
		if peak > tooBig {
			r.t.Errorf("%s, %s: %d KiB, want at most %d", p.name, when, peak, tooBig)
		}
	}
	r.printf("\n")
}

func rounded(took []time.Duration) (list []any) {
	for _, d := range took {
		list = append(list, d.Round(10*time.Millisecond))
	}
	return list
}

func longest(took []time.Duration) (d time.Duration) {
	for _, t := range took {
		d = max(d, t)
	}
	return d.Round(10 * time.Millisecond)
}
