package soak

import (
	"context"
	"strings"
	"syscall"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/internal/netlab/fault"
)

// An ending is a way in which a call between a branch and the hub ends.
type ending struct {
	name  string
	times int // in each round of all of them
	// may says whether it may be how call n ends; nil: any.
	may func(n int) bool
	do  func(r *reconnects, p *place)
	// repeated says that it is done again if the call goes on: a forged reset that came
	// too late for its number, or a command that was lost while we were halted.
	repeated bool
}

// restarted is the branch whose daemon is killed and started again and again; that of the
// hub is so only in the first calls. The others live through all that follows.
const (
	restarted = bridged
	young     = 100
)

var endings = []ending{
	{"`down` and `up` at the caller", 4, nil, func(r *reconnects, p *place) { r.command(p, "hub", "down"); r.command(p, "hub", "up") }, true},
	{"`down` and `up` at the answerer", 4, nil, func(r *reconnects, p *place) { r.command(r.hub, p.name, "down"); r.command(r.hub, p.name, "up") }, true},
	{"control connection reset towards the caller", 3, nil, func(r *reconnects, p *place) { r.reset(p, netlab.AToB) }, true},
	{"control connection reset towards the answerer", 3, nil, func(r *reconnects, p *place) { r.reset(p, netlab.BToA) }, true},
	{"a key of the site changed, and `reload`, at the caller", 2, nil, func(r *reconnects, p *place) { r.reload(p, "hub") }, false},
	{"a key of the site changed, and `reload`, at the answerer", 2, nil, func(r *reconnects, p *place) { r.reload(r.hub, p.name) }, false},
	{"WAN cut until both ends have noticed", 1, nil, (*reconnects).cut, false},
	{"caller's daemon killed (SIGKILL), and started", 2, nil, func(r *reconnects, p *place) { r.kill(p) }, false},
	{"answerer's daemon killed (SIGKILL), and started", 1, func(n int) bool { return n < young }, func(r *reconnects, _ *place) { r.kill(r.hub) }, false},
}

func (r *reconnects) command(p *place, site, what string) {
	r.wait(what+" "+site+" at "+p.name, func() bool { return r.ask(p, site, what) == nil })
}

func (r *reconnects) ask(p *place, site, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var answer any
	return bridge.Client{Socket: p.get().Socket}.Post(ctx, "/v1/sites/"+site+"/"+what, &answer)
}

func (r *reconnects) reset(p *place, d netlab.Direction) {
	if err := r.lines[p].reset(d); err != nil {
		r.t.Error(err)
	}
}

// reload has a site begin anew: with another MTU, or again without.
func (r *reconnects) reload(p *place, site string) {
	const key = "mtu = 1300\n"
	table := "[site." + site + "]\n"
	if strings.Contains(p.config, table+key) {
		p.config = strings.Replace(p.config, table+key, table, 1)
	} else {
		p.config = strings.Replace(p.config, table, table+key, 1)
	}
	p.get().Rewrite(p.config)
	p.get().Signal(syscall.SIGHUP)
}

func (r *reconnects) kill(p *place) {
	p.get().Kill()
	r.start(p)
}

func (r *reconnects) cut(p *place) {
	p.line.Both(fault.Faults{Block: fault.All})
	r.wait("both ends of "+p.name+" notice that the WAN is cut", func() bool {
		return !r.up(p, "hub") && !r.up(r.hub, p.name)
	})
	p.line.Both(fault.Faults{})
}
