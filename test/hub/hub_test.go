// Package hub measures a hub with a thousand branches, which are all one process, this
// one, beside the hub's. Without -out it sees that a hundred of them get through.
package hub

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/ip"
	"sitebridge/test/lab"
)

var (
	out      = flag.String("out", "", "file for the report; else nothing is measured")
	branches = flag.Int("branches", 1000, "how many branches the hub has")
	slice    = flag.Duration("slice", 2*time.Second, "how long streams are measured")
	warm     = flag.Duration("warm", 3*time.Second, "how long streams run before they are measured")
	tcp      = flag.String("tcp", "cubic", "congestion control of the streams: as everywhere, whatever this machine prefers")
	idle     = flag.Duration("idle", 20*time.Second, "how long the hub is left alone")
	forms    = flag.String("forms", "udp,aead,mppe-128,pool", "which hubs are measured, of udp (aead in UDP; the others are in GRE), aead, mppe-128, pool and nat")
	down     = flag.Duration("down", 3*time.Second, "how long branches dial in vain before the hub starts")
)

// The goals of a hub on two cores.
const (
	goalUp         = 30 * time.Second
	goalMemory     = 150.0 // KiB for a tunnel
	goalIdle       = 10.0  // percent of a core
	goalThroughput = 0.8   // of one tunnel's
)

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "not met"
}

// TestHundredBranches: all that call at once get in, at the first dial, and their
// traffic passes both ways.
func TestHundredBranches(t *testing.T) {
	t.Parallel()
	lab.Together(t, map[string]func(*testing.T){
		"sites":      func(t *testing.T) { hundred(t, fleetConfig{branches: 100, method: "aead"}) },
		"behind NAT": func(t *testing.T) { hundred(t, fleetConfig{branches: 40, method: "mppe-128", nat: true}) },
		"pool":       func(t *testing.T) { hundred(t, fleetConfig{branches: 40, method: "mppe-128", pool: true}) },
	})
}

func hundred(t *testing.T, cfg fleetConfig) {
	f := newFleet(t, cfg)
	f.start()
	lab.Wait(t, "the hub to run", func() bool { _, err := f.daemon.Status(); return err == nil })
	f.dialAll()
	f.waitUp(time.Now(), lab.Patience)
	s, err := f.daemon.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range s.Listeners {
		if l.Evicted > 0 || l.Refused > 0 {
			t.Errorf("%d connections were pushed out, %d refused", l.Evicted, l.Refused)
		}
	}
	if strings.Contains(f.daemon.Log(), "too many calls") {
		t.Error("calls were pushed out")
	}
	f.serve()
	for _, b := range f.branches[:3] {
		f.wantEcho(b)
	}
}

// TestHub is the benchmark.
func TestHub(t *testing.T) {
	if *out == "" {
		return
	}
	report, err := os.OpenFile(*out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer report.Close()
	fmt.Fprintf(report, "\nA hub with %d branches that dial with their back-off, for %v when it starts\n", *branches, *down)
	fmt.Fprintf(report, "  an interface of the kernel alone takes %.0f KiB of kernel memory\n", interfaceMemory(t))
	for _, form := range strings.Split(*forms, ",") {
		cfg := fleetConfig{branches: *branches, method: "mppe-128", pool: form == "pool", nat: form == "nat", udp: form == "udp"}
		if form == "aead" || form == "nat" || form == "udp" {
			cfg.method = "aead"
		}
		t.Run(form, func(t *testing.T) { fmt.Fprintf(report, "  %s\n%s", form, measure(t, cfg)) })
	}
}

// measure is one hub's part of the report.
func measure(t *testing.T, cfg fleetConfig) string {
	var b strings.Builder
	say := func(what, got string, goal string, yes bool) {
		fmt.Fprintf(&b, "    %-26s %-64s goal %-20s %s\n", what, got, goal, met(yes))
	}
	f := newFleet(t, cfg)
	f.dialAll()
	time.Sleep(*down)
	kernel, began := kernelMemory(t), time.Now()
	f.start()
	up := f.waitUp(began, 3*time.Minute)
	pid, n := f.daemon.Pid(), float64(cfg.branches)
	var dials uint64
	for _, b := range f.branches {
		dials += b.dials.Load()
	}
	say("all up after", fmt.Sprintf("%.1f s, of which the hub computed %.1f; %.1f dials each", up.Seconds(), cpuTime(t, pid).Seconds(), float64(dials)/n), "30 s", up < goalUp)
	used := cpuTime(t, pid)
	time.Sleep(*idle)
	percent := 100 * (cpuTime(t, pid) - used).Seconds() / idle.Seconds()
	if lost := cfg.branches - int(f.up.Load()); lost > 0 {
		t.Errorf("%d branches were lost while the hub was idle", lost)
	}
	perTunnel, inKernel := float64(memory(t, pid))/n, float64(kernelMemory(t)-kernel)/n
	say("memory of a tunnel", fmt.Sprintf("%.0f KiB, and %.0f in the kernel, the branches' sockets included", perTunnel, inKernel), "150 KiB", perTunnel+inKernel < goalMemory)
	say("idle", fmt.Sprintf("%.1f %% of a core", percent), "10 %", percent < goalIdle)
	f.serve()
	directions := []string{"throughput to the hub", "throughput to branches"}
	var one, cpu [2]float64
	for d := range directions { // before all: the ends of a thousand streams take a while
		one[d], cpu[d] = f.rate(f.branches[:1], d == 1, *slice)
	}
	for d, what := range directions {
		all, cpuAll := f.rate(f.branches, d == 1, *slice)
		say(what, fmt.Sprintf("%.0f Mbit/s by one tunnel, %.0f by all, ratio %.2f; CPU s/GiB %.1f and %.1f", one[d], all, all/one[d], cpu[d], cpuAll), "0.8", all/one[d] >= goalThroughput)
	}
	return b.String()
}

// interfaceMemory is what the kernel needs for a TUN interface with an address, in KiB.
func interfaceMemory(t *testing.T) (each float64) {
	const many = 200
	ns := netlab.New(t, "/dev/net/tun").Namespace("alone")
	err := ns.Do(func() error {
		host, err := ip.OpenHost()
		if err != nil {
			return err
		}
		defer host.Close()
		was := kernelMemory(t)
		for n := range many {
			dev, err := ip.Open(ip.Config{Name: fmt.Sprintf("alone%d", n), Host: host})
			if err != nil {
				return err
			}
			defer dev.Close()
			if _, err := dev.Configure(ip.Addresses{Local: netip.MustParseAddr("10.255.0.1")}); err != nil {
				return err
			}
		}
		each = float64(kernelMemory(t)-was) / many
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return each
}
