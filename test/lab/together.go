package lab

import (
	"sync"
	"testing"
)

// Together runs subtests that mostly wait, for timers of the daemons, at the same
// time, however few tests may run in parallel.
func Together(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	for name, test := range tests {
		all.Go(func() { t.Run(name, test) })
	}
	all.Wait()
}
