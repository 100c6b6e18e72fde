package lab

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// A Watch judges what is promised in seconds. The promise is for a machine that has time:
// what a busy one takes is counted by the share in which its cores were idle, so that a
// test that has the machine to itself judges by the promise, and one among many others by
// more.
type Watch struct {
	began      time.Time
	busy, idle float64
}

// StartWatch begins to measure.
func StartWatch() Watch {
	busy, idle := cores()
	return Watch{time.Now(), busy, idle}
}

// cores returns for how long the machine's cores were busy and idle so far.
func cores() (busy, idle float64) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	var user, nice, system, sleep, wait, irq, soft float64
	fmt.Sscanf(string(b), "cpu %f %f %f %f %f %f %f", &user, &nice, &system, &sleep, &wait, &irq, &soft)
	return user + nice + system + irq + soft, sleep + wait
}

// Took is how long it has been.
func (w Watch) Took() time.Duration { return time.Since(w.began) }

// Within fails the test if what has lasted since the watch began was longer than limit.
func (w Watch) Within(t *testing.T, what string, limit time.Duration) {
	t.Helper()
	w.Kept(t, what, w.Took(), limit)
}

// Kept is Within for something that lasted that long meanwhile.
func (w Watch) Kept(t *testing.T, what string, took, limit time.Duration) {
	t.Helper()
	busy, idle := cores()
	share := 1.0
	if all := busy - w.busy + idle - w.idle; all > 0 {
		share = (idle - w.idle) / all
	}
	if time.Duration(float64(took)*share) > limit {
		t.Errorf("%s took %v, with the cores idle for %.0f %% of the time: want %v at most", what, took, 100*share, limit)
	}
}
