package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, at := time.Now(), Now()
		time.Sleep(time.Minute)
		if d := Now() - at; d != int64(time.Minute) {
			t.Errorf("a minute took %v", time.Duration(d))
		}
		if Of(began) != at || !Time(at).Equal(began) || Time(at).Add(time.Minute).Compare(time.Now()) != 0 {
			t.Errorf("%v became %d and %v", began, Of(began), Time(at))
		}
		if got := Wall(at); !got.Equal(began) || got.Round(0) != began.Round(0) {
			t.Errorf("%v is shown as %v", began, got)
		}
		if Now() < int64(10*365*24*time.Hour) || !Wall(0).IsZero() {
			t.Errorf("it is %d now, and the zero word is shown as %v", Now(), Wall(0))
		}
	})
}

// What is kept has a monotonic reading and is compared by it: a wall clock that is set
// changes nothing.
func TestMomentsAreMonotonic(t *testing.T) {
	now := time.Now()
	set := now.Round(0).Add(365 * 24 * time.Hour) // what a clock that was set would say
	if d := Time(Of(now)).Sub(now); d != 0 {
		t.Errorf("the same moment is %v away", d)
	}
	if d := Of(set) - Of(now); d < int64(364*24*time.Hour) {
		t.Errorf("without a monotonic reading the wall clock counts: %v", time.Duration(d))
	}
	if Time(Of(now)).String() == Time(Of(now)).Round(0).String() {
		t.Errorf("%v has no monotonic reading", Time(Of(now)))
	}
}
