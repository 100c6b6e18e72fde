package eaptls

import (
	"slices"
	"testing"
	"testing/synctest"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var did []string
		turns := newTurns()
		work := func() {
			for turns.stand() {
				did = append(did, "went on")
			}
			did = append(did, "ended")
		}
		turns.resume(work)
		for range 2 {
			did = append(did, "waited")
			turns.resume(work)
		}
		turns.stop()
		if want := []string{"waited", "went on", "waited", "went on", "ended"}; !slices.Equal(did, want) {
			t.Errorf("got %q, want %q", did, want)
		}
	})
	t.Run("resumed after its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			turns, runs := newTurns(), 0
			for range 3 {
				turns.resume(func() { runs++ })
			}
			if turns.stop(); runs != 1 {
				t.Errorf("it ran %d times", runs)
			}
		})
	})
	t.Run("stopped before it began", func(t *testing.T) {
		turns := newTurns()
		turns.stop()
	})
}
