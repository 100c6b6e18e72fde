package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sitebridge/ipx"
	"sitebridge/ipx/segment"
	"sitebridge/test/lab"
)

const stormBlock = `storm_block = "10s"`

// TestAttackX5TwoTunnelsBetweenTheSameLANs: two pairs of daemons join the same two
// LANs. One broadcast does not go round; under traffic one port is blocked within a
// second, which log, status and metric tell, and the other way carries all, once.
// When that way goes, the blocked one takes over.
//
// A port is blocked for a short time only, for that is how long the last takes if both
// ends of the blocked tunnel did it: nothing crosses it then that they could look at.
func TestAttackX5TwoTunnelsBetweenTheSameLANs(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a, b := pair(w, bridging{segment: stormBlock}, bridging{segment: stormBlock})
	pcA, pcB := w.Desk(w.HostA, "pc-a"), w.Desk(w.HostB, "pc-b")
	tapA, tapB := newTap(w, pcA), newTap(w, pcB)
	ready(t, ipx.Ethernet8023, tapA, tapB)
	ready(t, ipx.Ethernet8023, tapB, tapA) // now both LANs are spoken to in this type

	const wanC, wanD = "192.0.2.3", "192.0.2.4"
	siteC, siteD := w.AddSite("site-c", wanC), w.AddSite("site-d", wanD)
	w.Join(w.HostA, siteC)
	w.Join(w.HostB, siteD)
	c := w.Start(siteC, bridging{name: "c", answers: []string{"d"}, segment: stormBlock}.text())
	d := w.Start(siteD, bridging{name: "d", dials: map[string]string{"c": wanC}, segment: stormBlock}.text())
	c.WaitUp("d")
	d.WaitUp("c")
	all := []*lab.Daemon{a, b, c, d}

	one := announce(tapA.port.MAC(), 1, 100)
	tapA.send(t, ipx.Ethernet8023, ipx.Broadcast, one)
	lab.Wait(t, "the broadcast to cross", func() bool { return tapB.times(one) > 0 })
	lab.Wait(t, "the loop in status", func() bool { return len(loops(t, all)) > 0 })
	quietWithin(t, time.Second, one, tapA, tapB)

	// A game goes on. Both ends of one tunnel may block it, at the same moment; when
	// the ends of both did, one is opened again.
	watch, first := lab.StartWatch(), time.Now()
	for i := 0; len(blockedPorts(t, all)) == 0; i++ {
		tapA.send(t, ipx.Ethernet8023, ipx.Broadcast, announce(tapA.port.MAC(), i, 110+i%1000))
		if time.Sleep(10 * time.Millisecond); time.Since(first) > lab.Patience {
			t.Fatal("no port is blocked")
		}
	}
	t.Logf("blocked after %v of a broadcast each 10 ms", time.Since(first))
	watch.Within(t, "to block a broadcast each 10 ms", 5*time.Second)
	i := 0
	var blocked []blockedPort
	lab.Wait(t, "one tunnel to be blocked, and the other to carry", func() bool {
		i++
		there, back := announce(tapA.port.MAC(), i, 400+i%1000), announce(tapB.port.MAC(), i, 400+i%1000)
		tapA.send(t, ipx.Ethernet8023, ipx.Broadcast, there)
		tapB.send(t, ipx.Ethernet8023, ipx.Broadcast, back) // so that all know how LAN b is spoken to
		time.Sleep(30 * time.Millisecond)
		blocked = blockedPorts(t, all)
		return copies(tapB, there) == 1 && copies(tapA, back) == 1 && len(blocked) > 0 && !slices.ContainsFunc(blocked, func(p blockedPort) bool { return p.tunnel() != blocked[0].tunnel() })
	})
	for _, p := range blocked {
		told(t, w, p.d, p.name)
	}
	once(t, tapA, tapB, 600)
	once(t, tapB, tapA, 800)

	// The way that was left goes. What both ends say shows that it has.
	survivor := a
	if blocked[0].tunnel() == "a-b" {
		survivor = c
	}
	survivor.Stop()
	watch = lab.StartWatch()
	for i := range 2 {
		lab.Wait(t, "the other way to be used", func() bool {
			pkts := [2][]byte{announce(tapA.port.MAC(), 3, 1000), announce(tapB.port.MAC(), 4, 1000)}
			tapA.send(t, ipx.Ethernet8023, ipx.Broadcast, pkts[0])
			tapB.send(t, ipx.Ethernet8023, ipx.Broadcast, pkts[1])
			return [2]*tap{tapB, tapA}[i].times(pkts[i]) > 0
		})
	}
	watch.Within(t, "to use the blocked way", 25*time.Second)
}

type blockedPort struct {
	d    *lab.Daemon
	name string
}

// tunnel is the tunnel whose end the port is, of the two.
func (p blockedPort) tunnel() string {
	if n := p.d.NS.Name(); n == "site-a" || n == "site-b" {
		return "a-b"
	}
	return "c-d"
}

func blockedPorts(t *testing.T, all []*lab.Daemon) (found []blockedPort) {
	t.Helper()
	for _, d := range all {
		for _, name := range segmentStatus(t, d).blocked() {
			found = append(found, blockedPort{d, name})
		}
	}
	return found
}

// loops is what all daemons tell of loops.
func loops(t *testing.T, all []*lab.Daemon) (found []segment.Trouble) {
	t.Helper()
	for _, d := range all {
		found = append(found, slices.DeleteFunc(segmentStatus(t, d).Troubles, func(t segment.Trouble) bool { return t.Kind != segment.TroubleLoop })...)
	}
	return found
}

// told wants a blocked port in the log, in status as text and in a metric.
func told(t *testing.T, w *lab.World, d *lab.Daemon, name string) {
	t.Helper()
	if !strings.Contains(d.Log(), "port blocked, packets come back") {
		t.Errorf("%s: the log does not tell of the blocked port", d.NS.Name())
	}
	wantOutput(t, d, "BLOCKED for a loop", "status")
	wantOutput(t, d, ": blocked until", "status")
	want := fmt.Sprintf(`sitebridge_segment_port_blocked{port=%q,segment="games"} 1`, name)
	if got := metrics(w, d); !strings.Contains(got, want) {
		t.Errorf("%s: no %s in the metrics", d.NS.Name(), want)
	}
}

// quietWithin wants all copies of a packet within so long after the first.
func quietWithin(t *testing.T, limit time.Duration, pkt []byte, all ...*tap) {
	t.Helper()
	watch := lab.StartWatch()
	var count []int
	lab.Wait(t, "no more copies of a broadcast", func() bool {
		was := count
		count = nil
		for _, x := range all {
			count = append(count, x.times(pkt))
		}
		if slices.Equal(was, count) {
			return true
		}
		time.Sleep(limit / 2)
		return false
	})
	watch.Within(t, "to end a storm", 2*limit)
	for i := range all {
		if count[i] > 20 {
			t.Errorf("tap %d heard one broadcast %d times", i, count[i])
		}
	}
	t.Logf("heard %v times", count)
}

// once wants some broadcasts to be heard once each at the other end, and not to come
// back. While a port is tried again that was blocked, some may be heard twice.
func once(t *testing.T, from, to *tap, payload int) {
	t.Helper()
	const n = 20
	lab.Wait(t, "a row of broadcasts to arrive once each", func() bool {
		var sent [][]byte
		for i := range n {
			payload++
			sent = append(sent, announce(from.port.MAC(), i, payload%1400))
			from.send(t, ipx.Ethernet8023, ipx.Broadcast, sent[i])
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		return !slices.ContainsFunc(sent, func(pkt []byte) bool { return copies(to, pkt) != 1 || copies(from, pkt) != 0 })
	})
}

// copies is how often a station hears a packet, which speaks 802.3 alone. A bridge
// that knows no station yet speaks another type, which its neighbour may then use too.
func copies(x *tap, pkt []byte) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.got {
		if p.enc == ipx.Ethernet8023 && bytes.Equal(p.pkt, pkt) {
			n++
		}
	}
	return n
}

// TestGameThatRepeatsItselfIsNoLoop: a game says the same again and again, from both
// ends at once. All of it crosses, and nobody speaks of a loop (X5).
func TestGameThatRepeatsItselfIsNoLoop(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	a, b := pair(w, bridging{}, bridging{})
	all := taps(w, w.HostA, w.HostB)
	ready(t, ipx.Ethernet8023, all[0], all[1])
	ready(t, ipx.Ethernet8023, all[1], all[0])
	const n = 60
	var pkts [2][]byte
	for i := range n {
		for from, x := range all {
			pkts[from] = announce(x.port.MAC(), 9, 64)
			x.send(t, ipx.Ethernet8023, ipx.Broadcast, pkts[from])
			if i%10 == 0 { // and at once
				x.send(t, ipx.Ethernet8023, ipx.Broadcast, pkts[from])
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	for from, x := range all {
		lab.Wait(t, "all of them", func() bool { return all[1-from].times(pkts[from]) == n+n/10 })
		if back := x.times(pkts[from]); back != 0 {
			t.Errorf("%d came back", back)
		}
	}
	for _, d := range []*lab.Daemon{a, b} {
		if s := segmentStatus(t, d); len(s.Troubles) != 0 || len(s.blocked()) != 0 || bytes.Contains([]byte(d.Log()), []byte("loop")) {
			t.Errorf("%s: %+v", d.NS.Name(), s)
		}
	}
}
