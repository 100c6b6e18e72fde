package mppe

import (
	"sync"
	"testing"
	"time"

	"sitebridge/internal/packet"
)

// Seal, Open, the answers to Reset-Requests and those who only look run at the
// same time. The race detector judges.
func TestAllAtOnce(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		from, to := oneWay(key{1}, stateful)
		wires := make(chan []byte, 16)
		done := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			defer close(wires)
			for i := range 2000 {
				wires <- seal(t, from, ipPacket(uint32(i), 60))
			}
		})
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				if from.MayFlush(time.Now()) {
					from.Flush()
				}
				from.Counters()
				to.Counters()
				to.OutOfStep()
			}
		})
		opened := 0
		for w := range wires {
			out, err := to.Open([]*packet.Buffer{buffer(t, w)})
			if err != nil {
				t.Error(err)
			}
			opened += len(out)
		}
		close(done)
		all.Wait()
		if opened != 2000 {
			t.Errorf("stateful %v: %d of 2000 opened: %v", stateful, opened, to.Counters())
		}
	}
}
