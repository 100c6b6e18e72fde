package router

import "testing"

// TestWatchdogWhileIdle: what is behind an idle demand link stays as it was. Watchdogs
// are answered, and all else goes to its Interface, which keeps it.
func TestWatchdogWhileIdle(t *testing.T) {
	held(t, func(t *testing.T, lab *lab, dog *fakeDog, _ Attachment) {
		const inside = "00000020:000000000001:4001"
		lab.l.SetIdle(true)
		lab.wireA.take()
		lab.wireL.take()
		input(lab.a, pk{from: hostA, to: inside, data: "?"}.bytes(), ToUs)
		input(lab.a, pk{from: hostA, to: inside, data: "data"}.bytes(), ToUs)
		if back, over := lab.wireA.answers(), lab.wireL.take(); dog.answered != 1 || len(back) != 1 || len(over) != 1 {
			t.Errorf("%d answered: %d back, %d over the link", dog.answered, len(back), len(over))
		}
		wantEqual(t, "way", via(lab.Router, netFar), "l 000000000000 1/7")
		lab.l.SetIdle(false)
		input(lab.a, pk{from: hostA, to: inside, data: "?"}.bytes(), ToUs)
		if over := lab.wireL.take(); dog.answered != 1 || len(over) != 1 {
			t.Errorf("up: %d answered, %d over the link", dog.answered, len(over))
		}
	})
}
