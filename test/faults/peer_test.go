package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"sitebridge/internal/netlab"
	"sitebridge/internal/netlab/fault"
	"sitebridge/test/lab"
)

func TestPeerKilled(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	tr.fault("peer's daemon killed (SIGKILL), started again")
	tr.a.Kill()
	tr.told(tr.b, "a")
	tr.heal(func() { tr.a = tr.Start(tr.SiteA, tr.conf.A()) })
	tr.recovered()
}

func peerLosesPower(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	tr.fault("peer's machine loses power, starts again")
	tr.line.Both(fault.Faults{Block: fault.All}) // its kernel says no goodbye either
	tr.a.Kill()
	tr.told(tr.b, "a")
	tr.heal(func() {
		tr.line.Both(fault.Faults{})
		tr.a = tr.Start(tr.SiteA, tr.conf.A())
	})
	tr.recovered()
}

func TestPeerFrozen(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	tr.fault("peer's daemon frozen (SIGSTOP), goes on")
	tr.a.Signal(syscall.SIGSTOP)
	tr.told(tr.b, "a")
	tr.heal(func() { tr.a.Signal(syscall.SIGCONT) })
	tr.recovered()
}

// TestKilledAtPoints: the daemon that dials is killed at seeded points of what it does,
// and started again each time.
func TestKilledAtPoints(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	chance := rand.New(rand.NewPCG(*seed, 0))
	points := 2
	if *long {
		points = 20
	}
	for _, p := range []struct {
		doing  string
		most   int // packets of a point
		before func()
		do     func()
	}{
		{"dials", 40, func() { tr.b.Kill() }, func() { tr.b = tr.Start(tr.SiteB, tr.conf.B()) }},
		{"takes over a configuration", 20, func() {}, tr.reloadSite},
		{"shuts down", 4, func() {}, func() { tr.b.Signal(syscall.SIGTERM) }},
	} {
		var worst time.Duration
		for range points {
			p.before()
			worst = max(worst, tr.killedAt(1+chance.IntN(p.most), p.do))
		}
		tr.rows = append(tr.rows, row{fmt.Sprintf("daemon killed while it %s, at %d points, and started again", p.doing, points),
			"nothing that the next start does not mend", "-", took(worst)})
	}
	tr.settle()
	tr.stop()
}

// reloadSite has b take over another configuration, for which its site begins anew.
func (tr *trial) reloadSite() {
	tr.b.Rewrite(strings.Replace(tr.conf.B(), "[site.a]", "[site.a]\nmtu = 1300", 1))
	tr.b.Signal(syscall.SIGHUP)
}

// killedAt kills b as soon as so many packets have left its site since it began to do
// something, starts it again, and returns how long that takes until traffic flows.
func (tr *trial) killedAt(packets int, do func()) time.Duration {
	tr.t.Helper()
	point := make(chan struct{})
	seen := 0
	tr.line.Watch(func(d netlab.Direction, frame []byte) {
		if d == netlab.BToA && fault.KindOf(frame) != fault.NotIP {
			if seen++; seen == packets {
				close(point)
			}
		}
	})
	defer tr.line.Watch(nil)
	do()
	select {
	case <-point:
	case <-tr.b.Ended(): // it was done before
	case <-time.After(lab.Patience):
		tr.t.Fatalf("%d packets have not come", packets)
	}
	tr.b.Kill()
	again := time.Now()
	tr.b = tr.Start(tr.SiteB, tr.conf.B())
	return tr.flows(again).Sub(again)
}

// TestReloads: what changes beside a site costs it no packet.
func TestReloads(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	const reloads = 100
	tr.fault(fmt.Sprintf("%d reloads under traffic, each of which changes another site", reloads))
	for i := range reloads {
		tr.a.Rewrite(tr.conf.A() + fmt.Sprintf(`[site.other]
answer = true
required = ["ip"]
mtu = %d
[site.other.auth]
ca = "ca.pem"
[site.other.encryption]
policy = "required"
[site.other.ip]
address = "10.255.9.1"
peer = "10.255.9.2"
routes = ["10.9.%d.0/24"]
`, 1300+i, i))
		tr.a.Signal(syscall.SIGHUP)
		tr.wait("the configuration is taken over", func() bool {
			return strings.Count(tr.a.Log(), "the configuration is taken over") > i
		})
	}
	tr.a.Rewrite(tr.conf.A())
	tr.a.Signal(syscall.SIGHUP)
	tr.wait("the site is gone again", func() bool {
		s, err := tr.a.Status()
		return err == nil && len(s.Sites) == 1
	})
	each := time.Since(tr.began) / (reloads + 1)
	sent, missing := tr.probe.missing(tr.began)
	if missing > 0 {
		t.Errorf("%d of %d questions were not answered", missing, sent)
	}
	tr.row.sees, tr.row.noticed, tr.row.recovered = "the log, a line for each change", "-", fmt.Sprintf("no packet of %d was lost; %s each", sent, took(each))
	tr.recovered()
}
