package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/control/gre"
)

// An operator who stops a site and starts it again at once has it back at once: the
// peer knows that the old call is being taken down, whatever of the goodbyes has arrived.
func TestDownAndUpAtOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		line gre.Line
	}{
		{"as usual", gre.Line{Delay: 20 * time.Millisecond}},
		{"tunnel slower than TCP", gre.Line{Delay: 700 * time.Millisecond}},
		{"goodbye is lost", gre.Line{Fault: gre.Lose(1, 1)}},
	} {
		for _, both := range []bool{false, true} {
			for _, lived := range []time.Duration{2 * time.Second, time.Minute} {
				t.Run(fmt.Sprintf("%s, both dial %v, after %v", c.name, both, lived), func(t *testing.T) { downAndUp(t, c.line, both, lived) })
			}
		}
	}
}

// downAndUp has the caller's operator do so; where both ends dial, the answerer's name
// is the one whose calls stay.
func downAndUp(t *testing.T, line gre.Line, both bool, lived time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("alpha", peerSite("alpha", "beta", both, true))
		b := w.start("beta", peerSite("beta", "alpha", true, both))
		up := func() bool { return a.is(StateUp)() && b.is(StateUp)() }
		reaches(t, 20*time.Second, "up", up)
		time.Sleep(lived)
		s := b.allSites()[0].supervisor
		old, refused := s.snapshot().Current, a.allSites()[0].status().Refused
		b.carrier.SetLine(line)
		if err := errors.Join(s.command(t.Context(), false), s.command(t.Context(), true)); err != nil {
			t.Fatal(err)
		}
		if line.Fault != nil {
			time.AfterFunc(time.Second, func() { b.carrier.SetLine(gre.Line{}) })
		}
		took := reaches(t, 15*time.Second, "up again", func() bool { return up() && s.snapshot().Current != old })
		if n := a.allSites()[0].status().Refused; n != refused && !both { // both may call at once, of which one is refused
			t.Errorf("refused %d times more, up again after %v\n%s\n%s", n-refused, took, a.log, b.log)
		}
	})
}

// The answer to `up` is how the site stands then, and not a moment before.
func TestUpAnswersWithTheNewState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startSite(t, "a", "b", func(ctx context.Context) (tunnel, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		for range 3 {
			if err := s.command(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if v := s.snapshot(); v.State != StateStopped {
				t.Errorf("after down: %s", v.State)
			}
			if err := s.command(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if v := s.snapshot(); v.State != StateDialing || v.Reason != "" {
				t.Errorf("after up: %s, %s", v.State, v.Reason)
			}
		}
	})
}
