package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/ipx"
	"sitebridge/ipx/station"
	"sitebridge/test/lab"
)

// A trial is two sites whose hosts talk by UDP, TCP and IPX while something happens to
// the daemons. Site b calls site a; it is the user's.
type trial struct {
	*lab.World
	t       *testing.T
	conf    lab.Config
	a, b    *lab.Daemon
	line    *netlab.Relay // between the sites
	probe   *probe
	session *lab.Echo
	near    *station.Station // behind b
	far     *station.Station // behind a
	clean   map[*netlab.Namespace]state
	steady  map[*netlab.Namespace]bridge.ProcessStatus
	silent  bool // nothing is said by TCP while the fault lasts
	row     row  // of the fault that happens
	rows    []row
	began   time.Time // the fault
	healed  time.Time // its end
}

// user is what a new user has: certificates, and encryption required. The short run asks
// a silent peer each second.
func user() (c lab.Config) {
	if *long {
		c.Site = "# echo as it is by default"
	}
	return c.Certified()
}

// begin brings two sites up, with traffic.
func begin(t *testing.T, conf lab.Config) *trial {
	t.Helper()
	tr := lay(t, conf)
	tr.a, tr.b = tr.Start(tr.SiteA, conf.A()), tr.Start(tr.SiteB, conf.B())
	tr.traffic()
	return tr
}

// lay makes the wires of a trial.
func lay(t *testing.T, conf lab.Config) *trial {
	t.Helper()
	tr := &trial{World: lab.Unjudged(t), t: t, conf: conf,
		clean: map[*netlab.Namespace]state{}, steady: map[*netlab.Namespace]bridge.ProcessStatus{}}
	tr.line = tr.BadLine(*seed)
	for _, ns := range []*netlab.Namespace{tr.SiteA, tr.SiteB} {
		tr.clean[ns] = stateOf(tr.World, ns)
	}
	return tr
}

// traffic waits for the tunnel, and begins to use it.
func (tr *trial) traffic() {
	tr.t.Helper()
	tr.a.WaitUp("b")
	tr.b.WaitUp("a")
	tr.probe = startProbe(tr.World, tr.HostB, tr.HostA, lab.AddrA+":9000")
	tr.flows(time.Now())
	tr.session = tr.Echo(tr.HostB, tr.HostA, lab.AddrA)
	tr.session.Say()
	tr.session.Hear()
	tr.near, tr.far = tr.Station(tr.HostB, "lan", ipx.Ethernet8022), tr.Station(tr.HostA, "lan", ipx.Ethernet8022)
	if _, err := tr.far.FindRoute(tr.Patiently(), 0x20); err != nil {
		tr.t.Fatal(err)
	}
	tr.ipxFlows()
	for _, d := range []*lab.Daemon{tr.a, tr.b} {
		tr.steady[d.NS] = tr.process(d)
	}
}

// flows waits for an answer to a question that was sent at a time or later.
func (tr *trial) flows(since time.Time) (when time.Time) {
	tr.t.Helper()
	tr.wait("traffic flows", func() (ok bool) { when, ok = tr.probe.first(since); return ok })
	return when
}

const patience = 3 * time.Minute

// wait is lab.Wait with the patience of the default echo and the longest pause between
// two calls, and looks more often.
func (tr *trial) wait(what string, condition func() bool) {
	tr.t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tr.t.Fatalf("in vain: %s", what)
		}
	}
}

// ipxFlows waits until a host behind a answers a ping by IPX.
func (tr *trial) ipxFlows() {
	tr.t.Helper()
	tr.wait("IPX flows", tr.ipxAnswered)
}

func (tr *trial) ipxAnswered() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	way, err := tr.near.FindRoute(ctx, 0x10)
	if err != nil {
		return false
	}
	_, err = tr.near.Ping(ctx, ipx.Addr{Network: 0x10, Node: tr.far.Addr().Node}, way.Router, 100)
	return err == nil
}

// process is what a daemon takes of its host.
func (tr *trial) process(d *lab.Daemon) bridge.ProcessStatus {
	tr.t.Helper()
	s, err := d.Status()
	if err != nil {
		tr.t.Fatal(err)
	}
	return s.Process
}

// fault names what begins to happen now.
func (tr *trial) fault(name string) {
	tr.row.fault, tr.began = name, time.Now()
	if !tr.silent {
		tr.session.Say() // into the gap
	}
}

// told waits until a daemon tells that its site went down, and notes when and why.
func (tr *trial) told(d *lab.Daemon, site string) {
	tr.t.Helper()
	var e bridge.Event
	tr.wait(d.NS.Name()+" tells that its site is down", func() (ok bool) { e, ok = event(d, bridge.EventDown, tr.began); return ok })
	tr.row.noticed, tr.row.sees = took(e.Time.Sub(tr.began)), fmt.Sprintf("`%s: %s`", site, e.Reason)
}

// event is the first of a kind that a daemon has told since.
func event(d *lab.Daemon, kind bridge.EventKind, since time.Time) (e bridge.Event, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	all, err := bridge.Client{Socket: d.Socket}.Stream(ctx, "/v1/events?follow=0")
	if err != nil {
		return e, false
	}
	defer all.Close()
	for lines := json.NewDecoder(all); lines.Decode(&e) == nil; {
		if e.Kind == kind && !e.Time.Before(since) {
			return e, true
		}
	}
	return e, false
}

// noticed waits until a condition shows that the fault was noticed.
func (tr *trial) noticed(sees string, condition func() bool) {
	tr.t.Helper()
	tr.wait("noticed: "+sees, condition)
	tr.row.noticed, tr.row.sees = took(time.Since(tr.began)), sees
}

// heal ends the fault.
func (tr *trial) heal(how func()) {
	tr.healed = time.Now()
	how()
}

// recovered waits until traffic flows again, and sees to it that nothing is left.
func (tr *trial) recovered() {
	tr.t.Helper()
	if tr.row.recovered == "" {
		tr.row.recovered = took(tr.flows(tr.healed).Sub(tr.healed))
	}
	tr.rows = append(tr.rows, tr.row)
	tr.settle()
	tr.stop()
}

// mended is recovered after a fault that the daemon ends by itself, as it has just done:
// what counts is the time since it began.
func (tr *trial) mended() {
	tr.t.Helper()
	tr.row.recovered = took(tr.flows(time.Now()).Sub(tr.began))
	tr.recovered()
}

// settle waits until all kinds of traffic flow, the TCP session of before among them, and
// the daemons take no more of their hosts than they did.
func (tr *trial) settle() {
	tr.t.Helper()
	tr.session.Say()
	tr.session.Hear()
	tr.ipxFlows()
	for d, site := range map[*lab.Daemon]string{tr.a: "b", tr.b: "a"} {
		d.WaitUp(site)
		tr.wantNoLeak(d)
	}
}

func (tr *trial) wantNoLeak(d *lab.Daemon) {
	tr.t.Helper()
	for end, was := time.Now().Add(patience), tr.steady[d.NS]; ; time.Sleep(50 * time.Millisecond) {
		is := tr.process(d)
		if is.Goroutines <= was.Goroutines && is.Descriptors <= was.Descriptors {
			return
		}
		if time.Now().After(end) {
			d.Signal(syscall.SIGQUIT) // goroutines to the log
			<-d.Ended()
			tr.t.Fatalf("%s: %d goroutines and %d descriptors, before the fault %d and %d",
				d.NS.Name(), is.Goroutines, is.Descriptors, was.Goroutines, was.Descriptors)
		}
	}
}

// stop ends the daemons and looks for what is left on their hosts.
func (tr *trial) stop() {
	tr.t.Helper()
	tr.b.Stop()
	tr.a.Stop()
	for ns, clean := range tr.clean {
		if diff := stateOf(tr.World, ns).beside(clean); len(diff) > 0 {
			tr.t.Errorf("%s: left behind:\n%s", ns.Name(), strings.Join(diff, "\n"))
		}
	}
	for _, r := range tr.rows {
		tr.t.Logf("%s: noticed %s, recovered %s; %s", r.fault, r.noticed, r.recovered, r.sees)
		if !tr.t.Failed() {
			keep(r)
		}
	}
}
