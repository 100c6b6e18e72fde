package soak

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"sitebridge/internal/netlab/fault"
)

// A trouble is one kind of fault.
type trouble struct {
	name        string
	least, most time.Duration // how long it lasts in a long run
	// at says whether it may happen to a place now; share is how much of the run is over.
	at    func(p *place, share float64) bool
	begin func(r *run, p *place, chance *rand.Rand)
	end   func(r *run, p *place)
}

func anywhere(*place, float64) bool   { return true }
func branch(p *place, _ float64) bool { return p.number > 0 }

// bad is a trouble of the line between a branch and the hub.
func bad(name string, least, most time.Duration, f fault.Faults) trouble {
	return trouble{name, least, most, branch,
		func(_ *run, p *place, _ *rand.Rand) { p.line.Both(f) },
		func(_ *run, p *place) { p.line.Both(fault.Faults{}) }}
}

// troubles are all kinds. The hub is killed only early, and the first branch never, so
// that there are daemons that live through hours of the others.
var troubles = []trouble{
	bad("WAN cut", time.Second, 20*time.Second, fault.Faults{Block: fault.All}),
	bad("WAN loses", 5*time.Second, 20*time.Second, fault.Faults{Loss: 0.03, Burst: fault.Burst{Begin: 0.005, End: 0.3}}),
	bad("WAN late", 5*time.Second, 20*time.Second, fault.Faults{Delay: 60 * time.Millisecond, Jitter: 30 * time.Millisecond}),
	bad("WAN reorders, repeats", 5*time.Second, 20*time.Second,
		fault.Faults{Delay: 5 * time.Millisecond, Reorder: 0.05, Late: 20 * time.Millisecond, Duplicate: 0.05}),
	bad("WAN damages", 5*time.Second, 20*time.Second, fault.Faults{Corrupt: 0.02}),
	{"LAN down", time.Second, 10 * time.Second, anywhere,
		func(_ *run, p *place, _ *rand.Rand) { p.site.Down("lan") },
		func(_ *run, p *place) { p.site.Up("lan") }},
	{"daemon killed", 0, 5 * time.Second,
		func(p *place, share float64) bool {
			return p.number > 1 && share < 0.75 || p.number == 0 && share < 0.25 || p.number == 1 && !long()
		},
		func(_ *run, p *place, _ *rand.Rand) { p.get().Kill() },
		func(r *run, p *place) { r.start(p) }},
	{"daemon frozen", time.Second, 15 * time.Second, anywhere,
		func(_ *run, p *place, _ *rand.Rand) { p.get().Signal(syscall.SIGSTOP) },
		func(_ *run, p *place) { p.get().Signal(syscall.SIGCONT) }},
	{"key of a site reloaded", time.Second, 5 * time.Second, anywhere,
		func(_ *run, p *place, _ *rand.Rand) {
			p.get().Rewrite(strings.ReplaceAll(p.config, "transport = \"udp\"", "mtu = 1300\ntransport = \"udp\""))
			p.get().Signal(syscall.SIGHUP)
		},
		func(_ *run, p *place) { p.get().Rewrite(p.config); p.get().Signal(syscall.SIGHUP) }},
	{"routes deleted", 0, time.Second, branch,
		func(_ *run, p *place, _ *rand.Rand) {
			p.site.Command("ip", "route", "del", "10.0.0.0/8", "proto", "173").Run() // it may be away already
			p.site.Command("ip", "route", "del", "unreachable", "10.0.0.0/8", "proto", "172").Run()
		},
		func(*run, *place) {}},
	{"TUN deleted", 0, time.Second, branch,
		func(_ *run, p *place, _ *rand.Rand) { p.site.Command("ip", "link", "del", "sb-hub").Run() },
		func(*run, *place) {}},
	{"down, and up", 0, 5 * time.Second, branch,
		func(_ *run, p *place, _ *rand.Rand) { p.get().Run("down", "hub") },
		func(_ *run, p *place) { p.get().Run("up", "hub") }},
}

// An event is a fault that has happened.
type event struct {
	kind   string
	place  int // as places are
	began  time.Time
	healed time.Time
	flows  time.Time // all traffic flows again
}

func (e event) span() span { return span{e.began, e.flows} }

// faults has faults, one behind the other, until so much time of the run is over.
func (r *run) faults(total time.Duration) {
	r.t.Helper()
	chance := rand.New(rand.NewPCG(*seed, 0))
	for i := 0; time.Since(r.began) < total; {
		if i%len(troubles) == 0 { // each kind once, and then each once again
			chance.Shuffle(len(troubles), func(i, j int) { r.order[i], r.order[j] = r.order[j], r.order[i] })
		}
		kind := r.order[i%len(troubles)]
		i++
		at := chance.IntN(len(r.places()))
		p := r.places()[at]
		if !kind.at(p, float64(time.Since(r.began))/float64(total)) {
			at = 2 + chance.IntN(branches-1)
			p = r.places()[at]
			if !kind.at(p, float64(time.Since(r.began))/float64(total)) {
				continue
			}
		}
		r.one(kind, at, chance)
		r.baselines(false)
		r.pause(r.scaled(2*time.Second, 15*time.Second, chance))
	}
}

// scaled draws a time, which is a short one in a short run.
func (r *run) scaled(least, most time.Duration, chance *rand.Rand) time.Duration {
	d := least + time.Duration(chance.Int64N(int64(most-least)+1))
	if !long() {
		d /= 20
	}
	return d
}

// one has one fault at one place, and waits until it is mended.
func (r *run) one(kind trouble, at int, chance *rand.Rand) {
	r.t.Helper()
	p := r.places()[at]
	e := event{kind: kind.name, place: at, began: time.Now()}
	kind.begin(r, p, chance)
	r.pause(r.scaled(kind.least, kind.most, chance))
	e.healed = time.Now()
	kind.end(r, p)
	r.wait("after "+kind.name+" at "+p.name+": traffic flows", func() bool { return r.flows(e.healed) })
	e.flows = time.Now()
	r.events = append(r.events, e)
}
