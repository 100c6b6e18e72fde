package lab

import (
	"path/filepath"
	"sync"

	"sitebridge/internal/netlab"
	"sitebridge/test/judge"
)

// judged is how many frames of each wire the judge is shown: all, unless a test
// measures how fast something is.
const judged = 20000

// Allow lets the judge's complaint of that message pass in this world, because
// the test itself puts such frames on the wires.
func (w *World) Allow(message string) { w.allowed = append(w.allowed, message) }

// judge captures the WAN and both LANs from now until the daemons have ended
// and the test is over. If it passed, Wireshark's dissector has a look at every
// frame.
func (w *World) judge() {
	w.T.Helper()
	captures := make(map[string]*netlab.Capture)
	for _, wire := range []struct {
		ns     *netlab.Namespace
		ifname string
	}{{w.SiteA, "wan"}, {w.HostA, "lan"}, {w.HostB, "lan"}} {
		pcap := filepath.Join(w.Dir, "judge-"+wire.ns.Name()+"-"+wire.ifname+".pcap")
		captures[pcap] = wire.ns.CaptureFirst(wire.ifname, pcap, judged)
	}
	w.T.Cleanup(func() {
		var judges sync.WaitGroup
		for pcap, c := range captures {
			c.Stop() // what was lost under load is no fault of what is in the file
			wantNoKey(w.T, w.Dir, pcap)
			if !w.T.Failed() {
				judges.Go(func() { judge.Sound(w.T, pcap, w.allowed...) })
			}
		}
		judges.Wait()
	})
}
