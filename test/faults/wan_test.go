package faults

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sitebridge/bridge"
	"sitebridge/internal/netlab"
	"sitebridge/internal/netlab/fault"
	"sitebridge/test/lab"
)

// cut is a WAN on which nothing passes for so long, by the clock of the probe.
func cut(t *testing.T, name string, lasts time.Duration) {
	t.Parallel()
	tr := begin(t, user())
	tr.silent = lasts > time.Minute // a TCP that has said something may wait two minutes before it says it again
	tr.fault("WAN cut for " + name)
	tr.line.Both(fault.Faults{Block: fault.All})
	for tr.probe.asked(tr.began) < int(lasts/every) {
		time.Sleep(every)
	}
	tr.heal(func() { tr.line.Both(fault.Faults{}) })
	tr.row.recovered = took(tr.flows(tr.healed).Sub(tr.healed))
	if _, down := event(tr.b, bridge.EventDown, tr.began); down {
		tr.told(tr.b, "a")
	} else {
		tr.row.noticed, tr.row.sees = "not at all: the call goes on", "a pause"
	}
	tr.recovered()
}

func TestCut(t *testing.T) { cut(t, "1 s", time.Second) }

// part is a line on which some of what the tunnel needs does not pass.
func part(t *testing.T, name string, directions []netlab.Direction, block fault.Kinds) {
	t.Parallel()
	tr := begin(t, user())
	tr.fault(name)
	for _, d := range directions {
		tr.line.Set(d, fault.Faults{Block: block})
	}
	tr.told(tr.b, "a")
	tr.heal(func() { tr.line.Both(fault.Faults{}) })
	tr.recovered()
}

var both = []netlab.Direction{netlab.AToB, netlab.BToA}

func TestOneWay(t *testing.T) {
	part(t, "WAN silent one way, from the peer to us", both[:1], fault.All)
}

func TestGREBlocked(t *testing.T) {
	part(t, "GRE blocked while TCP passes (a firewall's new rule)", both, fault.Some(fault.GRE, fault.UDP))
}

func TestTCPBlocked(t *testing.T) {
	part(t, "TCP blocked while GRE passes", both, fault.Some(fault.TCP))
}

// TestNATMoves: our site is behind a NAT that gets another address in the middle of a call
// and forgets what it knew.
func TestNATMoves(t *testing.T) {
	t.Parallel()
	tr := lay(t, user())
	nat := fault.NewNAT(netip.MustParseAddr(lab.WANB), netip.MustParseAddr("192.0.2.99"), *seed)
	tr.line.Hide(nat)
	tr.a, tr.b = tr.Start(tr.SiteA, tr.conf.A()), tr.Start(tr.SiteB, tr.conf.B())
	tr.traffic()
	tr.fault("NAT before us gets another address, and forgets the call")
	tr.heal(func() { tr.line.Change(func() { nat.Move(netip.MustParseAddr("192.0.2.98")) }) })
	tr.told(tr.b, "a")
	tr.recovered()
}

// TestLoss: a line that loses packets, single ones and in bursts, and changes some. The
// call stays, and what the line lets through arrives.
func TestLoss(t *testing.T) {
	t.Parallel()
	tr := begin(t, user())
	up := tr.b.Site("a")
	tr.fault("WAN loses 2 % and in bursts, reorders, repeats and damages packets")
	bad := fault.Faults{Loss: 0.02, Burst: fault.Burst{Begin: 0.005, End: 0.3}, Delay: 15 * time.Millisecond, Jitter: 5 * time.Millisecond,
		Reorder: 0.02, Late: 15 * time.Millisecond, Duplicate: 0.02, Corrupt: 0.01}
	tr.line.Both(bad)
	questions := 300
	if *long {
		questions = 6000
	}
	for tr.probe.asked(tr.began) < questions {
		tr.session.Say()
		tr.session.Hear()
	}
	sent, missing := tr.probe.missing(tr.began)
	if share := float64(missing) / float64(sent); share < 0.03 || share > 0.25 { // two ways of about 2 + 1.6 + 1 %
		t.Errorf("%d of %d questions were not answered", missing, sent)
	}
	if now := tr.b.WaitUp("a"); now.Tunnel.CallID != up.Tunnel.CallID {
		t.Error("the call ended")
	}
	tr.row.noticed, tr.row.sees = "not at all: the call goes on", fmt.Sprintf("%.0f %% of the questions of the probe, which go both ways, without an answer", float64(missing)/float64(sent)*100)
	tr.heal(func() { tr.line.Both(fault.Faults{}) })
	tr.recovered()
}
