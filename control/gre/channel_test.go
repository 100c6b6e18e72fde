package gre

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestFramesArriveInOrder(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a, b := dial(t, ChannelConfig{}, ChannelConfig{})
		for i := range 10 {
			if err := a.Send(numbered(100*i, 100), false); err != nil {
				t.Fatalf("Send: %v", err)
			}
		}
		synctest.Wait()
		if got := b.inbox.take(); !slices.Equal(got, numbers(0, 1000)) {
			t.Errorf("b got %d frames: %v", len(got), got)
		}
		time.Sleep(time.Second)
		s := a.Stats()
		if s.PacketsSent != 1000 || s.OctetsSent != 4000 || s.AcksReceived == 0 {
			t.Errorf("a counted %+v", s)
		}
		if s := b.Stats(); s.PacketsReceived != 1000 || s.OctetsReceived != 4000 || s.Lost != 0 || s.Drops != (Drops{}) {
			t.Errorf("b counted %+v", s)
		}
	})
}
