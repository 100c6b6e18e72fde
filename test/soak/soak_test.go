// Package soak runs a hub and three branches for a long time, under mixed traffic and
// with faults at seeded moments, draws what they took of their hosts, and judges what is
// left in the end. Beside that it ends a thousand calls one after the other.
//
//	test/soak/run               what make soak does
//	go test ./test/soak         ten seconds, in which every kind of fault may happen
package soak

import (
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"

	"sitebridge/test/lab"
)

var (
	lasts  = flag.Duration("for", 10*time.Second, "how long TestSoak lasts")
	seed   = flag.Uint64("seed", 7, "of every chance that is taken")
	svg    = flag.String("svg", "", "the file that the curves go to")
	out    = flag.String("out", "", "the file that the figures go to: between its marks, if it has them")
	again  = flag.Int("reconnects", 30, "how many calls TestReconnects ends")
	outEnd = flag.String("out-reconnects", "", "the file that the figures of TestReconnects go to")
)

func TestMain(m *testing.M) {
	lab.Quick("^(TestPlot|TestDrops|TestAsker|TestPublish)$")
	lab.Main(m)
}

// long reports whether there is time enough for what daemons take to be judged.
func long() bool { return *lasts >= 5*time.Minute }

// TestSoak: whatever happens, in the end all is up and whole, and nobody takes more of
// his host than in the beginning.
func TestSoak(t *testing.T) {
	t.Parallel()
	r := newRun(t)
	r.warmUp()
	r.faults(*lasts - calm())
	r.settle()
	all := r.judge()
	if *svg != "" || !long() {
		r.draw(*svg)
	}
	report := r.report(all)
	fmt.Println(report)
	if *out != "" {
		if err := publish(*out, soakMarks, report); err != nil {
			t.Error(err)
		}
	}
	for _, v := range all {
		if !v.ok {
			t.Errorf("%s: %s", v.what, v.figures)
		}
	}
	for _, p := range r.places() { // together, and not one after the other
		p.get().Signal(syscall.SIGTERM)
	}
}
