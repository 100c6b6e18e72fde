package bridge

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sitebridge/control/gre"
)

// A caller that proved itself by what is not right any more gets no place: the reload
// has seen to those who have one, and would not see it.
func TestReloadWhileACallerProvesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.startRoad(roadSite("10.9.0.0/24", 64, "beta"))
		a.carrier.SetLine(gre.Line{Delay: 50 * time.Millisecond})
		w.start("beta", callerSite("beta"))
		reaches(t, 5*time.Second, "somebody calls", func() bool { return len(a.strangers.all()) == 1 })
		a.epoch.Add(1) // as a reload does; its word to the link comes late
		reaches(t, 5*time.Second, "refused", func() bool { return strings.Contains(a.log.String(), errJudgedBefore.Error()) })
		if len(a.callers()) != 0 {
			t.Error("it is there")
		}
		reaches(t, 5*time.Second, "it calls again", a.callersUp(1))
	})
}

// The same for one that waits for its place meanwhile.
func TestReloadWhileACallerWaitsForItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.startRoad(roadSite("10.9.0.0/24", 64, "beta"))
		b := w.start("beta", callerSite("beta"))
		reaches(t, 5*time.Second, "up", a.callersUp(1))
		first := a.callers()[0].Since
		w.cutTCP("beta") // the power goes
		b.carrier.SetLine(gre.Line{Fault: gre.Lose(1, 1)})
		b.stop()
		w.start("beta", callerSite("beta"))
		reaches(t, 5*time.Second, "somebody calls", func() bool { return len(a.strangers.all()) == 1 })
		time.Sleep(echoWait / 2)
		synctest.Wait()
		if len(a.strangers.all()) != 1 {
			t.Fatal("it does not wait")
		}
		a.epoch.Add(1)
		reaches(t, 5*time.Second, "refused", func() bool { return strings.Contains(a.log.String(), errJudgedBefore.Error()) })
		reaches(t, 10*time.Second, "it calls again", a.callersUp(1))
		if a.callers()[0].Since.Equal(first) {
			t.Error("it is the first call")
		}
	})
}
