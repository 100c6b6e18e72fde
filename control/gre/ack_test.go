package gre

import (
	"testing"
	"testing/synctest"
	"time"
)

// However fast batches come, acknowledgements on their own leave the processor and the
// wire to data; the last packet has its own in time all the same.
func TestAcknowledgementsAreFewWhenPacketsAreMany(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		for i := range 100 { // a millisecond of full speed
			mustSend(t, a, numbered(32*i, 32))
			synctest.Wait()
			time.Sleep(10 * time.Microsecond)
		}
		if got := b.Stats().AcksSent; got < 2 || got > 3 {
			t.Errorf("%d acknowledgements in a millisecond, want one each %v", got, ackPause)
		}
		time.Sleep(maxAckDelay)
		if got := a.Stats().AcksReceived; got != b.Stats().AcksSent || b.flow.got != b.flow.told {
			t.Errorf("%d acknowledgements came, the last for %d of %d", got, b.flow.told, b.flow.got)
		}
	})
}
