package topology

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
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
	r.lost(b1, b2, b4)
	r.back(b1, b2, b4)
	r.lost(b2, b1, b4)
	r.flutter(b2)
	r.static(b3)
	r.bridged()
	r.quiet()
	r.sizes("after flapping")
	r.printf("all of it: %v\n", time.Since(r.began).Round(100*time.Millisecond))
	for _, p := range r.places() { // together, and not one after the other
		p.daemon.Signal(syscall.SIGTERM)
	}
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
			for end := began.Add(patience); ; time.Sleep(200 * time.Millisecond) {
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

// wrong lists what is not as it should be. What is known is asked for, and compared, only
// if there is as much as there should be. What then differs may be for ticks that are
// new: all are asked.
func (r *run) wrong(v watch) (list []string) {
	s, err := v.p.status()
	if err != nil {
		return []string{err.Error()}
	}
	// New ticks wait for full announcements but on triggered links.
	want := r.knows(v.p, v.wire || v.p.exchange == "rip-sap" || v.p.exchange == "auto-static", v.wants...)
	routes, services := sum(s.IPX.Networks), sum(s.IPX.Services)
	if v.wire {
		want = want.told(v.p)
		routes, services = v.p.neighbor.sizes()
	}
	if routes != len(want.routes) || services != len(want.services) {
		return []string{fmt.Sprintf("%d networks and %d services, want %d and %d", routes, services, len(want.routes), len(want.services))}
	}
	if v.wire {
		list = want.untold(v.p.neighbor)
	} else if got, err := v.p.tables(); err != nil {
		return []string{err.Error()}
	} else {
		list = want.differences(got)
	}
	if len(list) > 0 {
		for _, p := range r.places() {
			p.status()
		}
	}
	return list
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
	r.settled("announced", began, watch{p: r.hub, wants: all})
	var asking sync.WaitGroup
	asking.Go(func() { r.update(b3, r.hub) })
	took := r.settled("announced", began, watch{p: r.hub, wants: all}, watch{p: b1, wants: all}, watch{p: b2, wants: all}, watch{p: b4, wants: all}, watch{p: r.hub, wire: true, wants: all})
	asking.Wait()
	r.printf("cold start, from the first packet of the announcers: hub %v, b1 %v, b2 %v, b4 %v, hub's LAN %v\n",
		rounded(took[0]), rounded(took[1]), rounded(took[2]), rounded(took[3]), rounded(took[4]))
	r.settled("updated", time.Now(), watch{p: b3, wants: all})
	r.printed("after the start", all)
}

// update has a static place ask its peer once, as its operator does.
func (r *run) update(p, peer *place) {
	r.t.Helper()
	began := time.Now()
	out, errs, code := p.daemon.Run("ipx", "update", peer.name)
	if code != 0 {
		r.t.Errorf("%s: ipx update %s: exit status %d\n%s", p.name, peer.name, code, errs)
	}
	last := strings.Split(strings.TrimSpace(out), "\n")
	r.printf("auto-static: %s asks %s: %v: %s\n", p.name, peer.name, time.Since(began).Round(100*time.Millisecond), last[max(0, len(last)-2)])
}

// printed compares what an operator sees at the hub.
func (r *run) printed(when string, there []*place) {
	r.t.Helper()
	for _, p := range r.places() {
		p.status()
	}
	got := bridge.IPXTables{Routes: printed[router.RouteInfo](r.hub, "routes"), Services: printed[router.ServiceInfo](r.hub, "services")}
	if wrong := r.knows(r.hub, false, there...).differences(got); len(wrong) > 0 {
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
	r.printf("20 networks and services taken back behind %s: gone everywhere after %v\n", p.name, rounded(slices.Max(took)))
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

// lost cuts a branch off until all have forgotten it.
func (r *run) lost(p, far, other *place) {
	before := r.hub.sent(other.name)
	over := r.cutOff(p).Add(hold)
	there := r.without(p)
	watches := []watch{{p: r.hub, wants: there}, {p: far, wants: there}, {p: other, wants: there}, {p: p}}
	if p.exchange == "rip-sap" { // a LAN is told of any loss in the same way, and slowly
		watches = append(watches, watch{p: r.hub, wire: true, wants: there})
	}
	took := r.settled(p.name+" lost", over, watches...)
	r.printf("%s (%s) lost, from the end of hold: gone at the hub %v, %s %v, %s %v; all others gone at %s %v; told everywhere %v; %d packets to %s\n",
		p.name, p.exchange, rounded(took[0]), far.name, rounded(took[1]), other.name, rounded(took[2]), p.name, rounded(took[3]), rounded(slices.Max(took)), r.hub.sent(other.name)-before, other.name)
	r.printed(p.name+" lost", there)
}

// back mends it until all know it again.
func (r *run) back(p, far, other *place) {
	before := r.hub.sent(other.name)
	r.mend(p)
	up := r.hub.daemon.WaitUp(p.name).Since
	all := r.places()
	took := r.settled(p.name+" back", up,
		watch{p: r.hub, wants: all}, watch{p: far, wants: all}, watch{p: other, wants: all}, watch{p: r.hub, wire: true, wants: all}, watch{p: p, wants: all})
	r.printf("%s (%s) back, from tunnel up: known at the hub %v, %s %v, %s %v, on the hub's LAN %v; all others known at %s %v; %d packets to %s\n",
		p.name, p.exchange, rounded(took[0]), far.name, rounded(took[1]), other.name, rounded(took[2]), rounded(took[3]), p.name, rounded(took[4]), r.hub.sent(other.name)-before, other.name)
	r.printed(p.name+" back", all)
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

// flutter mends a branch that was lost, and cuts it off again when the others have all
// of it but it has a third of them. While it is away some of its networks go; and it is
// back before its hold is over.
func (r *run) flutter(p *place) {
	all := r.places()
	r.mend(p)
	up := r.hub.daemon.WaitUp(p.name).Since
	took := r.settled(p.name+" back", up, append(r.concerned(p, all), watch{p: r.hub, wire: true, wants: all})...)
	r.printf("%s (%s) back, from tunnel up: known at the hub %v, everywhere %v\n", p.name, p.exchange, rounded(took[0]), rounded(slices.Max(took)))
	lost := r.cutOff(p)
	p.neighbor.announce(p.offer.some(0, 40).gone())
	p.offer = p.offer.some(40, len(p.offer.routes))
	r.mend(p)
	up = r.hub.daemon.WaitUp(p.name).Since
	took = r.settled(p.name+" fluttered", up, append(r.concerned(p, all), watch{p: r.hub, wire: true, wants: all}, watch{p: p, wants: all})...)
	r.printf("%s lost while it was told, 40 of its networks and services taken back meanwhile, up again %v after it was lost: right at the hub %v, everywhere %v\n",
		p.name, rounded(up.Sub(lost)), rounded(took[0]), rounded(slices.Max(took)))
	r.printed(p.name+" fluttered", all)
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

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
